//! The configuration that the program runs on: every default filled in, every pattern compiled, every unit a type.
//!
//! Made only by `config::load`, from a file and from arguments; what stands here is valid.

mod journal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use client::Tls;
use globset::GlobMatcher;
use proto::remote_write::Version;
use regex::bytes::Regex;

use super::defaults;
use super::patterns::Globs;
use crate::collector::containers::ContainerSettings;
use crate::collector::settings::Settings;
use crate::collector::ups::UpsSettings;
use crate::kubelet::KubeletSettings;
use crate::relabel::Rule;
use crate::scrape::Job;

pub use journal::{JournalInput, JournalSelection, MessageFormat, Priority, Proof, Start};

/// Everything the agent does, as configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Value of the label `node` on every stream.
    pub node: String,
    /// Labels on every stream; `cluster="default"` if nothing else is said.
    pub labels: BTreeMap<String, String>,
    /// What is read.
    pub logs: Logs,
    /// What is measured; nothing if `None`.
    pub metrics: Option<Metrics>,
    /// Who is asked about pods, if anybody is.
    pub kubelet: Option<KubeletSettings>,
    /// Where it goes.
    pub outputs: Outputs,
    /// Where `/metrics`, `/healthz` and `/readyz` answer; `None` when switched off with `listen: ""`.
    pub listen: Option<SocketAddr>,
}

/// The log inputs.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Files named by path or glob.
    pub files: Vec<FileInput>,
    /// Pod logs under one root.
    pub pods: Option<PodInput>,
    /// The journal.
    pub journal: Option<JournalInput>,
    /// Files whose changes are themselves logged.
    pub changes: Option<ChangesInput>,
    /// Most bytes of deleted files that are held open for a destination that has not read them; above it the oldest is given up.
    pub max_held_bytes: u64,
}

impl Default for Logs {
    /// Nothing is read.
    fn default() -> Self {
        Self { files: Vec::new(), pods: None, journal: None, changes: None, max_held_bytes: defaults::MAX_HELD_BYTES }
    }
}

/// Files that belong to one job.
#[derive(Clone, Debug)]
pub struct FileInput {
    /// Label `job`.
    pub job: String,
    /// Paths or globs of the live files, absolute, as configured (the host's root is prepended when they are opened).
    pub paths: Vec<String>,
    /// Live files that match one of these are left out.
    pub exclude: Globs,
    /// How a line is understood.
    pub format: Format,
    /// Further labels of these streams.
    pub labels: BTreeMap<String, String>,
    /// Lines that are not shipped, counted by rule.
    pub drop: Vec<DropRule>,
    /// How several lines become one entry.
    pub multiline: Option<Multiline>,
    /// How far back a first start reads; `None` reads everything.
    pub max_age: Option<Duration>,
    /// What happens to a line that is longer than the destination takes (audit formats are reduced instead).
    pub long_lines: LongLines,
    /// How many bytes of one line are held in memory at most. What is longer is split or cut here already.
    pub max_line: usize,
    /// How long a renamed file is kept open after its last growth.
    pub rotate_wait: Duration,
}

/// Pod logs, found from paths alone.
#[derive(Clone, Debug)]
pub struct PodInput {
    /// Usually `/var/log/pods`.
    pub root: PathBuf,
    /// `namespace/pod` globs; if not empty, only these are read.
    pub include: Globs,
    /// `namespace/pod` globs that are left out.
    pub exclude: Globs,
    /// Lines that are not shipped, counted by rule.
    pub drop: Vec<DropRule>,
    /// Containers whose lines are of another format and job.
    pub routes: Vec<Route>,
    /// How several lines become one entry.
    pub multiline: Vec<PodMultiline>,
    /// Further labels of these streams.
    pub labels: BTreeMap<String, String>,
    /// Labels of a pod of which the first that it has is what its lines call `app`; without any, the kubelet is not asked.
    pub app_labels: Vec<String>,
    /// How far back a first start reads; `None` reads everything.
    pub max_age: Option<Duration>,
    /// What happens to an entry that is longer than the destination takes.
    pub long_lines: LongLines,
    /// How many bytes of one joined entry are held in memory at most.
    pub max_line: usize,
    /// How long a renamed file is kept open after its last growth.
    pub rotate_wait: Duration,
}

/// One reason not to ship a line.
#[derive(Clone, Debug)]
pub struct DropRule {
    /// How the rule is counted: its `name`, or the expression's text.
    pub name: String,
    /// For pods: `namespace/pod` glob that the rule is for; `None` for all.
    pub pods: Option<GlobMatcher>,
    /// Matches the entry's text.
    pub regex: Regex,
}

/// Lines of a container that belong to another job, if they are of that format; others stay pod logs.
#[derive(Clone, Debug)]
pub struct Route {
    /// `namespace/pod` glob.
    pub pods: GlobMatcher,
    /// Container name or glob; `None` for all containers.
    pub container: Option<GlobMatcher>,
    /// What the lines must be.
    pub format: Format,
    /// The job that they then have.
    pub job: String,
}

/// Joining for some pods.
#[derive(Clone, Debug)]
pub struct PodMultiline {
    /// `namespace/pod` glob.
    pub pods: GlobMatcher,
    /// Container name or glob; `None` for all containers.
    pub container: Option<GlobMatcher>,
    /// How.
    pub join: Multiline,
}

/// A record begins with a line that matches `first` and holds all that follow until the next such line.
#[derive(Clone, Debug)]
pub struct Multiline {
    /// Matches the first line of a record.
    pub first: Regex,
    /// At most so many lines in one record.
    pub max_lines: usize,
    /// A record to which nothing was added for so long is complete.
    pub timeout: Duration,
}

/// How a line becomes an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The line is the entry; its time is when it was read.
    Raw,
    /// A JSON object; its time stands in a field.
    Json(JsonFormat),
    /// `<time> <stream> <tags> <message>`, partial lines joined.
    Cri,
    /// kube-apiserver's audit log.
    KubeAudit(KubeAuditFormat),
    /// Vault's audit device, and `OpenBao`'s.
    VaultAudit(VaultAuditFormat),
}

/// Options of `json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFormat {
    /// Dotted paths of the field with the time; the first that is there is taken.
    pub timestamp: Vec<String>,
    /// Dotted paths that travel as structured metadata, under the name that `| json` would give.
    pub metadata: Vec<String>,
}

/// Options of `kube-audit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeAuditFormat {
    /// Replace the bodies of secrets, config maps and token requests.
    pub redact: bool,
    /// Which metadata to add (names as `record::kube_audit` has them).
    pub metadata: Vec<String>,
}

/// Options of `vault-audit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultAuditFormat {
    /// Text that Vault writes before each JSON object (its option `prefix`); taken off.
    pub prefix: String,
    /// Which metadata to add.
    pub metadata: Vec<String>,
}

/// What happens to an entry that a destination would refuse for its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLines {
    /// Several entries, each marked with `split` metadata.
    Split,
    /// One entry, marked with the bytes it lost (`truncated_bytes`).
    Cut,
}

/// Files whose content, owner, mode or presence is watched.
#[derive(Clone, Debug)]
pub struct ChangesInput {
    /// Label `job`, `file-changes` if nothing else is said.
    pub job: String,
    /// Absolute paths or globs.
    pub paths: Vec<String>,
}

/// The destinations.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Loki, or what speaks its push protocol.
    pub loki: Vec<LokiOutput>,
    /// Remote write destinations.
    pub remote_write: Vec<RemoteWriteOutput>,
}

/// What is measured of the node.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// How often.
    pub interval: Duration,
    /// The collectors that run, by name.
    pub collectors: Vec<&'static str>,
    /// What they give.
    pub settings: Settings,
    /// What is given of containers.
    pub containers: ContainerSettings,
    /// GPUs.
    pub gpu: Gpu,
    /// UPSes, by their servers.
    pub ups: Vec<UpsSettings>,
    /// Targets that are scraped.
    pub scrape: Vec<Job>,
    /// Pods that are scraped.
    pub scrape_pods: Option<ScrapePods>,
    /// What is changed of series, by job.
    pub relabel: BTreeMap<String, Vec<Rule>>,
}

/// Pods of this node that ask to be scraped.
#[derive(Clone, Debug)]
pub struct ScrapePods {
    /// What is not the pod's to say.
    pub template: Job,
}

/// Which version of remote write a destination is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// 2.0 where it is known, else 1.0.
    #[default]
    Auto,
    /// This one, whatever the answer.
    Only(Version),
}

/// How GPUs are measured.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// Whether they were asked for: then it is said if there are none.
    pub is_asked_for: bool,
    /// NVIDIA's library: a name that the loader looks for, or a path.
    pub library: String,
    /// The label that names the host.
    pub host_label: HostLabel,
    /// Whether memory by pod has a series for each process.
    pub pids: bool,
    /// Whether the library is closed while no process uses a card.
    pub close_when_idle: bool,
}

/// The label of a GPU's series that names the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostLabel {
    /// `Hostname`: all releases of dcgm-exporter up to 4.8.2.
    #[default]
    Capital,
    /// `hostname`: later ones.
    Small,
}

/// Where a destination is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whole URL.
    pub url: String,
    /// `X-Scope-OrgID`; empty for none.
    pub tenant: String,
    /// Credentials.
    pub auth: Auth,
    /// TLS.
    pub tls: Tls,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// One Loki destination.
#[derive(Clone, Debug)]
pub struct LokiOutput {
    /// Names this destination in metrics, logs and the position log; the URL's host and port if nothing else is said.
    /// Positions belong to the name: another name is another destination, which starts anew.
    pub name: String,
    /// The push endpoint (`/loki/api/v1/push` is added where only a host was given).
    pub place: Place,
    /// Only these jobs are sent here.
    pub jobs: Globs,
    /// How long an entry may wait for company.
    pub linger: Duration,
    /// Uncompressed bytes of a batch. Above it, it is sent.
    pub batch_bytes: usize,
    /// Entries of a batch. Above it, it is sent; also what a crash repeats at most.
    pub batch_entries: usize,
    /// The destination's `max_line_size` in bytes.
    pub max_line: usize,
    /// The destination's `reject_old_samples_max_age`; `None` when it takes everything.
    pub max_entry_age: Option<Duration>,
    /// How far behind the newest entry of its stream the destination takes an entry; `None` when it takes everything.
    pub order_window: Option<Duration>,
    /// Bytes on disk for when the destination is away; 0 for none.
    pub spool: u64,
}

/// One remote write destination.
#[derive(Clone, Debug)]
pub struct RemoteWriteOutput {
    /// Names this destination in metrics and logs, and its spool.
    pub name: String,
    /// The endpoint (`/api/v1/write` is added where only a host was given).
    pub place: Place,
    /// The version of the protocol.
    pub version: Wanted,
    /// Only these jobs are sent here.
    pub jobs: Globs,
    /// How long samples may wait for those of other targets.
    pub linger: Duration,
    /// Most samples of a request.
    pub batch_samples: usize,
    /// Bytes on disk for when the destination is away; 0 for none.
    pub spool: u64,
}

/// HTTP authentication; secrets are read from files, again whenever these change.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// User name, and the file with the password.
    Basic {
        /// User name, as it is.
        user: String,
        /// File with the password.
        password_file: PathBuf,
    },
    /// File with a bearer token.
    Bearer {
        /// File with the token.
        token_file: PathBuf,
    },
}
