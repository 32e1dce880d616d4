//! Times of a price file: UTC, to the second.

use chrono::{DateTime, NaiveDateTime};

/// Reads `2025-10-10T21:00:00Z`, `2025-10-10T21:00Z` or `2025-10-10` (midnight): unix seconds.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(text: &str) -> Result<i64, String> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00"),
        _ => text
            .strip_suffix('Z')
            .ok_or_else(|| {
                format!("«{text}» does not end in Z: times are UTC, as 2025-10-10T21:00:00Z")
            })?
            .to_owned(),
    };
    ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&whole, format).ok())
        .map(|time| time.and_utc().timestamp())
        .ok_or_else(|| format!("«{text}» is not a time like 2025-10-10T21:00:00Z"))
}

fn show(seconds: i64, format: &str) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || format!("@{seconds}"),
        |time| time.format(format).to_string(),
    )
}

/// `2025-10-10 21:07:30`, for reports.
pub fn full(seconds: i64) -> String {
    show(seconds, "%Y-%m-%d %H:%M:%S")
}

/// `10-10 21:07`, for tables.
pub fn short(seconds: i64) -> String {
    show(seconds, "%m-%d %H:%M")
}

/// `24OCT25`, as in the names of series.
pub fn expiry(seconds: i64) -> String {
    show(seconds, "%d%b%y").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        assert_eq!(parse("2025-10-10T21:00:00Z"), Ok(1_760_130_000));
        assert_eq!(parse("2025-10-10T21:00Z"), Ok(1_760_130_000));
        assert_eq!(parse("1970-01-02"), Ok(86_400));
        assert!(parse("2025-10-10T21:00:00")
            .unwrap_err()
            .contains("does not end in Z"));
        assert!(parse("2025-13-10T21:00:00Z")
            .unwrap_err()
            .contains("not a time"));
        assert_eq!(full(1_760_130_450), "2025-10-10 21:07:30");
        assert_eq!(short(1_760_130_450), "10-10 21:07");
        assert_eq!(expiry(1_760_130_450), "10OCT25");
    }
}
