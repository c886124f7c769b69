//! Looks at the node for what is worth reading. Used when no input is configured; a dry run prints what it saw.
//!
//! Answers with configuration text rather than with inputs: what runs is then what could be written down.

pub mod machine;
pub mod measured;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::patterns;
use crate::host_root::HostRoot;

/// What the agent knows to look for. One more is one row.
const SOURCES: [Source; 4] = [
    Source {
        what: "Kubernetes audit log",
        section: Section::Files,
        places: &["/var/log/kubernetes/audit.log", "/var/log/kubernetes/audit/audit.log"],
        input: |_| "    - job: kubernetes-audit\n".to_owned(),
    },
    Source {
        what: "Vault audit log",
        section: Section::Files,
        // In the order of the installations: Helm charts and container images, packages, the documentation's example.
        places: &[
            "/vault/audit/*.log",
            "/vault/logs/audit.log",
            "/var/log/vault/audit.log",
            "/var/log/vault_audit.log",
            "/openbao/audit/*.log",
            "/var/log/openbao/audit.log",
            "/var/log/openbao_audit.log",
        ],
        input: |places| format!("    - job: vault-audit\n      paths: {places:?}\n"),
    },
    Source {
        what: "pod logs",
        section: Section::Pods,
        places: &["/var/log/pods/"],
        // Vault in a cluster has its audit log in a pod's output, by way of a container that follows the file.
        input: |_| "    routes: [{pods: \"vault/*\", container: audit-tail, format: vault-audit, job: vault-audit}]\n".to_owned(),
    },
    Source {
        what: "journal",
        section: Section::Journal,
        places: &["/var/log/journal/", "/run/log/journal/"],
        // Who logs in, which packets a policy logs, and trouble; the rest of the journal is for whoever asks for it.
        input: |_| "    - preset: sshd\n    - preset: calico-flow\n    - preset: node-journal\n".to_owned(),
    },
];

/// One kind of thing to look for.
struct Source {
    what: &'static str,
    section: Section,
    /// Paths of the host; `*` in the last part only, a directory with a slash at its end.
    places: &'static [&'static str],
    /// The input in YAML, given the places that are there.
    input: fn(&[&str]) -> String,
}

/// Where an input stands in the configuration.
#[derive(Clone, Copy, PartialEq)]
enum Section {
    Files,
    Pods,
    Journal,
}

/// What was seen of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The source, in words.
    pub what: &'static str,
    /// Where it is, or all places where it could have been; paths of the host.
    pub place: String,
    /// Whether it is there.
    pub found: Found,
}

/// Whether a source is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There, and it will be read.
    Found,
    /// Not there.
    Absent(String),
    /// There, but it cannot be opened. It is configured all the same, so that it is retried and counted as unreadable.
    Unreadable(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Found => write!(f, "{}: found, {}", self.what, self.place),
            Found::Absent(why) => write!(f, "{}: not found, {why}: {}", self.what, self.place),
            Found::Unreadable(why) => {
                write!(f, "{}: cannot be read, {why}: {}", self.what, self.place)
            }
        }
    }
}

/// What the node has.
#[derive(Clone, Debug)]
pub struct Detected {
    /// One a source, in the order in which they were looked for.
    pub findings: Vec<Finding>,
    /// The inputs that follow, as a configuration file.
    pub inputs: String,
}

/// Looks for every source in the host's tree.
pub fn look(root: &HostRoot) -> Detected {
    let mut findings = Vec::new();
    let (mut files, mut pods, mut journal) = (String::new(), String::new(), String::new());
    for source in SOURCES {
        let seen: Vec<(&str, io::Result<()>)> =
            source.places.iter().filter_map(|&place| Some((place, look_at(root, place)?))).collect();
        let there: Vec<&str> = seen.iter().map(|(place, _)| *place).collect();
        let refused = seen.iter().find_map(|(place, opened)| opened.as_ref().err().map(|error| (*place, error)));
        let (place, found) = match refused {
            Some((place, error)) => (place.to_owned(), Found::Unreadable(error.to_string())),
            None if there.is_empty() => (source.places.join(", "), Found::Absent("nothing there".to_owned())),
            None => (there.join(", "), Found::Found),
        };
        findings.push(Finding { what: source.what, place, found });
        if !there.is_empty() {
            let section = match source.section {
                Section::Files => &mut files,
                Section::Pods => &mut pods,
                Section::Journal => &mut journal,
            };
            section.push_str(&(source.input)(&there));
        }
    }
    let mut inputs = String::from("logs:\n");
    for (name, section) in [("files", files), ("pods", pods), ("journal", journal)] {
        if !section.is_empty() {
            inputs.extend(["  ", name, ":\n", &section]);
        }
    }
    Detected { findings, inputs }
}

/// What the system says, without its number.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        kind => kind.to_string(),
    }
}

/// Nothing if there is nothing; else whether it can be opened.
fn look_at(root: &HostRoot, place: &str) -> Option<io::Result<()>> {
    let opened = if place.ends_with('/') {
        root.read_dir(Path::new(place)).map(|_| ())
    } else if place.contains('*') {
        let files = matching(root, place).transpose()?;
        files.and_then(|files| files.iter().try_for_each(|file| open(root, file)))
    } else {
        open(root, Path::new(place))
    };
    match opened {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        opened => Some(opened),
    }
}

/// The host's files that match the last part of `place`; nothing if there are none.
fn matching(root: &HostRoot, place: &str) -> io::Result<Option<Vec<PathBuf>>> {
    let Some((directory, name)) = place.rsplit_once('/') else { return Ok(None) };
    let Ok(glob) = patterns::path_glob(name) else { return Ok(None) };
    let directory = Path::new(directory);
    let files: Vec<PathBuf> = root
        .read_dir(directory)?
        .filter_map(Result::ok)
        .filter(|entry| glob.is_match(entry.file_name()))
        .map(|entry| directory.join(entry.file_name()))
        .collect();
    Ok(if files.is_empty() { None } else { Some(files) })
}

/// Whether a regular file can be opened; what is none (a FIFO, a directory) cannot be read as a log.
fn open(root: &HostRoot, path: &Path) -> io::Result<()> {
    if root.open(path)?.metadata()?.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
}

#[cfg(test)]
mod tests;
