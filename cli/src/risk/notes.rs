//! What the command did not take exactly as given, or finds doubtful: part of every output.

use super::decimal::Decimal;
use super::json::{object, Node};

/// Rounded inputs and warnings, in the order met.
#[derive(Debug, Default)]
pub struct Notes {
    rounding: Vec<Rounded>,
    warnings: Vec<(String, String)>,
}

#[derive(Debug)]
struct Rounded {
    field: String,
    given: Decimal,
    used: Decimal,
}

impl Notes {
    /// Records that a field was not used exactly as given.
    pub fn rounded(&mut self, field: &str, given: Decimal, used: Decimal) {
        self.rounding.push(Rounded {
            field: field.to_owned(),
            given,
            used,
        });
    }

    /// Records a doubt about a field that is no error.
    pub fn warn(&mut self, field: &str, message: impl Into<String>) {
        self.warnings.push((field.to_owned(), message.into()));
    }

    /// `value` to the nearest of so many decimals, the rounding recorded.
    pub fn nearest(&mut self, field: &str, value: Decimal, decimals: u32) -> Option<i128> {
        let scaled = value.nearest(i32::try_from(decimals).ok()?)?;
        if !scaled.exact {
            self.rounded(field, value, Decimal::new(scaled.units, decimals));
        }
        Some(scaled.units)
    }

    /// The lists `rounding` and `warnings`.
    pub fn nodes(&self) -> [(&'static str, Node); 2] {
        let rounded = |note: &Rounded| {
            object([
                ("field", note.field.as_str().into()),
                ("given", note.given.into()),
                ("used", note.used.into()),
            ])
        };
        let warning = |(field, message): &(String, String)| {
            object([
                ("field", field.as_str().into()),
                ("message", message.as_str().into()),
            ])
        };
        [
            (
                "rounding",
                Node::List(self.rounding.iter().map(rounded).collect()),
            ),
            (
                "warnings",
                Node::List(self.warnings.iter().map(warning).collect()),
            ),
        ]
    }

    /// The same for a person, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let rounded = self.rounding.iter().map(|note| {
            format!(
                "rounded: {}: {} was given, {} is used",
                note.field, note.given, note.used
            )
        });
        let warnings = self
            .warnings
            .iter()
            .map(|(field, message)| format!("warning: {field}: {message}"));
        rounded.chain(warnings)
    }
}
