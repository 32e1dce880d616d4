//! The settlement average of an expiry, from the prices recorded of it. The average is the program's own.

use anchor_lang::error::Error;
use estuary::bridge::parameters::averaging;
use estuary::state::settlement_average::{SettlementAverage, UnderWay, WINDOW_MINUTES};
use estuary::state::Expiry;
use estuary::EstuaryError;
use estuary_risk::market::Averaging;

use crate::risk::decimal::Decimal;
use crate::risk::json::{At, InputError};

/// An expiry whose settlement average is under way.
#[derive(Debug)]
pub struct Window {
    expiry: i64,
    now: i64,
    prices: Vec<RecordedPrice>,
    /// Over how many seconds volatility acts.
    pub variance_seconds: i64,
}

/// A price recorded.
#[derive(Debug)]
struct RecordedPrice {
    /// Its place in the file.
    path: String,
    /// When it was published, unix seconds.
    time: i64,
    /// The price.
    price: Decimal,
}

/// An average under way, at some exponent of prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Average {
    /// Its minutes.
    pub minutes: UnderWay,
    /// The same as the engine takes it.
    pub averaging: Averaging,
}

/// Reads the prices of the expiry that ends at `expiry`, if any are given: `None` where its window has not begun.
pub fn read(listed: Option<&At<'_>>, expiry: i64, now: i64) -> Result<Option<Window>, InputError> {
    let items = listed.map_or(Ok(Vec::new()), At::list)?;
    let prices = items.iter().map(|at| read_price(at, now));
    let mut window = Window {
        expiry,
        now,
        prices: prices.collect::<Result<_, _>>()?,
        variance_seconds: 0,
    };
    let empty = SettlementAverage::default();
    if let (None, Some(listed)) = (empty.under_way(expiry, now), listed) {
        if !items.is_empty() {
            let window = format!("the {WINDOW_MINUTES} minutes before {expiry}");
            let message = "the settlement window";
            return Err(listed.fail(format!("{message}, {window}, begins after now ({now})")));
        }
    }
    // Which times are right does not depend on the prices.
    let average = window.average(|_, _| Ok(1))?;
    Ok(average.map(|average| {
        window.variance_seconds = average.averaging.variance_seconds;
        window
    }))
}

fn read_price(at: &At<'_>, now: i64) -> Result<RecordedPrice, InputError> {
    let fields = at.object(&["time", "price"])?;
    let at_time = fields.required("time")?;
    let time = at_time.whole()?;
    if time > now {
        return Err(at_time.fail(format!("{time} is after now ({now})")));
    }
    Ok(RecordedPrice {
        path: at.path.clone(),
        time,
        price: fields.required("price")?.positive()?,
    })
}

impl Window {
    /// The prices recorded, with their places in the file.
    pub fn prices(&self) -> impl Iterator<Item = (String, Decimal)> + '_ {
        let prices = self.prices.iter();
        prices.map(|one| (one.price_path(), one.price))
    }

    /// The average that is under way, its prices as mantissas.
    pub fn average(
        &self,
        mut mantissa: impl FnMut(String, Decimal) -> Result<u64, InputError>,
    ) -> Result<Option<Average>, InputError> {
        let mut entry = Expiry {
            time: self.expiry,
            ..Expiry::default()
        };
        for one in &self.prices {
            let price = mantissa(one.price_path(), one.price)?;
            let recorded = entry
                .average
                .record_and_finalize(self.expiry, one.time, price);
            recorded.map_err(|error| self.refusal(one, &error))?;
            if entry.average.is_final() {
                let why = "fixes the settlement price, and nothing is left to price";
                return Err(one.at_time(why));
            }
        }
        let minutes = entry.average.under_way(entry.time, self.now);
        let both = minutes.zip(averaging(&entry, self.now));
        Ok(both.map(|(minutes, averaging)| Average { minutes, averaging }))
    }

    /// The program's refusal of a price.
    fn refusal(&self, price: &RecordedPrice, error: &Error) -> InputError {
        let expiry = self.expiry;
        match code_of(error) {
            Some(EstuaryError::SettlementWindowNotOpen) => price.at_time(&format!(
                "is before the settlement window, the {WINDOW_MINUTES} minutes before {expiry}"
            )),
            Some(EstuaryError::SettlementMinuteRecorded) => {
                price.at_time("is not in a later minute of the window than the price before it")
            }
            _ => price.at_time("is out of range"),
        }
    }
}

impl RecordedPrice {
    fn price_path(&self) -> String {
        format!("{}.price", self.path)
    }

    fn at_time(&self, why: &str) -> InputError {
        InputError::new(
            format!("{}.time", self.path),
            format!("{} {why}", self.time),
        )
    }
}

fn code_of(error: &Error) -> Option<EstuaryError> {
    match error {
        Error::AnchorError(error) => EstuaryError::from_code(error.error_code_number),
        Error::ProgramError(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::json::Node;
    use estuary_risk::units::{Price, ONE_Q30};

    const EXPIRY: i64 = 1_762_588_800;
    const START: i64 = EXPIRY - 1_800;

    /// The window of a list, at seconds from its beginning.
    fn window(text: &str, second: i64) -> Result<Option<Window>, String> {
        let document = Node::read(text.as_bytes()).unwrap();
        let listed = At::root(&document);
        read(Some(&listed), EXPIRY, START + second).map_err(|error| error.to_string())
    }

    /// A list of prices at seconds from the beginning of the window.
    fn list(prices: &[(i64, &str)]) -> String {
        let item = |(second, price): &(i64, &str)| {
            format!(r#"{{"time": {}, "price": {price}}}"#, START + second)
        };
        let items: Vec<String> = prices.iter().map(item).collect();
        format!("[{}]", items.join(","))
    }

    fn refused(prices: &[(i64, &str)], second: i64) -> String {
        window(&list(prices), second).unwrap_err()
    }

    /// The average in cents.
    fn average(prices: &[(i64, &str)], second: i64) -> Average {
        let window = window(&list(prices), second).unwrap().unwrap();
        let cents = |_, price: Decimal| Ok(price.nearest(2).unwrap().units as u64);
        let average = window.average(cents).unwrap().unwrap();
        assert_eq!(window.variance_seconds, average.averaging.variance_seconds);
        average
    }

    #[test]
    fn before_the_window_there_is_no_average() {
        assert!(read(None, EXPIRY, START - 1).unwrap().is_none());
        assert!(window("[]", -1).unwrap().is_none());
        assert_eq!(
            refused(&[(-90, "100")], -1),
            "input: the settlement window, the 30 minutes before 1762588800, begins after now (1762586999)"
        );
    }

    #[test]
    fn without_a_price_all_of_it_is_to_come() {
        let none = read(None, EXPIRY, START).unwrap().unwrap();
        assert_eq!(none.variance_seconds, 631);
        let empty = average(&[], 0);
        assert_eq!((empty.minutes.covered, empty.minutes.open), (0, 30));
        assert_eq!(empty.averaging.fixed, Price(0));
        assert_eq!(empty.averaging.open_share_q30, ONE_Q30);
        // Twenty minutes are needed, whenever they come.
        assert_eq!(average(&[], 1_500).minutes.open, 20);
        assert_eq!(average(&[], 9_000).minutes.open, 20);
    }

    #[test]
    fn prices_are_recorded_as_the_program_does() {
        // Minutes 0, 1, and 4; 2 and 3 carry the price of 1.
        let got = average(&[(5, "100.5"), (60, "101"), (299, "104.2")], 299);
        assert_eq!((got.minutes.covered, got.minutes.open), (5, 25));
        assert_eq!(got.minutes.sum, 10_050 + 3 * 10_100 + 10_420);
        assert_eq!(got.averaging.fixed, Price(50_770 / 30));
        assert_eq!(got.averaging.open_share_q30, (25 << 30) / 30);
    }

    #[test]
    fn too_few_prices_extend_the_window_and_enough_end_it() {
        let mut prices: Vec<(i64, &str)> = (0..19).map(|minute| (minute * 60, "100")).collect();
        assert_eq!(average(&prices, 5_000).minutes.open, 1);
        prices.push((3_600, "130"));
        assert_eq!(
            refused(&prices, 5_000),
            "[19].time: 1762590600 fixes the settlement price, and nothing is left to price"
        );
        // Enough before the end: the last minute is open until a price from after it is there.
        prices[19].0 = 1_790;
        let over = average(&prices, 1_801);
        assert_eq!((over.minutes.covered, over.minutes.open), (29, 1));
        prices.push((1_800, "130"));
        assert_eq!(
            refused(&prices, 1_801),
            "[20].time: 1762588800 fixes the settlement price, and nothing is left to price"
        );
    }

    #[test]
    fn what_cannot_have_been_recorded_is_refused_with_its_place() {
        let early = "is before the settlement window, the 30 minutes before 1762588800";
        assert_eq!(
            refused(&[(-1, "100")], 60),
            format!("[0].time: 1762586999 {early}")
        );
        let later = "is not in a later minute of the window than the price before it";
        for second in [60, 61, 119, 59, 0] {
            assert_eq!(
                refused(&[(60, "100"), (second, "100")], 200),
                format!("[1].time: {} {later}", START + second)
            );
        }
        assert_eq!(
            refused(&[(61, "100")], 60),
            "[0].time: 1762587061 is after now (1762587060)"
        );
        assert_eq!(refused(&[(0, "0")], 60), "[0].price: 0 must be above 0");
        assert_eq!(refused(&[(0, "-1")], 60), "[0].price: -1 must be above 0");
        let wrong = |text: &str| window(text, 60).unwrap_err();
        assert_eq!(wrong("{}"), "input: expected an array, found an object");
        assert_eq!(wrong(r#"[{"price": 1}]"#), "[0].time: missing");
        assert_eq!(wrong(r#"[{"time": 1762587000}]"#), "[0].price: missing");
        assert_eq!(
            wrong(r#"[{"minute": 0, "price": 1}]"#),
            "[0].minute: unknown field; known here: time, price"
        );
        // A time too far away to count from is none that has begun.
        assert!(read(None, i64::MIN, i64::MAX).unwrap().is_none());
    }
}
