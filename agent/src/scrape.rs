//! Metrics that others expose over HTTP: one request to a target, families of samples out, or why there are none.
//!
//! `job` is what a target is told to be, `fetch` the request and its answer, `labels` what target and sample say of the same label,
//! `report` the `scrape_*` series, `pods` the targets that pods of this node ask to be, `run` keeps targets: when one is scraped, `up`, and
//! the end of its series; a scrape knows only itself. Whole or not at all: of an answer that is too long, cut off or
//! malformed nothing is taken.

pub(crate) mod fetch;
pub mod job;
pub mod labels;
pub mod pods;
pub mod report;
pub mod run;

use std::time::{Duration, Instant};

use client::ClientError;
use proto::exposition::read::{Format, ReadError, Reading, read};
use proto::metric::Families;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

use fetch::Fetch;
pub use job::Job;

/// What is asked for, best first. The weights are Prometheus' own, since some exporters know no others.
const FORMATS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                       application/openmetrics-text;version=0.0.1;q=0.5,\
                       text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                       text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
/// Tells the target how long somebody waits.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Why a scrape failed.
#[derive(Debug, Error)]
pub enum ScrapeError {
    /// The request could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There was no answer, or not all of it.
    #[error("{0}")]
    Unanswered(String),
    /// It took too long.
    #[error("no whole answer within {0:?}: see what keeps the target, or raise `timeout`")]
    Timeout(Duration),
    /// The target says that something is wrong.
    #[error("the target answers with status {0}, 200 was expected")]
    Status(u16),
    /// The target is somewhere else, and that is not followed.
    #[error("the target sends us on to {0}: write that as `url` if it is right")]
    Redirected(String),
    /// It never says where it is.
    #[error("the target sends us on more than {0} times")]
    RedirectedForEver(usize),
    /// The answer is too long.
    #[error("the answer has more than {0} bytes: have the target say less, or raise `body_limit`")]
    TooLong(u64),
    /// Nobody can read it.
    #[error("the answer is coded as {0:?}, which was not asked for")]
    Coding(String),
    /// What was compressed is damaged.
    #[error("the answer's gzip is damaged: {0}")]
    Gzip(std::io::Error),
    /// It is not what it says.
    #[error("the answer cannot be read as {format}: {why}")]
    Malformed {
        /// As what it was read.
        format: Format,
        /// Why that is no use.
        why: ReadError,
    },
    /// The kubelet's list of pods is none.
    #[error("the list of pods cannot be read: {0}")]
    Pods(serde_json::Error),
}

/// What a scrape gave.
#[derive(Debug)]
pub struct Scraped {
    /// The samples, as the target has them. Where exposed labels win, those without value stand there too: `labels::attach` knows
    /// what they mean, and nothing else may send them on.
    pub families: Families,
    /// The length of the text.
    pub body_bytes: u64,
    /// Whether the answer did not say what it is, and was taken for text format 0.0.4.
    pub is_guessed: bool,
}

/// A scrape that is over.
#[derive(Debug)]
pub struct Outcome {
    /// How long it took.
    pub duration: Duration,
    /// What it gave.
    pub result: Result<Scraped, ScrapeError>,
}

/// What scrapes one target again and again.
#[derive(Debug)]
pub struct Scraper {
    fetch: Fetch,
    timeout: Duration,
    headers: HeaderMap,
    body_max: u64,
    reading: Reading,
    honors_timestamps: bool,
}

impl Scraper {
    /// For a target; nothing is opened or read yet.
    pub fn new(job: &Job) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(FORMATS));
        if let Ok(seconds) = HeaderValue::from_str(&job.timeout.as_secs_f64().to_string()) {
            headers.insert(TIMEOUT_HEADER, seconds);
        }
        let reading = Reading {
            samples_max: job.limits.samples,
            labels_max: job.limits.labels,
            label_bytes_max: job.limits.label_bytes,
            // Only then does it mean anything.
            keeps_empty_labels: job.honor_labels,
            ..Reading::of(Format::Text)
        };
        Self {
            fetch: Fetch::new(job.endpoint(), job.redirects),
            timeout: job.timeout,
            headers,
            body_max: job.limits.body_bytes,
            reading,
            honors_timestamps: job.honor_timestamps,
        }
    }

    /// Scrapes once. `families` are those of an earlier scrape, whose memory is used again.
    pub async fn scrape(&mut self, families: Families) -> Outcome {
        let start = Instant::now();
        let scraped = tokio::time::timeout(self.timeout, self.try_scrape(families)).await;
        let result = scraped.unwrap_or(Err(ScrapeError::Timeout(self.timeout)));
        Outcome { duration: start.elapsed(), result }
    }

    async fn try_scrape(&mut self, mut families: Families) -> Result<Scraped, ScrapeError> {
        let answer = self.fetch.get(&self.headers, self.body_max).await?;
        let format = answer.content_type.as_deref().and_then(Format::of_content_type);
        let reading = Reading { format: format.unwrap_or(Format::Text), ..self.reading };
        families.clear();
        read(&answer.body, &reading, &mut families).map_err(|why| ScrapeError::Malformed { format: reading.format, why })?;
        if !self.honors_timestamps {
            families.forget_times();
        }
        Ok(Scraped { families, body_bytes: answer.body.len() as u64, is_guessed: format.is_none() })
    }
}

#[cfg(test)]
mod tests;
