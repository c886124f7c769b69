//! The configuration: `raw` mirrors the file, `checked` is what the program runs on, `check` leads from one to the other.
//!
//! `load` is the way in. It is called at the start, and again on SIGHUP, where problems leave the old configuration.

mod check;
pub mod checked;
mod defaults;
mod effective;
pub mod patterns;
mod raw;
mod shorthand;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::Settings;
use crate::detect::{self, Finding};
use crate::host_root::HostRoot;

pub use check::Environment;
use checked::Config;
use raw::Raw;
use settings::problem::{At, Problem, Problems};
use settings::read::Read as _;

/// Read if it exists and `--config` names no other.
pub const DEFAULT_FILE: &str = "/etc/picket/agent.yaml";

/// A valid configuration, and where it is from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the program runs on.
    pub config: Config,
    /// The file, if one was read.
    pub file: Option<PathBuf>,
    /// What the agent found by itself; empty if an input is configured, since it then does not look.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// What is missing to run: something to read and, but for a dry run, a place to send it.
    pub fn ready(&self, dry_run: bool) -> Result<(), Problems> {
        let at = At::outside(&self.file.as_ref().map_or("agent".into(), |file| file.to_string_lossy()));
        let mut problems = Problems::default();
        let logs = &self.config.logs;
        if logs.files.is_empty() && logs.pods.is_none() && logs.changes.is_none() {
            problems.push(&at, "nothing to read: no input is configured, and none was found on this node; add one to `logs`, or give --file JOB=GLOB");
            for finding in &self.findings {
                problems.push(&at, finding.to_string());
            }
        }
        if self.config.outputs.loki.is_empty() && !dry_run {
            problems.push(&at, "nowhere to send: add `outputs.loki`, or give --loki URL; --dry-run shows what would be sent");
        }
        problems.or(())
    }

    /// The configuration as a file, every default written out; what was detected stands above it.
    pub fn effective(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            text.extend([
                "# ",
                &finding.to_string(),
                "
",
            ]);
        }
        text + &effective::effective(&self.config)
    }
}

impl Environment {
    /// What this process sees. Read once, before any thread is started.
    pub fn of_host() -> Self {
        Self {
            node_name: std::env::var("NODE_NAME").ok(),
            host_name: rustix::system::uname().nodename().to_str().ok().map(str::to_owned),
            // A directory that was deleted under us has no name; relative paths are then taken from the root.
            working_directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }
}

/// Reads the file, adds the arguments, and what is found on the node if neither names an input.
pub fn load(settings: &Settings, environment: &Environment) -> Result<Loaded, Problems> {
    let (file, text) = read_file(settings.config.as_deref())?;
    let name: Arc<str> = file.as_ref().map_or("".into(), |file| file.to_string_lossy().into());
    let mut problems = Problems::default();
    let mut raw = parse(&name, &text, &mut problems)?;
    shorthand::add(&mut raw, settings, environment, &mut problems);
    let findings = if raw.has_inputs() {
        Vec::new()
    } else {
        let detected = detect::look(&HostRoot::new(&settings.path_rootfs));
        // What the file says of all logs holds for those that are found, too.
        let max_held_bytes = raw.logs.take().and_then(|logs| logs.value.max_held_bytes);
        raw.logs = parse(&"detected".into(), detected.inputs.as_bytes(), &mut problems)?.logs;
        if max_held_bytes.is_some() {
            raw.logs.get_or_insert_default().value.max_held_bytes = max_held_bytes;
        }
        detected.findings
    };
    let config = check::check(&raw, environment);
    // What could not be read is left out of `raw`; both kinds of problems are wanted, in the order of the file.
    let config = problems.and(config)?;
    Ok(Loaded { config, file, findings })
}

fn parse(name: &Arc<str>, text: &[u8], problems: &mut Problems) -> Result<Raw, Problems> {
    let root = settings::yaml::parse(name, text)?;
    if root.is_null() {
        return Ok(Raw::default());
    }
    Ok(Raw::read(raw::ROOT, &root, problems).unwrap_or_default())
}

/// The file and its bytes; none if there is no file and none was asked for.
fn read_file(asked: Option<&Path>) -> Result<(Option<PathBuf>, Vec<u8>), Problem> {
    let path = asked.unwrap_or(Path::new(DEFAULT_FILE));
    let mut text = Vec::new();
    // One byte more than allowed tells the parser that the file is too long; a device may have no end at all.
    let limit = settings::yaml::FILE_BYTES_MAX as u64 + 1;
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text)) {
        Ok(_) => Ok((Some(path.to_owned()), text)),
        Err(error) if asked.is_none() && error.kind() == io::ErrorKind::NotFound => Ok((None, Vec::new())),
        Err(error) => Err(Problem::new(&At::outside(&path.to_string_lossy()), format!("cannot be read: {error}"))),
    }
}
