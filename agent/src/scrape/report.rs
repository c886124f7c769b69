//! What a scrape says of itself: the `scrape_*` series, given after a failed one too.

use proto::metric::{Desc, Families};

use super::{Job, Outcome, ScrapeError};

static DURATION: Desc = Desc::gauge("scrape_duration_seconds", "How long the scrape took.", &[]);
static SCRAPED: Desc = Desc::gauge("scrape_samples_scraped", "Samples that the target exposed.", &[]);
static KEPT: Desc =
    Desc::gauge("scrape_samples_post_metric_relabeling", "Samples that were left after the rules for its metrics.", &[]);
static ADDED: Desc = Desc::gauge("scrape_series_added", "Series that the scrape before did not have.", &[]);
static TIMEOUT: Desc = Desc::gauge("scrape_timeout_seconds", "How long a scrape may take.", &[]);
static SAMPLE_LIMIT: Desc = Desc::gauge("scrape_sample_limit", "How many samples a scrape may give.", &[]);
static BODY_SIZE: Desc = Desc::gauge("scrape_body_size_bytes", "The length of the answer; -1 if it was too long.", &[]);

/// Every series that a scrape can say of itself.
pub const FAMILIES: &[&Desc] = &[&DURATION, &SCRAPED, &KEPT, &ADDED, &TIMEOUT, &SAMPLE_LIMIT, &BODY_SIZE];

/// What only those know who keep the target's series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Samples that were left after relabelling.
    pub samples: usize,
    /// Series that the scrape before did not have.
    pub added: usize,
}

/// Adds the series to `out`. They bear the target's labels, which are not given here, and the time at which the scrape began.
pub fn report(job: &Job, outcome: &Outcome, kept: Kept, out: &mut Families) {
    let scraped = outcome.result.as_ref().map_or(0, |scraped| scraped.families.len());
    // Of what has failed nothing is kept.
    let kept = if outcome.result.is_ok() { kept } else { Kept::default() };
    out.sample(&DURATION, &[], outcome.duration.as_secs_f64());
    out.sample(&SCRAPED, &[], scraped as f64);
    out.sample(&KEPT, &[], kept.samples as f64);
    out.sample(&ADDED, &[], kept.added as f64);
    if job.extra_series {
        let body_size = match &outcome.result {
            Ok(scraped) => scraped.body_bytes as f64,
            Err(ScrapeError::TooLong(_)) => -1.0,
            Err(_) => 0.0,
        };
        out.sample(&TIMEOUT, &[], job.timeout.as_secs_f64());
        out.sample(&SAMPLE_LIMIT, &[], job.limits.samples as f64);
        out.sample(&BODY_SIZE, &[], body_size);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Scraped;
    use super::*;

    fn values(job: &Job, result: Result<Scraped, ScrapeError>) -> Vec<(String, f64)> {
        let mut out = Families::new();
        let outcome = Outcome { duration: Duration::from_millis(250), result };
        report(job, &outcome, Kept { samples: 1, added: 1 }, &mut out);
        out.samples().map(|sample| (sample.name().to_owned(), sample.value())).collect()
    }

    #[test]
    fn a_scrape_speaks_of_itself_when_it_has_failed_too() {
        let mut families = Families::new();
        families.read_sample("a", 1.0, None);
        families.read_sample("b", 1.0, None);
        let mut job = Job::new("a", "http://127.0.0.1:1/metrics");
        let good = values(&job, Ok(Scraped { families, body_bytes: 8, is_guessed: false }));
        let numbers = |values: &[(String, f64)]| values.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(numbers(&good), [0.25, 2.0, 1.0, 1.0]);
        assert_eq!(good[2].0, "scrape_samples_post_metric_relabeling");
        assert_eq!(numbers(&values(&job, Err(ScrapeError::Status(503)))), [0.25, 0.0, 0.0, 0.0]);
        job.extra_series = true;
        assert_eq!(numbers(&values(&job, Err(ScrapeError::TooLong(5)))), [0.25, 0.0, 0.0, 0.0, 10.0, 200_000.0, -1.0]);
        assert_eq!(numbers(&values(&job, Err(ScrapeError::Status(503)))), [0.25, 0.0, 0.0, 0.0, 10.0, 200_000.0, 0.0]);
    }
}
