//! The pieces that a text is made of: names, quoted strings, words, numbers. It goes on by what it takes, and stays where what was asked
//! for is not there.

use std::borrow::Cow;

use crate::metric::NAN_BITS;

/// A name or a value as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'t> {
    raw: &'t str,
    is_quoted: bool,
    is_escaped: bool,
}

impl<'t> Quoted<'t> {
    /// Between its quotes, with its escapes.
    pub(super) fn raw(&self) -> &'t str {
        self.raw
    }

    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.is_quoted
    }

    pub(super) fn is_escaped(&self) -> bool {
        self.is_escaped
    }

    pub(super) fn is(&self, text: &str) -> bool {
        if self.is_escaped { self.text() == text } else { self.raw == text }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.is_escaped || other.is_escaped { self.text() == other.text() } else { self.raw == other.raw }
    }

    /// What it means. Names with escapes are as good as never seen; only those are copied.
    pub(super) fn text(&self) -> Cow<'t, str> {
        if !self.is_escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        unescape(self.raw, true, &mut text);
        Cow::Owned(text)
    }
}

/// Where the reader is.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes that it has gone past.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Past a byte that was seen.
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Past blanks and tabs, if there are any.
    pub(super) fn blanks(&mut self) -> bool {
        let start = self.at;
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
        self.at > start
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
    pub(super) fn metric_name(&mut self) -> Option<Quoted<'t>> {
        self.name(|byte| is_name(byte) || byte == b':')
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub(super) fn label_name(&mut self) -> Option<Quoted<'t>> {
        self.name(is_name)
    }

    fn name(&mut self, is_name: impl Fn(u8) -> bool) -> Option<Quoted<'t>> {
        self.peek().filter(|byte| is_name(*byte) && !byte.is_ascii_digit())?;
        Some(Quoted { raw: self.take_while(is_name), is_quoted: false, is_escaped: false })
    }

    /// A string in double quotes. Only where `over_lines` a newline may stand in it as it is.
    pub(super) fn quoted(&mut self, over_lines: bool) -> Option<Quoted<'t>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut is_escaped = false;
        let mut at = start;
        if self.peek() != Some(b'"') {
            return None;
        }
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    at += 1;
                }
                b'\n' if !over_lines => return None,
                _ => {}
            }
            at += 1;
        }
        self.at = at + 1;
        Some(Quoted { raw: self.text.get(start..at)?, is_quoted: true, is_escaped })
    }

    /// To the next blank or the end of the line; may be empty.
    pub(super) fn word(&mut self) -> &'t str {
        self.take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n'))
    }

    /// The rest of the line. Goes past its end.
    pub(super) fn line(&mut self) -> &'t str {
        let line = self.take_while(|byte| byte != b'\n');
        self.eat(b'\n');
        line
    }

    /// The rest of the line, to show it.
    pub(super) fn rest_of_line(&self) -> &'t str {
        self.clone().line()
    }

    /// Goes past the end of the line, if it is there.
    pub(super) fn end_of_line(&mut self) -> bool {
        self.eat(b'\n') || self.at >= self.text.len()
    }

    /// Stops only before an ASCII byte or at the end, so never within a character.
    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'t str {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
        self.text.get(start..self.at).unwrap_or_default()
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Takes `\\`, `\n` and, where it can stand in quotes, `\"` for what they mean; any other backslash is one.
pub(super) fn unescape(raw: &str, quotes: bool, out: &mut String) {
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (meant, taken) = match after.as_bytes().first() {
            Some(b'n') => ('\n', 1),
            Some(b'\\') => ('\\', 1),
            Some(b'"') if quotes => ('"', 1),
            _ => ('\\', 0),
        };
        out.push(meant);
        rest = after.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// A value, as Go reads it for Prometheus: no hexadecimal, and nothing that is too large for an f64.
pub(super) fn number(word: &str) -> Option<f64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    // Most are integers that an f64 holds exactly, and those are read faster by hand.
    if (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let value = digits.bytes().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0')) as f64;
        return Some(if digits.len() < word.len() { -value } else { value });
    }
    let value: f64 = word.parse().ok()?;
    if value.is_nan() {
        return Some(f64::from_bits(NAN_BITS));
    }
    let is_too_large = value.is_infinite() && word.bytes().any(|byte| byte.is_ascii_digit());
    (!is_too_large).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go_without_hexadecimal() {
        for (word, value) in [
            ("0", Some(0.0)),
            ("-17", Some(-17.0)),
            ("+17", Some(17.0)),
            ("999999999999999", Some(999_999_999_999_999.0)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615.0)),
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("1.234567e+06", Some(1_234_567.0)),
            ("4E-3", Some(0.004)),
            ("inf", Some(f64::INFINITY)),
            ("+Inf", Some(f64::INFINITY)),
            ("-INFINITY", Some(f64::NEG_INFINITY)),
            ("", None),
            ("-", None),
            (".", None),
            ("1e", None),
            ("1_000", None),
            ("0x1p3", None),
            ("1e999", None),
            ("12a", None),
            ("1\r", None),
        ] {
            assert_eq!(number(word), value, "{word}");
        }
        assert_eq!(number("-0").unwrap().to_bits(), (-0.0_f64).to_bits());
        assert_eq!(number("nan").unwrap().to_bits(), NAN_BITS);
    }

    #[test]
    fn a_backslash_before_anything_else_is_one() {
        for (raw, quotes, meant) in
            [(r#"a\\b\"c\nd"#, true, "a\\b\"c\nd"), (r#"\""#, false, "\\\""), (r"\d\", true, r"\d\"), (r"\é", true, r"\é")]
        {
            let mut text = String::new();
            unescape(raw, quotes, &mut text);
            assert_eq!(text, meant, "{raw}");
        }
    }
}
