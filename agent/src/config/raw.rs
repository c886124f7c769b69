//! The configuration file, key by key. What is not set stays `None`; defaults and meaning are `check`'s.
//!
//! Adding a key is one line here, one in `check`, one in `effective` and one in `deploy/config/agent.yaml`; the tests name
//! those that were forgotten.

pub(super) mod collectors;
pub(super) mod journal;
pub(super) mod metrics;

use std::time::Duration;

use self::journal::{Kernel, Preset};
use self::metrics::RawMetrics;
use super::checked::{LongLines, MessageFormat, Priority, Start, Wanted};
use proto::remote_write::Version;
use settings::file;
use settings::problem::Problems;
use settings::read::{Age, Count, Entries, Labels, Read, Size, Spanned, one_of};
use settings::section;
use settings::yaml::Node;

section! {
    elsewhere;
    /// The whole file.
    Raw {
        /// Label `node` of every stream. Default: `$NODE_NAME`, then the host name.
        node: String,
        /// Labels of every stream. Default: `cluster: default`; an empty value takes the label away.
        labels: Labels,
        /// What is read. Default: what `detect` finds.
        logs: RawLogs,
        /// What is measured. Default: the node, if there is a remote write destination or no input is configured.
        metrics: RawMetrics,
        /// How the kubelet is asked. Default: it is not, unless `scrape_pods` or `app_labels` need it.
        kubelet: RawKubelet,
        /// Where it goes. No default: one is needed but for a dry run.
        outputs: RawOutputs,
        /// Address of /metrics, /healthz and /readyz. Default 127.0.0.1:9102; `""` switches it off.
        listen: String,
    }
}

section! {
    elsewhere;
    /// `logs`
    RawLogs {
        /// Files by path or glob, one item a job.
        files: Vec<Spanned<RawFiles>>,
        /// Pod logs. Default: none are read; `pods: {}` reads all.
        pods: RawPods,
        /// Who takes which entries of the journal; the first that matches does.
        journal: Vec<Spanned<RawJournal>>,
        /// Where the journal is. Default: /var/log/journal and /run/log/journal.
        journal_directories: Vec<Spanned<String>>,
        /// Files whose changes are logged.
        changes: RawChanges,
        /// Most bytes of deleted files that are held open for a destination that has not read them. Default 2GiB.
        max_held_bytes: Size,
    }
}

section! {
    elsewhere;
    /// `logs.files[]`
    RawFiles {
        /// Label `job`. Needed. `kubernetes-audit`, `kube-audit` and `vault-audit` set `format` too.
        job: String,
        /// Absolute paths or globs. Needed, but for `kubernetes-audit` and `kube-audit`.
        paths: Vec<Spanned<String>>,
        /// Globs of files that are left out. Default: none.
        exclude: Vec<Spanned<String>>,
        /// How a line is understood. Default: the job's preset, else `raw`.
        format: FormatName,
        /// `json`: fields that hold the time, the first that is there is taken.
        timestamp: Vec<Spanned<String>>,
        /// `json`, `kube-audit`, `vault-audit`: fields that travel as structured metadata.
        metadata: Vec<Spanned<String>>,
        /// `kube-audit`: replace the bodies of secrets, config maps and token requests. Default true.
        redact: bool,
        /// `vault-audit`: text that the audit device writes before each object. Default: none.
        prefix: String,
        /// Further labels of these streams. Default: none.
        labels: Labels,
        /// Lines that are not shipped. Default: none.
        drop: Vec<Spanned<RawDrop>>,
        /// How several lines become one entry. Default: each line is one.
        multiline: RawMultiline,
        /// How far back a first start reads: a duration, or `all`. Default `all` for audit formats, else 24h.
        max_age: Age,
        /// What happens to a line that is too long for the destination: `cut` (default) or `split`.
        long_lines: LongLines,
        /// Most bytes of a line that are held. Default 16MiB for audit formats, else 1MiB.
        max_line: Size,
        /// How long a renamed file is kept open after its last growth. Default 30s.
        rotate_wait: Duration,
    }
}

section! {
    elsewhere;
    /// `logs.files[].drop[]`
    RawDrop {
        /// How the rule is counted. Default: its regex.
        name: String,
        /// Lines that match are not shipped. Needed.
        regex: String,
    }
}

section! {
    elsewhere;
    /// `logs.files[].multiline`
    RawMultiline {
        /// Matches the first line of a record. Needed.
        first: String,
        /// Most lines of a record. Default 500.
        max_lines: Count,
        /// A record that did not grow for so long is complete. Default 3s.
        timeout: Duration,
    }
}

section! {
    elsewhere;
    /// `logs.pods`
    RawPods {
        /// Where the kubelet writes them. Default /var/log/pods.
        root: String,
        /// `namespace/pod` globs; if there are any, only these are read. Default: all.
        include: Vec<Spanned<String>>,
        /// `namespace/pod` globs that are left out. Default: none.
        exclude: Vec<Spanned<String>>,
        /// Lines that are not shipped. Default: none.
        drop: Vec<Spanned<RawPodDrop>>,
        /// Containers whose lines belong to another job. Default: none.
        routes: Vec<Spanned<RawRoute>>,
        /// How several lines become one entry. Default: each line is one.
        multiline: Vec<Spanned<RawPodMultiline>>,
        /// Further labels of these streams. Default: none.
        labels: Labels,
        /// Labels of a pod of which the first that it has is the `app` of its lines. Default: none, and the kubelet is not asked.
        app_labels: Vec<Spanned<String>>,
        /// How far back a first start reads: a duration, or `all`. Default 24h.
        max_age: Age,
        /// What happens to an entry that is too long for the destination: `cut` (default) or `split`.
        long_lines: LongLines,
        /// Most bytes of a joined entry that are held. Default 1MiB.
        max_line: Size,
        /// How long a renamed file is kept open after its last growth. Default 30s.
        rotate_wait: Duration,
    }
}

section! {
    elsewhere;
    /// `logs.pods.drop[]`
    RawPodDrop {
        /// How the rule is counted. Default: its regex.
        name: String,
        /// `namespace/pod` glob. Default: all pods.
        pods: String,
        /// Lines that match are not shipped. Needed.
        regex: String,
    }
}

section! {
    elsewhere;
    /// `logs.pods.routes[]`
    RawRoute {
        /// `namespace/pod` glob. Needed.
        pods: String,
        /// Container name or glob. Default: all containers.
        container: String,
        /// What a line must be to go there. Default: the job's preset; needed for other jobs.
        format: FormatName,
        /// Label `job` of these lines. Needed.
        job: String,
        /// As in `logs.files`.
        timestamp: Vec<Spanned<String>>,
        /// As in `logs.files`.
        metadata: Vec<Spanned<String>>,
        /// As in `logs.files`.
        redact: bool,
        /// As in `logs.files`.
        prefix: String,
    }
}

section! {
    elsewhere;
    /// `logs.pods.multiline[]`
    RawPodMultiline {
        /// `namespace/pod` glob. Needed.
        pods: String,
        /// Container name or glob. Default: all containers.
        container: String,
        /// Matches the first line of a record. Needed.
        first: String,
        /// Most lines of a record. Default 500.
        max_lines: Count,
        /// A record that did not grow for so long is complete. Default 3s.
        timeout: Duration,
    }
}

section! {
    elsewhere;
    /// `logs.journal[]`
    RawJournal {
        /// A selection that is ready-made; other keys change it.
        preset: Preset,
        /// Label `job`. Default: that of the preset; needed without one.
        job: String,
        /// Fields and the values of which each must have one. Default: none.
        r#match: Entries<Vec<Spanned<String>>>,
        /// Globs of units. Default: all.
        units: Vec<Spanned<String>>,
        /// The least severe level that is taken. Default: all are.
        priority: Priority,
        /// `all`: the kernel's entries are taken whatever their level.
        kernel: Kernel,
        /// Matches the message. Default: all do.
        grep: String,
        /// What a message is understood as. Default: the preset's or the job's, else raw.
        format: MessageFormat,
        /// Paths that are sshd (preset `sshd`).
        executables: Vec<Spanned<String>>,
        /// Globs of identifiers that become a label. Default: none; with preset `sshd` its three.
        identifiers: Vec<Spanned<String>>,
        /// Fields that travel as structured metadata. Default: `SYSLOG_IDENTIFIER`, `_PID` and `_BOOT_ID`.
        metadata: Vec<Spanned<String>>,
        /// Further labels of these streams. Default: none.
        labels: Labels,
        /// Messages that are not shipped. Default: none.
        drop: Vec<Spanned<RawDrop>>,
        /// How far back a first start reads: a duration, `now`, `boot` or `all`. Default 24h.
        max_age: Start,
        /// What happens to a message that is too long for the destination: `cut` (default) or `split`.
        long_lines: LongLines,
    }
}

section! {
    elsewhere;
    /// `logs.changes`
    RawChanges {
        /// Label `job`. Default `file-changes`.
        job: String,
        /// Absolute paths or globs of the files to watch. Needed.
        paths: Vec<Spanned<String>>,
    }
}

section! {
    elsewhere;
    /// `outputs`
    RawOutputs {
        /// Loki, or what speaks its push protocol.
        loki: Vec<Spanned<RawLoki>>,
        /// Prometheus, or what speaks its remote write protocol.
        remote_write: Vec<Spanned<RawRemoteWrite>>,
    }
}

section! {
    elsewhere;
    /// `outputs.loki[]`
    RawLoki {
        /// Names the destination in metrics and in the position log. Default: host and port, then the tenant.
        name: String,
        /// Where to push. Needed. `/loki/api/v1/push` is added to a URL without a path.
        url: String,
        /// Globs of the jobs that are sent here. Default: all.
        jobs: Vec<Spanned<String>>,
        /// `X-Scope-OrgID`. Default: none.
        tenant: String,
        /// User name and password. Default: none.
        basic_auth: RawBasicAuth,
        /// File with a bearer token. Default: none.
        bearer_token_file: String,
        /// TLS beyond the system's authorities.
        tls: RawTls,
        /// How long an entry may wait for company. Default 250ms.
        linger: Duration,
        /// Uncompressed size at which a batch is sent. Default 1MiB.
        batch_bytes: Size,
        /// Entries at which a batch is sent; also what a crash repeats at most. Default 700.
        batch_entries: Count,
        /// The destination's `max_line_size`. Default 256KiB.
        max_line: Size,
        /// The destination's `reject_old_samples_max_age`. Default 7d; 0 when it takes everything.
        max_entry_age: Duration,
        /// How far behind the newest entry of its stream an entry may be; 0 for any.
        order_window: Duration,
        /// Bytes on disk for when the destination is away. Default 1GiB; 0 for none.
        spool: Size,
        /// How long an answer may take. Default 75s.
        timeout: Duration,
    }
}

section! {
    elsewhere;
    /// `outputs.remote_write[]`
    RawRemoteWrite {
        /// Names the destination in metrics, and its spool. Default: host and port, then the tenant.
        name: String,
        /// Where to write. Needed. `/api/v1/write` is added to a URL without a path.
        url: String,
        /// `auto` (default), `1.0` or `2.0`.
        version: Wanted,
        /// Globs of the jobs that are sent here. Default: all.
        jobs: Vec<Spanned<String>>,
        /// `X-Scope-OrgID`. Default: none.
        tenant: String,
        /// User name and password. Default: none.
        basic_auth: RawBasicAuth,
        /// File with a bearer token. Default: none.
        bearer_token_file: String,
        /// TLS beyond the system's authorities.
        tls: RawTls,
        /// How long samples may wait for those of other targets. Default 500ms.
        linger: Duration,
        /// Most samples of a request. Default 2000.
        batch_samples: Count,
        /// Bytes on disk for when the destination is away. Default 1GiB; 0 for none.
        spool: Size,
        /// How long an answer may take. Default 30s.
        timeout: Duration,
    }
}

section! {
    elsewhere;
    /// `kubelet`
    RawKubelet {
        /// Where it lists its pods. Default https://127.0.0.1:10250/pods.
        url: String,
        /// File with a bearer token. Default: that of the service account.
        bearer_token_file: String,
        /// TLS beyond the system's authorities.
        tls: RawTls,
        /// How long an answer may take. Default 10s.
        timeout: Duration,
    }
}

section! {
    elsewhere;
    /// `outputs.loki[].basic_auth`
    RawBasicAuth {
        /// User name. Needed.
        username: String,
        /// File with the password. Needed.
        password_file: String,
    }
}

section! {
    elsewhere;
    /// `outputs.loki[].tls`
    RawTls {
        /// PEM file with the authorities to trust. Default: the system's.
        ca_file: String,
        /// PEM file with the client's certificate chain. Default: none.
        cert_file: String,
        /// PEM file with the client's key. Needed with `cert_file`.
        key_file: String,
        /// Name that TLS asks for and expects in the server's certificate. Default: the URL's host.
        server_name: String,
        /// Accept any certificate. Default false.
        insecure_skip_verify: bool,
    }
}

/// The names of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormatName {
    Raw,
    Json,
    Cri,
    KubeAudit,
    VaultAudit,
}

impl FormatName {
    const WORDS: [(&str, Self); 5] = [
        ("raw", Self::Raw),
        ("json", Self::Json),
        ("cri", Self::Cri),
        ("kube-audit", Self::KubeAudit),
        ("vault-audit", Self::VaultAudit),
    ];
}

impl Read for FormatName {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &Self::WORDS)
    }
}

impl Read for Wanted {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let words = [("auto", Self::Auto), ("1.0", Self::Only(Version::V1)), ("2.0", Self::Only(Version::V2))];
        one_of(name, node, problems, &words)
    }
}

impl Read for LongLines {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &[("cut", Self::Cut), ("split", Self::Split)])
    }
}

impl Raw {
    /// Whether any input is configured; if not, the agent looks for itself.
    pub(super) fn has_inputs(&self) -> bool {
        if self.metrics.is_some() {
            return true;
        }
        let Some(logs) = self.logs.as_ref().map(|logs| &logs.value) else {
            return false;
        };
        let has_files = logs.files.as_ref().is_some_and(|files| !files.value.is_empty());
        has_files || logs.pods.is_some() || logs.journal.is_some() || logs.changes.is_some()
    }
}

/// The paths of all settings: `logs.files.job`, with lists left out.
pub(super) fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    Raw::keys("", &mut keys);
    keys
}

/// What to say of a key that is unknown in one section and known in another.
fn elsewhere(section: &str, key: &str) -> Option<String> {
    file::elsewhere(section, key, &keys())
}
