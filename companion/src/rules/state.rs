//! The file of the rules' state: a journal that is appended to before a push is acknowledged, and written anew when it has grown.
//!
//! `flush` returns when the kernel has the bytes, so that a kill of the process loses nothing; the disk has them for certain when
//! the journal is compacted (by rename) and when the program stops. A tail that a crash has torn is cut; a file of another kind or
//! version is set aside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tracing::{error, info, warn};

use super::engine::Engine;
use super::journal::{self, Damage, Record};

#[cfg(test)]
mod tests;

const NAME: &str = "rules.state";
/// A journal is compacted when it is four times as long as after the last time, but never below this.
const COMPACT_ABOVE: u64 = 4 << 20;
/// Most records of one frame of a snapshot.
const SNAPSHOT_FRAME: usize = 50_000;

/// Why there is no state.
#[derive(Debug, Error)]
pub enum StateError {
    /// The directory cannot be used.
    #[error("{path}: {source}; the state directory must exist or be creatable, and belong to this program")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{path} is used by another process; stop that one, or give this one another state directory")]
    InUse {
        /// Which one.
        path: PathBuf,
    },
    /// What happened cannot be saved.
    #[error("the state of the rules cannot be written to {path}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    /// Held as long as this is.
    _lock: File,
    file: Option<File>,
    size: u64,
    compacted: u64,
    /// The file lacks something that was to be written: only a whole one will do.
    is_behind: bool,
}

impl State {
    /// Opens the state in `directory`, which is made if it does not exist, and gives what it says. Damage costs what is behind it,
    /// never the start.
    pub fn open(directory: &Path) -> Result<(Self, Vec<Record>), StateError> {
        let refused = |source| StateError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(refused)?;
        let lock = options().open(directory.join("rules.lock")).map_err(refused)?;
        lock.try_lock().map_err(|_| StateError::InUse { path: directory.to_owned() })?;
        let path = directory.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(refused(error)),
        };
        let mut records = Vec::new();
        if !bytes.is_empty() {
            let (read, damage) = journal::decode(&bytes);
            records = read;
            match damage {
                None => {}
                Some(Damage::From(at)) => {
                    warn!(path = %path.display(), lost_bytes = bytes.len() as u64 - at, records = records.len(), "state of the rules: a torn or damaged tail was cut");
                }
                Some(damage) => {
                    let aside = set_aside(&path);
                    warn!(path = %path.display(), set_aside = %aside.display(), why = %damage, "state of the rules cannot be used: they begin anew");
                }
            }
        }
        // The first flush writes a whole one.
        let state = Self { directory: directory.to_owned(), _lock: lock, file: None, size: 0, compacted: 0, is_behind: true };
        Ok((state, records))
    }

    /// Saves what the engine has done since the last time. Only then may a push be acknowledged, and an alert be told.
    pub fn flush(&mut self, engine: &mut Engine) -> Result<(), StateError> {
        let records = engine.take_journal();
        if self.is_behind {
            return self.compact(engine);
        }
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        journal::encode_frame(&records, &mut bytes);
        let written = match &mut self.file {
            Some(file) => file.write_all(&bytes),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        match written {
            Ok(()) => self.size += bytes.len() as u64,
            Err(source) => {
                // Half a frame must not stand before whole ones.
                if let Some(file) = &self.file
                    && file.set_len(self.size).is_err()
                {
                    self.file = None;
                }
                error!(directory = %self.directory.display(), error = %source, "the state of the rules cannot be written");
                self.is_behind = true;
                return Err(StateError::Write { path: self.directory.join(NAME), source });
            }
        }
        if self.size > COMPACT_ABOVE && self.size > 4 * self.compacted {
            // It is all there already; a failure is tried again when it has grown by as much again.
            if let Err(error) = self.compact(engine) {
                warn!(%error, "the state of the rules grows on");
                self.is_behind = false;
                self.compacted = self.size / 2;
            }
        }
        Ok(())
    }

    /// Writes the file anew with nothing in it but what holds now. The old one stands until the new one is safe.
    pub fn compact(&mut self, engine: &mut Engine) -> Result<(), StateError> {
        let was_behind = std::mem::replace(&mut self.is_behind, true);
        let path = self.directory.join(NAME);
        // What the snapshot holds need not be journaled again.
        drop(engine.take_journal());
        let written = self.write_snapshot(&engine.snapshot());
        written.map_err(|source| StateError::Write { path, source })?;
        if was_behind && self.compacted > 0 {
            info!(directory = %self.directory.display(), "the state of the rules is written again");
        }
        self.compacted = self.size;
        self.is_behind = false;
        Ok(())
    }

    fn write_snapshot(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        journal::encode_header(&mut bytes);
        for records in records.chunks(SNAPSHOT_FRAME) {
            journal::encode_frame(records, &mut bytes);
        }
        let path = self.directory.join(NAME);
        let new = self.directory.join(format!("{NAME}.new"));
        let mut file = options().truncate(true).open(&new)?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        if let Ok(directory) = File::open(&self.directory) {
            let _ = directory.sync_all();
        }
        self.file = Some(file);
        self.size = bytes.len() as u64;
        Ok(())
    }

    /// How long the file is.
    pub fn size(&self) -> u64 {
        self.size
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).mode(0o600);
    options
}

/// Moves a file that cannot be used out of the way, without losing it.
fn set_aside(path: &Path) -> PathBuf {
    let free = (0_u32..1000).map(|number| path.with_extension(format!("damaged-{number}"))).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.with_extension("damaged"));
    if let Err(error) = fs::rename(path, &aside) {
        warn!(path = %path.display(), %error, "the state that cannot be used cannot be set aside: it is written over");
    }
    aside
}
