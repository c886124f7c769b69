//! What lines of a job have: from samples, or, where there are none, from what the formats of `kubernetes-audit` and `vault-audit` say.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use record::kube_audit::KubeAudit;
use record::vault_audit::VaultAudit;
use serde_json::Value;
use settings::problem::quote;
use settings::read::nearest;

use crate::rules::log_format::{Format, LineReader};

/// So many lines of a sample are looked at.
const LINES_MAX: usize = 100_000;
/// So long ones.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Labels of streams as the agent sets them.
const STREAM_LABELS: [&str; 12] = [
    "job",
    "node",
    "cluster",
    "namespace",
    "pod",
    "container",
    "stream",
    "unit",
    "level",
    "transport",
    "filename",
    "service_name",
];
/// Metadata that the agent adds and no line has.
const AGENT_METADATA: [&str; 2] = ["source_ip", "app"];

/// Paths of an audit event; `[]` is a list, `*` anything below.
const KUBE_AUDIT: [&str; 41] = [
    "kind",
    "apiVersion",
    "level",
    "auditID",
    "stage",
    "requestURI",
    "verb",
    "user.username",
    "user.uid",
    "user.groups[]",
    "user.extra.*",
    "impersonatedUser.username",
    "impersonatedUser.uid",
    "impersonatedUser.groups[]",
    "impersonatedUser.extra.*",
    "sourceIPs[]",
    "userAgent",
    "objectRef.resource",
    "objectRef.namespace",
    "objectRef.name",
    "objectRef.uid",
    "objectRef.apiGroup",
    "objectRef.apiVersion",
    "objectRef.resourceVersion",
    "objectRef.subresource",
    "responseStatus.code",
    "responseStatus.status",
    "responseStatus.message",
    "responseStatus.reason",
    "responseStatus.details.*",
    "responseStatus.metadata.*",
    "requestObject",
    "requestObject.*",
    "responseObject",
    "responseObject.*",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "annotations.*",
    "timestamp",
    "metadata.*",
    "authenticationMetadata.*",
];
const VAULT_AUDIT: [&str; 54] = [
    "time",
    "type",
    "error",
    "forwarded_from",
    "auth.accessor",
    "auth.client_token",
    "auth.display_name",
    "auth.entity_id",
    "auth.entity_created",
    "auth.policies[]",
    "auth.token_policies[]",
    "auth.identity_policies[]",
    "auth.external_namespace_policies.*",
    "auth.metadata.*",
    "auth.policy_results.*",
    "auth.token_type",
    "auth.token_ttl",
    "auth.token_issue_time",
    "auth.no_default_policy",
    "auth.num_uses",
    "auth.remaining_uses",
    "request.id",
    "request.client_id",
    "request.client_token",
    "request.client_token_accessor",
    "request.operation",
    "request.path",
    "request.mount_type",
    "request.mount_point",
    "request.mount_class",
    "request.mount_accessor",
    "request.mount_running_version",
    "request.mount_running_sha256",
    "request.mount_is_external_plugin",
    "request.namespace.*",
    "request.remote_address",
    "request.remote_port",
    "request.wrap_ttl",
    "request.headers.*",
    "request.data.*",
    "request.policy_override",
    "request.replication_cluster",
    "request.request_uri",
    "request.client_certificate_serial_number",
    "response.auth.*",
    "response.data.*",
    "response.headers.*",
    "response.mount_type",
    "response.mount_point",
    "response.mount_class",
    "response.mount_accessor",
    "response.redirect",
    "response.secret.*",
    "response.wrap_info.*",
];

/// Lines of the past.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The label `job` of its stream.
    pub job: String,
    lines: Vec<Value>,
    metadata: BTreeSet<String>,
}

impl Sample {
    /// Of a file, plain or gzip. Lines that are no JSON have no fields.
    pub fn read(job: &str, format: Format, path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn io::Read> = if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut input = BufReader::new(input);
        let mut reader = LineReader::new(format);
        let mut sample = Self { job: job.to_owned(), lines: Vec::new(), metadata: BTreeSet::new() };
        let mut seen = BTreeSet::new();
        let mut line = Vec::new();
        for _ in 0..LINES_MAX {
            line.clear();
            if io::Read::take(&mut input, LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let read = reader.read(line.strip_suffix(b"\n").unwrap_or(&line));
            sample.metadata.extend(read.metadata.iter().map(|(name, _)| name.clone()));
            if let Ok(value) = serde_json::from_str::<Value>(&read.text) {
                // Lines of the same shape say nothing new.
                let mut paths = BTreeSet::new();
                gather(&value, &mut String::new(), &mut paths);
                if paths.iter().any(|path| !seen.contains(path)) {
                    seen.extend(paths);
                    sample.lines.push(value);
                }
            }
        }
        Ok(sample)
    }
}

/// What lines may have.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Paths as above.
    paths: BTreeSet<String>,
    metadata: BTreeSet<String>,
}

impl Known {
    /// Of the formats of those jobs; nothing if one of them is not known.
    pub(super) fn of_jobs(is_of: &dyn Fn(&str) -> bool) -> Option<Self> {
        // A job of any other name may be selected too, and then nothing is known.
        if is_of("some-other-job") {
            return None;
        }
        let mut known = Self::default();
        let mut take = |jobs: &[&str], paths: &[&str], metadata: &[&str]| {
            if jobs.iter().any(|job| is_of(job)) {
                known.paths.extend(paths.iter().map(|path| (*path).to_owned()));
                known.metadata.extend(metadata.iter().map(|name| (*name).to_owned()));
            }
        };
        take(&["kubernetes-audit", "kube-audit"], &KUBE_AUDIT, KubeAudit::DEFAULT_METADATA);
        take(&["vault-audit"], &VAULT_AUDIT, VaultAudit::DEFAULT_METADATA);
        known.metadata.extend(AGENT_METADATA.map(str::to_owned));
        (!known.paths.is_empty()).then_some(known)
    }

    pub(super) fn of_samples(samples: &[&Sample]) -> Self {
        let mut known = Self::default();
        for sample in samples {
            known.metadata.extend(sample.metadata.iter().cloned());
            for line in &sample.lines {
                gather(line, &mut String::new(), &mut known.paths);
            }
        }
        known.metadata.extend(AGENT_METADATA.map(str::to_owned));
        known
    }

    /// With what others know.
    pub(super) fn and(mut self, others: Option<Self>) -> Self {
        let others = others.unwrap_or_default();
        self.paths.extend(others.paths);
        self.metadata.extend(others.metadata);
        self
    }

    /// Labels that are there without any parser: the stream's, and metadata, which has the names of parsed ones.
    pub(super) fn before_parsers(&self) -> BTreeSet<String> {
        STREAM_LABELS.map(str::to_owned).into_iter().chain(self.metadata.iter().cloned()).collect()
    }

    /// Whether there is any line that was read as fields.
    pub(super) fn has_fields(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Whether metadata or a bare `json` give a label of that name.
    pub(super) fn has_label(&self, name: &str) -> bool {
        let is_open = || self.paths.iter().filter_map(|path| path.strip_suffix('*')).any(|open| name.starts_with(&flat(open)));
        self.metadata.contains(name) || self.flattened().any(|label| label == name) || is_open()
    }

    /// What a bare `json` yields: no lists.
    pub(super) fn flattened(&self) -> impl Iterator<Item = String> {
        self.paths.iter().filter(|path| !path.contains("[]") && !path.ends_with(".*")).map(|path| flat(path))
    }

    /// A label of a part that may hold anything, once it was parsed.
    pub(super) fn is_open(&self, name: &str, labels: &BTreeSet<String>) -> bool {
        let is_parsed = self.flattened().any(|label| labels.contains(&label) && !self.metadata.contains(&label));
        let open = self.paths.iter().filter_map(|path| path.strip_suffix('*')).map(flat);
        is_parsed && open.into_iter().any(|prefix| name.starts_with(&prefix))
    }

    /// Whether any line has something at the path of a `json` expression.
    pub(super) fn has_path(&self, path: &str) -> bool {
        let path = generic(path);
        self.paths.iter().any(|known| {
            *known == path
                || known.strip_suffix('*').is_some_and(|open| path.starts_with(open) || open.trim_end_matches('.') == path)
                // An object or a list as a whole.
                || known.strip_prefix(&path).is_some_and(|rest| rest.starts_with(['.', '[']))
        })
    }

    pub(super) fn near_path(&self, path: &str) -> String {
        let known: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        let last = path.rsplit('.').next().unwrap_or(path);
        let by_end = known.iter().find(|known| known.ends_with(&format!(".{last}"))).copied();
        by_end.or_else(|| nearest(path, &known)).map(|word| format!(", did you mean {}?", quote(word))).unwrap_or_default()
    }

    /// What was probably meant by a label that is not there.
    pub(super) fn near(&self, name: &str, labels: &BTreeSet<String>) -> String {
        for list in self.paths.iter().filter_map(|path| path.strip_suffix("[]")) {
            if name == flat(list) || name.strip_prefix(&flat(list)).is_some_and(|rest| rest.starts_with('_')) {
                return format!("; `json` passes lists over: write `| json x=\"{list}[0]\"`");
            }
        }
        let flattened: BTreeSet<String> = self.flattened().collect();
        if flattened.contains(name) {
            return "; parse the line first: `| json`".to_owned();
        }
        let end = format!("_{name}");
        let by_end = flattened.iter().chain(labels).find(|label| label.ends_with(&end)).map(String::as_str);
        let all: Vec<&str> = flattened.iter().chain(labels).map(String::as_str).collect();
        by_end.or_else(|| nearest(name, &all)).map(|word| format!(", did you mean {}?", quote(word))).unwrap_or_default()
    }
}

/// Whether it may be a label of a stream.
pub(super) fn is_stream_label(name: &str) -> bool {
    STREAM_LABELS.contains(&name)
}

/// The paths of a line's values.
fn gather(value: &Value, path: &mut String, paths: &mut BTreeSet<String>) {
    let len = path.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if len > 0 {
                    path.push('.');
                }
                path.push_str(name);
                gather(member, path, paths);
                path.truncate(len);
            }
        }
        Value::Array(items) => {
            path.push_str("[]");
            paths.insert(path.clone());
            for item in items {
                gather(item, path, paths);
            }
            path.truncate(len);
        }
        Value::Null => {}
        _ => {
            paths.insert(path.clone());
        }
    }
}

/// `user.extra` → `user_extra`, as `json` names it.
fn flat(path: &str) -> String {
    path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `a["b"][0].c` → `a.b[].c`
fn generic(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        text.push_str(&rest[..open]);
        let inner = &rest[open + 1..];
        let Some(close) = inner.find(']') else { break };
        match inner[..close].strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            None => text.push_str("[]"),
        }
        rest = &inner[close + 1..];
    }
    text + rest
}
