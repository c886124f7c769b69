//! The parameters of a request, from its URL and from a form in its body; times and steps as Loki and Prometheus take them.

use std::time::Duration;

use proto::time::UnixNanos;

use crate::clock;

const SECOND: f64 = 1e9;

/// Names and values, in order; a name may stand several times.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

/// A parameter that cannot be read.
pub type Wrong = String;

impl Parameters {
    /// Of a URL's query and a form.
    pub fn new(query: Option<&str>, form: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).chain(url::form_urlencoded::parse(form));
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// One that has to be there.
    pub fn needed(&self, name: &str) -> Result<&str, Wrong> {
        self.get(name).ok_or_else(|| format!("the parameter `{name}` is missing"))
    }

    /// A time: nanoseconds or seconds since the epoch, or RFC 3339.
    pub fn time(&self, name: &str, default: UnixNanos) -> Result<UnixNanos, Wrong> {
        let Some(text) = self.get(name) else { return Ok(default) };
        time(text).ok_or_else(|| format!("`{name}`: cannot parse {text:?} to a valid timestamp"))
    }

    /// A span: seconds, or with units.
    pub fn span(&self, name: &str) -> Result<Option<Duration>, Wrong> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds < 1e9).map(Duration::from_secs_f64);
        let span = seconds.or_else(|| settings::quantity::duration(text).ok().filter(|span| !span.is_zero()));
        span.map(Some).ok_or_else(|| format!("`{name}`: cannot parse {text:?} to a valid duration above zero"))
    }

    /// A count.
    pub fn count(&self, name: &str, default: usize, max: usize) -> Result<usize, Wrong> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let count = text.parse::<usize>().map_err(|_| format!("`{name}`: {text:?} is not a whole number"))?;
        if count > max { Err(format!("`{name}`: at most {max}")) } else { Ok(count) }
    }
}

/// Loki: a number with a point is seconds, one of up to ten digits too, a longer one nanoseconds.
fn time(text: &str) -> Option<UnixNanos> {
    if let Ok(whole) = text.parse::<i64>() {
        let nanos = if text.trim_start_matches('-').len() <= 10 { whole.checked_mul(SECOND as i64)? } else { whole };
        return Some(UnixNanos(nanos));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        // A float has no more digits than microseconds: Loki rounds to milliseconds.
        return seconds.is_finite().then_some(UnixNanos(((seconds * 1000.0).round() as i64).saturating_mul(1_000_000)));
    }
    clock::parse_rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_all_forms_that_clients_send() {
        for (text, nanos) in [
            ("1795692379", 1_795_692_379_000_000_000),
            ("1795692379.5", 1_795_692_379_500_000_000),
            ("1795706460.25", 1_795_706_460_250_000_000),
            ("1795707985.123", 1_795_707_985_123_000_000),
            ("1795692379000000001", 1_795_692_379_000_000_001),
            ("2026-11-26T11:26:19Z", 1_795_692_379_000_000_000),
            ("1.795692379e9", 1_795_692_379_000_000_000),
        ] {
            assert_eq!(time(text), Some(UnixNanos(nanos)), "{text}");
        }
        assert_eq!((time("now"), time("inf")), (None, None));
    }

    #[test]
    fn parameters_come_from_the_url_and_from_a_form() {
        let parameters = Parameters::new(Some("query=%7Ba%3D%22b%22%7D&step=15&match%5B%5D=x"), b"match[]=y&limit=5&empty=");
        assert_eq!(parameters.get("query"), Some("{a=\"b\"}"));
        assert_eq!(parameters.all("match[]").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(parameters.span("step"), Ok(Some(Duration::from_secs(15))));
        assert_eq!(parameters.count("limit", 100, 5000), Ok(5));
        assert!(parameters.count("limit", 100, 4).is_err() && parameters.needed("empty").is_err());
    }
}
