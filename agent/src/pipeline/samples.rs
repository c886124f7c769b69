//! The samples' part of the pipeline: groups → targets → a queue, a spool and a task for each remote write destination.
//!
//! Queues: one a destination, at most [`QUEUE_BYTES`] of values; what finds no room there goes to the spool, or the oldest is given up.

use std::io;
use std::path::Path;
use std::sync::Arc;

use proto::metric::Families;
use proto::remote_write::Samples;
use tokio::sync::watch;
use tracing::error;

use super::Options;
use crate::collector::containers::Containers;
use crate::collector::gpu::{GpuSettings, Gpus};
use crate::collector::rounds::Rounds;
use crate::collector::ups::{Ups, UpsSettings};
use crate::config::checked::{Config, RemoteWriteOutput};
use crate::kubelet::apps::Apps;
use crate::measure::{self, Group, Measuring, Outlets, Plan};
use crate::metrics::RemoteWriteCounters;
use crate::relabel::Relabelling;
use crate::sample_spool::SampleSpool;
use crate::scrape::run::{self, Common};
use crate::sink::remote_write::queue::Queue;
use crate::sink::remote_write::{Connections, RemoteWriteSink};
use crate::status::{OwnMetrics, Report};

/// Values that wait in memory for one destination: hours of a node's samples.
const QUEUE_BYTES: usize = 4 << 20;

/// The destinations, before anything is measured.
pub(super) struct Destinations {
    outlets: Outlets,
    sinks: Vec<(RemoteWriteSink, String, Arc<RemoteWriteCounters>)>,
}

impl Destinations {
    /// With their spools, as an earlier run left them.
    pub(super) fn open(config: &Config, options: &Options, stop: &watch::Receiver<bool>) -> Self {
        let (mut queues, mut sinks) = (Vec::new(), Vec::new());
        for output in &config.outputs.remote_write {
            let (queue, counters) = (Arc::new(Queue::new(QUEUE_BYTES)), Arc::new(RemoteWriteCounters::default()));
            queues.push((output.jobs.clone(), Arc::clone(&queue)));
            let with = Connections { queue, counters: Arc::clone(&counters), stop: stop.clone() };
            let sink = RemoteWriteSink::new(output, spool_of(output, &options.state_directory), options.once, with);
            sinks.push((sink, output.name.clone(), counters));
        }
        Self { outlets: Outlets::new(queues), sinks }
    }

    /// What each counts, by name.
    pub(super) fn counters(&self) -> Vec<(String, Arc<RemoteWriteCounters>)> {
        self.sinks.iter().map(|(_, name, counters)| (name.clone(), Arc::clone(counters))).collect()
    }

    /// Starts to send, and to measure.
    pub(super) fn start(
        self,
        config: &Config,
        options: &Options,
        report: &Arc<Report>,
        apps: Option<Arc<Apps>>,
    ) -> io::Result<(Sampling, Vec<tokio::task::JoinHandle<bool>>)> {
        let ups = config.metrics.as_ref().map(|metrics| metrics.ups.as_slice()).unwrap_or_default();
        let mut groups = groups(config, ups, apps, options);
        if config.metrics.is_some() && !self.sinks.is_empty() {
            groups.push(Group {
                job: "picket-agent".to_owned(),
                labels: Vec::new(),
                relabelling: relabelling(config, "picket-agent"),
                // Who pulls has them anyway.
                is_pulled: false,
                sampler: Box::new(OwnMetrics(Arc::clone(report))),
            });
        }
        let plan = Plan { once: options.once, ..plan(config) };
        let measuring = Arc::new(Measuring::start(groups, &plan, &self.outlets)?);
        let (stop, stopping) = watch::channel(false);
        let common = Common { external: plan.external.clone(), outlets: self.outlets.clone(), stop: stopping };
        let scraping = tokio::spawn(scrape(config.clone(), options.once, common));
        if options.once {
            let (measuring, outlets) = (Arc::clone(&measuring), self.outlets.clone());
            tokio::spawn(async move {
                let _ = scraping.await;
                let _ = tokio::task::spawn_blocking(move || measuring.wait()).await;
                outlets.close();
            });
        }
        let sinks = self.sinks.into_iter().map(|(sink, _, _)| tokio::spawn(sink.run())).collect();
        Ok((Sampling { outlets: self.outlets, measuring, stop }, sinks))
    }
}

/// What is measured while the pipeline runs.
pub(super) struct Sampling {
    outlets: Outlets,
    measuring: Arc<Measuring>,
    /// For scrapes.
    stop: watch::Sender<bool>,
}

impl Sampling {
    /// For whoever pulls.
    pub(super) fn measuring(&self) -> Arc<Measuring> {
        Arc::clone(&self.measuring)
    }

    /// No more samples; what there is, is sent or spooled. The threads are to be waited for.
    pub(super) fn stop(&self) -> Vec<std::thread::JoinHandle<()>> {
        // Nobody listens where nothing is scraped.
        let _ = self.stop.send(true);
        let threads = self.measuring.stop();
        self.outlets.close();
        threads
    }
}

/// One sample of everything, as it would be shipped, and what is missing.
pub(super) fn sample_once(config: &Config, options: &Options) -> (Vec<Samples>, Vec<String>) {
    let (samples, mut missing) = measure::sample_once(groups(config, &not_secret(config), None, options), &plan(config));
    let secret = config.metrics.iter().flat_map(|metrics| &metrics.ups).filter(|ups| ups.needs_secret());
    missing.extend(secret.map(|ups| format!("ups: {} is not asked, since no secret leaves in a dry run", ups.server())));
    (samples, missing)
}

/// The UPSes that can be asked in a dry run.
fn not_secret(config: &Config) -> Vec<UpsSettings> {
    let all = config.metrics.iter().flat_map(|metrics| &metrics.ups);
    all.filter(|ups| !ups.needs_secret()).cloned().collect()
}

/// The same as collectors give it, without labels of the target.
pub(super) fn collect_once(config: &Config, options: &Options) -> Families {
    let mut all = Families::new();
    for mut group in groups(config, &not_secret(config), None, options) {
        group.sampler.sample(measure::unix_millis(), &mut all);
    }
    all
}

/// Everything that is measured but for the agent itself, with these UPSes.
fn groups(config: &Config, ups: &[UpsSettings], apps: Option<Arc<Apps>>, options: &Options) -> Vec<Group> {
    let Some(metrics) = &config.metrics else { return Vec::new() };
    let group = |job: &str, sampler| Group {
        job: job.to_owned(),
        labels: Vec::new(),
        relabelling: relabelling(config, job),
        is_pulled: true,
        sampler,
    };
    let node = Rounds::new(&metrics.collectors, &options.host, &metrics.settings);
    let mut groups = vec![group("node", Box::new(node))];
    let settings = GpuSettings {
        is_expected: metrics.gpu.is_asked_for,
        library: metrics.gpu.library.clone().into(),
        hostname: config.node.clone(),
        host_label: metrics.gpu.host_label,
        pids: metrics.gpu.pids,
        close_when_idle: metrics.gpu.close_when_idle,
    };
    // A driver may be loaded, and a kubelet started, when we have run for long.
    groups.push(group("dcgm-exporter", Box::new(Gpus::new(settings, &options.host))));
    groups.push(group("cadvisor", Box::new(Containers::new(&options.host, metrics.containers.clone()).with_apps(apps))));
    for settings in ups {
        let instance = ("instance".to_owned(), settings.server().to_string());
        groups.push(Group { labels: vec![instance], ..group("ups", Box::new(Ups::new(settings.clone()))) });
    }
    groups
}

/// What is changed of the series of a job. Rules that cannot be followed were refused with the configuration.
fn relabelling(config: &Config, job: &str) -> Relabelling {
    let rules = config.metrics.as_ref().and_then(|metrics| metrics.relabel.get(job));
    rules.and_then(|rules| Relabelling::new(rules).ok()).unwrap_or_default()
}

/// Scrapes everything that is configured until everything ends; once, if that is asked for.
async fn scrape(config: Config, once: bool, common: Common) {
    let Some(metrics) = &config.metrics else { return };
    let mut tasks = Vec::new();
    for job in &metrics.scrape {
        let (job, changed, common) = (job.clone(), relabelling(&config, &job.job), common.clone());
        tasks.push(if once {
            tokio::spawn(run::once(job, changed, common))
        } else {
            tokio::spawn(run::keep(job, changed, common))
        });
    }
    if let Some((pods, kubelet)) = metrics.scrape_pods.clone().zip(config.kubelet.clone()).filter(|_| !once) {
        let changed = relabelling(&config, &pods.template.job);
        tasks.push(tokio::spawn(run::keep_pods(kubelet, config.node.clone(), pods.template, changed, common)));
    }
    for task in tasks {
        // A task that ended by a fault has said so.
        let _ = task.await;
    }
}

fn plan(config: &Config) -> Plan {
    let labels = config.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    let node = ("node".to_owned(), config.node.clone());
    Plan {
        interval: config.metrics.as_ref().map_or_else(Default::default, |metrics| metrics.interval),
        instance: config.node.clone(),
        external: labels.chain(std::iter::once(node)).collect(),
        once: false,
    }
}

fn spool_of(output: &RemoteWriteOutput, state: &Path) -> Option<SampleSpool> {
    if output.spool == 0 {
        return None;
    }
    let directory = state.join("samples").join(super::file_name(&output.name));
    match SampleSpool::open(&directory, output.spool) {
        Ok(spool) => Some(spool),
        Err(error) => {
            error!(destination = %output.name, directory = %directory.display(), %error, "cannot open the spool; going on without it");
            None
        }
    }
}
