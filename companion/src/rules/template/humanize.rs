//! Numbers as people read them, in the very texts of Prometheus' template functions.

use proto::time::UnixNanos;

/// `1.049M`, `95.9m`: four digits, with a decimal prefix.
pub fn humanize(mut value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four_digits(value);
    }
    if value.abs() >= 1.0 {
        let mut unit = "";
        for larger in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if value.abs() < 1000.0 {
                break;
            }
            unit = larger;
            value /= 1000.0;
        }
        return four_digits(value) + unit;
    }
    let (value, unit) = below_one(value);
    four_digits(value) + unit
}

/// `1Mi`: four digits, with a binary prefix.
pub fn humanize_1024(mut value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four_digits(value);
    }
    let mut unit = "";
    for larger in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if value.abs() < 1024.0 {
            break;
        }
        unit = larger;
        value /= 1024.0;
    }
    four_digits(value) + unit
}

/// `1d 2h 3m 4s` of a number of seconds; `95.9ms` of less than one.
pub fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four_digits(value);
    }
    if value == 0.0 {
        return four_digits(value) + "s";
    }
    if value.abs() < 1.0 {
        let (value, unit) = below_one(value);
        return four_digits(value) + unit + "s";
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    // A number of seconds that does not fit is cut, which no duration of a log ever reaches.
    #[expect(clippy::cast_sign_loss, reason = "it is one or more")]
    let whole = value as u64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four_digits(value))
    }
}

/// `95.9%` of 0.959.
pub fn humanize_percentage(value: f64) -> String {
    four_digits(value * 100.0) + "%"
}

/// `2022-01-25 12:36:43 +0000 UTC` of seconds since the epoch, to the millisecond; nothing if it is no time.
pub fn humanize_timestamp(seconds: f64) -> Option<String> {
    let millis = (seconds * 1000.0).floor();
    if !millis.is_finite() || millis.abs() > 9.2e15 {
        return None;
    }
    let mut text = String::new();
    let millis = millis as i64;
    record::time::format_rfc3339(UnixNanos(millis.checked_mul(1_000_000)?), &mut text);
    let text = text.trim_end_matches('Z').replace('T', " ");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    Some(format!("{text} +0000 UTC"))
}

/// A number below one as a larger number with a prefix.
fn below_one(mut value: f64) -> (f64, &'static str) {
    let mut unit = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        unit = smaller;
        value *= 1000.0;
    }
    (value, unit)
}

/// Go's `%.4g`.
fn four_digits(value: f64) -> String {
    general(value, Some(4))
}

/// Go's `%g` with so many digits, or with as many as it takes.
pub fn general(value: f64, digits: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = match digits {
        Some(digits) => format!("{value:.*e}", digits.max(1) - 1),
        None => format!("{value:e}"),
    };
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let precision = digits.map_or(6, |digits| digits as i32).max(1);
    if exponent < -4 || exponent >= precision {
        return with_exponent(mantissa, exponent);
    }
    let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len() as i32);
    #[expect(clippy::cast_sign_loss, reason = "not below zero")]
    let places = (places - exponent).max(0) as usize;
    format!("{value:.places$}")
}

/// Go's `%e` with as many digits as it takes: how Prometheus' API writes values.
pub fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return general(value, None);
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => with_exponent(mantissa, exponent.parse().unwrap_or(0)),
        None => text,
    }
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_those_of_prometheus() {
        // From the alert generator's compliance rules and the tests of prometheus/common.
        assert_eq!(humanize(1_048_576.0), "1.049M");
        assert_eq!(humanize(0.0), "0");
        assert_eq!(humanize(1e15), "1P");
        assert_eq!(humanize(0.00012), "120u");
        assert_eq!(humanize(-2500.0), "-2.5k");
        assert_eq!(humanize(f64::NAN), "NaN");
        assert_eq!(humanize(f64::INFINITY), "+Inf");
        assert_eq!(humanize_1024(1_048_576.0), "1Mi");
        assert_eq!(humanize_1024(1.0), "1");
        assert_eq!(humanize_1024(1e5), "97.66ki");
        assert_eq!(humanize_duration(135.3563), "2m 15s");
        assert_eq!(humanize_duration(0.0), "0s");
        assert_eq!(humanize_duration(1.0), "1s");
        assert_eq!(humanize_duration(1.234_567), "1.235s");
        assert_eq!(humanize_duration(-1.0), "-1s");
        assert_eq!(humanize_duration(899.99), "14m 59s");
        assert_eq!(humanize_duration(86_399.0), "23h 59m 59s");
        assert_eq!(humanize_duration(86_400.0), "1d 0h 0m 0s");
        assert_eq!(humanize_duration(0.1), "100ms");
        assert_eq!(humanize_duration(0.012_345), "12.35ms");
        assert_eq!(humanize_percentage(0.959), "95.9%");
        assert_eq!(humanize_percentage(-0.2), "-20%");
        assert_eq!(humanize_timestamp(1_643_114_203.0).as_deref(), Some("2022-01-25 12:36:43 +0000 UTC"));
        assert_eq!(humanize_timestamp(1_435_065_584.128).as_deref(), Some("2015-06-23 13:19:44.128 +0000 UTC"));
        assert_eq!(humanize_timestamp(f64::INFINITY), None);
    }

    #[test]
    fn general_and_scientific_numbers_are_those_of_go() {
        for (value, text) in [(1.0, "1"), (123_456.0, "123456"), (1_234_567.0, "1.234567e+06"), (1e21, "1e+21"), (0.1, "0.1")] {
            assert_eq!(general(value, None), text);
        }
        for (value, text) in [
            (0.0, "0"), (1000.0, "1000"), (10_000.0, "1e+04"), (99_990.0, "9.999e+04"), (0.0001, "0.0001"), (0.000_01, "1e-05"),
            (123.456, "123.5"), (0.5, "0.5"),
        ] {
            assert_eq!(general(value, Some(4)), text);
        }
        for (value, text) in [(1.0, "1e+00"), (0.0, "0e+00"), (123.5, "1.235e+02"), (-0.001, "-1e-03"), (f64::NEG_INFINITY, "-Inf")] {
            assert_eq!(scientific(value), text);
        }
    }
}
