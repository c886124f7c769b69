//! What a scrape is told: where, as whom, how often, within which limits, and what becomes of what is exposed.

use std::time::Duration;

use client::{Auth, Endpoint, Secret, Tls};
use twox_hash::XxHash3_64;
use url::Url;

use crate::relabel::Rule;

/// One target and how it is scraped.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its label `job`.
    pub job: String,
    /// Where its metrics are.
    pub url: String,
    /// Further labels of the target.
    pub labels: Vec<(String, String)>,
    /// How often.
    pub interval: Duration,
    /// How long it may take, redirections and all.
    pub timeout: Duration,
    /// As whom.
    pub auth: Auth,
    /// What is trusted.
    pub tls: Tls,
    /// Where it may send us.
    pub redirects: Redirects,
    /// Whether an exposed label wins over one of the target.
    pub honor_labels: bool,
    /// Whether an exposed time counts.
    pub honor_timestamps: bool,
    /// What is too much.
    pub limits: Limits,
    /// What is changed of every series.
    pub metric_relabel: Vec<Rule>,
    /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are given too.
    pub extra_series: bool,
}

/// What is too much for a scrape: it fails then as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text, and of the body before it is unpacked.
    pub body_bytes: u64,
    /// Samples.
    pub samples: usize,
    /// Labels of a sample.
    pub labels: usize,
    /// Bytes of a label's name or value.
    pub label_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 10 << 20, samples: 200_000, labels: 64, label_bytes: 16 << 10 }
    }
}

/// Which redirections are followed. Credentials go along only to the host that they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// All.
    #[default]
    Any,
    /// Those within a host: for targets that nobody has configured.
    SameHost,
    /// None.
    None,
}

impl Job {
    /// A job with Prometheus' defaults.
    pub fn new(job: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            job: job.into(),
            url: url.into(),
            labels: Vec::new(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            auth: Auth::None,
            tls: Tls::default(),
            redirects: Redirects::Any,
            honor_labels: false,
            honor_timestamps: true,
            limits: Limits::default(),
            metric_relabel: Vec::new(),
            extra_series: false,
        }
    }

    /// Its label `instance`: host and port of the URL.
    pub fn instance(&self) -> String {
        let Ok(url) = Url::parse(&self.url) else { return String::new() };
        let host = url.host_str().unwrap_or_default();
        url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The target's labels: `job`, `instance` and those that are configured, which win.
    pub fn target_labels(&self) -> Vec<(String, String)> {
        let own = [("job", self.job.clone()), ("instance", self.instance())];
        let is_configured = |name: &str| self.labels.iter().any(|(other, _)| other == name);
        let own = own.into_iter().filter(|(name, _)| !is_configured(name));
        own.map(|(name, value)| (name.to_owned(), value)).chain(self.labels.iter().cloned()).collect()
    }

    /// How long after the beginning of an interval it is scraped: always the same, and another time than most others.
    pub fn offset(&self) -> Duration {
        let hash = XxHash3_64::oneshot(format!("{}\0{}", self.instance(), self.job).as_bytes());
        self.interval.mul_f64((hash >> 11) as f64 / (1_u64 << 53) as f64)
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { url: Secret::Inline(self.url.clone()), auth: self.auth.clone(), tls: self.tls.clone(), timeout: self.timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_host_and_port() {
        for (url, instance) in [
            ("http://127.0.0.1:9100/metrics", "127.0.0.1:9100"),
            ("https://api.example.org/metrics", "api.example.org:443"),
            ("http://user:word@[::1]/metrics?a=b", "[::1]:80"),
            ("nowhere", ""),
        ] {
            assert_eq!(Job::new("a", url).instance(), instance);
        }
        let mut job = Job::new("a", "http://127.0.0.1:9100/metrics");
        job.labels = vec![("instance".to_owned(), "node-1".to_owned()), ("rack".to_owned(), "2".to_owned())];
        let pairs = job.target_labels();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("job", "a"), ("instance", "node-1"), ("rack", "2")]);
    }

    #[test]
    fn scrapes_are_spread_over_the_interval() {
        let offsets: Vec<Duration> = (0..100).map(|port| Job::new("a", format!("http://127.0.0.1:{port}/")).offset()).collect();
        assert!(offsets.iter().all(|offset| *offset < Duration::from_secs(15)));
        for third in 0..3 {
            let within = Duration::from_secs(5 * third)..Duration::from_secs(5 * third + 5);
            assert!(offsets.iter().filter(|offset| within.contains(*offset)).count() > 20);
        }
        assert_eq!(offsets[7], Job::new("a", "http://127.0.0.1:7/metrics").offset());
    }
}
