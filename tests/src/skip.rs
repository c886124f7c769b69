//! Tests that cannot run here say so, in a form that `tests/run` counts.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Reports a test that could not run. `PICKET_SKIPPED` names a file that collects these lines.
pub fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
    if let Some(path) = std::env::var_os("PICKET_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("PICKET_SKIPPED can be written");
        file.write_all(line.as_bytes()).expect("PICKET_SKIPPED can be written");
    }
}
