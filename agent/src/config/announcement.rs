//! What is read and where it goes, in a few lines for whoever started the program by hand.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use super::Loaded;
use super::checked::Format;

/// What a run begins with.
#[derive(Debug)]
pub struct Announcement<'a> {
    loaded: &'a Loaded,
    state_directory: &'a Path,
}

impl Loaded {
    /// What a run with it begins with.
    pub fn announcement<'a>(&'a self, state_directory: &'a Path) -> Announcement<'a> {
        Announcement { loaded: self, state_directory }
    }
}

impl Display for Announcement<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let config = &self.loaded.config;
        writeln!(f, "agent {} on {}", env!("CARGO_PKG_VERSION"), config.node)?;
        for finding in &self.loaded.findings {
            writeln!(f, "  looked   {finding}")?;
        }
        for input in &config.logs.files {
            writeln!(f, "  reads    {}: {} ({})", input.job, input.paths.join(", "), name(&input.format))?;
        }
        if let Some(pods) = &config.logs.pods {
            writeln!(f, "  reads    pods: {}", pods.root.display())?;
        }
        if let Some(journal) = &config.logs.journal {
            let jobs: Vec<&str> = journal.selections.iter().map(|selection| selection.job.as_str()).collect();
            let directories: Vec<String> = journal.directories.iter().map(|path| path.display().to_string()).collect();
            writeln!(f, "  reads    journal: {} ({})", directories.join(", "), jobs.join(", "))?;
        }
        if let Some(changes) = &config.logs.changes {
            writeln!(f, "  watches  {}: {}", changes.job, changes.paths.join(", "))?;
        }
        if let Some(metrics) = &config.metrics {
            let interval = settings::quantity::show_duration(metrics.interval);
            writeln!(f, "  measures the node, every {interval} ({} collectors)", metrics.collectors.len())?;
        }
        for output in &config.outputs.loki {
            writeln!(f, "  ships to {}", output.name)?;
        }
        for output in &config.outputs.remote_write {
            writeln!(f, "  writes to {}", output.name)?;
        }
        writeln!(f, "  state    {}", self.state_directory.display())?;
        match config.listen {
            Some(address) => writeln!(f, "  look at  http://{address}/metrics"),
            None => Ok(()),
        }
    }
}

fn name(format: &Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::Json(_) => "json",
        Format::Cri => "cri",
        Format::KubeAudit(_) => "kube-audit",
        Format::VaultAudit(_) => "vault-audit",
    }
}
