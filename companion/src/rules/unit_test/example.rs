//! What test files show of a rule: the lines that make it fire. For a drill.

use std::path::Path;
use std::sync::Arc;

use proto::time::UnixNanos;
use settings::problem::Problems;

use super::{TestEntry, after, raw, streams};

/// Lines that make an alert fire.
#[derive(Clone, Debug)]
pub struct Example {
    /// The test's name.
    pub test: String,
    /// The alert that is expected.
    pub alert: String,
    /// Its label `rule`, if it has one.
    pub rule: Option<String>,
    /// The lines up to when it is expected, in the order in which they arrive.
    pub entries: Vec<TestEntry>,
}

/// The examples of a test file, of each test the first alert that it expects. Files that it names are looked for in `directory`.
pub fn examples(name: &Arc<str>, bytes: &[u8], directory: &Path) -> Result<Vec<Example>, Problems> {
    let file = raw::read(name, bytes)?;
    let mut examples = Vec::new();
    for test in &file.tests {
        let Some((expected, alert)) = test.alert_tests.iter().find_map(|expected| Some((expected, expected.alerts.first()?)))
        else {
            continue;
        };
        let mut entries = streams::entries(directory, test)?;
        let start = test.start.unwrap_or_else(|| streams::start(&entries));
        let until: UnixNanos = after(start, expected.eval_time.nanos());
        entries.retain(|entry| entry.arrival <= until);
        if !entries.is_empty() {
            let rule = alert.labels.get("rule").map(str::to_owned);
            examples.push(Example { test: test.name.clone(), alert: expected.alertname.clone(), rule, entries });
        }
    }
    Ok(examples)
}
