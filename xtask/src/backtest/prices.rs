//! Daily bars, `timestamp,symbol,open,high,low,close`.

use anyhow::{Context, Result};

/// One day of one underlying.
#[derive(Clone, Debug)]
pub struct Day {
    /// Days since 1970.
    pub number: i64,
    /// As the file writes it.
    pub date: String,
    /// Lowest price.
    pub low: f64,
    /// Highest price.
    pub high: f64,
    /// Last price.
    pub close: f64,
}

/// One underlying, days ascending.
pub struct History {
    /// Its name.
    pub symbol: String,
    /// Its days.
    pub days: Vec<Day>,
}

/// Reads the file; underlyings come in the order in which they first appear.
///
/// # Errors
/// A line that is not a bar, and days that do not ascend.
pub fn read(text: &str) -> Result<Vec<History>> {
    let mut histories: Vec<History> = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let (symbol, day) = bar(line).with_context(|| format!("line {}: {line}", index + 1))?;
        let known = histories.iter().position(|one| one.symbol == symbol);
        let place = known.unwrap_or_else(|| {
            histories.push(History {
                symbol: symbol.to_owned(),
                days: Vec::new(),
            });
            histories.len() - 1
        });
        let days = &mut histories[place].days;
        anyhow::ensure!(
            days.last().is_none_or(|last| last.number < day.number),
            "line {}: days do not ascend",
            index + 1
        );
        days.push(day);
    }
    Ok(histories)
}

fn bar(line: &str) -> Result<(&str, Day)> {
    let fields: Vec<&str> = line.split(',').collect();
    let [timestamp, symbol, _, high, low, close] = fields[..] else {
        anyhow::bail!("six columns are needed");
    };
    let price = |text: &str| -> Result<f64> {
        let price: f64 = text.parse().with_context(|| format!("`{text}`"))?;
        anyhow::ensure!(price.is_finite() && price > 0.0, "`{text}` is no price");
        Ok(price)
    };
    let date = timestamp.get(..10).context("a date")?;
    Ok((
        symbol,
        Day {
            number: day_number(date).with_context(|| format!("`{date}`"))?,
            date: date.to_owned(),
            low: price(low)?,
            high: price(high)?,
            close: price(close)?,
        },
    ))
}

/// Days from 1 January 1970 to a date `YYYY-MM-DD`, with years that begin in March so that leap days end them.
fn day_number(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let months = (month + 9) % 12;
    let year = year - i64::from(month < 3);
    let leap_days = year / 4 - year / 100 + year / 400;
    Some(year * 365 + leap_days + (months * 306 + 5) / 10 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_numbered_through_leap_years() {
        assert_eq!(day_number("1970-01-01"), Some(0));
        assert_eq!(day_number("2000-03-01"), Some(11_017));
        assert_eq!(
            day_number("2020-03-01"),
            day_number("2020-02-29").map(|n| n + 1)
        );
        assert_eq!(
            day_number("2021-03-01"),
            day_number("2021-02-28").map(|n| n + 1)
        );
    }

    #[test]
    fn bars_are_sorted_by_underlying() {
        let text = "timestamp,symbol,open,high,low,close\n\
            2020-01-01T00:00:00Z,BTC,1,3,1,2\n\
            2020-01-01T00:00:00Z,ETH,10,30,10,20\n\
            2020-01-02T00:00:00Z,BTC,2,4,2,3\n";
        let histories = read(text).unwrap();
        assert_eq!(histories.len(), 2);
        assert_eq!(histories[0].days.len(), 2);
        assert_eq!(
            (histories[0].days[1].low, histories[0].days[1].close),
            (2.0, 3.0)
        );
        assert!(read(&text.replace("2020-01-02", "2019-01-02")).is_err());
        assert!(read(&text.replace(",3\n", ",-3\n")).is_err());
    }
}
