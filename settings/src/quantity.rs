//! Durations and sizes as people write them: `250ms`, `24h`, `64KiB`, `512MB`.

use std::time::Duration;

/// Units of time, longest first, so that printing finds the longest that fits without a rest.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size. Printing uses the binary ones, reading takes both.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Why a text is no quantity; the setting's name and the value are said by the caller.
pub type Reason = String;

/// `10s` → ten seconds; several units may follow each other: `1h30m`. A bare `0` is the one number that needs no unit.
pub fn duration(text: &str) -> Result<Duration, Reason> {
    const FORM: &str = "is not a duration; write a number and ms, s, m, h or d, for example 250ms, 30s or 24h";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut millis: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or(FORM)?;
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit = TIMES.iter().find(|(name, _)| *name == &after[..unit_len]).ok_or(FORM)?.1;
        let part = number.checked_mul(unit).ok_or("is too long")?;
        millis = millis.checked_add(part).ok_or("is too long")?;
        rest = &after[unit_len..];
    }
    if text.is_empty() { Err(FORM.to_owned()) } else { Ok(Duration::from_millis(millis)) }
}

/// `64KiB` → bytes. A bare number is bytes.
pub fn bytes(text: &str) -> Result<u64, Reason> {
    const FORM: &str =
        "is not a size; write a number and KiB, MiB, GiB, kB, MB or GB, for example 64KiB, or bytes without a unit";
    let (number, unit) = split_number(text).ok_or(FORM)?;
    let unit = match unit.trim_start_matches(' ') {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(FORM)?.1,
    };
    number.checked_mul(unit).ok_or_else(|| "is too large".to_owned())
}

/// The shortest text that `duration` reads back as the same.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis() as u64;
    // A day and two are clearer as 24h and 48h; a week is clearer as 7d.
    let units = if millis < 7 * TIMES[0].1 { &TIMES[1..] } else { &TIMES[..] };
    match units.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", millis / unit),
        None => "0".to_owned(),
    }
}

/// The shortest text that `bytes` reads back as the same.
pub fn show_bytes(bytes: u64) -> String {
    match SIZES[..4].iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_of_every_unit_are_read() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "m", "5 m", "-5m", "1.5h", "5min", "99999999999999999999s", "9999999999999999d", "5s3"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_of_every_unit_are_read() {
        for (text, size) in [
            ("1024", 1024),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("1GiB", 1 << 30),
            ("512MB", 512_000_000),
            ("1 kb", 1000),
            ("0", 0),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "KiB", "1.5MiB", "-1", "1K", "99999999999999999999", "99999999999GiB", "1 Mi B"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0_u64..1 << 50, size: u64) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
            prop_assert_eq!(bytes(&show_bytes(size)), Ok(size));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = duration(&text);
            let _ = bytes(&text);
        }
    }
}
