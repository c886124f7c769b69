//! NUT's variables of one UPS (names as in NUT's `nut-names.txt`), in memory that the next reading uses again.

use std::ops::Range;

use super::UpsError;

/// More are no UPS; the largest that NUT knows have some 150.
const MAX: usize = 1024;

/// Names and values, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Variables {
    text: String,
    entries: Vec<(Range<usize>, Range<usize>)>,
}

impl Variables {
    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
    }

    /// One more.
    pub(super) fn push(&mut self, name: &str, value: &str) -> Result<(), UpsError> {
        if self.entries.len() >= MAX {
            return Err(UpsError::TooMany("variables"));
        }
        let name = self.text(name);
        let value = self.text(value);
        self.entries.push((name, value));
        Ok(())
    }

    /// The value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.entries.iter().map(move |(name, value)| (text(name), text(value)))
    }

    fn text(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }
}

/// A value that is a number as NUT writes them: no exponents, no `nan`.
pub(super) fn number(value: &str) -> Option<f64> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    if is_plain { value.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}
