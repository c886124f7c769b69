//! The defaults, once for the program, the shorthands and the tests. What each means stands in `checked`.

use std::time::Duration;

use super::checked::Wanted;

pub(super) const LISTEN: &str = "127.0.0.1:9102";
pub(super) const CLUSTER: &str = "default";

pub(super) const KUBE_AUDIT_PATHS: [&str; 2] = ["/var/log/kubernetes/audit.log", "/var/log/kubernetes/audit/audit.log"];
pub(super) const PODS_ROOT: &str = "/var/log/pods";
pub(super) const CHANGES_JOB: &str = "file-changes";

/// A node that is new to the agent has weeks of logs, which Loki would refuse for their age. Audit logs are read whole.
pub(super) const MAX_AGE: Duration = Duration::from_hours(24);
pub(super) const MAX_LINE: usize = 1 << 20;
/// An event with request and response bodies can have megabytes; it is parsed whole before it is reduced.
pub(super) const AUDIT_MAX_LINE: usize = 16 << 20;
pub(super) const ROTATE_WAIT: Duration = Duration::from_secs(30);
/// Twice the default spool: what a node's disk can spare while a destination is away.
pub(super) const MAX_HELD_BYTES: u64 = 2 << 30;
pub(super) const MULTILINE_MAX_LINES: usize = 500;
pub(super) const MULTILINE_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) const JSON_TIMESTAMP: [&str; 4] = ["timestamp", "time", "ts", "@timestamp"];
pub(super) const LOKI_PATH: &str = "/loki/api/v1/push";
pub(super) const LINGER: Duration = Duration::from_millis(250);
/// Far below Loki's burst limit of 6 MB, above which a request can never pass.
pub(super) const BATCH_BYTES: usize = 1 << 20;
pub(super) const BATCH_ENTRIES: usize = 700;
/// Loki's own default of `max_line_size`.
pub(super) const LOKI_MAX_LINE: usize = 256 << 10;
/// Loki's own default of `reject_old_samples_max_age`.
pub(super) const MAX_ENTRY_AGE: Duration = Duration::from_hours(7 * 24);
/// Half of Loki's `max_chunk_age`.
pub(super) const ORDER_WINDOW: Duration = Duration::from_hours(1);
pub(super) const SPOOL: u64 = 1 << 30;
/// Longer than the 60 s of most proxies, so that their answer arrives before our patience ends and the batch is sent twice.
pub(super) const TIMEOUT: Duration = Duration::from_secs(75);

/// How often the node is measured.
pub(super) const INTERVAL: Duration = Duration::from_secs(15);
/// Prometheus' own.
pub(super) const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const PODS_JOB: &str = "kubernetes-pods";
pub(super) const KUBELET_PODS: &str = "https://127.0.0.1:10250/pods";
/// Where Kubernetes mounts it.
pub(super) const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Cards take half a second for a walk.
pub(super) const UPS_TIMEOUT: Duration = Duration::from_secs(5);
/// What nearly every card takes.
pub(super) const SNMP_COMMUNITY: &str = "public";
pub(super) const REMOTE_WRITE_PATH: &str = "/api/v1/write";
pub(super) const REMOTE_WRITE_VERSION: Wanted = Wanted::Auto;
/// Prometheus' own defaults.
pub(super) const REMOTE_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const BATCH_SAMPLES: usize = 2000;
/// Targets are collected at the same time, and most are done within it.
pub(super) const SAMPLES_LINGER: Duration = Duration::from_millis(500);

pub(super) const JOURNAL_DIRECTORIES: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
pub(super) const JOURNAL_METADATA: [&str; 3] = [IDENTIFIER, "_PID", "_BOOT_ID"];
pub(super) const IDENTIFIER: &str = "SYSLOG_IDENTIFIER";
pub(super) const CALICO_JOB: &str = "calico-flow";
/// Felix's default `logPrefix`.
pub(super) const CALICO_PREFIX: &str = "^calico-packet";
pub(super) const SSHD_JOB: &str = "sshd-pve";
pub(super) const SSHD_UNTRUSTED: &str = "sshd-untrusted";
/// The listener; since 9.8 the process of a connection; since 10.0 its part before authentication.
pub(super) const SSHD_IDENTIFIERS: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];
/// Where distributions install them: the listener, and its parts in the directories of Debian, Fedora, Arch and upstream.
pub(super) const SSHD_EXECUTABLES: [&str; 9] = [
    "/usr/sbin/sshd",
    "/usr/lib/openssh/sshd-session",
    "/usr/lib/openssh/sshd-auth",
    "/usr/libexec/openssh/sshd-session",
    "/usr/libexec/openssh/sshd-auth",
    "/usr/libexec/sshd-session",
    "/usr/libexec/sshd-auth",
    "/usr/lib/ssh/sshd-session",
    "/usr/lib/ssh/sshd-auth",
];
