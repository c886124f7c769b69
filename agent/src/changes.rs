//! Watches files whose change matters in itself (manifests, policies, `sshd_config`) and writes a line for every change.
//!
//! In: paths and globs. Out: JSON lines in a file of the state directory, which is then read like any other log: so a change
//! is shipped as surely as a line is. A file is hashed only when its `stat` says that it may have changed; a change that was
//! undone between two looks still shows, by the time of the inode's last change.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::time::UnixNanos;
use serde_json::{Value, json};
use tracing::warn;

use crate::host_root::HostRoot;
use crate::tail::discovery::PathGlob;

pub mod preview;

/// The log of changes, in the state directory.
pub const LOG_NAME: &str = "changes.log";
const STATE_NAME: &str = "changes.json";
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The log is begun anew above this size; one older part is kept.
const LOG_BYTES: u64 = 1 << 20;
/// Larger files are not hashed: nothing that belongs here is.
const HASHED_BYTES: u64 = 64 << 20;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// What tells that something changed: inode, size, owner, mode, and both times.
    stat: String,
    /// SHA-256, hexadecimal; or why there is none.
    hash: String,
}

/// The watcher of changes.
pub struct Changes {
    root: HostRoot,
    globs: Vec<PathGlob>,
    directory: PathBuf,
    seen: BTreeMap<String, Seen>,
    /// The first look ever tells what is there, not that it changed.
    first: bool,
}

/// Ends the watching.
#[derive(Clone, Default)]
pub struct Bell {
    stop: Arc<(AtomicBool, Mutex<()>, Condvar)>,
}

impl Bell {
    /// No more looks.
    pub fn stop(&self) {
        self.stop.0.store(true, Ordering::Release);
        self.stop.2.notify_all();
    }

    /// Waits, and says whether there are to be no more looks.
    fn wait(&self, wait: Duration) -> bool {
        let guard = self.stop.1.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = |(): &mut ()| !self.stop.0.load(Ordering::Acquire);
        drop(self.stop.2.wait_timeout_while(guard, wait, stopped));
        self.stop.0.load(Ordering::Acquire)
    }
}

impl Changes {
    /// Takes up what an earlier run knew.
    pub fn new(root: HostRoot, paths: &[String], directory: &Path) -> Self {
        let seen = fs::read(directory.join(STATE_NAME)).ok().and_then(|state| remembered(&state));
        let globs = paths.iter().filter_map(|path| PathGlob::new(path).ok()).collect();
        Self { root, globs, directory: directory.to_owned(), first: seen.is_none(), seen: seen.unwrap_or_default() }
    }

    /// Looks every few seconds until it is told to stop.
    pub fn run(mut self, bell: &Bell) {
        while !bell.wait(LOOK_EVERY) {
            self.look();
        }
    }

    /// One look. What cannot be written is found again at the next.
    pub fn look(&mut self) {
        let (lines, now) = self.compare();
        if !lines.is_empty()
            && let Err(error) = self.write(&lines, &now)
        {
            warn!(directory = %self.directory.display(), %error, "changes of watched files cannot be noted; trying again");
            return;
        }
        self.seen = now;
        self.first = false;
    }

    /// One look whose lines are given to the caller and written nowhere: a dry run's.
    pub fn tell(&mut self) -> Vec<String> {
        let (lines, now) = self.compare();
        self.seen = now;
        self.first = false;
        lines
    }

    /// A line for each difference from what is known, and what is there now.
    fn compare(&self) -> (Vec<String>, BTreeMap<String, Seen>) {
        let mut now: BTreeMap<String, Seen> = BTreeMap::new();
        let mut lines = Vec::new();
        for path in self.globs.iter().flat_map(|glob| glob.expand(&self.root)) {
            let name = path.display().to_string();
            if now.contains_key(&name) {
                continue;
            }
            let Some((seen, details)) = self.see(&path, self.seen.get(&name)) else { continue };
            let change = match self.seen.get(&name) {
                Some(before) if *before == seen => None,
                Some(before) if before.hash == seen.hash => Some("touched"),
                Some(_) => Some("changed"),
                None if self.first => Some("found"),
                None => Some("appeared"),
            };
            if let Some(change) = change {
                lines.push(line(change, &name, details));
            }
            now.insert(name, seen);
        }
        for gone in self.seen.keys().filter(|name| !now.contains_key(*name)) {
            lines.push(line("removed", gone, json!({})));
        }
        (lines, now)
    }

    /// A file's state, and what a line says of it. `None` if it is not there.
    fn see(&self, path: &Path, before: Option<&Seen>) -> Option<(Seen, Value)> {
        let metadata = self.root.resolve(path).and_then(fs::metadata).ok().filter(fs::Metadata::is_file)?;
        let stat = format!(
            "{} {} {} {} {:o} {}.{} {}.{}",
            metadata.ino(),
            metadata.len(),
            metadata.uid(),
            metadata.gid(),
            metadata.mode(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec()
        );
        let hash = match before {
            Some(before) if before.stat == stat => before.hash.clone(),
            _ => self.hash(path, metadata.len()),
        };
        let mut modified = String::new();
        let mtime = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        record::time::format_rfc3339(UnixNanos(mtime), &mut modified);
        let details = json!({
            "sha256": hash,
            "bytes": metadata.len(),
            "uid": metadata.uid(),
            "gid": metadata.gid(),
            "mode": format!("{:04o}", metadata.mode() & 0o7777),
            "modified": modified,
        });
        Some((Seen { stat, hash }, details))
    }

    fn hash(&self, path: &Path, len: u64) -> String {
        if len > HASHED_BYTES {
            return "not hashed: too large".to_owned();
        }
        let hash = self.root.open(path).and_then(|file| {
            let mut context = ring::digest::Context::new(&ring::digest::SHA256);
            let mut buffer = [0; 16 * 1024];
            let mut file = file.take(HASHED_BYTES);
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(context.finish()),
                    read => context.update(&buffer[..read]),
                }
            }
        });
        match hash {
            Ok(hash) => hash.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
            Err(error) => format!("not hashed: {error}"),
        }
    }

    /// First the lines, then the state: a crash between the two repeats lines, and loses none.
    fn write(&self, lines: &[String], now: &BTreeMap<String, Seen>) -> io::Result<()> {
        let path = self.directory.join(LOG_NAME);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_BYTES) {
            fs::rename(&path, self.directory.join(format!("{LOG_NAME}.1")))?;
        }
        let mut log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        log.write_all(lines.concat().as_bytes())?;
        log.sync_data()?;
        let state: BTreeMap<_, _> = now.iter().map(|(name, seen)| (name, json!([seen.stat, seen.hash]))).collect();
        let new = self.directory.join(format!("{STATE_NAME}.new"));
        let mut file: File = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(json!(state).to_string().as_bytes())?;
        file.sync_data()?;
        fs::rename(new, self.directory.join(STATE_NAME))
    }
}

fn line(change: &str, path: &str, details: Value) -> String {
    let mut time = String::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
    record::time::format_rfc3339(UnixNanos(now), &mut time);
    let mut line = json!({ "time": time, "change": change, "path": path });
    if let (Value::Object(line), Value::Object(details)) = (&mut line, details) {
        line.extend(details);
    }
    format!("{line}\n")
}

fn remembered(state: &[u8]) -> Option<BTreeMap<String, Seen>> {
    let state: BTreeMap<String, (String, String)> = serde_json::from_slice(state).ok()?;
    Some(state.into_iter().map(|(name, (stat, hash))| (name, Seen { stat, hash })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_one_line_and_a_restart_forgets_nothing() {
        let (watched, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = watched.path().join("policy.yaml");
        fs::write(&file, "a").unwrap();
        let glob = [format!("{}/*", watched.path().display())];
        let changes = || Changes::new(HostRoot::default(), &glob, state.path());
        let said = || {
            let log = fs::read_to_string(state.path().join(LOG_NAME)).unwrap_or_default();
            let words =
                log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["change"].as_str().unwrap().to_owned());
            words.collect::<Vec<_>>()
        };
        let mut first = changes();
        first.look();
        first.look();
        assert_eq!(said(), ["found"]);
        fs::write(&file, "b").unwrap();
        let mut second = changes();
        second.look();
        assert_eq!(said(), ["found", "changed"]);
        fs::write(watched.path().join("new.yaml"), "c").unwrap();
        fs::remove_file(&file).unwrap();
        second.look();
        assert_eq!(said(), ["found", "changed", "appeared", "removed"]);
    }

    #[test]
    fn a_line_says_hash_owner_mode_and_time() {
        let (watched, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(watched.path().join("f"), "abc").unwrap();
        Changes::new(HostRoot::default(), &[format!("{}/f", watched.path().display())], state.path()).look();
        let log = fs::read_to_string(state.path().join(LOG_NAME)).unwrap();
        let line: Value = serde_json::from_str(&log).unwrap();
        assert_eq!(
            line["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "FIPS 180-2, appendix B.1"
        );
        for key in ["time", "path", "uid", "gid", "mode", "modified", "bytes"] {
            assert!(!line[key].is_null(), "{key} in {line}");
        }
    }
}
