//! A stream's labels: sorted, unique, without empty values, within Loki's limits; and their text `{name="value", ...}`.
//!
//! One set has one text, so that one stream has one spelling. The text follows Go's quoting, which is what Loki parses
//! with and prints. Names and values are mended when they are set; `parse` takes a text as it is.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::loki::limits::{LABEL_NAME_BYTES, LABEL_VALUE_BYTES};

/// The label that a metric's name before the braces stands for.
const METRIC_NAME: &str = "__name__";

/// A set of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(BTreeMap<String, String>);

/// Whether a label went in as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The value stands whole.
    Whole,
    /// The value was longer than Loki takes and stands cut: count it.
    Cut,
}

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a label, replacing one of the same name; an empty value removes it, since to Loki both are the same.
    ///
    /// The name is made one that Loki and Prometheus take (`[a-zA-Z_][a-zA-Z0-9_]*`): other characters become `_`, the
    /// reserved prefix `__` is dropped, and what is left of nothing is `_`. The value is cut at
    /// [`LABEL_VALUE_BYTES`], before the character that crosses it; U+FFFD becomes `?`, since Loki's parser takes it for
    /// broken UTF-8 and would refuse the whole request.
    pub fn set(&mut self, name: &str, value: &str) -> Fit {
        let name = clean_name(name);
        if value.is_empty() {
            self.0.remove(&name);
            return Fit::Whole;
        }
        let value = value.replace(char::REPLACEMENT_CHARACTER, "?");
        let kept = &value[..value.floor_char_boundary(LABEL_VALUE_BYTES)];
        let fit = if kept.len() == value.len() { Fit::Whole } else { Fit::Cut };
        self.0.insert(name, kept.to_owned());
        fit
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Takes a label out and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a label set as Loki's parser does for a push: an optional metric name, then in braces names (bare, or
    /// quoted for any UTF-8) with values in `"`, `'` or backquotes. Empty values are dropped; of a name given twice the
    /// last counts, where Loki refuses the stream.
    pub fn parse(text: &str) -> Result<Self, LabelsError> {
        let mut parser = Parser { text, at: 0 };
        let labels = parser.label_set()?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.expected("the end"));
        }
        Ok(labels)
    }

    /// Reads a label set in braces at the beginning of a text, and returns what follows it.
    pub(crate) fn parse_prefix(text: &str) -> Option<(Self, &str)> {
        let mut parser = Parser { text, at: 0 };
        let labels = text.starts_with('{').then(|| parser.label_set().ok())??;
        Some((labels, &text[parser.at..]))
    }
}

/// Mends each pair as [`Labels::set`] does.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::new();
        for (name, value) in pairs {
            labels.set(name.as_ref(), value.as_ref());
        }
        labels
    }
}

/// Loki's text of a label set, the very one that Loki itself would print, but for rare characters that Go does not
/// count as printable: those stand as they are, and Loki reads them.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, self.iter())
    }
}

/// Writes the text of pairs that are already sorted and unique.
pub(crate) fn write_text<'a>(f: &mut impl fmt::Write, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> fmt::Result {
    f.write_char('{')?;
    for (i, (name, value)) in pairs.enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        if is_bare_name(name) {
            f.write_str(name)?;
        } else {
            write_quoted(f, name)?;
        }
        f.write_char('=')?;
        write_quoted(f, value)?;
    }
    f.write_char('}')
}

/// Go's double-quoted string.
fn write_quoted(f: &mut impl fmt::Write, value: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\u{7}' => f.write_str("\\a")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{b}' => f.write_str("\\v")?,
            '\0'..' ' | '\u{7f}' => write!(f, "\\x{:02x}", u32::from(c))?,
            // Written out, it is taken for broken UTF-8.
            '\u{80}'..'\u{a1}' | '\u{ad}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffd}' => {
                write!(f, "\\u{:04x}", u32::from(c))?;
            }
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn clean_name(name: &str) -> String {
    let mut clean = String::with_capacity(name.len().min(LABEL_NAME_BYTES));
    for c in name.chars() {
        let fits = c == '_' || c.is_ascii_alphabetic() || c.is_ascii_digit() && !clean.is_empty();
        clean.push(if fits { c } else { '_' });
    }
    let mut bare = clean.as_str();
    while let Some(rest) = bare.strip_prefix("__") {
        bare = rest;
    }
    // A digit may have come to the front only now.
    let front = if bare.starts_with(|c: char| !c.is_ascii_digit()) { "" } else { "_" };
    let mut name = format!("{front}{bare}");
    name.truncate(LABEL_NAME_BYTES);
    name
}

pub(crate) fn is_bare_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// Why a text is not a label set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("labels: expected {expected} at byte {at}")]
pub struct LabelsError {
    /// What may stand there.
    pub expected: &'static str,
    /// Where, counted from the beginning of the text.
    pub at: usize,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn label_set(&mut self) -> Result<Labels, LabelsError> {
        let mut labels = BTreeMap::new();
        self.skip_space();
        if let Some(metric) = self.take_name(|c| c == ':') {
            labels.insert(METRIC_NAME.to_owned(), metric.to_owned());
            self.skip_space();
        }
        // Nothing at all is an empty set, too.
        if self.at == self.text.len() {
            return Ok(Labels(labels));
        }
        self.take('{', "`{`")?;
        self.skip_space();
        while !self.next_is('}') {
            let (name, value) = self.pair()?;
            if value.is_empty() {
                labels.remove(&name);
            } else {
                labels.insert(name, value);
            }
            self.skip_space();
            if !self.next_is('}') {
                self.take(',', "`,` or `}`")?;
                self.skip_space();
            }
        }
        self.take('}', "`}`")?;
        Ok(Labels(labels))
    }

    fn pair(&mut self) -> Result<(String, String), LabelsError> {
        let name = if let Some(name) = self.take_name(|_| false) {
            name.to_owned()
        } else {
            let quoted = self.quoted("a name or `}`")?;
            self.skip_space();
            if !self.next_is('=') {
                return Ok((METRIC_NAME.to_owned(), quoted));
            }
            quoted
        };
        self.skip_space();
        self.take('=', "`=`")?;
        self.skip_space();
        Ok((name, self.quoted("a quoted value")?))
    }

    fn quoted(&mut self, expected: &'static str) -> Result<String, LabelsError> {
        let quote = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        let Some(quote) = quote else { return Err(self.expected(expected)) };
        self.at += 1;
        // Escapes can spell single bytes, so the value is UTF-8 only when it is whole.
        let mut value = Vec::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(self.expected("a closing quote")) };
            self.at += c.len_utf8();
            match c {
                c if c == quote => break,
                '\\' if quote != '`' => self.escape(quote, &mut value)?,
                '\n' if quote != '`' => return Err(self.expected("a closing quote before the line ends")),
                char::REPLACEMENT_CHARACTER => return Err(self.expected("valid UTF-8")),
                c => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(String::from_utf8(value).unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned()))
    }

    /// What follows a backslash.
    fn escape(&mut self, quote: char, value: &mut Vec<u8>) -> Result<(), LabelsError> {
        let Some(c) = self.rest().chars().next() else { return Err(self.expected("an escape")) };
        self.at += c.len_utf8();
        let byte = match c {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            c if c == quote => c as u8,
            'x' => self.digits(2, 16, 0xff)? as u8,
            'u' | 'U' => {
                let code = self.digits(if c == 'u' { 4 } else { 8 }, 16, u32::MAX)?;
                let c = char::from_u32(code).ok_or_else(|| self.expected("a code point of Unicode"))?;
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            '0'..='7' => {
                self.at -= 1;
                self.digits(3, 8, 0xff)? as u8
            }
            _ => return Err(self.expected("a known escape")),
        };
        value.push(byte);
        Ok(())
    }

    fn digits(&mut self, n: usize, radix: u32, max: u32) -> Result<u32, LabelsError> {
        self.text
            .get(self.at..self.at + n)
            .filter(|digits| digits.bytes().all(|b| char::from(b).is_digit(radix)))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .filter(|value| *value <= max)
            .inspect(|_| self.at += n)
            .ok_or_else(|| self.expected("the digits of an escape"))
    }

    fn take_name(&mut self, also: impl Fn(char) -> bool) -> Option<&'a str> {
        let rest = self.rest();
        let fits = |c: char| c == '_' || c.is_ascii_alphanumeric() || also(c);
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let name = &rest[..len];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += len;
        Some(name)
    }

    fn take(&mut self, c: char, expected: &'static str) -> Result<(), LabelsError> {
        if !self.next_is(c) {
            return Err(self.expected(expected));
        }
        self.at += c.len_utf8();
        Ok(())
    }

    fn next_is(&self, c: char) -> bool {
        self.rest().starts_with(c)
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, expected: &'static str) -> LabelsError {
        LabelsError { expected, at: self.at }
    }
}

#[cfg(test)]
mod tests;
