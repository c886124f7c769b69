//! The command line: what can be asked of the companion, and what it answers to the shell.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Arguments;

/// What the process says when it ends; these are all the codes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done, and nothing found.
    Ok = 0,
    /// `check` found something, a test failed, a drill's alert did not arrive.
    Found = 1,
    /// Wrong arguments, or a wrong configuration, or a file that cannot be read. (clap ends with the same code.)
    Usage = 2,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Evaluates rules over logs as events arrive, and tells people.
///
/// Without any configuration it listens on 127.0.0.1:9095, evaluates the built-in rules, and shows what it sees on a page there.
/// It takes Loki's push protocol: point an agent at it.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "companion",
    version,
    after_help = "Exit codes: 0 done, 1 something was found or a test failed, 2 wrong arguments or configuration"
)]
pub struct Cli {
    /// What to do other than run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How to run.
    #[command(flatten)]
    pub run: Run,
}

/// How to run.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Configuration [default: /etc/picket/companion.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where what outlasts a restart is kept [default: /var/lib/picket-companion]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Where everything answers [default: 127.0.0.1:9095]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,

    /// Tell this Alertmanager too (repeatable)
    #[arg(long, value_name = "URL")]
    pub alertmanager: Vec<String>,
}

impl Run {
    /// As the configuration takes them.
    pub fn arguments(&self) -> Arguments {
        Arguments {
            config: self.config.clone(),
            listen: self.listen.clone(),
            state_dir: self.state_dir.clone(),
            alertmanagers: self.alertmanager.clone(),
        }
    }
}

/// What to do other than run.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say what is wrong with rule files, and what in them can never fire
    Check {
        /// Rule files, or directories of them
        #[arg(required = true, value_name = "RULES")]
        rules: Vec<PathBuf>,
        /// A log of past lines: what no line of it has is reported (repeatable)
        #[arg(long, value_name = "JOB=FILE")]
        sample: Vec<Log>,
        /// The kube-apiserver's audit policy: rules that see nothing under it are reported
        #[arg(long, value_name = "FILE")]
        audit_policy: Option<PathBuf>,
        /// Values to fill in first
        #[arg(long, value_name = "FILE")]
        values: Option<PathBuf>,
    },
    /// Fill values into rule files: plain files, for any ruler
    Render {
        /// Rule files, or directories of them
        #[arg(required = true, value_name = "RULES")]
        rules: Vec<PathBuf>,
        /// The values
        #[arg(long, value_name = "FILE")]
        values: PathBuf,
        /// Where the files go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Run unit tests of rules (promtool's format, with `input_streams`)
    Test {
        /// Test files, or directories of them
        #[arg(required = true, value_name = "TESTS")]
        tests: Vec<PathBuf>,
    },
    /// Run rules over past logs, at the events' own times, and print each alert
    Replay {
        /// A log: its job, its format if the job does not say it, its file (plain or gzip; repeatable)
        #[arg(long, required = true, value_name = "JOB[:FORMAT]=FILE")]
        log: Vec<Log>,
        /// Globs of rule files [default: the built-in rules]
        #[arg(long, value_name = "GLOB")]
        rules: Vec<String>,
        /// Values to fill in first
        #[arg(long, value_name = "FILE")]
        values: Option<PathBuf>,
        /// For people, or one JSON object an alert
        #[arg(long, value_name = "FORM", default_value = "text")]
        output: Output,
    },
    /// Send the event of a rule's own test to a running companion, and report each hop
    Drill {
        /// The rule [default: the first with a positive test]
        rule: Option<String>,
        /// Where the companion is
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9095")]
        url: String,
        /// File with the token that it asks for
        #[arg(long, value_name = "FILE")]
        token: Option<PathBuf>,
        /// PEM file with the authority of its certificate [default: the system's]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Test files, or directories of them [default: the built-in ones]
        #[arg(long, value_name = "TESTS")]
        tests: Vec<PathBuf>,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A log of past lines: `JOB[:FORMAT]=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The label `job` of its stream.
    pub job: String,
    /// How its lines are understood, if the job does not say it.
    pub format: Option<String>,
    /// Where it is.
    pub file: PathBuf,
}

impl FromStr for Log {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (left, file) =
            text.split_once('=').ok_or("write JOB=FILE, for example kubernetes-audit=/var/log/kubernetes/audit.log")?;
        let (job, format) = left.split_once(':').map_or((left, None), |(job, format)| (job, Some(format.to_owned())));
        if job.is_empty() || file.is_empty() {
            return Err("the job or the file is missing; write JOB=FILE".to_owned());
        }
        Ok(Self { job: job.to_owned(), format, file: file.into() })
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
        let run = &cli.run;
        let configures = run.config.is_some() || run.state_dir.is_some() || run.listen.is_some() || !run.alertmanager.is_empty();
        if cli.command.is_some() && configures {
            let message = "--config, --state-dir, --listen and --alertmanager are for running; a subcommand needs none of them\n";
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
        for line in [
            "companion",
            "companion --config a.yaml --state-dir /x --listen 127.0.0.1:1 --alertmanager http://a --alertmanager http://b",
            "companion check a.yaml b --sample kubernetes-audit=a.log --audit-policy p.yaml --values v.yaml",
            "companion render deploy/rules --values v.yaml --out /tmp/x",
            "companion test deploy/rules",
            "companion replay --log kubernetes-audit=a.log --log x:json=b.gz --rules *.yaml --values v --output json",
            "companion drill",
            "companion drill K4 --url http://a:1 --token t",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
        let log = "app:json=a=b.log".parse::<Log>().expect("valid");
        assert_eq!(log, Log { job: "app".to_owned(), format: Some("json".to_owned()), file: "a=b.log".into() });
    }

    #[test]
    fn wrong_arguments_end_with_the_usage_code() {
        for line in [
            "companion --lokki",
            "companion run",
            "companion check",
            "companion render a",
            "companion replay",
            "companion replay --log =a",
            "companion check a --sample x",
            "companion --listen 127.0.0.1:1 check a",
        ] {
            assert_eq!(parse(line).map(|_| ()).map_err(|error| error.exit_code()), Err(Exit::Usage as i32), "{line}");
        }
    }
}
