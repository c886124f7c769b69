//! A file of /proc or /sys that is kept open and read anew from its beginning each time: a third of the cost of opening it again, and
//! no growth of the kernel's caches on our account.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Failed;

/// More of a file is not read; the longest (interrupts of a large machine) has some hundred KiB.
const FILE_MAX: usize = 8 << 20;
/// The first read asks for so much: most files are shorter, and end within it.
const FIRST_READ: usize = 4096;

/// The file.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
}

impl KeptFile {
    /// At a path. It is opened when it is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All that stands in it now. A device that has come back has a new file under the old name: that one is opened.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Failed> {
        match self.try_read(buffer) {
            Ok(len) => Ok(&buffer[..len]),
            Err(source) => Err(Failed::of(&self.path, source)),
        }
    }

    fn try_read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(file) = &self.file {
            match read_whole(file, buffer) {
                Err(error) if is_gone(&error) => self.file = None,
                Err(error) => return Err(error),
                Ok(len) => return Ok(len),
            }
        }
        let file = File::open(&self.path)?;
        let len = read_whole(&file, buffer).map_err(|error| {
            // Which object is gone is the same as which was never there.
            if is_gone(&error) { io::Error::from(io::ErrorKind::NotFound) } else { error }
        })?;
        self.file = Some(file);
        Ok(len)
    }
}

/// Reads a file once, from a path that is not kept: what is read rarely, or what there are thousands of.
pub fn read_once<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Failed> {
    match File::open(path).and_then(|file| read_whole(&file, buffer)) {
        Ok(len) => Ok(&buffer[..len]),
        Err(source) => Err(Failed::of(path, source)),
    }
}

/// Whether what the descriptor stood for is no more.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NODEV | Errno::NOENT | Errno::STALE | Errno::SRCH | Errno::NXIO))
}

/// Reads from the beginning to the end. The kernel makes the content of such files at a read from 0, and ends at a read of nothing.
fn read_whole(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut len = 0;
    loop {
        if buffer.len() < len + FIRST_READ {
            buffer.resize((len + FIRST_READ).next_power_of_two(), 0);
        }
        let read = match file.read_at(&mut buffer[len..], len as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 || len + read > FILE_MAX {
            return Ok(len + read);
        }
        len += read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_now_is_read_and_a_new_file_of_the_name_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value");
        let mut buffer = Vec::new();
        let mut kept = KeptFile::new(&path);
        assert!(matches!(kept.read(&mut buffer), Err(Failed::NoData(_))));
        std::fs::write(&path, "1\n").unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), b"1\n");
        let long = "x".repeat(3 * FIRST_READ);
        std::fs::write(&path, &long).unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), long.as_bytes());
        std::fs::write(&path, "22\n").unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), b"22\n");
        assert_eq!(read_once(&path, &mut buffer).unwrap(), b"22\n");
    }

    #[test]
    fn a_process_that_is_gone_is_no_data() {
        let mut buffer = Vec::new();
        assert!(matches!(read_once(Path::new("/proc/0/stat"), &mut buffer), Err(Failed::NoData(_))));
        let mut kept = KeptFile::new("/proc/self/stat");
        assert!(!kept.read(&mut buffer).unwrap().is_empty());
    }
}
