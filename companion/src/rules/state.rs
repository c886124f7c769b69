//! The file of the rules' state: a journal that is appended to before a push is acknowledged, and written anew when it has grown.
//!
//! `flush` returns when the kernel has the bytes, so that a kill of the process loses nothing; the disk has them for certain when
//! the journal is compacted (by rename) and when the program stops. A tail that a crash has torn is cut; a file of another kind or
//! version is set aside.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use durable::file::{Appended, lock};
use durable::frame::Damage;
use thiserror::Error;
use tracing::{error, info, warn};

use super::engine::Engine;
use super::journal::{self, Record};

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
    file: Appended,
    /// The file lacks something that was to be written: only a whole one will do.
    is_behind: bool,
}

impl State {
    /// Opens the state in `directory`, which is made if it does not exist, and gives what it says. Damage costs what is behind it,
    /// never the start.
    pub fn open(directory: &Path) -> Result<(Self, Vec<Record>), StateError> {
        let refused = |source| StateError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(refused)?;
        let in_use = || StateError::InUse { path: directory.to_owned() };
        let lock = lock(&directory.join("rules.lock")).map_err(refused)?.ok_or_else(in_use)?;
        let file = Appended::at(directory.join(NAME));
        let path = file.path();
        let bytes = file.read().map_err(refused)?;
        let mut records = Vec::new();
        if !bytes.is_empty() {
            let (read, damage) = journal::decode(&bytes);
            records = read;
            match damage {
                None => {}
                Some(Damage::From(at)) => {
                    warn!(path = %path.display(), lost_bytes = bytes.len() as u64 - at, records = records.len(), "state of the rules: a torn or damaged tail was cut");
                }
                Some(damage) => match file.set_aside() {
                    Ok(aside) => {
                        warn!(path = %path.display(), set_aside = %aside.display(), why = %damage, "state of the rules cannot be used: they begin anew");
                    }
                    Err(error) => {
                        warn!(path = %path.display(), %error, why = %damage, "state of the rules cannot be used, nor set aside: it is written over");
                    }
                },
            }
        }
        // The first flush writes a whole one.
        let state = Self { directory: directory.to_owned(), _lock: lock, file, is_behind: true };
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
        if let Err(source) = self.file.append(&bytes) {
            error!(directory = %self.directory.display(), error = %source, "the state of the rules cannot be written");
            self.is_behind = true;
            return Err(StateError::Write { path: self.directory.join(NAME), source });
        }
        if self.file.has_grown(COMPACT_ABOVE) {
            // It is all there already; a failure is tried again when it has grown by as much again.
            if let Err(error) = self.compact(engine) {
                warn!(%error, "the state of the rules grows on");
                self.is_behind = false;
                self.file.may_grow();
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
        let was_written = self.file.size() > 0;
        let written = self.write_snapshot(&engine.snapshot());
        written.map_err(|source| StateError::Write { path, source })?;
        if was_behind && was_written {
            info!(directory = %self.directory.display(), "the state of the rules is written again");
        }
        self.is_behind = false;
        Ok(())
    }

    fn write_snapshot(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        journal::encode_header(&mut bytes);
        for records in records.chunks(SNAPSHOT_FRAME) {
            journal::encode_frame(records, &mut bytes);
        }
        self.file.replace(&bytes).map(drop)
    }

    /// How long the file is.
    pub fn size(&self) -> u64 {
        self.file.size()
    }
}
