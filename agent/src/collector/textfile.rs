//! `textfile`: what others have written into `*.prom` files, in the text exposition format.
//!
//! A file counts whole or not at all: one that cannot be read, or has times of its own, gives nothing, and `scrape_error` is 1. A family
//! that two files tell differently is the first one's. Files are read again when one of them has changed; until then their samples are
//! kept. Whoever writes a file renames it into place.

mod directories;
mod merge;

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use proto::exposition::read::{Format, Reading, read};
use proto::metric::{Desc, Families};
use tracing::warn;

use super::host::Host;
use super::{Collector, Failed, Round};
use crate::host_root::HostRoot;
use directories::Pattern;
use merge::merge;

static MTIME: Desc =
    Desc::gauge("node_textfile_mtime_seconds", "When a text file that was read has last changed, seconds since 1970.", &["file"]);
static ERROR: Desc = Desc::gauge("node_textfile_scrape_error", "1 if a text file or a directory of them could not be read.", &[]);
static AGE: Desc =
    Desc::gauge("picket_textfile_age_seconds", "How long ago a text file that was read has last changed.", &["file"]);

/// What this collector says itself; what files say is in no catalogue.
pub(super) const FAMILIES: &[&Desc] = &[&MTIME, &ERROR, &AGE];

/// A file with more bytes is refused.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// More files are not read.
const FILES_MAX: usize = 1000;
/// More samples of all files together are refused, with the file that has them.
const SAMPLES_MAX: usize = 100_000;

pub(super) struct TextFile {
    root: HostRoot,
    patterns: Vec<Pattern>,
    /// The files as they were when they were last read.
    known: Vec<(PathBuf, Stamp)>,
    /// Their samples.
    merged: Families,
    /// Those that were read, with their times.
    good: Vec<(String, Changed)>,
    /// What is wrong with the files, and with the directories.
    problems: BTreeSet<String>,
    unlisted: BTreeSet<String>,
}

/// Tells a file that has changed: device, inode, length, and when its content and its inode have last changed, in nanoseconds.
type Stamp = (u64, u64, u64, i128, i128);

/// When a file has last changed, milliseconds since the epoch.
#[derive(Clone, Copy)]
struct Changed(i64);

impl TextFile {
    pub(super) fn new(host: &Host, directories: &[String]) -> Self {
        Self {
            root: host.root().clone(),
            patterns: directories.iter().map(|text| Pattern::new(text)).collect(),
            known: Vec::new(),
            merged: Families::new(),
            good: Vec::new(),
            problems: BTreeSet::new(),
            unlisted: BTreeSet::new(),
        }
    }

    /// All files that there are now, opened. What cannot be listed is said once.
    fn files(&mut self) -> Vec<(PathBuf, std::io::Result<(File, Metadata)>)> {
        let mut unlisted = BTreeSet::new();
        let mut paths = BTreeSet::new();
        for pattern in &self.patterns {
            for directory in pattern.directories(&self.root) {
                match self.root.read_dir(&directory) {
                    Err(error) => _ = unlisted.insert(format!("{}: {error}", directory.display())),
                    Ok(entries) => {
                        let names = entries.flatten().map(|entry| entry.file_name());
                        let texts = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "prom"));
                        paths.extend(texts.map(|name| directory.join(name)));
                    }
                }
            }
        }
        if paths.len() > FILES_MAX {
            unlisted.insert(format!("{} files, of which the first {FILES_MAX} by name are read", paths.len()));
        }
        for problem in unlisted.difference(&self.unlisted) {
            warn!("textfile: {problem}");
        }
        self.unlisted = unlisted;
        let open = |path: &PathBuf| self.root.open(path).and_then(|file| file.metadata().map(|about| (file, about)));
        paths.into_iter().take(FILES_MAX).map(|path| (path.clone(), open(&path))).collect()
    }

    /// Reads all files anew.
    fn read(&mut self, files: Vec<(PathBuf, std::io::Result<(File, Metadata)>)>, buffer: &mut Vec<u8>) {
        let mut problems = BTreeSet::new();
        let mut parts = Vec::new();
        let mut samples = 0;
        self.good.clear();
        for (path, opened) in files {
            let name = path.display().to_string();
            let mut part = Families::new();
            let result = opened
                .map_err(|error| error.to_string())
                .and_then(|(file, about)| read_file(file, &about, SAMPLES_MAX - samples, buffer, &mut part).map(|()| about));
            match result {
                Ok(about) => {
                    samples += part.len();
                    self.good.push((name.clone(), changed(&about)));
                    parts.push((name, part));
                }
                Err(why) => _ = problems.insert(format!("{name}: {why}")),
            }
        }
        self.merged.clear();
        merge(&parts, &mut self.merged, |problem| _ = problems.insert(problem));
        for problem in problems.difference(&self.problems) {
            warn!("textfile: {problem}");
        }
        self.problems = problems;
    }
}

impl Collector for TextFile {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let files = self.files();
        // What cannot be opened is looked at each time.
        let stamps = files.iter().map(|(path, opened)| (path, opened.as_ref().ok().map(|(_, about)| stamp(about))));
        let is_known = stamps.clone().eq(self.known.iter().map(|(path, stamp)| (path, Some(*stamp))));
        if !is_known {
            self.known = stamps.filter_map(|(path, stamp)| Some((path.clone(), stamp?))).collect();
            self.read(files, round.buffer);
        }
        round.out.append(&self.merged);
        for (file, changed) in &self.good {
            round.out.sample(&MTIME, &[file], changed.0.div_euclid(1000) as f64);
            round.out.sample(&AGE, &[file], (round.now.0 - changed.0) as f64 / 1000.0);
        }
        let is_well = self.problems.is_empty() && self.unlisted.is_empty();
        round.out.sample(&ERROR, &[], f64::from(u8::from(!is_well)));
        Ok(())
    }
}

fn stamp(about: &Metadata) -> Stamp {
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (content, inode) = (nanos(about.mtime(), about.mtime_nsec()), nanos(about.ctime(), about.ctime_nsec()));
    (about.dev(), about.ino(), about.len(), content, inode)
}

fn changed(about: &Metadata) -> Changed {
    let since = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Changed(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// Reads one file; why it does not count.
fn read_file(file: File, about: &Metadata, samples_max: usize, buffer: &mut Vec<u8>, out: &mut Families) -> Result<(), String> {
    if !about.is_file() {
        return Err("is no file".to_owned());
    }
    buffer.clear();
    file.take(FILE_BYTES_MAX + 1).read_to_end(buffer).map_err(|error| error.to_string())?;
    if buffer.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    let reading = Reading { samples_max, told_once: true, ..Reading::of(Format::Text) };
    read(buffer, &reading, out).map_err(|error| error.to_string())?;
    if out.samples().any(|sample| sample.time().is_some()) {
        return Err("has samples with a time: leave it out, a file is read as it is now".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
