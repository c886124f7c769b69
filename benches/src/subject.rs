//! What is measured: the floor, the agent, and other agents where they are installed. Each is told to ship one file from its beginning.

use std::path::{Path, PathBuf};
use std::process::Command;

use ::tests::agent;

use crate::inputs::Input;
use crate::peers::Peer;

/// A program that ships a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The least that has to be done.
    Floor,
    /// The agent, lines as they are.
    AgentRaw,
    /// The agent, with the time out of each line of JSON.
    AgentJson,
    /// The agent, with time and metadata of audit events.
    AgentAudit,
    /// The agent, lines of a container runtime taken apart.
    AgentCri,
    /// Another agent.
    Peer(Peer),
}

impl Subject {
    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::AgentRaw => "agent, raw",
            Self::AgentJson => "agent, json",
            Self::AgentAudit => "agent, kube-audit",
            Self::AgentCri => "agent, cri",
            Self::Peer(peer) => peer.name(),
        }
    }

    /// Those that are measured on an input, the floor first.
    pub fn on(input: Input) -> Vec<Self> {
        let ours: &[Self] = match input {
            Input::Audit => &[Self::Floor, Self::AgentRaw, Self::AgentJson, Self::AgentAudit],
            Input::Cri => &[Self::Floor, Self::AgentCri],
        };
        let peers = Peer::ALL.into_iter().filter(|peer| peer.installed().is_some()).map(Self::Peer);
        ours.iter().copied().chain(peers).collect()
    }

    /// The command that ships `file` to the Loki at `url`, and ends if it is ours; `work` is an empty directory.
    #[expect(clippy::disallowed_methods, reason = "the programs under measurement")]
    pub fn command(self, input: Input, file: &Path, url: &str, work: &Path) -> Command {
        match self {
            Self::Floor => {
                let mut command = Command::new(beside("floor"));
                command.arg(file).arg(url);
                command
            }
            Self::AgentRaw => agent_on(file, url, work, "raw"),
            Self::AgentJson => agent_on(file, url, work, "json, timestamp: [stageTimestamp]"),
            Self::AgentAudit => agent_on(file, url, work, "kube-audit"),
            Self::AgentCri => agent_on(file, url, work, "cri"),
            Self::Peer(peer) => {
                let program = peer.installed().expect("only those that are installed are measured");
                peer.command(&program, input, file, url, work)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the program under measurement")]
fn agent_on(file: &Path, url: &str, work: &Path, format: &str) -> Command {
    let config = work.join("agent.yaml");
    let text = format!(
        "node: bench\nlisten: 127.0.0.1:0\nlogs:\n  files:\n    - {{job: bench, paths: [{}], format: {format}, max_age: all}}\noutputs:\n  loki: [{{url: \"{url}\"}}]\n",
        file.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(agent::binary().expect("the agent is built: cargo build --release, or PICKET_AGENT"));
    command.args(["--once", "--config"]).arg(config).arg("--state-dir").arg(work.join("state"));
    command.env("RUST_LOG", "warn");
    command
}

fn beside(name: &str) -> PathBuf {
    let path = std::env::current_exe().unwrap().with_file_name(name);
    assert!(path.is_file(), "{} is not there: cargo build --release --workspace --bins", path.display());
    path
}
