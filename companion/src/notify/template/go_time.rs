//! Times as Go's templates know them: printed as Go prints a `time.Time`, formatted and read by Go's layouts
//! (`Mon Jan 2 15:04:05 2006`).

use std::fmt::{self, Write as _};

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use proto::time::UnixNanos;

/// A point in time, and the clock that shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GoTime {
    at: Timestamp,
    offset: Offset,
    zone: String,
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// The pieces of a layout; of two that begin alike the longer one stands first.
const PIECES: [(&str, Piece); 32] = [
    ("January", Piece::MonthName),
    ("Jan", Piece::MonthShort),
    ("Monday", Piece::DayName),
    ("Mon", Piece::DayShort),
    ("MST", Piece::Zone),
    ("2006", Piece::Year),
    ("Z07:00", Piece::Offset { z: true, colon: true, minutes: true }),
    ("Z0700", Piece::Offset { z: true, colon: false, minutes: true }),
    ("Z07", Piece::Offset { z: true, colon: false, minutes: false }),
    ("-07:00", Piece::Offset { z: false, colon: true, minutes: true }),
    ("-0700", Piece::Offset { z: false, colon: false, minutes: true }),
    ("-07", Piece::Offset { z: false, colon: false, minutes: false }),
    ("002", Piece::YearDay),
    ("01", Piece::Month { wide: true }),
    ("02", Piece::Day { pad: "0" }),
    ("03", Piece::Hour12 { wide: true }),
    ("04", Piece::Minute { wide: true }),
    ("05", Piece::Second { wide: true }),
    ("06", Piece::YearShort),
    ("15", Piece::Hour),
    ("_2", Piece::Day { pad: " " }),
    ("PM", Piece::HalfDay { upper: true }),
    ("pm", Piece::HalfDay { upper: false }),
    ("1", Piece::Month { wide: false }),
    ("2", Piece::Day { pad: "" }),
    ("3", Piece::Hour12 { wide: false }),
    ("4", Piece::Minute { wide: false }),
    ("5", Piece::Second { wide: false }),
    (".0", Piece::Fraction { keep: true }),
    (",0", Piece::Fraction { keep: true }),
    (".9", Piece::Fraction { keep: false }),
    (",9", Piece::Fraction { keep: false }),
];

#[derive(Clone, Copy, Debug)]
enum Piece {
    MonthName,
    MonthShort,
    DayName,
    DayShort,
    Zone,
    Year,
    YearShort,
    YearDay,
    Month { wide: bool },
    Day { pad: &'static str },
    Hour,
    Hour12 { wide: bool },
    Minute { wide: bool },
    Second { wide: bool },
    HalfDay { upper: bool },
    Offset { z: bool, colon: bool, minutes: bool },
    Fraction { keep: bool },
}

/// A layout's next piece, or a character that stands for itself.
enum Next<'l> {
    Piece(Piece, usize),
    Text(char, &'l str),
}

/// With what follows it.
fn next(layout: &str) -> Option<(Next<'_>, &str)> {
    let first = layout.chars().next()?;
    for (text, piece) in PIECES {
        let Some(mut rest) = layout.strip_prefix(text) else { continue };
        let mut digits = 0;
        if let Piece::Fraction { .. } = piece {
            let digit = &text[1..];
            digits = 1 + rest.bytes().take_while(|byte| digit.as_bytes().contains(byte)).count();
            rest = &rest[digits - 1..];
            // `.0` within a number, such as `.01`, is no fraction.
            if rest.starts_with(|c: char| c.is_ascii_digit()) {
                continue;
            }
        }
        // `Jan` in `Janet` is text.
        if matches!(piece, Piece::MonthShort | Piece::DayShort) && rest.starts_with(|c: char| c.is_ascii_lowercase()) {
            continue;
        }
        return Some((Next::Piece(piece, digits), rest));
    }
    let rest = &layout[first.len_utf8()..];
    Some((Next::Text(first, &layout[..first.len_utf8()]), rest))
}

impl GoTime {
    /// In UTC. What a year cannot count is the epoch.
    pub(super) fn utc(at: UnixNanos) -> Self {
        let at = Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { at, offset: Offset::UTC, zone: "UTC".to_owned() }
    }

    /// The same time on another clock.
    pub(super) fn in_zone(&self, zone: &TimeZone) -> Self {
        let info = zone.to_offset_info(self.at);
        Self { at: self.at, offset: info.offset(), zone: info.abbreviation().to_owned() }
    }

    /// Nanoseconds since the epoch.
    pub(super) fn nanos(&self) -> UnixNanos {
        UnixNanos(i64::try_from(self.at.as_nanosecond()).unwrap_or(i64::MAX))
    }

    /// What [`fmt::Display`] printed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::read("2006-01-02 15:04:05.999999999 -0700 MST", text)
    }

    fn civil(&self) -> DateTime {
        self.offset.to_datetime(self.at)
    }

    /// By a layout of Go's.
    pub(super) fn format(&self, layout: &str) -> String {
        // Writing to a String cannot fail.
        let mut out = String::new();
        let here = self.civil();
        let hour12 = if here.hour() % 12 == 0 { 12 } else { here.hour() % 12 };
        let mut rest = layout;
        while let Some((piece, after)) = next(rest) {
            rest = after;
            let (piece, digits) = match piece {
                Next::Text(c, _) => {
                    out.push(c);
                    continue;
                }
                Next::Piece(piece, digits) => (piece, digits),
            };
            let number = |value: i8, wide: bool| if wide { format!("{value:02}") } else { value.to_string() };
            let month = usize::from(here.month().unsigned_abs()).saturating_sub(1) % 12;
            let day = here.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7;
            match piece {
                Piece::MonthName => out.push_str(MONTHS[month]),
                Piece::MonthShort => out.push_str(&MONTHS[month][..3]),
                Piece::DayName => out.push_str(DAYS[day]),
                Piece::DayShort => out.push_str(&DAYS[day][..3]),
                Piece::Zone => out.push_str(&self.zone),
                Piece::Year => {
                    let _ = write!(out, "{:04}", here.year());
                }
                Piece::YearShort => {
                    let _ = write!(out, "{:02}", here.year().rem_euclid(100));
                }
                Piece::YearDay => {
                    let _ = write!(out, "{:03}", here.day_of_year());
                }
                Piece::Month { wide } => out.push_str(&number(here.month(), wide)),
                Piece::Day { pad } => {
                    if here.day() < 10 {
                        out.push_str(pad);
                    }
                    out.push_str(&here.day().to_string());
                }
                Piece::Hour => out.push_str(&number(here.hour(), true)),
                Piece::Hour12 { wide } => out.push_str(&number(hour12, wide)),
                Piece::Minute { wide } => out.push_str(&number(here.minute(), wide)),
                Piece::Second { wide } => out.push_str(&number(here.second(), wide)),
                Piece::HalfDay { upper } => out.push_str(match (here.hour() < 12, upper) {
                    (true, true) => "AM",
                    (true, false) => "am",
                    (false, true) => "PM",
                    (false, false) => "pm",
                }),
                Piece::Offset { z: true, .. } if self.offset.seconds() == 0 => out.push('Z'),
                Piece::Offset { colon, minutes, .. } => {
                    let seconds = self.offset.seconds();
                    let (hours, rest) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
                    out.push(if seconds < 0 { '-' } else { '+' });
                    let _ = write!(out, "{hours:02}");
                    if minutes {
                        let _ = write!(out, "{}{rest:02}", if colon { ":" } else { "" });
                    }
                }
                Piece::Fraction { keep } => {
                    let all = format!("{:09}", here.subsec_nanosecond());
                    let shown = &all[..digits.min(9)];
                    let shown = if keep { shown } else { shown.trim_end_matches('0') };
                    if !shown.is_empty() {
                        out.push('.');
                        out.push_str(shown);
                    }
                }
            }
        }
        out
    }

    /// A text that is written as the layout says; nothing if it is not.
    pub(super) fn read(layout: &str, text: &str) -> Option<Self> {
        let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut nanos) =
            (0_i16, 1_i8, 1_i8, 0_i8, 0_i8, 0_i8, 0_i32);
        let (mut afternoon, mut offset, mut zone) = (None, None, None);
        let (mut rest, mut left) = (layout, text);
        while let Some((piece, after)) = next(rest) {
            rest = after;
            match piece {
                Next::Text(_, text) => left = left.strip_prefix(text)?,
                Next::Piece(piece, _) => match piece {
                    Piece::MonthName => month = word(&mut left, &MONTHS, usize::MAX)? as i8 + 1,
                    Piece::MonthShort => month = word(&mut left, &MONTHS, 3)? as i8 + 1,
                    Piece::DayName => drop(word(&mut left, &DAYS, usize::MAX)?),
                    Piece::DayShort => drop(word(&mut left, &DAYS, 3)?),
                    Piece::Zone => {
                        let end =
                            left.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-')).unwrap_or(left.len());
                        zone = Some(left[..end].to_owned()).filter(|zone| !zone.is_empty());
                        left = &left[end..];
                    }
                    Piece::Year => year = digits(&mut left, 4, 4)? as i16,
                    Piece::YearShort => {
                        let short = digits(&mut left, 2, 2)? as i16;
                        year = if short >= 69 { 1900 + short } else { 2000 + short };
                    }
                    // It says no more than month and day, and Go forgives its absence no more than we do.
                    Piece::YearDay => drop(digits(&mut left, 3, 3)?),
                    Piece::Month { wide } => month = digits(&mut left, 1 + usize::from(wide), 2)? as i8,
                    Piece::Day { .. } => {
                        left = left.trim_start_matches(' ');
                        day = digits(&mut left, 1, 2)? as i8;
                    }
                    Piece::Hour | Piece::Hour12 { .. } => hour = digits(&mut left, 1, 2)? as i8,
                    Piece::Minute { .. } => minute = digits(&mut left, 1, 2)? as i8,
                    Piece::Second { .. } => {
                        second = digits(&mut left, 1, 2)? as i8;
                        // Go reads a fraction behind the seconds whether or not the layout has one.
                        if !rest.starts_with(['.', ',']) {
                            nanos = fraction(&mut left);
                        }
                    }
                    Piece::Fraction { .. } => nanos = fraction(&mut left),
                    Piece::HalfDay { .. } => {
                        let (half, after) = left.split_at_checked(2)?;
                        afternoon = Some(half.eq_ignore_ascii_case("pm"));
                        left = after;
                    }
                    Piece::Offset { z: true, .. } if left.starts_with('Z') => {
                        left = &left[1..];
                        offset = Some(Offset::UTC);
                    }
                    Piece::Offset { minutes, .. } => {
                        let sign = if left.starts_with('-') { -1 } else { 1 };
                        left = left.strip_prefix(['+', '-'])?;
                        let mut seconds = digits(&mut left, 2, 2)? * 3600;
                        if minutes {
                            left = left.strip_prefix(':').unwrap_or(left);
                            seconds += digits(&mut left, 2, 2)? * 60;
                        }
                        offset = Some(Offset::from_seconds(sign * seconds).ok()?);
                    }
                },
            }
        }
        match afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let civil = DateTime::new(year, month, day, hour, minute, second, nanos).ok()?;
        let offset = offset.unwrap_or(Offset::UTC);
        let at = offset.to_timestamp(civil).ok().filter(|_| left.is_empty())?;
        let zone = zone.unwrap_or_else(|| if offset == Offset::UTC { "UTC".to_owned() } else { String::new() });
        Some(Self { at, offset, zone })
    }
}

/// As Go prints a `time.Time`.
impl fmt::Display for GoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

fn digits(left: &mut &str, least: usize, most: usize) -> Option<i32> {
    let count = left.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = left[..count].parse().ok().filter(|_| count >= least);
    *left = &left[count..];
    number
}

fn fraction(left: &mut &str) -> i32 {
    let Some(rest) = left.strip_prefix(['.', ',']) else { return 0 };
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut shown = rest[..count.min(9)].to_owned();
    while shown.len() < 9 {
        shown.push('0');
    }
    *left = &rest[count..];
    shown.parse().unwrap_or(0)
}

/// The place of the name that comes next, of which only so many letters are written.
fn word(left: &mut &str, names: &[&str], letters: usize) -> Option<usize> {
    let (place, length) = names.iter().enumerate().find_map(|(place, name)| {
        let length = name.len().min(letters);
        left.get(..length).filter(|text| text.eq_ignore_ascii_case(&name[..length])).map(|_| (place, length))
    })?;
    *left = &left[length..];
    Some(place)
}

/// `1h2m3.5s`, as Go prints a duration.
pub(super) fn show_duration(duration: SignedDuration) -> String {
    let nanos = duration.as_nanos().unsigned_abs();
    let sign = if duration.is_negative() { "-" } else { "" };
    let decimal = |nanos: u128, unit: u128, name: &str| {
        let rest = format!("{:0width$}", nanos % unit, width = unit.ilog10() as usize);
        let rest = rest.trim_end_matches('0');
        format!("{}{}{rest}{name}", nanos / unit, if rest.is_empty() { "" } else { "." })
    };
    let shown = match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(nanos, 1_000_000, "ms"),
        _ => {
            let (minutes, seconds) = (nanos / 60_000_000_000, decimal(nanos % 60_000_000_000, 1_000_000_000, "s"));
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{shown}")
}

/// What [`show_duration`] printed, in seconds.
pub(super) fn read_duration(text: &str) -> Option<f64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = &rest[end..];
        let units = [("ns", 1e-9), ("µs", 1e-6), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, scale) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        seconds += number * scale;
        rest = &after[unit.len()..];
    }
    Some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time() -> GoTime {
        GoTime::utc(record::time::parse_rfc3339(b"2026-03-05T15:04:05.120Z").unwrap())
    }

    #[test]
    fn layouts_of_go_are_understood() {
        for (layout, shown) in [
            ("2006-01-02T15:04:05Z07:00", "2026-03-05T15:04:05Z"),
            ("2006-01-02T15:04:05.000Z0700", "2026-03-05T15:04:05.120Z"),
            ("Mon, _2 Jan 06 3:04:05.999PM MST", "Thu,  5 Mar 26 3:04:05.12PM UTC"),
            ("Monday 2 January 2006 at 03:04 pm -0700", "Thursday 5 March 2026 at 03:04 pm +0000"),
            ("day 002, 1/2", "day 064, 3/5"),
            ("März", "März"),
        ] {
            assert_eq!(time().format(layout), shown, "{layout}");
        }
        let there = time().in_zone(&TimeZone::get("America/New_York").unwrap());
        assert_eq!(there.to_string(), "2026-03-05 10:04:05.12 -0500 EST");
        assert_eq!(there.format("Z07 -07:00"), "-05 -05:00");
        assert_eq!(GoTime::parse(&there.to_string()), Some(there));
    }

    #[test]
    fn durations_are_printed_as_go_does() {
        for (nanos, shown) in [
            (0, "0s"),
            (15, "15ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1.5s"),
            (-90_000_000_000, "-1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(show_duration(SignedDuration::from_nanos(nanos)), shown);
            let back = read_duration(shown).unwrap();
            assert!((back - nanos as f64 / 1e9).abs() < 1e-9, "{shown}: {back}");
        }
        assert_eq!((read_duration(""), read_duration("5"), read_duration("x")), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanos in 0_i64..4_000_000_000_000_000_000) {
            let time = GoTime::utc(UnixNanos(nanos));
            prop_assert_eq!(GoTime::parse(&time.to_string()), Some(time));
        }

        #[test]
        fn no_layout_and_no_text_panics(layout in "\\PC*", text in "\\PC*", digits in "[0-9:.TZ+ -]{0,30}") {
            let _ = time().format(&layout);
            let _ = GoTime::read(&layout, &text);
            let _ = GoTime::parse(&digits);
            let _ = read_duration(&text);
        }
    }
}
