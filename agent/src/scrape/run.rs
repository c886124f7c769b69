//! Keeps targets: scrapes each at its own moment of every interval, and ships what comes of it with `up` and the `scrape_*` series.
//!
//! Of a scrape that failed nothing is shipped but these, and all series of the one before end. A target that is no more ends with all
//! of its series, `up` too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::metric::{Families, UnixMillis};
use proto::remote_write::SeriesSet;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::ScrapeError;
use super::pods::{PodTarget, targets};
use super::report::{Kept, report};
use super::{Job, Outcome, Scraper};
use crate::kubelet::{Kubelet, KubeletSettings};
use crate::measure::{Outlets, Schedule, unix_millis};
use crate::relabel::Relabelling;
use crate::target::{Target, TargetLabels, UP};

/// Between two looks at the kubelet's list of pods.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What holds for all targets.
#[derive(Clone)]
pub struct Common {
    /// Labels of every series that has none of that name.
    pub external: Vec<(String, String)>,
    /// Where samples go.
    pub outlets: Outlets,
    /// Becomes true when everything ends.
    pub stop: watch::Receiver<bool>,
}

/// Scrapes one target until everything ends.
pub async fn keep(job: Job, relabelling: Relabelling, common: Common) {
    let mut kept = KeptTarget::new(job, relabelling, common);
    let mut stop = kept.common.stop.clone();
    tokio::select! {
        () = kept.run() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Scrapes one target once.
pub async fn once(job: Job, relabelling: Relabelling, common: Common) {
    KeptTarget::new(job, relabelling, common).scrape(unix_millis()).await;
}

/// Scrapes the pods of this node that ask for it, as long as they do, until everything ends.
pub async fn keep_pods(kubelet: KubeletSettings, node: String, template: Job, relabelling: Relabelling, common: Common) {
    let mut stop = common.stop.clone();
    let mut kubelet = Kubelet::new(&kubelet);
    let mut running: BTreeMap<String, (PodTarget, watch::Sender<bool>, JoinHandle<()>)> = BTreeMap::new();
    let mut said: Option<String> = None;
    loop {
        match kubelet.pods().await.and_then(|list| targets(&list, &node).map_err(ScrapeError::Pods)) {
            Ok(found) => {
                let problems = found.problems.join("; ");
                if !problems.is_empty() && said.as_ref() != Some(&problems) {
                    warn!(problems, "pods that ask to be scraped and cannot be");
                }
                said = Some(problems);
                running.retain(|_, (target, gone, _)| {
                    let stays = found.targets.contains(target);
                    if !stays {
                        let _ = gone.send(true);
                    }
                    stays
                });
                for target in found.targets {
                    running.entry(target.url.clone()).or_insert_with(|| {
                        let (gone, ends) = watch::channel(false);
                        let task = keep_pod(target.job(&template), relabelling.clone(), common.clone(), ends);
                        (target, gone, tokio::spawn(task))
                    });
                }
            }
            // The targets that are known are scraped on.
            Err(error) => {
                let problem = error.to_string();
                if said.as_ref() != Some(&problem) {
                    warn!(%error, "the kubelet does not say which pods there are");
                }
                said = Some(problem);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    for (_, _, task) in running.into_values() {
        task.abort();
    }
}

/// Scrapes a pod until it is gone; then its series end.
async fn keep_pod(job: Job, relabelling: Relabelling, common: Common, mut gone: watch::Receiver<bool>) {
    let mut kept = KeptTarget::new(job, relabelling, common);
    tokio::select! {
        () = kept.run() => {}
        _ = gone.wait_for(|gone| *gone) => kept.end(),
    }
}

/// A target that is scraped.
struct KeptTarget {
    job: Job,
    common: Common,
    scraper: Scraper,
    target: Target,
    /// `up` and what scrapes say of themselves: they are not relabelled, and a label of the target is never one of theirs.
    about: Target,
    families: Families,
    /// Why it failed last.
    said: Option<String>,
}

impl KeptTarget {
    fn new(job: Job, relabelling: Relabelling, common: Common) -> Self {
        let labels = TargetLabels { target: job.target_labels(), external: common.external.clone(), honor: job.honor_labels };
        let about = TargetLabels { honor: false, ..labels.clone() };
        let own = own_series(&job, about.clone());
        Self {
            scraper: Scraper::new(&job),
            target: Target::new(labels, relabelling).without(own),
            about: Target::new(about, Relabelling::default()),
            families: Families::new(),
            said: None,
            job,
            common,
        }
    }

    async fn run(&mut self) {
        // Each target has its own moment in the interval.
        let schedule = Schedule::new(self.job.interval, self.job.offset());
        let mut last = UnixMillis::default();
        loop {
            let next = schedule.next(unix_millis(), last);
            // At most an interval, so a clock that is set does not keep it waiting.
            let wait = Duration::from_millis(u64::try_from(next.0 - unix_millis().0).unwrap_or(0)).min(self.job.interval);
            tokio::time::sleep(wait).await;
            self.scrape(next).await;
            last = next;
        }
    }

    async fn scrape(&mut self, time: UnixMillis) {
        let Outcome { duration, result } = self.scraper.scrape(std::mem::take(&mut self.families)).await;
        let mut about = Families::new();
        about.sample(&UP, &[], f64::from(u8::from(result.is_ok())));
        let mut outcome = Outcome { duration, result };
        let mut count = 0;
        let mut samples = match &mut outcome.result {
            Ok(scraped) => {
                self.say(None);
                self.families = std::mem::take(&mut scraped.families);
                count = self.families.len();
                self.target.take(&mut self.families, time)
            }
            Err(error) => {
                let why = error.to_string();
                self.say(Some(why));
                self.target.take(&mut self.families, time)
            }
        };
        report(
            &self.job,
            &outcome,
            Kept { scraped: count, samples: self.target.series(), added: self.target.added() },
            &mut about,
        );
        samples.extend(self.about.take(&mut about, time));
        self.common.outlets.put(&self.job.job, samples);
    }

    /// The target is no more.
    fn end(&mut self) {
        let now = unix_millis();
        let ends = self.target.end(now).into_iter().chain(self.about.end(now));
        self.common.outlets.put(&self.job.job, ends.collect());
    }

    fn say(&mut self, why: Option<String>) {
        if self.said == why {
            return;
        }
        let instance = self.job.instance();
        if let Some(why) = &why {
            warn!(job = self.job.job, instance, why, "a scrape fails");
        } else {
            info!(job = self.job.job, instance, "it can be scraped again");
        }
        self.said = why;
    }
}

/// What every scrape gives. A target that exposes one of these, `up` mostly, would have it twice, with two values at one time.
fn own_series(job: &Job, labels: TargetLabels) -> Arc<SeriesSet> {
    let mut families = Families::new();
    families.sample(&UP, &[], 0.0);
    let nothing = Outcome { duration: Duration::ZERO, result: Err(ScrapeError::Timeout(job.timeout)) };
    report(job, &nothing, Kept::default(), &mut families);
    let mut target = Target::new(labels, Relabelling::default());
    target.take(&mut families, UnixMillis::default());
    Arc::clone(target.set())
}
