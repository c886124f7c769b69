//! A small file of state, replaced by rename. Its first line has a name, a version and a checksum.
//!
//! A file that is foreign or damaged is set aside, never deleted, and its owner starts anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::time::UnixNanos;
use thiserror::Error;

const HEADER: &str = "picket notify state 1";

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// Another program's, or another version's.
    #[error("it is no state of this version's notifications")]
    Foreign,
    /// Torn or changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// Its checksum is right and its content is not.
    #[error("its content makes no sense: {0}")]
    Content(String),
}

/// Why a state directory cannot be used.
#[derive(Debug, Error)]
#[error("state directory {path}: {source}; make it writable", path = path.display())]
pub struct StateError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl StateError {
    /// Of a directory.
    pub fn of(directory: &Path, source: io::Error) -> Self {
        Self { path: directory.to_owned(), source }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// Nothing yet.
    Nothing,
    /// What was saved.
    Whole(T),
    /// Something that is not used: why, and where it was put.
    SetAside(Damage, PathBuf),
}

/// A file in a state directory.
#[derive(Clone, Debug)]
pub struct StateFile {
    directory: PathBuf,
    name: String,
}

impl StateFile {
    /// In a directory, which is made if it does not exist.
    pub fn open(directory: &Path, name: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), name: name.to_owned() })
    }

    /// What is in it. What is wrong with it is set aside.
    pub fn load<T>(&self, read: impl FnOnce(&[u8]) -> Result<T, Damage>, now: UnixNanos) -> io::Result<Found<T>> {
        let path = self.directory.join(&self.name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        match unseal(&bytes).and_then(read) {
            Ok(found) => Ok(Found::Whole(found)),
            Err(damage) => {
                let aside = self.directory.join(format!("{}.set-aside-{}", self.name, now.0 / 1_000_000_000));
                fs::rename(&path, &aside)?;
                Ok(Found::SetAside(damage, aside))
            }
        }
    }

    /// Replaces it.
    pub fn save(&self, body: &[u8]) -> io::Result<()> {
        let mut bytes = format!("{HEADER} {:08x}\n", crc32fast::hash(body)).into_bytes();
        bytes.extend_from_slice(body);
        durable::file::replace(&self.directory.join(&self.name), &bytes).map(drop)
    }

    /// Takes it away.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(self.directory.join(&self.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// What stands behind the first line, if that is right.
fn unseal(bytes: &[u8]) -> Result<&[u8], Damage> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(Damage::Foreign)?;
    let (first, body) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default());
    let first = std::str::from_utf8(first).map_err(|_| Damage::Foreign)?;
    let checksum = first.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix(' ')).ok_or(Damage::Foreign)?;
    match u32::from_str_radix(checksum, 16) {
        Ok(checksum) if checksum == crc32fast::hash(body) => Ok(body),
        _ => Err(Damage::Checksum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_or_damaged_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::open(&dir.path().join("new"), "x.state").unwrap();
        let path = dir.path().join("new/x.state");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| Damage::Content(error.to_string()));
        let load = || file.load(text, UnixNanos(5_000_000_000)).unwrap();
        assert_eq!(load(), Found::Nothing);
        file.save(b"all\nof it").unwrap();
        assert_eq!(load(), Found::Whole("all\nof it".to_owned()));
        let mut torn = fs::read(&path).unwrap();
        torn.pop();
        for (bytes, damage) in [
            (b"what is this".to_vec(), Damage::Foreign),
            (b"what\nis this".to_vec(), Damage::Foreign),
            (torn, Damage::Checksum),
            (Vec::new(), Damage::Foreign),
        ] {
            fs::write(&path, &bytes).unwrap();
            let Found::SetAside(found, aside) = load() else { panic!("{damage:?}") };
            assert_eq!((found, fs::read(aside).unwrap(), path.exists()), (damage, bytes, false));
        }
        file.save(b"\xff").unwrap();
        assert!(matches!(load(), Found::SetAside(Damage::Content(_), _)));
        file.remove().unwrap();
        file.save(b"").unwrap();
        file.remove().unwrap();
        assert_eq!(load(), Found::Nothing);
    }
}
