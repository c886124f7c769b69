//! The calendar in the forms that log writers use: in file names and inside lines. UTC throughout.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, now.
pub fn now_nanos() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since_epoch.as_nanos()).expect("the clock is before 2262")
}

/// `2006-01-02T15:04:05.000000000Z`, as container runtimes write it.
pub fn rfc3339_nanos(nanos: i64) -> String {
    let t = Civil::of(nanos);
    format!("{}T{}.{:09}Z", t.date("-"), t.time(":"), t.nanos)
}

/// `2006-01-02T15:04:05.000000Z`, as kube-apiserver writes it.
pub fn rfc3339_micros(nanos: i64) -> String {
    let t = Civil::of(nanos);
    format!("{}T{}.{:06}Z", t.date("-"), t.time(":"), t.nanos / 1000)
}

/// `2006-01-02T15-04-05.000`, as lumberjack names its backups.
pub fn lumberjack(nanos: i64) -> String {
    let t = Civil::of(nanos);
    format!("{}T{}.{:03}", t.date("-"), t.time("-"), t.nanos / 1_000_000)
}

/// `20060102-150405`, as the kubelet names rotated container logs.
pub fn kubelet(nanos: i64) -> String {
    let t = Civil::of(nanos);
    format!("{}-{}", t.date(""), t.time(""))
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
    nanos: i64,
}

impl Civil {
    /// Howard Hinnant's `civil_from_days`.
    fn of(nanos: i64) -> Self {
        let seconds = nanos.div_euclid(1_000_000_000);
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            second_of_day: seconds.rem_euclid(86_400),
            nanos: nanos.rem_euclid(1_000_000_000),
        }
    }

    fn date(&self, between: &str) -> String {
        format!("{:04}{between}{:02}{between}{:02}", self.year, self.month, self.day)
    }

    fn time(&self, between: &str) -> String {
        let s = self.second_of_day;
        format!("{:02}{between}{:02}{between}{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_agree_with_the_calendar() {
        let nanos = 1_709_210_096_007_008_009; // 2024-02-29T12:34:56Z
        assert_eq!(rfc3339_nanos(nanos), "2024-02-29T12:34:56.007008009Z");
        assert_eq!(rfc3339_micros(nanos), "2024-02-29T12:34:56.007008Z");
        assert_eq!(lumberjack(nanos), "2024-02-29T12-34-56.007");
        assert_eq!(kubelet(nanos), "20240229-123456");
    }
}
