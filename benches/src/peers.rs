//! Other agents, where they are installed: found on `PATH`, told to ship one file from its beginning to a Loki, lines as they are.
//!
//! None of them ends when it has shipped a file: it counts as done when nothing has come for [`QUIET`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::inputs::Input;

/// Longer than any of them waits for company before it sends.
pub const QUIET: Duration = Duration::from_secs(3);

/// Another agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Grafana's, until 2026.
    Promtail,
    /// Its tail input and its own Loki output.
    FluentBit,
    /// Its file source and its Loki sink.
    Vector,
}

impl Peer {
    /// All that are known here.
    pub const ALL: [Self; 3] = [Self::Promtail, Self::FluentBit, Self::Vector];

    /// The program's name, and the table's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Promtail => "promtail",
            Self::FluentBit => "fluent-bit",
            Self::Vector => "vector",
        }
    }

    /// Where it is installed, if it is.
    pub fn installed(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|directory| directory.join(self.name())).find(|file| file.is_file())
    }

    /// The command that ships `file` to the Loki at `url`; `work` is an empty directory.
    #[expect(clippy::disallowed_methods, reason = "the programs under measurement")]
    pub fn command(self, program: &Path, input: Input, file: &Path, url: &str, work: &Path) -> Command {
        let config = work.join(match self {
            Self::Promtail => "promtail.yaml",
            Self::FluentBit => "fluent-bit.conf",
            Self::Vector => "vector.toml",
        });
        std::fs::write(&config, self.configuration(input, file, url, work)).unwrap();
        let mut command = Command::new(program);
        match self {
            Self::Promtail => command.arg(format!("-config.file={}", config.display())),
            Self::FluentBit => command.arg("-q").arg("-c").arg(config),
            Self::Vector => command.arg("-q").arg("--config").arg(config),
        };
        command
    }

    /// What its documentation says of such a task, and nothing else.
    fn configuration(self, input: Input, file: &Path, url: &str, work: &Path) -> String {
        let (file, work, is_cri) = (file.display(), work.display(), input == Input::Cri);
        match self {
            Self::Promtail => {
                let stages = if is_cri { "[{cri: {}}]" } else { "[]" };
                format!(
                    "server: {{disable: true}}\npositions: {{filename: {work}/positions.yaml}}\nclients: [{{url: \"{url}/loki/api/v1/push\"}}]\n\
                     scrape_configs:\n  - job_name: bench\n    pipeline_stages: {stages}\n    static_configs: [{{targets: [localhost], labels: {{job: bench, __path__: \"{file}\"}}}}]\n"
                )
            }
            Self::FluentBit => {
                let parser = if is_cri { "    multiline.parser cri\n" } else { "" };
                let (host, port) = url.trim_start_matches("http://").split_once(':').unwrap_or_default();
                format!(
                    "[SERVICE]\n    flush 1\n[INPUT]\n    name tail\n    path {file}\n    db {work}/positions.db\n    read_from_head true\n{parser}\
                     [OUTPUT]\n    name loki\n    match *\n    host {host}\n    port {port}\n    labels job=bench\n    drop_single_key raw\n"
                )
            }
            Self::Vector => format!(
                "data_dir = \"{work}\"\n[sources.file]\ntype = \"file\"\ninclude = [\"{file}\"]\nread_from = \"beginning\"\n\
                 [sinks.loki]\ntype = \"loki\"\ninputs = [\"file\"]\nendpoint = \"{url}\"\nencoding.codec = \"text\"\nlabels.job = \"bench\"\nhealthcheck.enabled = false\n"
            ),
        }
    }
}
