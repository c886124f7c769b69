//! Durations as Prometheus and Loki write them in rule files: `1h30m`, with ms, s, m, h, d, w and y, the longest unit first.
//!
//! A day has 24 hours, a week 7 days, a year 365.

use std::time::Duration;

use settings::problem::{Problems, quote};
use settings::read::Read;
use settings::yaml::{Node, Value};

/// Units, longest first, in milliseconds.
const UNITS: [(&str, u64); 7] =
    [("y", 365 * 86_400_000), ("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// The longest that fits in nanoseconds, which is some 292 years.
const MILLIS_MAX: u64 = i64::MAX as u64 / 1_000_000;

/// A duration of a rule file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleDuration(pub Duration);

impl RuleDuration {
    /// In nanoseconds; what was read always fits.
    pub fn nanos(self) -> i64 {
        i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Reads one. The reason is for a message that says the text itself.
pub fn parse(text: &str) -> Result<RuleDuration, String> {
    const FORM: &str = "is not a duration; write numbers with y, w, d, h, m, s or ms, the longest first, for example 1h30m";
    if text == "0" {
        return Ok(RuleDuration::default());
    }
    let mut units = UNITS.iter();
    let mut millis = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        // Each unit once, in descending order: the search goes on where it stopped.
        let (_, factor) = units.find(|(name, _)| *name == unit).ok_or(FORM)?;
        let number: u64 = number.parse().map_err(|_| if number.is_empty() { FORM } else { "is too long" })?;
        millis = number.checked_mul(*factor).and_then(|part| millis.checked_add(part)).ok_or("is too long")?;
        rest = after;
    }
    if text.is_empty() {
        return Err(FORM.to_owned());
    }
    if millis > MILLIS_MAX {
        return Err("is too long".to_owned());
    }
    Ok(RuleDuration(Duration::from_millis(millis)))
}

impl Read for RuleDuration {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::Scalar { text, .. } = &node.value else {
            problems.push(&node.at, format!("`{name}` takes a duration, not {}", node.kind()));
            return None;
        };
        parse(text).map_err(|reason| problems.push(&node.at, format!("`{name}`: {} {reason}", quote(text)))).ok()
    }
}

/// As it stands in rule files again: `1h30m`, `0s`.
impl std::fmt::Display for RuleDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut millis = self.0.as_millis() as u64;
        if millis == 0 {
            return f.write_str("0s");
        }
        for (name, factor) in UNITS {
            // Weeks and years only where nothing is left over, as Prometheus prints them.
            let count = if matches!(name, "y" | "w") && !millis.is_multiple_of(factor) { 0 } else { millis / factor };
            if count > 0 {
                write!(f, "{count}{name}")?;
                millis -= count * factor;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_printed_again() {
        for (text, millis, printed) in [
            ("250ms", 250, "250ms"),
            ("15s", 15_000, "15s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("32d", 32 * 86_400_000, "32d"),
            ("2w", 14 * 86_400_000, "2w"),
            ("1y", 365 * 86_400_000, "1y"),
            ("90m", 5_400_000, "1h30m"),
            ("0", 0, "0s"),
            ("0m", 0, "0s"),
        ] {
            let read = parse(text);
            assert_eq!(read, Ok(RuleDuration(Duration::from_millis(millis))), "{text}");
            assert_eq!(read.map(|read| read.to_string()).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn wrong_order_repeated_units_and_other_texts_are_refused() {
        for text in ["", "5", "m", "5 m", "-5m", "1.5h", "30m1h", "1m1m", "5min", "99999999999999999999s", "300y"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
