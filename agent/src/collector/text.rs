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
    fn blank_lines_and_runs_of_blanks_are_nothing() {
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(words(b" a\t\tb  ").collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
