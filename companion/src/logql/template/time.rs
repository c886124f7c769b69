//! Times in templates, and Go's layouts, in which the second of January 2006, 15:04:05, stands for any time.

use std::fmt::{Display, Formatter, Result as FmtResult, Write as _};

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A time with the zone that it is shown in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Time(ZonedDateTime);

impl Time {
    pub(super) fn of_unix(nanoseconds: i128) -> Option<Self> {
        Some(Self(Timestamp::from_nanosecond(nanoseconds).ok()?.to_zoned_datetime(TimeZone::UTC)))
    }

    pub(super) fn unix(&self) -> i128 {
        self.0.timestamp().as_nanosecond()
    }

    pub(super) fn format(&self, layout: &str) -> String {
        let (date, time) = (self.0.date(), self.0.time());
        let hour12 = if time.hour() % 12 == 0 { 12 } else { time.hour() % 12 };
        let offset = self.0.offset().seconds();
        let zone = |colon: &str| {
            let minutes = offset.unsigned_abs() / 60;
            format!("{}{:02}{colon}{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
        };
        let mut out = String::new();
        let mut rest = layout;
        while !rest.is_empty() {
            let Some((part, length)) = part(rest) else {
                let mut characters = rest.chars();
                out.extend(characters.next());
                rest = characters.as_str();
                continue;
            };
            let name = |names: &[&'static str], place: i8| {
                usize::try_from(place - 1).ok().and_then(|place| names.get(place)).copied().unwrap_or_default()
            };
            let month = name(&MONTHS, date.month());
            let day = name(&DAYS, date.weekday().to_monday_one_offset());
            let _ = match part {
                Part::Year => write!(out, "{:04}", date.year()),
                Part::ShortYear => write!(out, "{:02}", date.year().rem_euclid(100)),
                Part::MonthName => out.write_str(month),
                Part::ShortMonthName => out.write_str(month.get(..3).unwrap_or_default()),
                Part::Month(pad) => number(&mut out, pad, date.month()),
                Part::Day(pad) => number(&mut out, pad, date.day()),
                Part::DayOfYear => write!(out, "{:03}", date.day_of_year()),
                Part::DayName => out.write_str(day),
                Part::ShortDayName => out.write_str(day.get(..3).unwrap_or_default()),
                Part::Hour => write!(out, "{:02}", time.hour()),
                Part::Hour12(pad) => number(&mut out, pad, hour12),
                Part::Minute(pad) => number(&mut out, pad, time.minute()),
                Part::Second(pad) => number(&mut out, pad, time.second()),
                Part::HalfOfDay(upper) => out.write_str(match (time.hour() < 12, upper) {
                    (true, true) => "AM",
                    (true, false) => "am",
                    (false, true) => "PM",
                    (false, false) => "pm",
                }),
                Part::Zone { utc: true, .. } | Part::ZoneHours { utc: true } if offset == 0 => out.write_str("Z"),
                Part::Zone { colon, .. } => out.write_str(&zone(if colon { ":" } else { "" })),
                Part::ZoneHours { .. } => out.write_str(zone(":").get(..3).unwrap_or_default()),
                Part::ZoneName => write!(out, "{}", self.0.strftime("%Z")),
                Part::Fraction { digits, trims, sign } => {
                    let digits_text = format!("{:09}", time.subsec_nanosecond());
                    let shown = digits_text.get(..digits).unwrap_or_default();
                    let shown = if trims { shown.trim_end_matches('0') } else { shown };
                    if shown.is_empty() { Ok(()) } else { write!(out, "{sign}{shown}") }
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        out
    }

    /// Reads a time as the layout has it, in that zone if it names none itself.
    pub(super) fn parse(layout: &str, zone: &TimeZone, text: &str) -> Option<Self> {
        let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut nanosecond) =
            (0_i16, 1_i8, 1_i8, 0_i8, 0_i8, 0_i8, 0_i32);
        let (mut half, mut offset, mut day_of_year) = (None, None, None);
        let (mut layout, mut rest) = (layout, text);
        while !layout.is_empty() {
            let Some((part, length)) = part(layout) else {
                let wanted = layout.chars().next()?;
                rest = rest.strip_prefix(wanted)?;
                layout = layout.get(wanted.len_utf8()..)?;
                continue;
            };
            layout = layout.get(length..)?;
            match part {
                Part::Year => year = digits(&mut rest, 4, 4)?,
                Part::ShortYear => {
                    let short: i16 = digits(&mut rest, 2, 2)?;
                    year = short + if short >= 69 { 1900 } else { 2000 };
                }
                Part::Month(pad) => month = digits(&mut rest, least(pad), 2)?,
                Part::Day(pad) => {
                    rest = if pad == Pad::Blank { rest.trim_start_matches(' ') } else { rest };
                    day = digits(&mut rest, least(pad), 2)?;
                }
                Part::DayOfYear => day_of_year = Some(digits::<i16>(&mut rest, 3, 3)?),
                Part::Hour => hour = digits(&mut rest, 2, 2)?,
                Part::Hour12(pad) => hour = digits(&mut rest, least(pad), 2)?,
                Part::Minute(pad) => minute = digits(&mut rest, least(pad), 2)?,
                Part::Second(pad) => {
                    second = digits(&mut rest, least(pad), 2)?;
                    // A fraction may follow that the layout does not have.
                    if !matches!(self::part(layout), Some((Part::Fraction { .. }, _))) && rest.starts_with(['.', ',']) {
                        nanosecond = fraction(&mut rest)?;
                    }
                }
                Part::MonthName => month = named(&mut rest, &MONTHS, None)?,
                Part::ShortMonthName => month = named(&mut rest, &MONTHS, Some(3))?,
                Part::DayName => {
                    named(&mut rest, &DAYS, None)?;
                }
                Part::ShortDayName => {
                    named(&mut rest, &DAYS, Some(3))?;
                }
                Part::HalfOfDay(_) => {
                    half = Some(match rest.get(..2)?.to_ascii_lowercase().as_str() {
                        "am" => 0,
                        "pm" => 12,
                        _ => return None,
                    });
                    rest = rest.get(2..)?;
                }
                Part::Zone { utc: true, .. } | Part::ZoneHours { utc: true } if rest.starts_with('Z') => {
                    offset = Some(0);
                    rest = rest.get(1..)?;
                }
                Part::Zone { .. } | Part::ZoneHours { .. } => {
                    let negative = rest.starts_with('-');
                    rest = rest.strip_prefix(['-', '+'])?;
                    let hours: i32 = digits(&mut rest, 2, 2)?;
                    let minutes: i32 = match part {
                        Part::ZoneHours { .. } => 0,
                        Part::Zone { colon, .. } => {
                            rest = if colon { rest.strip_prefix(':')? } else { rest };
                            digits(&mut rest, 2, 2)?
                        }
                        _ => return None,
                    };
                    offset = Some((hours * 60 + minutes) * if negative { -60 } else { 60 });
                }
                Part::ZoneName => {
                    let length = rest.find(|letter: char| !letter.is_ascii_uppercase()).unwrap_or(rest.len());
                    if matches!(rest.get(..length)?, "UTC" | "GMT") {
                        offset = Some(0);
                    }
                    rest = rest.get(length..)?;
                }
                Part::Fraction { trims, .. } if trims && !rest.starts_with(['.', ',']) => {}
                Part::Fraction { .. } => nanosecond = fraction(&mut rest)?,
            }
        }
        if !rest.is_empty() {
            return None;
        }
        if let Some(half) = half {
            hour = hour % 12 + half;
        }
        let mut date = Date::new(year, month, day).ok()?;
        if let Some(day_of_year) = day_of_year {
            date = date.with().day_of_year(day_of_year).build().ok()?;
        }
        let time = jiff::civil::Time::new(hour, minute, second, nanosecond).ok()?;
        let zone = match offset {
            Some(0) => TimeZone::UTC,
            Some(offset) => TimeZone::fixed(Offset::from_seconds(offset).ok()?),
            None => zone.clone(),
        };
        Some(Self(DateTime::from_parts(date, time).to_zoned_datetime(zone).ok()?))
    }
}

/// As Go prints a time.
impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// The zone of that name.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" | "Local" => Some(TimeZone::UTC),
        _ => TimeZone::get(name).ok(),
    }
}

/// How a number is filled up to two places.
#[derive(Clone, Copy, PartialEq)]
enum Pad {
    None,
    Zero,
    Blank,
}

/// A part of a layout.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Year,
    ShortYear,
    MonthName,
    ShortMonthName,
    Month(Pad),
    Day(Pad),
    DayOfYear,
    DayName,
    ShortDayName,
    Hour,
    Hour12(Pad),
    Minute(Pad),
    Second(Pad),
    HalfOfDay(bool),
    /// `utc`: shown as `Z` when it is none.
    Zone {
        colon: bool,
        utc: bool,
    },
    ZoneHours {
        utc: bool,
    },
    ZoneName,
    Fraction {
        digits: usize,
        trims: bool,
        sign: char,
    },
}

/// The part at the start of a layout, and its length.
fn part(layout: &str) -> Option<(Part, usize)> {
    const PARTS: [(&str, Part); 28] = [
        ("2006", Part::Year),
        ("January", Part::MonthName),
        ("Monday", Part::DayName),
        ("Jan", Part::ShortMonthName),
        ("Mon", Part::ShortDayName),
        ("MST", Part::ZoneName),
        ("002", Part::DayOfYear),
        ("01", Part::Month(Pad::Zero)),
        ("02", Part::Day(Pad::Zero)),
        ("03", Part::Hour12(Pad::Zero)),
        ("04", Part::Minute(Pad::Zero)),
        ("05", Part::Second(Pad::Zero)),
        ("06", Part::ShortYear),
        ("15", Part::Hour),
        ("PM", Part::HalfOfDay(true)),
        ("pm", Part::HalfOfDay(false)),
        ("-07:00", Part::Zone { colon: true, utc: false }),
        ("-0700", Part::Zone { colon: false, utc: false }),
        ("-07", Part::ZoneHours { utc: false }),
        ("Z07:00", Part::Zone { colon: true, utc: true }),
        ("Z0700", Part::Zone { colon: false, utc: true }),
        ("Z07", Part::ZoneHours { utc: true }),
        ("_2", Part::Day(Pad::Blank)),
        ("1", Part::Month(Pad::None)),
        ("2", Part::Day(Pad::None)),
        ("3", Part::Hour12(Pad::None)),
        ("4", Part::Minute(Pad::None)),
        ("5", Part::Second(Pad::None)),
    ];
    if let Some(sign @ ('.' | ',')) = layout.chars().next() {
        let digit = layout.as_bytes().get(1).copied().filter(|digit| matches!(digit, b'0' | b'9'))?;
        let digits = layout.bytes().skip(1).take_while(|byte| *byte == digit).count();
        let ends = !layout.as_bytes().get(digits + 1).is_some_and(u8::is_ascii_digit);
        return (digits <= 9 && ends).then_some((Part::Fraction { digits, trims: digit == b'9', sign }, digits + 1));
    }
    PARTS.iter().find(|(text, _)| layout.starts_with(text)).map(|(text, part)| (*part, text.len()))
}

fn number(out: &mut String, pad: Pad, number: i8) -> FmtResult {
    match pad {
        Pad::None => write!(out, "{number}"),
        Pad::Zero => write!(out, "{number:02}"),
        Pad::Blank => write!(out, "{number:2}"),
    }
}

fn least(pad: Pad) -> usize {
    if pad == Pad::Zero { 2 } else { 1 }
}

/// Takes a number of so many digits.
fn digits<N: std::str::FromStr>(rest: &mut &str, least: usize, most: usize) -> Option<N> {
    let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    let number = rest.get(..length)?.parse().ok()?;
    *rest = rest.get(length..)?;
    Some(number)
}

/// Takes a sign and digits after it, as nanoseconds.
fn fraction(rest: &mut &str) -> Option<i32> {
    let after = rest.strip_prefix(['.', ','])?;
    let length = after.bytes().take_while(u8::is_ascii_digit).count();
    let shown = after.get(..length.min(9))?;
    *rest = after.get(length..)?;
    if length == 0 {
        return None;
    }
    format!("{shown:0<9}").parse().ok()
}

/// Takes one of the names; its number, from 1.
fn named(rest: &mut &str, names: &[&str], length: Option<usize>) -> Option<i8> {
    for (place, name) in names.iter().enumerate() {
        let name = name.get(..length.unwrap_or(name.len()))?;
        if let Some(start) = rest.get(..name.len())
            && start.eq_ignore_ascii_case(name)
        {
            *rest = rest.get(name.len()..)?;
            return i8::try_from(place + 1).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_by_gos_layouts() {
        let time = Time::of_unix(1_779_458_400_123_456_789).unwrap();
        for (layout, text) in [
            ("2006-01-02T15:04:05Z07:00", "2026-05-22T14:00:00Z"),
            ("Mon, 02 Jan 2006 03:04:05 PM MST", "Fri, 22 May 2026 02:00:00 PM UTC"),
            ("Monday _2 January 06, 3:4:5pm -0700", "Friday 22 May 26, 2:0:0pm +0000"),
            ("15:04:05.000 002", "14:00:00.123 142"),
            ("05.999999999", "00.123456789"),
        ] {
            assert_eq!(time.format(layout), text, "{layout}");
        }
        let read = |layout: &str, zone_name: &str, text: &str| {
            Some(Time::parse(layout, &zone(zone_name)?, text)?.unix() / 1_000_000_000)
        };
        assert_eq!(read("2006-01-02 15:04", "Europe/Berlin", "2026-05-22 14:00"), Some(1_779_451_200));
        assert_eq!(read("2006-01-02T15:04:05Z07:00", "", "2026-05-22T14:00:00.5+02:00"), Some(1_779_451_200));
        assert_eq!(read("Jan _2 15:04:05 2006", "", "May 22 14:00:00 2026"), Some(1_779_458_400));
        for (layout, text) in [("2006", "26"), ("2006-01-02", "2026-13-01"), ("15:04", "14:00x")] {
            assert_eq!(read(layout, "", text), None, "{text}");
        }
        assert!(zone("Nowhere/None").is_none());
    }
}
