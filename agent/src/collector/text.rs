//! Words and numbers in files of /proc and /sys: bytes in, pieces out, nothing allocated.

use std::borrow::Cow;

/// Lines, without their ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Words between blanks and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Without blanks and newlines around.
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// As text; bytes that are no UTF-8 become U+FFFD.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(trim(bytes))
}

/// A word as text; nothing if it is no UTF-8, which no name of the kernel is.
pub fn name(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok().filter(|name| !name.is_empty())
}

/// A number as Prometheus takes it: integers above 2^53 lose their last bits.
pub fn number(word: &[u8]) -> Option<f64> {
    // Most are integers, and those are read faster by hand.
    integer(word).map(|value| value as f64).or_else(|| std::str::from_utf8(word).ok()?.parse().ok())
}

/// A decimal number without sign.
pub fn integer(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        byte.is_ascii_digit().then(|| value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))).flatten()
    })
}

/// A hexadecimal number, with or without `0x`.
pub fn hexadecimal(word: &[u8]) -> Option<u64> {
    let digits = word.strip_prefix(b"0x").unwrap_or(word);
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A number written in decimal, for a label; on the stack.
#[derive(Default)]
pub struct Decimal {
    digits: [u8; 20],
}

impl Decimal {
    /// Its digits.
    pub fn write(&mut self, mut value: u64) -> &str {
        let mut at = self.digits.len();
        loop {
            at -= 1;
            self.digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        std::str::from_utf8(&self.digits[at..]).unwrap_or_default()
    }
}

/// The numbers of a list as the kernel writes sets of processors: `0-3,8`. What is no number ends it.
pub fn list(text: &[u8]) -> impl Iterator<Item = u64> {
    // No machine has more; a damaged file must not make a list that never ends.
    const LAST: u64 = 1 << 16;
    trim(text)
        .split(|byte| *byte == b',')
        .map_while(|range| {
            let mut ends = range.splitn(2, |byte| *byte == b'-');
            let first = ends.next().and_then(integer)?;
            let last = ends.next().map_or(Some(first), integer)?;
            Some(first.min(LAST)..=last.min(LAST))
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_look_like_and_nothing_else_is_one() {
        for (word, value) in [
            ("0", Some(0.0)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615.0)),
            ("-1", Some(-1.0)),
            ("0.25", Some(0.25)),
            ("", None),
            ("1x", None),
            ("99999999999999999999", Some(1e20)),
        ] {
            assert_eq!(number(word.as_bytes()), value, "{word}");
        }
        assert_eq!((hexadecimal(b"0x1f"), hexadecimal(b"0000001f"), hexadecimal(b"g")), (Some(31), Some(31), None));
        assert_eq!(integer(b"+1"), None);
    }

    #[test]
    fn decimals_are_written_as_they_are_read() {
        let mut decimal = Decimal::default();
        for value in [0, 7, 10, 4_294_967_296, u64::MAX] {
            assert_eq!(decimal.write(value), value.to_string());
        }
    }

    #[test]
    fn a_set_of_processors_is_all_that_it_spans() {
        for (text, numbers) in [
            ("0-3,8\n", vec![0, 1, 2, 3, 8]),
            ("5", vec![5]),
            ("", vec![]),
            ("\n", vec![]),
            ("3-1,4", vec![4]),
            ("1,x,2", vec![1]),
        ] {
            assert_eq!(list(text.as_bytes()).collect::<Vec<_>>(), numbers, "{text}");
        }
        assert!(list(b"0-18446744073709551615").count() < 100_000);
    }

    #[test]
    fn blank_lines_and_runs_of_blanks_are_nothing() {
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(words(b" a\t\tb  ").collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
