//! `companion drill`: the event of a rule's own test, with the time of now, through the real path of a running companion.
//!
//! Each hop is reported: pushed and acknowledged, seen by the rules, firing, told. The entry's stream has the label `drill`, so that
//! everybody who sees the line later knows what it was.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Failed;
use crate::cli::Exit;
use crate::clock;
use crate::rules::unit_test;

/// An alert that takes longer than this was not caused by the event.
const ALERT_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Sends, and waits for the alert.
pub(super) fn run(rule: Option<&str>, url: &str, token: Option<&Path>, tests: &[PathBuf], out: &mut dyn Write) -> Result<Exit, Failed> {
    let token = match token {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| super::unreadable(path, &error))?.trim().to_owned()),
        None => None,
    };
    let example = example(rule, tests)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(&example, url.trim_end_matches('/'), token.as_deref(), out))
}
