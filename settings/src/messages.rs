//! How a program's own messages look, as the environment says: `RUST_LOG` chooses which, `PICKET_LOG=json` makes them JSON, `NO_COLOR`
//! takes their color.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// From here on they go to standard error: text for a person, JSON where that is asked for.
pub fn begin() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(color(&io::stderr()));
    if std::env::var_os("PICKET_LOG").is_some_and(|kind| kind == "json") {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
}

/// Whether to print in color: to a terminal, unless `NO_COLOR` is set to anything.
pub fn color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
