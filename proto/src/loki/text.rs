//! Reads the pieces of Loki's messages: literals, numbers, label sets, and times in the two ways Go prints them.
//!
//! Every function takes a text and returns what it read and the rest, or `None` where the text is another.

use crate::labels::Labels;
use crate::time::UnixNanos;

/// What was read, and what follows it.
pub(super) type Read<'a, T> = Option<(T, &'a str)>;

/// A decimal number.
pub(super) fn number(text: &str) -> Read<'_, u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// A label set in braces.
pub(super) fn labels(text: &str) -> Read<'_, Labels> {
    Labels::parse_prefix(text)
}

/// What follows the first `literal`.
pub(super) fn after<'a>(text: &'a str, literal: &str) -> Option<&'a str> {
    text.find(literal).map(|at| &text[at + literal.len()..])
}

/// A time of whole seconds in RFC 3339, with any offset: `2026-11-16T00:30:15Z`, `2026-11-16T02:30:15+02:00`.
pub(super) fn rfc3339(text: &str) -> Read<'_, UnixNanos> {
    let (seconds, text) = date_and_time(text, 'T')?;
    let (offset, text) = match text.strip_prefix('Z') {
        Some(text) => (0, text),
        None => offset(text, true)?,
    };
    Some((from_seconds(seconds - offset, 0)?, text))
}

/// A time as Go's `Time.String` prints it: `2026-11-23 22:30:15.739436087 +0000 UTC`, exact to the nanosecond. The
/// zone's name is passed over.
pub(super) fn go_time(text: &str) -> Read<'_, UnixNanos> {
    let (seconds, mut text) = date_and_time(text, ' ')?;
    let mut nanos = 0;
    if let Some(fraction) = text.strip_prefix('.') {
        let len = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let digits = &fraction[..len.min(9)];
        nanos = digits.parse::<i64>().ok()? * 10_i64.pow(9 - digits.len() as u32);
        text = &fraction[len..];
    }
    let (offset, text) = offset(text.strip_prefix(' ')?, false)?;
    let zone = text.strip_prefix(' ')?;
    let end = zone.find(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '-').unwrap_or(zone.len());
    Some((from_seconds(seconds - offset, nanos)?, &zone[end..]))
}

/// A date of HTTP in its preferred form: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(text: &str) -> Option<UnixNanos> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let (month, _) = (1..).zip(MONTHS).find(|(_, name)| *name == month)?;
    let year = words.next()?.parse().ok()?;
    let (seconds, rest) = time_of_day(words.next()?)?;
    let ends_well = rest.is_empty() && words.next() == Some("GMT") && words.next().is_none();
    from_seconds(days(year, month, day)? * 86_400 + seconds, 0).filter(|_| ends_well)
}

/// `2026-11-23`, a separator, `22:30:15`: seconds since the epoch as if it were UTC.
fn date_and_time(text: &str, separator: char) -> Read<'_, i64> {
    let (year, text) = digits(text, 4)?;
    let (month, text) = digits(text.strip_prefix('-')?, 2)?;
    let (day, text) = digits(text.strip_prefix('-')?, 2)?;
    let (seconds, text) = time_of_day(text.strip_prefix(separator)?)?;
    Some((days(year, month, day)? * 86_400 + seconds, text))
}

/// `22:30:15`, in seconds.
fn time_of_day(text: &str) -> Read<'_, i64> {
    let (hour, text) = digits(text, 2)?;
    let (minute, text) = digits(text.strip_prefix(':')?, 2)?;
    let (second, text) = digits(text.strip_prefix(':')?, 2)?;
    Some((hour * 3600 + minute * 60 + second, text))
}

/// `+02:00` or `+0200`, in seconds east of Greenwich.
fn offset(text: &str, colon: bool) -> Read<'_, i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, text) = digits(&text[1..], 2)?;
    let (minutes, text) = digits(if colon { text.strip_prefix(':')? } else { text }, 2)?;
    Some((sign * (hours * 3600 + minutes * 60), text))
}

fn digits(text: &str, n: usize) -> Read<'_, i64> {
    let digits = text.get(..n).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[n..]))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year; 400 years have 146,097 days.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + day_of_year - 719_468)
}

fn from_seconds(seconds: i64, nanos: i64) -> Option<UnixNanos> {
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn times_are_read_in_any_zone() {
        assert_eq!(rfc3339("1970-01-01T00:00:00Z, x"), Some((UnixNanos(0), ", x")));
        assert_eq!(rfc3339("2026-11-16T02:30:15+02:00'"), Some((UnixNanos(1_794_789_015 * SECOND), "'")));
        assert_eq!(rfc3339("2000-02-29T23:59:59-00:30"), Some((UnixNanos(951_870_599 * SECOND), "")));
        assert_eq!(
            go_time("2026-11-23 22:30:15.739436087 +0000 UTC ignored"),
            Some((UnixNanos(1_795_473_015 * SECOND + 739_436_087), " ignored"))
        );
        assert_eq!(go_time("2026-11-23 23:30:15.7 +0100 CET x"), Some((UnixNanos(1_795_473_015_700_000_000), " x")));
        assert_eq!(go_time("2026-11-23 22:30:15 +0000 UTC"), Some((UnixNanos(1_795_473_015 * SECOND), "")));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(UnixNanos(784_111_777 * SECOND)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "2026-13-01T00:00:00Z", "2026-11-16T00:30:15", "2026-11-16 00:30:15Z", "9999-01-01T00:00:00Z", "ä"] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        for text in ["2026-11-23 22:30:15", "2026-11-23 22:30:15. +0000 UTC", "2026-11-23 22:30:15 Z UTC"] {
            assert_eq!(go_time(text), None, "{text}");
        }
        for text in ["120", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sunday, 06-Nov-94 08:49:37 GMT"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
