//! The configuration: `raw` mirrors the file, `checked` is what the program runs on, `check` leads from one to the other.
//!
//! `load` is the way in. It is called at the start, and again on SIGHUP, where problems leave the old configuration.

mod announcement;
mod check;
pub mod checked;
mod defaults;
mod effective;
pub mod patterns;
mod raw;
mod shorthand;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::Settings;
use crate::detect::{self, Finding};
use crate::host_root::HostRoot;

pub use announcement::Announcement;
pub use check::Environment;
use checked::Config;
use raw::Raw;
use settings::file;
use settings::problem::{At, Problems};
use settings::read::Spanned;

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
        let Config { logs, metrics, outputs, .. } = &self.config;
        let has_logs = !logs.files.is_empty() || logs.pods.is_some() || logs.journal.is_some() || logs.changes.is_some();
        if !has_logs && metrics.is_none() {
            problems.push(&at, "nothing to read: no input is configured, and none was found on this node; add one to `logs`, or give --file JOB=GLOB");
            for finding in &self.findings {
                problems.push(&at, finding.to_string());
            }
        }
        if dry_run {
            return problems.or(());
        }
        if outputs.loki.is_empty() && outputs.remote_write.is_empty() {
            problems.push(
                &at,
                "nowhere to send: add `outputs.loki` or `outputs.remote_write`, or give --loki URL or --remote-write URL; --dry-run shows what would be sent",
            );
        } else if has_logs && outputs.loki.is_empty() {
            problems.push(&at, "nowhere to send logs: add `outputs.loki`, or give --loki URL; or remove `logs`");
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
    let (file, text) = file::find(settings.config.as_deref(), Path::new(DEFAULT_FILE))?;
    let name: Arc<str> = file.as_ref().map_or("".into(), |file| file.to_string_lossy().into());
    let mut problems = Problems::default();
    let mut raw: Raw = file::parse(&name, &text, &mut problems)?;
    shorthand::add(&mut raw, settings, environment, &mut problems);
    let findings = if raw.has_inputs() {
        Vec::new()
    } else {
        let detected = detect::look(&HostRoot::new(&settings.path_rootfs));
        let measured = detect::measured::look(&settings.host());
        let of_node: Raw = file::parse(&"detected".into(), measured.inputs.as_bytes(), &mut problems)?;
        raw.metrics = Some(of_node.metrics.unwrap_or_default());
        // What the file says of all logs holds for those that are found, too.
        let max_held_bytes = raw.logs.take().and_then(|logs| logs.value.max_held_bytes);
        let found: Raw = file::parse(&"detected".into(), detected.inputs.as_bytes(), &mut problems)?;
        // Without a Loki nobody wants logs.
        let (logs, samples) = raw.outputs.as_ref().map_or((true, false), |outputs| {
            (is_some(outputs.value.loki.as_ref()), is_some(outputs.value.remote_write.as_ref()))
        });
        let wants_logs = logs || !samples;
        raw.logs = found.logs.filter(|_| wants_logs);
        if max_held_bytes.is_some() {
            raw.logs.get_or_insert_default().value.max_held_bytes = max_held_bytes;
        }
        let findings = if wants_logs { detected.findings } else { Vec::new() };
        findings.into_iter().chain(measured.findings).collect()
    };
    if raw.outputs.as_ref().is_some_and(|outputs| is_some(outputs.value.remote_write.as_ref())) {
        // Whoever wants samples wants the node's.
        raw.metrics.get_or_insert_default();
    }
    let config = check::check(&raw, environment);
    // What could not be read is left out of `raw`; both kinds of problems are wanted, in the order of the file.
    let config = problems.and(config)?;
    Ok(Loaded { config, file, findings })
}

/// Whether there is anything in a list.
fn is_some<T>(list: Option<&Spanned<Vec<T>>>) -> bool {
    list.is_some_and(|list| !list.value.is_empty())
}
