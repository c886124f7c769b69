//! The binary `agent`: arguments in, exit code out.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use agent::catalogue;
use agent::cli::{Cli, Command, Exit};
use agent::config::checked::Config;
use agent::config::{self, Environment, Loaded};
use agent::host_root::HostRoot;
use agent::pipeline::{self, Ended, Lasting, Options};
use agent::sink::dry_run::Style;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use settings::messages::{self, color};
use tracing::error;

fn main() -> ExitCode {
    match Cli::try_from_arguments(std::env::args_os()) {
        Ok(cli) => run(&cli).into(),
        // Help and version end here too, with 0.
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
        }
    }
}

fn run(cli: &Cli) -> Exit {
    let environment = Environment::of_host();
    if cli.command == Some(Command::Check { metrics: true }) {
        let _ = write!(io::stdout(), "{}", catalogue::text());
        return Exit::Ok;
    }
    let loaded = config::load(&cli.settings, &environment);
    if cli.command.is_some() {
        let loaded = loaded.and_then(|loaded| loaded.ready(true).map(|()| loaded));
        return match loaded {
            Ok(loaded) => {
                let _ = write!(io::stdout(), "{}", loaded.effective());
                Exit::Ok
            }
            Err(problems) => refuse(&problems),
        };
    }
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems),
    };
    messages::begin();
    raise_open_files();
    let options = Options {
        state_directory: cli.settings.state_dir.clone(),
        root: HostRoot::new(&cli.settings.path_rootfs).with_own(&cli.settings.state_dir),
        host: cli.settings.host(),
        once: cli.once,
        inotify: std::env::var_os("PICKET_NO_INOTIFY").is_none(),
    };
    if cli.dry_run {
        return dry_run(cli, &loaded, &options);
    }
    if let Err(problems) = loaded.ready(false) {
        return refuse(&problems);
    }
    // Nobody may be reading.
    let _ = write!(io::stdout(), "{}", loaded.announcement(&cli.settings.state_dir));
    ship(cli, loaded, &options, &environment)
}

/// As many open files as the system lets this process have: the usual first limit of 1,024 is one for select(2), and a node has more
/// logs. What is not allowed stays as it is.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Says why, and how to mend it.
fn refuse(problems: &impl std::fmt::Display) -> Exit {
    let _ = writeln!(io::stderr(), "{problems}");
    Exit::Usage
}

fn dry_run(cli: &Cli, loaded: &Loaded, options: &Options) -> Exit {
    let mut err = io::stderr().lock();
    if cli.settings.path_rootfs == *"/" {
        let _ = writeln!(err, "{}", agent::detect::machine::look());
    }
    for finding in &loaded.findings {
        let _ = writeln!(err, "{finding}");
    }
    drop(err);
    if let Err(problems) = loaded.ready(true) {
        return refuse(&problems);
    }
    if let Some(url) = &cli.compare {
        return compare(url, &loaded.config, options);
    }
    let style = Style { output: cli.output, color: color(&io::stdout()) };
    let mut out = io::BufWriter::new(io::stdout());
    match pipeline::dry_run(&loaded.config, options, style, &mut out) {
        Ok(summary) => {
            // For people, at the end of what they read; programs read standard output alone.
            let _ = out.flush();
            let _ = if io::stderr().is_terminal() || cli.output == agent::cli::Output::Text {
                summary.print(&mut io::stderr())
            } else {
                Ok(())
            };
            Exit::Ok
        }
        // Whoever read the output has seen enough.
        Err(pipeline::StartError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => refuse(&error),
    }
}

/// Reads a running exporter once, and prints what is different here.
fn compare(url: &str, config: &Config, options: &Options) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    match runtime.block_on(pipeline::compare(url, config, options)) {
        Ok(comparison) => {
            let _ = write!(io::stdout(), "{comparison}");
            Exit::Ok
        }
        Err(error) => refuse(&format!("--compare {url}: {error}")),
    }
}

fn ship(cli: &Cli, mut loaded: Loaded, options: &Options, environment: &Environment) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let entered = runtime.enter();
    let mut lasting = match Lasting::new() {
        Ok(lasting) => lasting,
        Err(error) => return refuse(&error),
    };
    drop(entered);
    loop {
        let mut next = None;
        let reload = || {
            let again = config::load(&cli.settings, environment).and_then(|loaded| loaded.ready(false).map(|()| loaded));
            match again {
                Ok(again) => next = Some(again),
                Err(problems) => error!(%problems, "the configuration was not changed"),
            }
            next.is_some()
        };
        let ended = runtime.block_on(pipeline::run(&loaded.config, options, &mut lasting, reload));
        match (ended, next) {
            (Ok(Ended::Reload), Some(again)) => loaded = again,
            (Ok(Ended::Undelivered), _) if options.once => return Exit::Undelivered,
            (Ok(_), _) => return Exit::Ok,
            (Err(error), _) => return refuse(&error),
        }
    }
}
