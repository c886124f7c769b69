//! The binary `agent`: arguments in, exit code out.

use std::io::{self, Write};
use std::process::ExitCode;

use agent::cli::{Cli, Command, Exit};
use agent::config::{self, Environment};

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
    let loaded = config::load(&cli.settings, &Environment::of_host());
    let ready = loaded.and_then(|loaded| loaded.ready(cli.dry_run).map(|()| loaded));
    let loaded = match ready {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _ = writeln!(io::stderr(), "{problems}");
            return Exit::Usage;
        }
    };
    if cli.command == Some(Command::Check) {
        let _ = write!(io::stdout(), "{}", loaded.effective());
    }
    Exit::Ok
}
