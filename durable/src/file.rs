//! A file that is appended to, and written anew when it has grown; private to its owner.
//!
//! An append returns when the kernel has the bytes: a crash of the process loses nothing, a power cut what came since the file was
//! replaced. A replacement is on disk for certain; the old file stands until the new one is safe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file, which this program alone writes.
#[derive(Debug)]
pub struct Appended {
    path: PathBuf,
    /// None before the first replacement, and after an append that failed: only a whole one will do.
    file: Option<File>,
    size: u64,
    /// As it was replaced last.
    whole: u64,
}

impl Appended {
    /// At a path. It has to be replaced before anything is appended.
    pub fn at(path: PathBuf) -> Self {
        Self { path, file: None, size: 0, whole: 0 }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What an earlier run left there; empty if there is nothing.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    /// Writes behind what is there. After a failure it takes nothing more until it is replaced.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::Error::from(io::ErrorKind::NotFound)) };
        if let Err(error) = file.write_all(bytes) {
            // Half a frame would be cut at the next start; whoever looks before should not see it either.
            let _ = file.set_len(self.size);
            self.file = None;
            return Err(error);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Writes it anew, with this in it and nothing else.
    pub fn replace(&mut self, bytes: &[u8]) -> io::Result<&File> {
        let file = replace(&self.path, bytes)?;
        self.size = bytes.len() as u64;
        self.whole = self.size;
        Ok(self.file.insert(file))
    }

    /// Whether it is four times as long as it was when it was replaced, and longer than `least`.
    pub fn has_grown(&self, least: u64) -> bool {
        self.size > least && self.size > 4 * self.whole
    }

    /// It has grown and could not be replaced: it has only when it is twice as long as now.
    pub fn may_grow(&mut self) {
        self.whole = self.size / 2;
    }

    /// Moves a file that cannot be used out of the way, without losing it. Says where to.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let free =
            (0_u32..1000).map(|number| self.path.with_extension(format!("damaged-{number}"))).find(|aside| !aside.exists());
        let aside = free.unwrap_or_else(|| self.path.with_extension("damaged"));
        fs::rename(&self.path, &aside).map(|()| aside)
    }
}

/// Puts a file with this in it in place of the one at `path`, by rename. It is on disk when this returns.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut file = options().truncate(true).open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    // Not every file system can; then the name is there as soon as it sees fit.
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
    Ok(file)
}

/// A lock for as long as the file is open; none if another process has it.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let lock = options().open(path)?;
    Ok(lock.try_lock().is_ok().then_some(lock))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_appended_to_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = Appended::at(directory.path().join("x.state"));
        assert_eq!(file.read().unwrap(), b"");
        file.append(b"too early").unwrap_err();
        file.replace(b"a").unwrap();
        file.append(b"b").unwrap();
        file.append(b"cd").unwrap();
        assert_eq!((file.read().unwrap(), file.size()), (b"abcd".to_vec(), 4));
        assert!(!file.has_grown(3) && !file.has_grown(0));
        file.append(b"e").unwrap();
        assert!(file.has_grown(3) && !file.has_grown(5));
        file.may_grow();
        assert!(!file.has_grown(3));
        file.replace(b"f").unwrap();
        file.append(b"g").unwrap();
        assert_eq!(file.read().unwrap(), b"fg");
        let entries: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_replaced_stands_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = Appended::at(directory.path().join("x.state"));
        file.replace(b"a").unwrap();
        fs::create_dir(directory.path().join("x.state.new")).unwrap();
        file.replace(b"b").unwrap_err();
        file.append(b"c").unwrap();
        assert_eq!(file.read().unwrap(), b"ac");
    }

    #[test]
    fn files_that_are_set_aside_keep_out_of_each_others_way() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = Appended::at(directory.path().join("x.state"));
        for (content, name) in [(b"a", "x.damaged-0"), (b"b", "x.damaged-1")] {
            file.replace(content).unwrap();
            let aside = file.set_aside().unwrap();
            assert_eq!(aside, directory.path().join(name));
            assert_eq!((fs::read(aside).unwrap(), file.read().unwrap()), (content.to_vec(), Vec::new()));
        }
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = lock(&path).unwrap().unwrap();
        assert!(lock(&path).unwrap().is_none());
        drop(held);
        assert!(lock(&path).unwrap().is_some());
    }
}
