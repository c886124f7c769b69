//! Tests of the language as a whole.

mod agreement;
mod arbitrary;
mod conformance;
mod fixtures;
mod security_rules;
mod syntax;

use std::ops::ControlFlow;

use proto::time::UnixNanos;

use super::store::{Direction, Store};
use crate::entry::Entry;
use crate::labels::LabelSet;

type StoredEntry = (UnixNanos, String, Vec<(String, String)>);

/// Entries kept as a list, in the order of their times.
#[derive(Debug, Default)]
struct DataSet(Vec<(LabelSet, Vec<StoredEntry>)>);

impl DataSet {
    /// What is the same in all is one.
    fn push(&mut self, labels: LabelSet, entry: StoredEntry) {
        let place = self.0.iter().position(|(known, _)| *known == labels).unwrap_or_else(|| {
            self.0.push((labels, Vec::new()));
            self.0.len() - 1
        });
        let entries = &mut self.0[place].1;
        if !entries.contains(&entry) {
            entries.push(entry);
            entries.sort_by_key(|(time, ..)| *time);
        }
    }
}

impl Store for DataSet {
    type Stream = usize;

    fn streams(&self, selects: &dyn Fn(&LabelSet) -> bool) -> Vec<(LabelSet, usize)> {
        let numbered = self.0.iter().enumerate().filter(|(_, (labels, _))| selects(labels));
        numbered.map(|(number, (labels, _))| (labels.clone(), number)).collect()
    }

    fn visit(
        &self,
        stream: &usize,
        from: UnixNanos,
        until: UnixNanos,
        direction: Direction,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        let mut entries: Vec<_> = self.0[*stream].1.iter().filter(|(time, ..)| from <= *time && *time < until).collect();
        if direction == Direction::Backward {
            entries.reverse();
        }
        for (time, line, metadata) in entries {
            if visit(Entry { time: *time, line, metadata }).is_break() {
                return;
            }
        }
    }
}

/// Says that a test could not run, in the form that `tests/run` counts.
fn skipped(test: &str, why: &str) {
    use std::io::Write as _;

    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
    if let Some(path) = std::env::var_os("PICKET_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
