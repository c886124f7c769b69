//! Numbers, durations and sizes as LogQL and the values of labels write them.
//!
//! Values of labels follow Go's own readers, whose words for an error become `__error_details__`, so those words are kept.
//! The query's own durations come in two forms: whole units from big to small (`1d12h`), as Prometheus has them, and Go's
//! (`1.5s`, `500us`).

use std::fmt::Write as _;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// A text in Go's double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() && u32::from(control) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Go's `strconv.ParseFloat`, without hexadecimals and underscores.
pub(crate) fn float(text: &str) -> Result<f64, String> {
    let fail = |why: &str| format!("strconv.ParseFloat: parsing {}: {why}", quoted(text));
    let number: f64 = text.parse().map_err(|_| fail("invalid syntax"))?;
    let says_infinite = || text.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'i'));
    if number.is_infinite() && !says_infinite() {
        return Err(fail("value out of range"));
    }
    Ok(number)
}

/// Whole units from big to small, each once: `1d12h`. Nanoseconds.
pub(crate) fn whole_duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * 86_400 * NANOSECONDS_PER_SECOND),
        ("w", 7 * 86_400 * NANOSECONDS_PER_SECOND),
        ("d", 86_400 * NANOSECONDS_PER_SECOND),
        ("h", 3_600 * NANOSECONDS_PER_SECOND),
        ("m", 60 * NANOSECONDS_PER_SECOND),
        ("s", NANOSECONDS_PER_SECOND),
        ("ms", 1_000_000),
    ];
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut next_unit, mut total) = (text, 0, 0_i64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = rest.get(..letters)?;
        rest = rest.get(letters..)?;
        let place = UNITS.iter().position(|(name, _)| *name == unit)?;
        if place < next_unit {
            return None;
        }
        next_unit = place + 1;
        total = total.checked_add(count.checked_mul(UNITS[place].1)?)?;
    }
    (!text.is_empty()).then_some(total)
}

/// Go's `time.ParseDuration`. Nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let number_length = rest.bytes().take_while(|byte| is_number(byte)).count();
        let (number, after) = rest.split_at(number_length);
        if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.bytes().filter(|byte| *byte == b'.').count() > 1 {
            return Err(invalid());
        }
        let unit_length = after.bytes().take_while(|byte| !is_number(byte)).count();
        let (unit, next) = after.split_at(unit_length);
        let scale: i128 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", quoted(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text))),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        total = whole.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        // More digits than a nanosecond has parts say nothing.
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            let parts: i128 = fraction.parse().map_err(|_| invalid())?;
            total += parts * scale / 10_i128.pow(fraction.len() as u32);
        }
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// A size as people write it: `1.5 KiB`, `3kb`; both the thousands and the 1024s. Bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let number_length = text.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    let (number, unit) = text.split_at(number_length);
    let number = float(&number.replace(',', ""))?;
    let unit = unit.trim().to_lowercase();
    let (prefix, base) = match unit.strip_suffix('b').unwrap_or(&unit) {
        with_i if with_i.ends_with('i') => (&with_i[..with_i.len() - 1], 1024_f64),
        other => (other, 1000_f64),
    };
    let power = match prefix {
        "" if !unit.contains('i') => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return Err(format!("unhandled size name: {unit}")),
    };
    let size = number * base.powi(power);
    if size >= u64::MAX as f64 {
        return Err(format!("too large: {text}"));
    }
    #[expect(clippy::cast_sign_loss, reason = "a number without a sign, below the largest")]
    Ok(size as u64)
}

/// What is left of a size that a query compares with after Loki has written the query anew, as it does on the way to those of
/// its parts that answer it: two or three digits, in thousands. So `1KiB` is 1000.
pub(crate) fn rewritten_bytes(size: u64) -> u64 {
    let mut unit = 1_u64;
    while size / unit >= 1_000 && unit < 1_000_000_000_000_000_000 {
        unit *= 1_000;
    }
    if unit == 1 {
        return size;
    }
    let shown = size as f64 / unit as f64;
    let shown = (shown * 10.0 + 0.5).floor() / 10.0;
    let shown = if shown < 10.0 { shown } else { shown.round_ties_even() };
    #[expect(clippy::cast_sign_loss, reason = "a size, which has no sign")]
    let bytes = (shown * unit as f64).round() as u64;
    bytes
}

/// A duration in whole units, so that [`whole_duration`] or [`duration`] read it back.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    const UNITS: [(&str, u64); 6] =
        [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let mut out = if nanoseconds < 0 { "-".to_owned() } else { String::new() };
    let mut rest = nanoseconds.unsigned_abs();
    for (unit, size) in UNITS {
        if rest >= size {
            let _ = write!(out, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_both_forms_and_written_so_that_they_are_read_back() {
        assert_eq!(whole_duration("1d12h"), Some(36 * 3_600 * NANOSECONDS_PER_SECOND));
        for wrong in ["", "5", "1.5m", " 1m", "1h1d", "1m1m", "5x", "99999999999999999999h", "1us"] {
            assert_eq!(whole_duration(wrong), None, "{wrong}");
        }
        assert_eq!(duration("-1.5s"), Ok(-1_500_000_000));
        assert_eq!(duration("1h2m3s"), Ok(3_723 * NANOSECONDS_PER_SECOND));
        assert_eq!(duration("1d").unwrap_err(), r#"time: unknown unit "d" in duration "1d""#);
        assert_eq!(duration("90").unwrap_err(), r#"time: missing unit in duration "90""#);
        assert_eq!(duration("").unwrap_err(), r#"time: invalid duration """#);
        for nanoseconds in [0, 1, -1_500, 90_000_000_000, i64::MAX, i64::MIN] {
            assert_eq!(duration(&duration_text(nanoseconds)), Ok(nanoseconds));
        }
    }

    #[test]
    fn sizes_are_read_in_any_case_and_with_blanks() {
        assert_eq!(bytes("3 kB"), Ok(3_000));
        assert_eq!(bytes("1.5GiB"), Ok(1_610_612_736));
        assert_eq!(bytes("7"), Ok(7));
        assert_eq!(bytes("1,000"), Ok(1_000));
        assert_eq!(bytes("big").unwrap_err(), r#"strconv.ParseFloat: parsing "": invalid syntax"#);
        assert_eq!(bytes("1xb").unwrap_err(), "unhandled size name: xb");
        assert!(bytes("99EB").is_err());
        assert!(bytes("1i").is_err());
        for (size, rewritten) in [(12, 12), (999, 999), (1_000, 1_000), (1_024, 1_000), (1_572_864, 1_600_000), (10_240, 10_000)]
        {
            assert_eq!(rewritten_bytes(size), rewritten);
            assert_eq!(rewritten_bytes(rewritten), rewritten);
        }
    }

    #[test]
    fn numbers_are_gos() {
        assert_eq!(float("+Inf"), Ok(f64::INFINITY));
        assert!(float("NaN").unwrap().is_nan());
        assert_eq!(float("1e3"), Ok(1_000.0));
        assert!(float("1e999").is_err() && float("0x1").is_err() && float("1_0").is_err() && float("").is_err());
    }
}
