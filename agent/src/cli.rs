//! The command line: what can be asked of the agent, and what it answers to the shell.

use std::path::PathBuf;

use crate::collector::host::Host;
use crate::host_root::HostRoot;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// What the process says when it ends; these are all the codes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Ok = 0,
    /// With `--once`: something could not be delivered.
    Undelivered = 1,
    /// Wrong arguments, or a wrong configuration. (clap ends with the same code.)
    Usage = 2,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Ships the logs of this node to Loki, every line once in effect, and its metrics by Prometheus remote write.
///
/// Without any configuration it looks at the node and takes what it finds: audit logs of Kubernetes and Vault, pod logs, the journal,
/// and what can be measured.
/// `agent --dry-run` shows what that is, ships nothing and writes nothing.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "agent",
    version,
    after_help = "Exit codes: 0 done, 1 something could not be delivered (--once), 2 wrong arguments or configuration"
)]
pub struct Cli {
    /// What to do other than run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Show what would be read and shipped; ship nothing, write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Ship every source to its present end, wait for the acknowledgement, and exit
    #[arg(long)]
    pub once: bool,

    /// How a dry run prints: for people, or one JSON object a line
    #[arg(long, value_name = "FORM", default_value = "text", requires = "dry_run")]
    pub output: Output,

    /// Compare what is measured here with what a running exporter gives; ship nothing
    #[arg(long, value_name = "URL", requires = "dry_run")]
    pub compare: Option<String>,

    /// What to ship, and whereto.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do other than run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Say what is wrong with the configuration, or print it with every default
    Check {
        /// Print every metric that the agent can give: name, type, labels
        #[arg(long)]
        metrics: bool,
    },
}

/// How a dry run prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to ship, and whereto: the file, and what the arguments add to it.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Configuration [default: /etc/picket/agent.yaml if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Where positions and spools are kept
    #[arg(long, value_name = "DIR", global = true, default_value = "/var/lib/picket")]
    pub state_dir: PathBuf,

    /// Ship logs to this Loki too (repeatable)
    #[arg(long, value_name = "URL", global = true)]
    pub loki: Vec<String>,

    /// Write metrics to this remote write endpoint too (repeatable)
    #[arg(long, value_name = "URL", global = true)]
    pub remote_write: Vec<String>,

    /// Read these files too, as this job (repeatable)
    #[arg(long, value_name = "JOB=GLOB", global = true)]
    pub file: Vec<String>,

    /// Where /metrics, /healthz and /readyz answer; "" for nowhere [default: 127.0.0.1:9102]
    #[arg(long, value_name = "ADDR", global = true)]
    pub listen: Option<String>,

    /// Where the host's / is mounted
    #[arg(long, value_name = "DIR", global = true, default_value = "/")]
    pub path_rootfs: PathBuf,

    /// Where the host's /proc is mounted
    #[arg(long, value_name = "DIR", global = true, default_value = "/proc")]
    pub path_procfs: PathBuf,

    /// Where the host's /sys is mounted
    #[arg(long, value_name = "DIR", global = true, default_value = "/sys")]
    pub path_sysfs: PathBuf,

    /// Where the host's /run/udev is mounted
    #[arg(long, value_name = "DIR", global = true, default_value = "/run/udev")]
    pub path_udev: PathBuf,
}

impl Settings {
    /// The host's trees.
    pub fn host(&self) -> Host {
        Host::new(&self.path_procfs, &self.path_sysfs, &self.path_udev, HostRoot::new(&self.path_rootfs))
    }
}

impl Cli {
    /// The arguments, or the text and the exit code that end the process: help, version, or what is wrong.
    pub fn try_from_arguments<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let cli = Self::try_parse_from(arguments)?;
        // The settings are shared with `check`; what only a run knows is not.
        if cli.command.is_some() && (cli.dry_run || cli.once) {
            let message = "`agent check` reads nothing but the configuration; remove --dry-run and --once\n";
            return Err(clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message));
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_from_arguments(line.split(' '))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_form_of_the_contract_is_understood() {
        assert!(parse("agent").is_ok_and(|cli| cli.command.is_none() && !cli.dry_run));
        assert!(parse("agent --dry-run --once --output json").is_ok_and(|cli| cli.once && cli.output == Output::Json));
        let check = parse("agent check --config a.yaml").expect("valid");
        assert_eq!(
            (check.command, check.settings.config),
            (Some(Command::Check { metrics: false }), Some(PathBuf::from("a.yaml")))
        );
        let many = parse("agent --loki http://a --loki http://b --file a=/b --file c=d*").expect("valid");
        assert_eq!((many.settings.loki.len(), many.settings.file.len()), (2, 2));
        let paths = parse("agent --path-rootfs /host --path-procfs /p --path-sysfs /s --path-udev /u --state-dir /x --listen :1");
        assert!(paths.is_ok_and(|cli| cli.settings.path_rootfs == *"/host"));
    }

    #[test]
    fn wrong_arguments_end_with_the_usage_code() {
        for line in
            ["agent --lokki http://a", "agent run", "agent --output json", "agent --output xml --dry-run", "agent check --once"]
        {
            assert_eq!(parse(line).map(|_| ()).map_err(|error| error.exit_code()), Err(Exit::Usage as i32), "{line}");
        }
    }
}
