//! Times as logs write them: RFC 3339 and numbers since the epoch, to nanoseconds and back.
//!
//! Exact: no floating point, so that the same text is always the same nanosecond. Nothing here reads a clock.

use proto::time::UnixNanos;
use std::fmt::Write as _;

#[cfg(test)]
mod tests;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Reads a time such as `2026-11-23T09:10:00.021Z` (RFC 3339, section 5.6).
///
/// Taken as well: lower-case `t` and `z`, a blank in place of `T`, and second 60, which becomes the last nanosecond
/// of its minute, since a Unix time has no place for it. Digits of a fraction after the ninth are cut. `None` for
/// anything else, and for times that do not fit in [`UnixNanos`].
pub fn parse_rfc3339(text: &[u8]) -> Option<UnixNanos> {
    match split_rfc3339(text)? {
        (time, []) => Some(time),
        _ => None,
    }
}

/// The same at the start of a text, and what follows it.
pub(crate) fn split_rfc3339(text: &[u8]) -> Option<(UnixNanos, &[u8])> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let year = number::<4>(date_time, 0)?;
    let month = number::<2>(date_time, 5)?;
    let day = number::<2>(date_time, 8)?;
    let hour = number::<2>(date_time, 11)?;
    let minute = number::<2>(date_time, 14)?;
    let second = number::<2>(date_time, 17)?;
    let separators = date_time[4] == b'-'
        && date_time[7] == b'-'
        && matches!(date_time[10], b'T' | b't' | b' ')
        && date_time[13] == b':'
        && date_time[16] == b':';
    let in_range =
        matches!(month, 1..=12) && day >= 1 && day <= days_in_month(year, month) && hour <= 23 && minute <= 59 && second <= 60;
    if !separators || !in_range {
        return None;
    }
    let (mut nanos, rest) = fraction(rest)?;
    let mut second = second;
    if second == 60 {
        (second, nanos) = (59, 999_999_999);
    }
    let seconds = days_since_epoch(year, month, day) * SECONDS_PER_DAY + i64::from(hour * 3600 + minute * 60 + second);
    let (offset_seconds, rest) = offset_seconds(rest)?;
    Some((nanoseconds(seconds - offset_seconds, nanos)?, rest))
}

/// Appends `time` in RFC 3339, in UTC with `Z`, with as many fraction digits of 0, 3, 6 and 9 as it needs.
pub fn format_rfc3339(time: UnixNanos, out: &mut String) {
    let seconds = time.0.div_euclid(1_000_000_000);
    let nanos = time.0.rem_euclid(1_000_000_000);
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    // Writing to a String cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let _ = match nanos {
        0 => Ok(()),
        _ if nanos % 1_000_000 == 0 => write!(out, ".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => write!(out, ".{:06}", nanos / 1_000),
        _ => write!(out, ".{nanos:09}"),
    };
    out.push('Z');
}

/// Reads a number since the Unix epoch, such as `1700000000` or `1700000000.25`, in the unit that its size tells.
///
/// Below 10^11 it counts seconds (until the year 5138, of which [`UnixNanos`] holds what is before 2262), below 10^14
/// milliseconds, below 10^17 microseconds, and nanoseconds from there on. So a count of milliseconds is misread only
/// before March 1973. Fraction digits below the nanosecond are cut. `None` for a sign, an exponent, or any other
/// byte.
pub fn parse_number(text: &[u8]) -> Option<UnixNanos> {
    let n_whole = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(n_whole);
    if whole.is_empty() || whole.len() > 19 {
        return None;
    }
    let whole = whole.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let unit: i128 = match whole {
        0..=99_999_999_999 => 1_000_000_000,
        100_000_000_000..=99_999_999_999_999 => 1_000_000,
        100_000_000_000_000..=99_999_999_999_999_999 => 1_000,
        _ => 1,
    };
    let (billionths, rest) = fraction(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let nanos = whole * unit + i128::from(billionths) * unit / NANOS_PER_SECOND;
    i64::try_from(nanos).ok().map(UnixNanos)
}

/// The number of exactly `N` digits at `at`.
#[inline]
fn number<const N: usize>(text: &[u8; 19], at: usize) -> Option<u32> {
    let (mut value, mut all_digits) = (0, true);
    for byte in &text[at..at + N] {
        let digit = byte.wrapping_sub(b'0');
        all_digits &= digit <= 9;
        value = value * 10 + u32::from(digit);
    }
    all_digits.then_some(value)
}

/// An optional `.` with one digit or more, as billionths, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', mut digits)) = text.split_first() else {
        return Some((0, text));
    };
    let (mut billionths, mut scale, mut n_digits) = (0, 1_000_000_000, 0);
    // Runtimes write nine digits: eight of them at once.
    if let Some((eight, rest)) = digits.split_first_chunk::<8>()
        && let Some(value) = eight_digits(*eight)
    {
        (billionths, scale, n_digits, digits) = (value * 10, 10, 8, rest);
    }
    while let Some((byte, rest)) = digits.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        scale /= 10;
        billionths += i64::from(digit) * scale;
        n_digits += 1;
        digits = rest;
    }
    (n_digits > 0).then_some((billionths, digits))
}

/// The number of eight digits, added up in pairs, then fours, then all at once.
fn eight_digits(text: [u8; 8]) -> Option<i64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const HIGH_HALVES: u64 = u64::from_le_bytes([0xF0; 8]);
    let word = u64::from_le_bytes(text);
    // A digit is 0x30 to 0x39: its high half is 3, and stays 3 when 6 is added.
    let with_six = word.wrapping_add(u64::from_le_bytes([6; 8]));
    if word & HIGH_HALVES != ZEROS || with_six & HIGH_HALVES != ZEROS {
        return None;
    }
    let ones = word - ZEROS;
    let twos = (ones * 10 + (ones >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_FFFF_0000_FFFF;
    let eight = (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF;
    i64::try_from(eight).ok()
}

/// Seconds east of UTC of `Z`, `+02:00` or `-02:00`, and what follows it.
fn offset_seconds(text: &[u8]) -> Option<(i64, &[u8])> {
    match text {
        [b'Z' | b'z', rest @ ..] => Some((0, rest)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, rest @ ..] => {
            let digits = [h1, h2, m1, m2].map(|byte| i64::from(byte.wrapping_sub(b'0')));
            if digits.iter().any(|digit| *digit > 9) {
                return None;
            }
            let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]);
            let seconds = hours * 3600 + minutes * 60;
            let seconds = if *sign == b'-' { -seconds } else { seconds };
            (hours <= 23 && minutes <= 59).then_some((seconds, rest))
        }
        _ => None,
    }
}

fn nanoseconds(seconds: i64, nanos: i64) -> Option<UnixNanos> {
    let total = i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos);
    i64::try_from(total).ok().map(UnixNanos)
}

// The two functions below count years from March, so that the leap day is the last of its year and the days before a
// month are a straight line: 153 days for every five months. Years and days are of the proleptic Gregorian calendar.

/// Days from the first of March of the year 0 to 1970-01-01.
const EPOCH_DAY: i64 = 719_468;
const DAYS_IN_400_YEARS: i64 = 146_097;

/// Days from 1970-01-01 to the given date, whose year has at most four digits.
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    // Four centuries later all is positive, and small: that divides fastest.
    let year = year + 400 - u32::from(month <= 2);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month_from_march + 2) / 5 + day;
    i64::from(days) - 1 - EPOCH_DAY - DAYS_IN_400_YEARS
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAY;
    let cycle = days.div_euclid(DAYS_IN_400_YEARS);
    let day_of_cycle = days.rem_euclid(DAYS_IN_400_YEARS);
    // Leap days taken out, every year has 365 days. The last day of 4 and of 400 years is such a leap day.
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (cycle * 400 + year_of_cycle + i64::from(month <= 2), month, day)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
