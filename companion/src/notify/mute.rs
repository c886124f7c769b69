//! Time intervals: when a route is silent, or when alone it speaks. Pure: a time in, yes or no out.
//!
//! A field's ranges are alternatives, the fields of one period must all hold, and the periods of an interval are alternatives
//! again. Ranges of minutes leave out their end, all others contain it.

use std::ops::RangeInclusive;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use proto::time::UnixNanos;

/// A named interval.
#[derive(Clone, Debug, Default)]
pub struct TimeInterval(pub Vec<Period>);

/// What must hold at once. An empty field is no condition.
#[derive(Clone, Debug)]
pub struct Period {
    /// Minutes of the day, from and (not any more) to.
    pub times: Vec<(u16, u16)>,
    /// Days of the week, Sunday is 0.
    pub weekdays: Vec<RangeInclusive<u8>>,
    /// Days of the month from 1, or from its end from -1.
    pub days_of_month: Vec<(i8, i8)>,
    /// Months from 1.
    pub months: Vec<RangeInclusive<u8>>,
    /// Years.
    pub years: Vec<RangeInclusive<u16>>,
    /// Where the clock hangs.
    pub location: TimeZone,
}

impl Default for Period {
    fn default() -> Self {
        Self {
            times: Vec::new(),
            weekdays: Vec::new(),
            days_of_month: Vec::new(),
            months: Vec::new(),
            years: Vec::new(),
            location: TimeZone::UTC,
        }
    }
}

impl TimeInterval {
    /// Whether it is now.
    pub fn contains(&self, now: UnixNanos) -> bool {
        self.0.iter().any(|period| period.contains(now))
    }
}

impl Period {
    fn contains(&self, now: UnixNanos) -> bool {
        let Ok(timestamp) = jiff::Timestamp::from_nanosecond(i128::from(now.0)) else { return false };
        let here = self.location.to_datetime(timestamp);
        let minute = u16::from(here.hour().unsigned_abs()) * 60 + u16::from(here.minute().unsigned_abs());
        let weekday = here.weekday().to_sunday_zero_offset().unsigned_abs();
        let days = here.date().days_in_month();
        let of_month = |(first, last): &(i8, i8)| {
            let place = |day: i8| if day < 0 { days + day + 1 } else { day };
            // What begins after this month's end is not in it; what ends after it ends with it.
            place(*first) <= days && (place(*first)..=place(*last).min(days)).contains(&here.day())
        };
        let holds = |is_free: bool, is_in: bool| is_free || is_in;
        holds(self.times.is_empty(), self.times.iter().any(|(from, to)| (*from..*to).contains(&minute)))
            && holds(self.weekdays.is_empty(), self.weekdays.iter().any(|range| range.contains(&weekday)))
            && holds(self.days_of_month.is_empty(), self.days_of_month.iter().any(of_month))
            && holds(self.months.is_empty(), self.months.iter().any(|range| range.contains(&here.month().unsigned_abs())))
            && holds(self.years.is_empty(), self.years.iter().any(|range| range.contains(&here.year().max(0).unsigned_abs())))
    }
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("sunday", Weekday::Sunday),
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
];

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/// `08:30` → minute of the day; `24:00` is its end.
pub fn minute(text: &str) -> Result<u16, String> {
    let form = || format!("`{text}` is no time of day; write it as HH:MM, from 00:00 to 24:00");
    let (hour, minute) = text.split_once(':').ok_or_else(form)?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    match (number(hour), number(minute)) {
        (Some(hour), Some(minute)) if (hour < 24 && minute < 60) || (hour == 24 && minute == 0) => Ok(hour * 60 + minute),
        _ => Err(form()),
    }
}

/// `monday:friday`, `sunday`.
pub fn weekdays(text: &str) -> Result<RangeInclusive<u8>, String> {
    ordered(text, |word| {
        let found = WEEKDAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, day)| day.to_sunday_zero_offset().unsigned_abs()).ok_or_else(|| format!("`{word}` is no day of the week"))
    })
}

/// `may:august`, `1:3`, `december`.
pub fn months(text: &str) -> Result<RangeInclusive<u8>, String> {
    ordered(text, |word| {
        let by_name = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(word)).map(|place| place as u8 + 1);
        let by_number = || word.parse().ok().filter(|month| (1..=12).contains(month));
        by_name.or_else(by_number).ok_or_else(|| format!("`{word}` is no month"))
    })
}

/// `2026:2028`, `2030`.
pub fn years(text: &str) -> Result<RangeInclusive<u16>, String> {
    ordered(text, |word| word.parse().map_err(|_| format!("`{word}` is no year")))
}

/// `1:5`, `-3:-1`, `15`.
pub fn days_of_month(text: &str) -> Result<(i8, i8), String> {
    let (first, last) = ends(text);
    let day = |word: &str| match word.trim().parse::<i8>() {
        Ok(day) if day != 0 && (-31..=31).contains(&day) => Ok(day),
        _ => Err(format!("`{word}` is no day of a month; write 1 to 31, or -1 to -31 from its end")),
    };
    let (first, last) = (day(first)?, day(last)?);
    if first < 0 && last > 0 {
        return Err(format!("`{text}` begins at the month's end and ends at its beginning"));
    }
    // February is the shortest.
    let place = |day: i8| if day < 0 { 28 + day } else { day };
    if place(first) > place(last) {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok((first, last))
}

/// The time zone of a name such as `Europe/Paris`.
pub fn location(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone; write a name such as Europe/Paris, or UTC")),
    }
}

fn ends(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, text))
}

fn ordered<T: PartialOrd>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<RangeInclusive<T>, String> {
    let (first, last) = ends(text);
    let (first, last) = (read(first.trim())?, read(last.trim())?);
    if first > last { Err(format!("`{text}` ends before it begins")) } else { Ok(first..=last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixNanos {
        record::time::parse_rfc3339(text.as_bytes()).unwrap()
    }

    #[test]
    fn ranges_are_read_and_wrong_ones_are_said() {
        assert_eq!((minute("00:00"), minute("08:30"), minute("24:00")), (Ok(0), Ok(510), Ok(1440)));
        assert_eq!((weekdays("monday:Friday"), weekdays("sunday")), (Ok(1..=5), Ok(0..=0)));
        assert_eq!((months("1:march"), months("December")), (Ok(1..=3), Ok(12..=12)));
        assert_eq!(
            (years("2026:2028"), days_of_month("-3:-1"), days_of_month("1:-1")),
            (Ok(2026..=2028), Ok((-3, -1)), Ok((1, -1)))
        );
        for text in ["8:30", "24:01", "12:60", "noon", "12:5", ""] {
            assert!(minute(text).is_err(), "{text}");
        }
        for text in ["someday", "friday:monday"] {
            assert!(weekdays(text).is_err(), "{text}");
        }
        for text in ["0", "32", "-1:1", "30:-29", "-1:-5"] {
            assert!(days_of_month(text).is_err(), "{text}");
        }
        assert!(months("13").is_err() && months("may:april").is_err() && years("soon").is_err());
        assert!(location("Mars/Olympus").is_err());
    }

    #[test]
    fn fields_are_joined_and_ranges_are_alternatives() {
        let work = TimeInterval(vec![
            Period {
                times: vec![(minute("09:00").unwrap(), minute("17:00").unwrap())],
                weekdays: vec![1..=5],
                ..Period::default()
            },
            Period { days_of_month: vec![(-1, -1)], months: vec![2..=2], ..Period::default() },
        ]);
        for (time, inside) in [
            ("2026-11-26T08:59:59Z", false),
            ("2026-11-26T09:00:00Z", true),
            ("2026-11-26T16:59:59Z", true),
            ("2026-11-26T17:00:00Z", false),
            ("2026-11-28T12:00:00Z", false), // a Saturday
            ("2026-02-28T23:59:00Z", true),  // February's last day, also a Saturday
            ("2028-02-28T23:59:00Z", false), // a leap year
            ("2028-02-29T23:59:00Z", true),
        ] {
            assert_eq!(work.contains(at(time)), inside, "{time}");
        }
        assert!(!TimeInterval::default().contains(at("2026-11-26T12:00:00Z")), "no period, no time");
    }

    #[test]
    fn days_that_a_month_does_not_have_are_never() {
        let end = |range| TimeInterval(vec![Period { days_of_month: vec![range], ..Period::default() }]);
        assert!(!end((30, 31)).contains(at("2026-02-28T12:00:00Z")));
        assert!(end((28, 31)).contains(at("2026-02-28T12:00:00Z")));
        assert!(end((-31, 1)).contains(at("2026-02-01T12:00:00Z")), "from before the month's start on");
    }

    #[test]
    fn a_clock_hangs_somewhere_and_knows_summer() {
        let night = TimeInterval(vec![Period {
            times: vec![(0, minute("06:00").unwrap())],
            location: location("Europe/Paris").unwrap(),
            ..Period::default()
        }]);
        for (time, inside) in [
            ("2026-01-15T04:59:00Z", true), // UTC+1
            ("2026-01-15T05:00:00Z", false),
            ("2026-07-15T03:59:00Z", true), // UTC+2
            ("2026-07-15T04:00:00Z", false),
            ("2026-07-14T22:00:00Z", true),
        ] {
            assert_eq!(night.contains(at(time)), inside, "{time}");
        }
    }
}
