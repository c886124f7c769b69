//! Inputs for tests: as little as it takes to read a file or a container.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::config::checked::{FileInput, Format, LongLines, PodInput};
use crate::config::patterns::Globs;

/// Files of a job, raw, read from their beginning.
pub fn file_input(job: &str) -> FileInput {
    FileInput {
        job: job.to_owned(),
        paths: Vec::new(),
        exclude: Globs::default(),
        format: Format::Raw,
        labels: BTreeMap::new(),
        drop: Vec::new(),
        multiline: None,
        max_age: None,
        long_lines: LongLines::Cut,
        max_line: 64 * 1024,
        rotate_wait: Duration::ZERO,
    }
}

/// Pod logs below `root`, read from their beginning.
pub fn pod_input(root: &Path) -> PodInput {
    PodInput {
        root: root.to_owned(),
        include: Globs::default(),
        exclude: Globs::default(),
        drop: Vec::new(),
        routes: Vec::new(),
        multiline: Vec::new(),
        labels: BTreeMap::new(),
        app_labels: Vec::new(),
        max_age: None,
        long_lines: LongLines::Cut,
        max_line: 64 * 1024,
        rotate_wait: Duration::ZERO,
    }
}
