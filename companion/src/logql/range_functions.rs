//! Functions over the points of one series within a window. The points are in the order of time, and there is at least one.

use proto::time::UnixNanos;

use super::ast::RangeFunction;
use super::{Point, Series};

/// From when to when.
pub(crate) struct Window {
    pub(crate) after: UnixNanos,
    pub(crate) until: UnixNanos,
    /// How far it looks back, nanoseconds.
    pub(crate) range: i64,
    /// Each point is one entry, and nothing but how many there are is asked for.
    pub(crate) counts: bool,
}

pub(crate) fn apply(function: RangeFunction, parameter: Option<f64>, window: &Window, series: &Series<'_>) -> f64 {
    let points = series.points;
    let values = || points.iter().map(|point| point.value);
    let seconds = window.range as f64 / 1e9;
    match function {
        RangeFunction::Count => series.count as f64,
        RangeFunction::Bytes | RangeFunction::Sum => values().sum(),
        RangeFunction::Rate if window.counts => series.count as f64 / seconds,
        RangeFunction::Rate | RangeFunction::BytesRate => values().sum::<f64>() / seconds,
        RangeFunction::RateCounter => rate_of_counter(window, points),
        RangeFunction::Absent => 1.0,
        RangeFunction::Average => average(points),
        RangeFunction::Maximum => values().fold(f64::NAN, |most, value| if value > most || most.is_nan() { value } else { most }),
        RangeFunction::Minimum => {
            values().fold(f64::NAN, |least, value| if value < least || least.is_nan() { value } else { least })
        }
        RangeFunction::StandardVariance => variance(values()),
        RangeFunction::StandardDeviation => variance(values()).sqrt(),
        RangeFunction::Quantile => quantile(parameter.unwrap_or(f64::NAN), values().collect()),
        RangeFunction::First => points.first().map_or(f64::NAN, |point| point.value),
        RangeFunction::Last => points.last().map_or(f64::NAN, |point| point.value),
    }
}

/// Step by step, so that large numbers do not overflow their sum.
fn average(points: &[Point]) -> f64 {
    let mut mean: f64 = 0.0;
    for (place, point) in points.iter().enumerate() {
        let count = (place + 1) as f64;
        if mean.is_infinite()
            && !point.value.is_nan()
            && (point.value.is_finite() || point.value.is_sign_negative() == mean.is_sign_negative())
        {
            continue;
        }
        mean += point.value / count - mean / count;
    }
    mean
}

/// Of all values, not of a sample of them; step by step.
pub(crate) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// Between the two values that it falls between.
fn quantile(at: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || at.is_nan() {
        return f64::NAN;
    }
    if at < 0.0 {
        return f64::NEG_INFINITY;
    }
    if at > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|left, right| left.partial_cmp(right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan())));
    let rank = at * (values.len() - 1) as f64;
    #[expect(clippy::cast_sign_loss, reason = "it is between 0 and the number of values")]
    let (lower, upper) = (rank.floor() as usize, rank.ceil() as usize);
    let weight = rank - rank.floor();
    match (values.get(lower), values.get(upper)) {
        (Some(lower), Some(upper)) => lower * (1.0 - weight) + upper * weight,
        _ => f64::NAN,
    }
}

/// The rate of a counter that may begin anew, with what it probably did before the first point and after the last.
fn rate_of_counter(window: &Window, points: &[Point]) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if points.len() < 2 {
        return 0.0;
    }
    let resets: f64 = points.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value).sum();
    let increase = last.value - first.value + resets;
    let seconds = |from: UnixNanos, to: UnixNanos| (to.0 - from.0) as f64 / 1e9;
    let sampled = seconds(first.time, last.time);
    if sampled <= 0.0 {
        return 0.0;
    }
    let mut before = seconds(window.after, first.time);
    let after = seconds(last.time, window.until);
    // A counter was never below 0, so it was there at most since then.
    if increase > 0.0 && first.value >= 0.0 {
        before = before.min(sampled * (first.value / increase));
    }
    let spacing = sampled / (points.len() - 1) as f64;
    let near = |gap: f64| if gap < spacing * 1.1 { gap } else { spacing / 2.0 };
    increase * ((sampled + near(before) + near(after)) / sampled) / (window.range as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_between_values() {
        let of = |at: f64| quantile(at, vec![3.0, 1.0, 2.0, 4.0]);
        let told = |at: f64| of(at).to_string();
        assert_eq!([told(0.0), told(0.5), told(1.0), told(0.9)], ["1", "2.5", "4", "3.7"]);
        assert_eq!([told(-1.0), told(2.0)], ["-inf", "inf"]);
        assert!(of(f64::NAN).is_nan());
    }

    #[test]
    fn a_counter_that_begins_anew_still_counts() {
        let points: Vec<_> = [(10, 5.0), (20, 10.0), (30, 2.0)]
            .into_iter()
            .map(|(seconds, value)| Point { time: UnixNanos(seconds * 1_000_000_000), value })
            .collect();
        let window =
            Window { after: UnixNanos(10_000_000_000), until: UnixNanos(30_000_000_000), range: 20_000_000_000, counts: false };
        assert_eq!(rate_of_counter(&window, &points).to_string(), "0.35");
        assert_eq!(rate_of_counter(&window, &points[..1]).to_string(), "0");
    }
}
