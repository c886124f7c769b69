//! The lines of a test, with their times.

use std::fs;
use std::path::{Path, PathBuf};

use proto::time::UnixNanos;
use settings::problem::Problems;
use settings::read::Spanned;

use super::raw::{InputLine, Test};
use super::{TestEntry, after};
use crate::rules::duration::RuleDuration;
use crate::rules::log_format::LineReader;

/// All entries of a test, in the order in which they arrive.
pub(super) fn entries(directory: &Path, test: &Test) -> Result<Vec<TestEntry>, Problems> {
    let start = test.start.unwrap_or_default();
    let mut entries = Vec::new();
    for stream in &test.streams {
        let mut lines = stream.lines.clone();
        if let Some(file) = &stream.file {
            let path = directory.join(&file.value);
            let bytes = fs::read(&path).map_err(|error| wrong(file, &format!("cannot read {}: {error}", path.display())))?;
            let whole = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines = whole.map(|line| String::from_utf8_lossy(line).into_owned()).map(plain).collect();
        }
        let mut reader = LineReader::new(stream.format);
        let mut next = after(start, stream.start.map_or(0, RuleDuration::nanos));
        for line in &lines {
            let found = reader.read(line.line.as_bytes());
            let own = if stream.start.is_none() { found.time } else { None };
            let time = line.time.map(|time| after(start, time.nanos())).or(own).unwrap_or(next);
            next = after(time, stream.step.nanos());
            let arrival = line.arrival.map_or(time, |arrival| after(start, arrival.nanos()));
            let mut metadata = found.metadata;
            metadata.extend(line.metadata.iter().cloned());
            entries.push(TestEntry { stream: stream.labels.clone(), arrival, time, line: found.text.into_owned(), metadata });
        }
    }
    entries.sort_by_key(|entry| (entry.arrival, entry.time));
    Ok(entries)
}

/// When a test begins that does not say it: at its first line, or at the epoch if its lines count from there.
pub(super) fn start(entries: &[TestEntry]) -> UnixNanos {
    const YEAR: i64 = 365 * 86_400 * 1_000_000_000;
    entries.iter().map(|entry| entry.time).min().filter(|first| first.0 > YEAR).unwrap_or_default()
}

fn plain(line: String) -> InputLine {
    InputLine { time: None, arrival: None, line, metadata: Vec::new() }
}

/// The files that a name with `*` in its last part means; a plain name is itself.
pub(super) fn expand(directory: &Path, name: &Spanned<String>) -> Result<Vec<PathBuf>, Problems> {
    let path = directory.join(&name.value);
    let Some((before, behind)) = path.file_name().and_then(|file| file.to_str()).and_then(|file| file.split_once('*')) else {
        return Ok(vec![path]);
    };
    let (before, behind) = (before.to_owned(), behind.to_owned());
    let directory = path.parent().unwrap_or(Path::new(""));
    let listed =
        fs::read_dir(directory).map_err(|error| wrong(name, &format!("cannot read {}: {error}", directory.display())))?;
    let matches = |file: &str| file.len() >= before.len() + behind.len() && file.starts_with(&before) && file.ends_with(&behind);
    let mut files: Vec<PathBuf> = listed
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(|file| file.to_str()).is_some_and(matches))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(wrong(name, &format!("no file is called {}", path.display())));
    }
    Ok(files)
}

fn wrong(name: &Spanned<String>, message: &str) -> Problems {
    let mut problems = Problems::default();
    problems.push(&name.at, message);
    problems
}
