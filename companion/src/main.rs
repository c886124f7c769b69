//! The binary `companion`: arguments in, exit code out.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use companion::cli::{Cli, Exit, Run};
use companion::commands;
use companion::config::{self, Loaded, checked};
use companion::pipeline;
use companion::rulebook::Rulebook;
use companion::rules::generated;
use settings::messages;

fn main() -> ExitCode {
    match Cli::try_from_arguments(std::env::args_os()) {
        Ok(cli) => match &cli.command {
            None => run(&cli.run),
            Some(command) => commands::run(command, &mut io::stdout().lock(), &mut io::stderr().lock()),
        }
        .into(),
        // Help and version end here too, with 0.
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
        }
    }
}

fn run(run: &Run) -> Exit {
    let arguments = run.arguments();
    let loaded = match config::load(&arguments) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems),
    };
    messages::begin();
    match pipeline::run(&loaded, &arguments, |book, address| announce(&loaded, book, address)) {
        Ok(()) => Exit::Ok,
        Err(error) => refuse(&error),
    }
}

/// Says why, and how to mend it.
fn refuse(problems: &impl std::fmt::Display) -> Exit {
    let _ = writeln!(io::stderr(), "{problems}");
    Exit::Usage
}

/// What it watches, and where to look: for whoever started it by hand.
fn announce(loaded: &Loaded, book: &Rulebook, address: SocketAddr) {
    let config = &loaded.config;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let rules: usize = book.groups.iter().map(|group| group.rules.len()).sum();
    let origin = match (&loaded.file, book.built_in) {
        (_, true) => "built in, with example values; `rules` in the configuration names yours".to_owned(),
        (Some(file), false) => format!("{} files, named in {}", book.files, file.display()),
        (None, false) => format!("{} files", book.files),
    };
    let told = match &config.notify {
        checked::Notify::Nobody => "nobody: alerts are on the page alone; --alertmanager URL, or `notify`".to_owned(),
        checked::Notify::Alertmanagers(urls) => urls.iter().map(shown).collect::<Vec<_>>().join(", "),
        checked::Notify::Router(file) => format!("whom {} names", file.display()),
    };
    let mut out = io::stdout().lock();
    // Nobody may be reading.
    let _ = writeln!(out, "companion {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(out, "  rules    {rules} in {} groups ({origin})", book.groups.len());
    let _ = writeln!(out, "  watches");
    for selector in generated::selectors(&book.groups) {
        let _ = writeln!(out, "           {selector}");
    }
    let _ = writeln!(out, "  tells    {told}");
    let _ = writeln!(out, "  state    {}", config.state_dir.display());
    let _ = writeln!(out, "  push to  {scheme}://{address}   (agent --loki {scheme}://{address})");
    let _ = writeln!(out, "  look at  {scheme}://{address}/");
    let _ = out.flush();
}

/// Without what may be secret.
fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    // Only URLs that cannot have them refuse.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}
