//! Walks a folder of fixtures: every case is a folder with `input.log` and, a line for a line, `expected.jsonl`.
//!
//! `UPDATE_EXPECT=1 cargo test -p record` writes what is now the case; read it before it is committed.

use crate::event::{Malformed, Scanned, Text};
use crate::metadata::Metadata;
use expect_test::expect_file;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Checks every case of `format`; `read` gives what a line becomes.
pub(crate) fn check(format: &str, mut read: impl FnMut(&[u8]) -> Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/record").join(format);
    let cases: Vec<PathBuf> = sorted(&root).into_iter().filter(|path| path.is_dir()).collect();
    assert!(!cases.is_empty(), "no case in {}", root.display());
    for case in cases {
        let input = fs::read(case.join("input.log")).unwrap();
        let lines = input.strip_suffix(b"\n").unwrap_or(&input).split(|byte| *byte == b'\n');
        let mut actual = String::new();
        for line in lines {
            actual.push_str(&read(line).to_string());
            actual.push('\n');
        }
        expect_file![case.join("expected.jsonl")].assert_eq(&actual);
    }
}

/// What a scan gave, as a line of `expected.jsonl`. The text is shown when it is not the line itself.
pub(crate) fn show(result: Result<Scanned, Malformed>, metadata: &Metadata, rewritten: &[u8]) -> Value {
    let mut shown = match result {
        Ok(scanned) => json!({
            "time": scanned.time.map(|time| time.0),
            "metadata": metadata.iter().map(|(name, value)| json!([name, value])).collect::<Value>(),
        }),
        Err(malformed) => json!({"malformed": malformed.to_string()}),
    };
    let (text, redacted) = match result {
        Ok(scanned) => (scanned.text, scanned.redacted),
        Err(malformed) => (malformed.text, malformed.redacted),
    };
    if text == Text::Rewritten {
        shown["text"] = String::from_utf8_lossy(rewritten).into();
    }
    if redacted {
        shown["redacted"] = true.into();
    }
    shown
}

/// Lines of the recorded samples in a folder that stands beside the project, with their files; none where it is not
/// there.
pub(crate) fn samples(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if !root.is_dir() {
        eprintln!("skipped: no samples in {}", root.display());
        return Vec::new();
    }
    let files = sorted(&root).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "log"));
    let lines = |path: PathBuf| {
        let content = fs::read(&path).unwrap();
        let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| (path.clone(), line.to_vec())).collect::<Vec<_>>()
    };
    files.flat_map(lines).collect()
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
