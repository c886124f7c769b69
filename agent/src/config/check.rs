//! What the file says → what the program runs on. Pure: no file is opened, no clock is read.

mod collectors;
mod formats;
mod inputs;
mod journal;
mod kubelet;
mod metrics;
mod outputs;
mod place;
mod pods;
mod ups;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::checked::{Config, Outputs};
use super::raw::Raw;
use super::{defaults, patterns};
use settings::problem::{At, Problems, quote};
use settings::read::{Labels, Spanned};

/// Labels that say where a line comes from, which no setting may override.
const OWN_LABELS: [&str; 7] = ["job", "node", "filename", "stream", "namespace", "pod", "container"];
/// Loki takes 15 labels a stream; the journal's have seven of the agent's own, if they come from another host.
const LABELS_MAX: usize = 8;
/// Loki's limits in bytes.
const LABEL_NAME_BYTES_MAX: usize = 1024;
const LABEL_VALUE_BYTES_MAX: usize = 2048;

/// What a configuration depends on besides its text. Taken once, at the edge.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `$NODE_NAME`, which a `DaemonSet` sets.
    pub node_name: Option<String>,
    /// The host's own name.
    pub host_name: Option<String>,
    /// What relative paths of arguments are relative to.
    pub working_directory: PathBuf,
}

/// The configuration, or everything that is wrong with it.
pub(super) fn check(raw: &Raw, environment: &Environment) -> Result<Config, Problems> {
    let mut check = Check { problems: Problems::default(), labels: BTreeMap::new() };
    check.labels = check.labels_of_all(raw.labels.as_ref());
    let node = check.node(raw.node.as_ref(), environment);
    let logs = raw.logs.as_ref().map(|logs| check.logs(&logs.value)).unwrap_or_default();
    let metrics = check.metrics(raw.metrics.as_ref());
    let config = Config {
        node,
        labels: check.labels.clone(),
        kubelet: check.kubelet(raw.kubelet.as_ref(), &logs, metrics.as_ref()),
        logs,
        metrics,
        outputs: raw.outputs.as_ref().map_or_else(Outputs::default, |Spanned { value: outputs, .. }| Outputs {
            loki: check.loki(items(outputs.loki.as_ref())),
            remote_write: check.remote_write(items(outputs.remote_write.as_ref())),
        }),
        listen: check.listen(raw.listen.as_ref()),
    };
    check.problems.or(config)
}

/// The problems found so far, and what concerns every input.
struct Check {
    problems: Problems,
    labels: BTreeMap<String, String>,
}

impl Check {
    fn node(&mut self, setting: Option<&Spanned<String>>, environment: &Environment) -> String {
        let configured = setting.map(|node| node.value.clone());
        let candidates = [configured, environment.node_name.clone(), environment.host_name.clone()];
        let Some(node) = candidates.into_iter().flatten().find(|name| !name.is_empty()) else {
            let at = setting.map_or_else(|| At::outside("node"), |node| node.at.clone());
            self.problems.push(&at, "this host has no name; set `node`");
            return String::new();
        };
        if node.len() > LABEL_VALUE_BYTES_MAX {
            let at = setting.map_or_else(|| At::outside("node"), |node| node.at.clone());
            self.problems.push(&at, format!("the name of the node is longer than {LABEL_VALUE_BYTES_MAX} bytes"));
        }
        node
    }

    fn listen(&mut self, setting: Option<&Spanned<String>>) -> Option<SocketAddr> {
        let default = Spanned::new(defaults::LISTEN.to_owned(), At::default());
        let Spanned { value, at, .. } = setting.unwrap_or(&default);
        if value.is_empty() {
            return None;
        }
        let parsed = value.parse();
        if parsed.is_err() {
            let hint = match value.rsplit_once(':') {
                Some(("", port)) => format!("0.0.0.0:{port} for all addresses, 127.0.0.1:{port} for this host alone"),
                Some(("localhost", port)) => format!("127.0.0.1:{port}"),
                _ => format!("{}, or \"\" for none", defaults::LISTEN),
            };
            self.problems.push(at, format!("`listen`: {} is not an IP address and port; write {hint}", quote(value)));
        }
        parsed.ok()
    }

    /// The labels of every stream.
    fn labels_of_all(&mut self, setting: Option<&Spanned<Labels>>) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([("cluster".to_owned(), defaults::CLUSTER.to_owned())]);
        labels.extend(self.labels(setting));
        // Loki takes an empty label for none; here it takes a default away.
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    fn labels(&mut self, setting: Option<&Spanned<Labels>>) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let Some(Spanned { value: Labels(entries), at, .. }) = setting else {
            return labels;
        };
        for (name, value) in entries {
            if let Some(reason) = wrong_label_name(&name.value) {
                self.problems.push(&name.at, format!("label {} {reason}", quote(&name.value)));
            }
            if value.value.len() > LABEL_VALUE_BYTES_MAX {
                self.problems.push(&value.at, format!("longer than the {LABEL_VALUE_BYTES_MAX} bytes that Loki takes"));
            }
            if labels.insert(name.value.clone(), value.value.clone()).is_some() {
                self.problems.push(&name.at, format!("label {} stands twice", quote(&name.value)));
            }
        }
        let all = labels.keys().chain(self.labels.keys().filter(|name| !labels.contains_key(*name))).count();
        if all > LABELS_MAX && self.labels.len() <= LABELS_MAX {
            self.problems
                .push(at, format!("{all} labels; Loki takes 15 a stream, which leaves {LABELS_MAX} beside the agent's own"));
        }
        labels
    }

    /// A key that has no default. Silent in a damaged section, where it may only be misspelt.
    fn needed<'a, T, S>(&mut self, setting: Option<&'a Spanned<T>>, name: &str, section: &Spanned<S>) -> Option<&'a Spanned<T>> {
        if setting.is_none() && !section.damaged {
            self.problems.push(&section.at, format!("`{name}` is missing"));
        }
        setting
    }

    /// Notes a value outside `min..=max`.
    fn bounded<T: PartialOrd + Copy>(&mut self, name: &str, at: &At, value: T, min: T, max: T, show: impl Fn(T) -> String) {
        if value < min {
            self.problems.push(at, format!("`{name}` is too small; at least {}", show(min)));
        } else if value > max {
            self.problems.push(at, format!("`{name}` is too large; at most {}", show(max)));
        }
    }

    /// What `result` holds; what is wrong with `text` is noted.
    fn take<T>(&mut self, name: &str, text: &Spanned<String>, result: Result<T, impl Display>) -> Option<T> {
        result
            .map_err(|reason| {
                let message = format!("`{name}`: {} {reason}", quote(&text.value));
                self.problems.push(&text.at, message);
            })
            .ok()
    }

    /// An absolute path of the host, or a glob of such.
    fn path(&mut self, name: &str, path: &Spanned<String>) -> Option<String> {
        let cleaned = clean_path(&path.value);
        self.take(name, path, cleaned)
    }

    /// Globs of names, each valid by itself.
    fn name_globs(
        &mut self,
        name: &str,
        setting: Option<&Spanned<Vec<Spanned<String>>>>,
        valid: impl Fn(&str) -> Result<(), String>,
    ) -> patterns::Globs {
        let mut texts = Vec::new();
        for text in items(setting) {
            let result = valid(&text.value).and_then(|()| patterns::name_glob(&text.value));
            if self.take(name, text, result).is_some() {
                texts.push(text.value.clone());
            }
        }
        self.all_globs(name, setting, patterns::name_globs(texts))
    }

    /// Each glob compiles; all together may still be too much.
    fn all_globs<T>(
        &mut self,
        name: &str,
        setting: Option<&Spanned<T>>,
        globs: Result<patterns::Globs, String>,
    ) -> patterns::Globs {
        globs.unwrap_or_else(|reason| {
            let at = setting.map(|setting| setting.at.clone()).unwrap_or_default();
            self.problems.push(&at, format!("`{name}` {reason}"));
            patterns::Globs::default()
        })
    }
}

/// The items of a list; none if it is not set.
fn items<T>(setting: Option<&Spanned<Vec<T>>>) -> &[T] {
    setting.map(|items| items.value.as_slice()).unwrap_or_default()
}

/// A setting's value, or the default.
fn value_or<T: Clone>(setting: Option<&Spanned<T>>, default: T) -> T {
    setting.map_or(default, |setting| setting.value.clone())
}

/// The path without doubled slashes and `.`; why it cannot be one otherwise.
fn clean_path(path: &str) -> Result<String, String> {
    if !path.starts_with('/') {
        return Err("is not absolute; begin with /".to_owned());
    }
    if path.ends_with('/') {
        return Err(format!("is a directory; write {path}* for the files in it"));
    }
    let mut cleaned = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return Err("goes up with `..`; write the path without".to_owned());
        }
        cleaned.push('/');
        cleaned.push_str(part);
    }
    patterns::path_glob(&cleaned)?;
    Ok(cleaned)
}

fn wrong_label_name(name: &str) -> Option<String> {
    if OWN_LABELS.contains(&name) {
        return Some("is the agent's own, which says where a line comes from; choose another name".to_owned());
    }
    if name.starts_with("__") {
        return Some("begins with __, as Loki's own labels do; choose another name".to_owned());
    }
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return Some("is not a label; its name has letters, digits and _, and does not begin with a digit".to_owned());
    }
    (name.len() > LABEL_NAME_BYTES_MAX).then(|| format!("is longer than {LABEL_NAME_BYTES_MAX} bytes"))
}
