//! The one place where every thread, task and queue is made, named and bounded: scout → lanes → sinks, groups → sinks (`samples.rs`),
//! and the listener.
//!
//! Queues: one batch between a lane and its sink (each at most `batch_bytes`, besides the one being filled and the one being
//! sent); two used bodies back; one request to look from the watcher to the scout. Nothing else holds data.
//! Ending goes the way the data goes: lanes are told to stop, sinks end when their lanes have, and a grace bounds it all.

mod samples;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::labels::Labels;
use proto::metric::Families;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use crate::batch::{Limits, Sealed};
use crate::changes::preview::Preview;
use crate::changes::{self, Changes};
use crate::collector::host::Host;
use crate::compare::{self as comparing, Comparison};
use crate::config::checked::{ChangesInput, Config, FileInput, Format, JsonFormat, LokiOutput, LongLines};
use crate::config::patterns::{Globs, name_globs};
use crate::host_root::HostRoot;
use crate::journal::file::Id128;
use crate::kubelet::Kubelet;
use crate::kubelet::apps::Apps;
use crate::lane::{self, HostIds, Lane, lock, stream_sets};
use crate::listener::{self, Status};
use crate::metrics::{LaneCounters, SinkCounters, TailCounters, Unreadable};
use crate::position_log::{PositionLog, Remembered, StateError};
use crate::scrape::{Job, ScrapeError, Scraper};
use crate::sink::dry_run::{self, Style, Summary};
use crate::sink::loki::{self, LokiSink, open_spool};
use crate::status::{Destination, Page, Report};
use crate::tail::bounds::{Bounds, Patience};
use crate::tail::catalog::{Catalog, Interest};
use crate::tail::discovery::PathGlob;
use crate::tail::inputs::Inputs;
use crate::tail::origin::Origin;
use crate::tail::scout::{Bell, Scout};
use crate::wake::Wake;

/// Batches between a lane and its sink.
const QUEUED_BATCHES: usize = 1;
/// Bodies on their way back.
const USED_BODIES: usize = 2;
/// From the signal to the end: the kubelet's and systemd's patience is longer.
const GRACE: Duration = Duration::from_secs(4);

/// What pods are called, in the state directory.
const PODS_FILE: &str = "pods.json";

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where positions and spools are.
    pub state_directory: PathBuf,
    /// The host's file tree.
    pub root: HostRoot,
    /// Read every source to its present end, then finish.
    pub once: bool,
    /// The host's /proc, /sys and /run/udev.
    pub host: Host,
    /// Use inotify; otherwise everything is looked at once a second.
    pub inotify: bool,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Told to; or, with `once`, everything was delivered.
    Delivered,
    /// Something is left; it is sent at the next start.
    Undelivered,
    /// SIGHUP: begin anew with the configuration that was read.
    Reload,
}

/// Why it could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The listener.
    #[error("listen {address}: {source}; choose another address with --listen, or none with --listen ''")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refuses something that everything needs.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// What outlasts a reload: signals, so that none is missed while the pipeline is made anew, and the port, so that nobody who
/// asks finds it closed.
pub struct Lasting {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    port: Option<(SocketAddr, std::net::TcpListener)>,
}

impl Lasting {
    /// Begins to heed signals. Within a runtime only.
    pub fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hangup: signal(SignalKind::hangup())?, port: None })
    }

    /// The port of that address: the one that is open, or a new one.
    fn listen(&mut self, address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
        if self.port.as_ref().is_none_or(|(known, _)| *known != address) {
            self.port = None;
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            info!(address = %listener.local_addr()?, "listening");
            self.port = Some((address, listener));
        }
        match &self.port {
            Some((_, listener)) => tokio::net::TcpListener::from_std(listener.try_clone()?),
            None => Err(io::Error::other("the port was not opened")),
        }
    }
}

/// The threads and tasks of one destination.
struct Running {
    wake: Arc<Wake>,
    thread: JoinHandle<()>,
}

/// Runs until a signal, or with `once` until all is delivered. `reload` says, at SIGHUP, whether there is a configuration to
/// begin anew with.
pub async fn run(
    config: &Config,
    options: &Options,
    lasting: &mut Lasting,
    mut reload: impl FnMut() -> bool,
) -> Result<Ended, StartError> {
    let mut log = PositionLog::open(&options.state_directory)?;
    let spools: Vec<_> = config.outputs.loki.iter().map(|output| spool_of(output, &options.state_directory, &mut log)).collect();
    let numbers: Vec<u32> = config.outputs.loki.iter().map(|output| log.destination(&output.name)).collect();
    let catalog = catalog(options, &log, &numbers, destinations_of(config));
    let log = Arc::new(Mutex::new(log));
    let tail_counters = Arc::new(TailCounters::default());
    let memory = Box::new(Remembered::new(Arc::downgrade(&log), numbers));
    let bounds = Bounds::new(memory, Patience::default(), config.logs.max_held_bytes, Arc::clone(&tail_counters));
    let unreadable = Arc::new(Unreadable::default());
    let apps = apps(config, options);
    let (stop, stopping) = watch::channel(false);
    let (mut running, mut sinks, mut destinations) = (Vec::new(), Vec::new(), Vec::new());
    for (output, spool) in config.outputs.loki.iter().zip(spools) {
        let wake = Arc::new(Wake::default());
        let settled = Arc::new(AtomicU64::new(0));
        let (lane_counters, sink_counters) = (Arc::new(LaneCounters::default()), Arc::new(SinkCounters::default()));
        let (outlet, inbox) = mpsc::channel::<Sealed>(QUEUED_BATCHES);
        let (used, used_bodies) = std::sync::mpsc::sync_channel(USED_BODIES);
        let with = lane::Connections {
            catalog: Arc::clone(&catalog),
            wake: Arc::clone(&wake),
            log: Arc::clone(&log),
            counters: Arc::clone(&lane_counters),
            settled: Arc::clone(&settled),
            outlet,
            used_bodies,
        };
        let settings = lane::Settings { apps: apps.clone(), ..settings(config, output, options) };
        let lane = Lane::new(settings, with);
        let number = lock(&log).destination(&output.name);
        let with = loki::Connections {
            log: Arc::clone(&log),
            wake: Arc::clone(&wake),
            counters: Arc::clone(&sink_counters),
            settled,
            inbox,
            used_bodies: used,
            stop: stopping.clone(),
        };
        let sink = LokiSink::new(output, number, spool, options.once, with);
        sinks.push(tokio::spawn(sink.run()));
        destinations.push(Destination { name: output.name.clone(), lane: lane_counters, sink: sink_counters });
        running.push(Running { wake, thread: spawn("lane", move || lane.run())? });
    }
    let written = samples::Destinations::open(config, options, &stopping);
    let changing = watch_changes(config, options)?;
    let (scout, bell) = scout(config, options, &catalog, &running, &unreadable, bounds, apps.clone());
    let naming = apps.clone().zip(config.kubelet.as_ref()).map(|(apps, kubelet)| {
        let (kubelet, bell) = (Kubelet::new(kubelet), bell.clone());
        tokio::spawn(async move { apps.run(kubelet, || bell.look()).await })
    });
    let once = options.once;
    let scouting = spawn("scout", move || scout.run(once))?;
    let report =
        Arc::new(Report::new(Arc::clone(&log), destinations, written.counters(), Arc::clone(&unreadable), tail_counters));
    let (sampling, sending) = written.start(config, options, &report, apps)?;
    sinks.extend(sending);
    let page: Arc<dyn Status> = Arc::new(Page { report, measuring: Some(sampling.measuring()) });
    let mut listening = None;
    if let Some(address) = config.listen.filter(|_| !once) {
        let listener = lasting.listen(address).map_err(|source| StartError::Listen { address, source })?;
        listening = Some(tokio::spawn(listener::serve(listener, page)));
    }
    info!(node = %config.node, destinations = sinks.len(), state = %options.state_directory.display(), "started");

    let mut everything = std::pin::pin!(all(sinks));
    let mut ended = Ended::Delivered;
    let mut measuring = Vec::new();
    let delivered = loop {
        tokio::select! {
            delivered = &mut everything => break delivered,
            _ = lasting.terminate.recv() => {}
            _ = lasting.interrupt.recv() => {}
            _ = lasting.hangup.recv() => {
                if !reload() {
                    continue;
                }
                ended = Ended::Reload;
            }
        }
        for running in &running {
            running.wake.stop();
        }
        measuring = sampling.stop();
        break tokio::select! {
            delivered = &mut everything => delivered,
            () = tokio::time::sleep(GRACE) => {
                let _ = stop.send(true);
                (&mut everything).await
            }
        };
    };
    if let Some(listening) = listening {
        // It must be gone, and the log with it, before a new pipeline takes over.
        listening.abort();
        let _ = listening.await;
    }
    bell.stop();
    if let Some(naming) = naming {
        naming.abort();
    }
    if let Some(changing) = changing {
        changing.stop();
    }
    drop(stop);
    join(running.into_iter().map(|running| running.thread).chain(measuring));
    // It may be at the position log, which is given to the next pipeline now.
    join(std::iter::once(scouting));
    lock(&log).close();
    info!(delivered, "ended");
    Ok(match ended {
        Ended::Reload => Ended::Reload,
        _ if delivered => Ended::Delivered,
        _ => Ended::Undelivered,
    })
}

/// Reads what would be read and prints what would be shipped. Writes nothing but `out`.
pub fn dry_run(config: &Config, options: &Options, style: Style, out: &mut impl io::Write) -> Result<Summary, StartError> {
    let (samples, missing) = samples::sample_once(config, options);
    dry_run::print_samples(&samples, style, out)?;
    let samples = samples.iter().map(|samples| samples.len() as u64).sum();
    if !has_logs(config) {
        return Ok(Summary { samples, missing, ..Summary::default() });
    }
    let log = PositionLog::in_memory();
    // One lane, which wants everything.
    let catalog = catalog(options, &log, &[], Box::new(|_| 1));
    let log = Arc::new(Mutex::new(log));
    let memory = Box::new(Remembered::new(Arc::downgrade(&log), Vec::new()));
    let bounds = Bounds::new(memory, Patience::default(), config.logs.max_held_bytes, Arc::default());
    let wake = Arc::new(Wake::default());
    let (outlet, inbox) = mpsc::channel::<Sealed>(QUEUED_BATCHES);
    // Bodies are not used again here; the receiver stays, so that the lane finds none.
    let (_used, used_bodies) = std::sync::mpsc::sync_channel(USED_BODIES);
    let with = lane::Connections {
        catalog: Arc::clone(&catalog),
        wake: Arc::clone(&wake),
        log,
        counters: Arc::new(LaneCounters::default()),
        settled: Arc::new(AtomicU64::new(0)),
        outlet,
        used_bodies,
    };
    let output = config.outputs.loki.first();
    let mut settings = output.map_or_else(|| any_destination(config, options), |output| settings(config, output, options));
    // Without state nothing would ever be too old for a destination that is not asked.
    settings.entry_age_max = None;
    settings.order_window = None;
    settings.show_unterminated = true;
    settings.jobs = name_globs(vec!["*".to_owned(), "*/*".to_owned()]).unwrap_or(settings.jobs);
    if let Some(input) = &config.logs.changes {
        let changes = Changes::new(options.root.clone(), &input.paths, &options.state_directory);
        let (log, path) = (Arc::new(log_of_changes(input, options)), options.state_directory.join(changes::LOG_NAME));
        let origin = Origin::File { input: log, path, path_is_label: false };
        let preview = Preview::new(changes, &origin, &settings, with.outlet.clone()).map_err(io::Error::other)?;
        let once = options.once;
        spawn("changes", move || preview.run(once))?;
    }
    let running = Running { wake: Arc::clone(&wake), thread: spawn("lane", move || Lane::new(settings, with).run())? };
    let unreadable = Arc::new(Unreadable::default());
    let running = [running];
    let (scout, _bell) = scout(config, options, &catalog, &running, &unreadable, bounds, None);
    let once = options.once;
    let _scouting = spawn("scout", move || scout.run(once))?;
    let summary = Summary { samples, missing, ..dry_run::print(inbox, style, out)? };
    for (path, now) in unreadable.rows() {
        if now {
            writeln!(out, "{path}: cannot be read")?;
        }
    }
    Ok(summary)
}

/// Reads a running exporter once, and says what is different here.
pub async fn compare(url: &str, config: &Config, options: &Options) -> Result<Comparison, ScrapeError> {
    let scraped = Scraper::new(&Job::new("compared", url)).scrape(Families::new()).await.result?;
    let (config, options) = (config.clone(), options.clone());
    // It waits for disks and devices.
    let ours = tokio::task::spawn_blocking(move || samples::collect_once(&config, &options)).await;
    Ok(comparing::compare(&scraped.families, &ours.unwrap_or_default()))
}

fn has_logs(config: &Config) -> bool {
    let logs = &config.logs;
    !logs.files.is_empty() || logs.pods.is_some() || logs.journal.is_some() || logs.changes.is_some()
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(512 * 1024).spawn(run)
}

fn join(threads: impl Iterator<Item = JoinHandle<()>>) {
    for thread in threads {
        let until = Instant::now() + Duration::from_millis(500);
        while !thread.is_finished() && Instant::now() < until {
            std::thread::yield_now();
        }
        if !thread.is_finished() {
            // It hangs in a system call on a dead mount: positions are safe without it.
            continue;
        }
        if thread.join().is_err() {
            error!("a thread ended by a fault; its positions are those of its last settled batch");
        }
    }
}

/// Whether all sinks have delivered everything.
async fn all(sinks: Vec<tokio::task::JoinHandle<bool>>) -> bool {
    let mut delivered = true;
    for sink in sinks {
        delivered &= sink.await.unwrap_or(false);
    }
    delivered
}

fn catalog(options: &Options, log: &PositionLog, destinations: &[u32], interest: Interest) -> Arc<Catalog> {
    Arc::new(Catalog::new(options.root.clone(), interest, log.saved_chains(destinations)))
}

/// What pods are called, if lines are to say so. A dry run sends nobody a token, so it does not ask.
fn apps(config: &Config, options: &Options) -> Option<Arc<Apps>> {
    let pods = config.logs.pods.as_ref().filter(|pods| !pods.app_labels.is_empty())?;
    Some(Arc::new(Apps::open(options.state_directory.join(PODS_FILE), pods.app_labels.clone())))
}

/// How many destinations want something of a log.
fn destinations_of(config: &Config) -> Interest {
    let jobs: Vec<_> = config.outputs.loki.iter().map(|output| output.jobs.clone()).collect();
    Box::new(move |origin: &Origin| {
        let of = stream_sets::jobs(origin);
        jobs.iter().filter(|globs| of.iter().any(|job| globs.is_match(job))).count()
    })
}

fn scout(
    config: &Config,
    options: &Options,
    catalog: &Arc<Catalog>,
    running: &[Running],
    unreadable: &Arc<Unreadable>,
    bounds: Bounds,
    apps: Option<Arc<Apps>>,
) -> (Scout, Bell) {
    let globs = |paths: &[String]| paths.iter().filter_map(|path| PathGlob::new(path).ok()).collect();
    let log_of_changes = config.logs.changes.as_ref().map(|changes| log_of_changes(changes, options));
    let files = config.logs.files.iter().chain(&log_of_changes);
    let inputs = Inputs {
        files: files.map(|input| (Arc::new(input.clone()), globs(&input.paths))).collect(),
        pods: config.logs.pods.clone().map(Arc::new),
        apps,
        journal: config.logs.journal.clone().map(Arc::new),
    };
    let wakes = running.iter().map(|running| Arc::clone(&running.wake)).collect();
    Scout::new(Arc::clone(catalog), inputs, wakes, Arc::clone(unreadable), bounds, options.inotify)
}

/// Looks once at the files whose changes matter, and goes on looking in a thread of its own.
fn watch_changes(config: &Config, options: &Options) -> io::Result<Option<changes::Bell>> {
    let Some(input) = &config.logs.changes else { return Ok(None) };
    let mut changes = Changes::new(options.root.clone(), &input.paths, &options.state_directory);
    changes.look();
    let bell = changes::Bell::default();
    let heard = bell.clone();
    if !options.once {
        spawn("changes", move || changes.run(&heard))?;
    }
    Ok(Some(bell))
}

/// The log of changes is read like any other: JSON lines with their own time.
fn log_of_changes(changes: &ChangesInput, options: &Options) -> FileInput {
    FileInput {
        job: changes.job.clone(),
        paths: vec![options.state_directory.join(changes::LOG_NAME).display().to_string()],
        exclude: Globs::default(),
        format: Format::Json(JsonFormat {
            timestamp: vec!["time".to_owned()],
            metadata: ["change", "path"].map(str::to_owned).to_vec(),
        }),
        labels: BTreeMap::new(),
        drop: Vec::new(),
        multiline: None,
        max_age: None,
        long_lines: LongLines::Cut,
        max_line: 64 * 1024,
        rotate_wait: Duration::from_secs(30),
    }
}

fn spool_of(output: &LokiOutput, state: &Path, log: &mut PositionLog) -> Option<crate::spool::Spool> {
    if output.spool == 0 {
        return None;
    }
    open_spool(&state.join("spool").join(file_name(&output.name)), output.spool, &output.name, log)
}

/// A destination's name as that of a directory.
fn file_name(name: &str) -> String {
    let name: String =
        name.chars().map(|char| if char.is_ascii_alphanumeric() || "-_.".contains(char) { char } else { '_' }).collect();
    name.trim_start_matches('.').to_owned()
}

fn settings(config: &Config, output: &LokiOutput, options: &Options) -> lane::Settings {
    lane::Settings {
        destination: output.name.clone(),
        jobs: output.jobs.clone(),
        limits: Limits { bytes: output.batch_bytes, entries: output.batch_entries, linger: output.linger },
        line_max: output.max_line,
        entry_age_max: output.max_entry_age,
        order_window: output.order_window,
        ..any_destination(config, options)
    }
}

/// What holds for a dry run without a destination: Loki's own limits.
fn any_destination(config: &Config, options: &Options) -> lane::Settings {
    let labels: BTreeMap<&String, &String> = config.labels.iter().collect();
    lane::Settings {
        destination: "dry run".to_owned(),
        jobs: Globs::default(),
        labels: labels.into_iter().collect::<Labels>(),
        node: config.node.clone(),
        limits: Limits { bytes: 1 << 20, entries: 700, linger: Duration::from_millis(250) },
        line_max: proto::loki::limits::LINE_BYTES,
        entry_age_max: None,
        order_window: None,
        once: options.once,
        show_unterminated: false,
        host: host_ids(&options.root),
        apps: None,
    }
}

/// What cannot be read is not known: then every journal counts as this host's.
fn host_ids(root: &HostRoot) -> HostIds {
    let machine = root.open(Path::new("/etc/machine-id")).and_then(io::read_to_string).ok();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    // 32 hex digits; the kernel writes dashes between them.
    let parse = |text: String| {
        let digits = text.trim().replace('-', "");
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
        number.map(|number| Id128(number.to_be_bytes()))
    };
    HostIds { machine: machine.and_then(parse), boot: boot.and_then(parse) }
}
