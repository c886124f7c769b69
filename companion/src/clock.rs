//! Times as people and protocols write them, and the one place that asks the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proto::time::UnixNanos;

const SECOND: i64 = 1_000_000_000;

/// Now. Only the edges ask; everything inside is given the time.
pub fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A step of the clock that is no correction of a running clock but another time.
const JUMP: i64 = 5 * SECOND;

/// Notices that the clock was set, or stood still while the machine slept.
#[derive(Clone, Copy, Debug)]
pub struct JumpWatch {
    wall: UnixNanos,
    steady: Instant,
}

impl JumpWatch {
    /// Looks at both clocks for the first time.
    pub fn new(wall: UnixNanos, steady: Instant) -> Self {
        Self { wall, steady }
    }

    /// Whether the wall's clock has gone another way than the steady one since they were looked at last.
    pub fn jumped(&mut self, wall: UnixNanos, steady: Instant) -> bool {
        let passed = i64::try_from(steady.saturating_duration_since(self.steady).as_nanos()).unwrap_or(i64::MAX);
        let shown = wall.0.saturating_sub(self.wall.0);
        (self.wall, self.steady) = (wall, steady);
        shown.saturating_sub(passed).saturating_abs() > JUMP
    }
}

/// `2026-11-26T11:26:19Z`
pub fn rfc3339_seconds(time: UnixNanos) -> String {
    let seconds = time.0.div_euclid(SECOND);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(day);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2026-11-26T11:26:19.123456789Z`, without zeros at the end.
pub fn rfc3339(time: UnixNanos) -> String {
    let mut text = rfc3339_seconds(time);
    let nanos = time.0.rem_euclid(SECOND);
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        text.truncate(text.len() - 1);
        text.extend([".", fraction.trim_end_matches('0'), "Z"]);
    }
    text
}

/// What [`rfc3339`] writes, and what else RFC 3339 allows.
pub fn parse_rfc3339(text: &str) -> Option<UnixNanos> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let is = |place: usize, bytes: &[u8]| text.as_bytes().get(place).is_some_and(|byte| bytes.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let len = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let digits = fraction.get(..len.min(9)).filter(|digits| !digits.is_empty())?;
        nanos = digits.parse::<i64>().ok()? * 10_i64.pow(9 - digits.len() as u32);
        rest = fraction.get(len..)?;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = rest.strip_prefix(['+', '-'])?.split_once(':')?;
            sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    seconds.checked_mul(SECOND)?.checked_add(nanos).map(UnixNanos)
}

/// Days since the epoch → year, month and day, by the civil calendar: years begin in March, so that the leap day is the last.
fn date(day: i64) -> (i64, i64, i64) {
    let from_era = day + 719_468;
    let (era, day) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The other way.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (month + 9) % 12;
    let day = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_jump_is_what_the_steady_clock_does_not_show() {
        let (steady, wall) = (Instant::now(), 1_795_692_379 * SECOND);
        let after = |seconds: u64| steady + std::time::Duration::from_secs(seconds);
        let mut watch = JumpWatch::new(UnixNanos(wall), steady);
        assert!(!watch.jumped(UnixNanos(wall + 60 * SECOND), after(60)), "a long wait");
        assert!(!watch.jumped(UnixNanos(wall + 63 * SECOND), after(61)), "a correction");
        assert!(watch.jumped(UnixNanos(wall - 3600 * SECOND), after(62)), "back");
        assert!(!watch.jumped(UnixNanos(wall - 3599 * SECOND), after(63)), "said once");
        assert!(watch.jumped(UnixNanos(wall), after(64)), "forth");
    }

    #[test]
    fn times_are_written_as_everybody_writes_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_692_379, "2026-11-26T11:26:19Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UnixNanos(seconds * SECOND)), text);
        }
        assert_eq!(rfc3339(UnixNanos(1_500_000_000)), "1970-01-01T00:00:01.5Z");
        assert_eq!(parse_rfc3339("2026-11-26T13:26:19+02:00"), Some(UnixNanos(1_795_692_379 * SECOND)));
        for text in [
            "",
            "2026",
            "2026-11-26",
            "2026-13-26T00:00:00Z",
            "2026-11-26T00:00:00",
            "2026-11-26T00:00:00.Z",
            "２０26-11-26T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in -62_000_000_000_000_000..4_000_000_000_000_000_000_i64) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(UnixNanos(nanos))), Some(UnixNanos(nanos)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
