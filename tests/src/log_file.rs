//! A log file as its writer sees it: appends records, rotates, truncates. It knows how much it wrote, which is what the book checks.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::line::{Mark, Shape};
use crate::rotation::Rotation;
use crate::stamp;

/// The live file and everything that its writer remembers.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    shape: Shape,
    run: u32,
    writer: u32,
    n_records: u64,
    n_bytes: u64,
    nanos: i64,
    rotation: Option<Rotation>,
    truncated_at: Vec<u64>,
    block: Vec<u8>,
}

impl LogFile {
    /// A new, empty file (its directory is made too). Writers of one run have numbers at least 2 apart.
    pub fn create(path: &Path, shape: Shape, run: u32, writer: u32) -> Self {
        fs::create_dir_all(path.parent().expect("a log file has a directory")).expect("the directory can be made");
        Self {
            path: path.to_owned(),
            file: open(path),
            shape,
            run,
            writer,
            n_records: 0,
            n_bytes: 0,
            nanos: 0,
            rotation: None,
            truncated_at: Vec::new(),
            block: Vec::new(),
        }
    }

    /// With a way to rotate.
    #[must_use]
    pub fn rotating(self, rotation: Rotation) -> Self {
        Self { rotation: Some(rotation), ..self }
    }

    /// Writes the next records, as one block.
    pub fn append(&mut self, n_records: u64) {
        self.block.clear();
        // Times grow strictly, so that no two records of a file are equal and order can be told.
        let now = stamp::now_nanos();
        for _ in 0..n_records {
            self.nanos = now.max(self.nanos + 10);
            let mark = Mark { run: self.run, writer: self.writer, seq: self.n_records, nanos: self.nanos };
            self.shape.append(mark, &mut self.block);
            self.n_records += 1;
        }
        self.file.write_all(&self.block).expect("a log file takes bytes");
        self.n_bytes += self.block.len() as u64;
    }

    /// Writes a line that is no record, without counting it as one.
    pub fn append_foreign(&mut self, line: &str) {
        writeln!(self.file, "{line}").expect("a log file takes bytes");
        self.n_bytes += line.len() as u64 + 1;
    }

    /// Renames the file and begins a new one.
    pub fn rotate(&mut self) {
        self.rename_away();
        self.reopen();
    }

    /// Renames the file and goes on writing to it (until `reopen`): a writer that was not yet told.
    pub fn rename_away(&mut self) {
        let rotation = self.rotation.as_mut().expect("the file has a way to rotate");
        rotation.put_away(&self.path);
    }

    /// Begins a new file under the live name.
    pub fn reopen(&mut self) {
        self.file = open(&self.path);
        self.rotation.as_mut().expect("the file has a way to rotate").after_reopen();
    }

    /// Undoes `rename_away`.
    pub fn rename_back(&mut self) {
        self.rotation.as_mut().expect("the file has a way to rotate").take_back(&self.path);
    }

    /// Copies the file beside itself and empties it, as logrotate's `copytruncate`. The copy is named and compressed by the way
    /// to rotate; without one it is nobody's source.
    pub fn copy_and_truncate(&mut self) {
        if let Some(rotation) = &mut self.rotation {
            rotation.put_copy(&self.path);
        } else {
            let mut copy = self.path.as_os_str().to_owned();
            copy.push(".copy");
            fs::copy(&self.path, copy).expect("the log can be copied");
        }
        self.file.set_len(0).expect("the log can be truncated");
        self.truncated_at.push(self.n_records);
        if let Some(rotation) = &mut self.rotation {
            rotation.after_reopen();
        }
    }

    /// The sequences written: (writer, number of lines).
    pub fn sequences(&self) -> Vec<(u32, u64)> {
        self.shape.sequences(self.writer, self.n_records)
    }

    /// How many records were written.
    pub fn n_records(&self) -> u64 {
        self.n_records
    }

    /// How many bytes were written, newlines and prefixes included.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// How many records had been written at each truncation.
    pub fn truncated_at(&self) -> &[u64] {
        &self.truncated_at
    }

    /// Where the live file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Files that were put away and are still there, oldest first.
    pub fn archived(&self) -> &[PathBuf] {
        self.rotation.as_ref().map_or(&[], Rotation::archived)
    }
}

/// `O_APPEND`, as log writers open: after a truncation they go on at the new end.
fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log file can be opened")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;
    use crate::rotation::{Compression, Naming};
    use std::io::Read as _;

    const SHAPE: Shape = Shape::Raw { bytes: 100 };

    fn read(path: &Path) -> String {
        let packed = File::open(path).unwrap();
        let mut text = String::new();
        match path.extension().and_then(|end| end.to_str()) {
            Some("gz") => flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap(),
            Some("zst") => zstd::Decoder::new(packed).unwrap().read_to_string(&mut text).unwrap(),
            _ => fs::read_to_string(path).map(|whole| text.push_str(&whole)).map(|()| text.len()).unwrap(),
        };
        text
    }

    fn seqs(paths: &[PathBuf]) -> Vec<u64> {
        let text: String = paths.iter().map(|path| read(path)).collect();
        text.lines().map(|line| line::parse(line).unwrap().seq).collect()
    }

    fn check(naming: Naming, compression: Compression, suffixes: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let rotation = Rotation::new(naming).compressing(compression).keeping(3);
        let mut log = LogFile::create(&dir.path().join("audit.log"), SHAPE, 1, 1).rotating(rotation);
        for _ in 0..4 {
            log.append(5);
            log.rotate();
        }
        log.append(5);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "three kept, one live, nothing left over");
        for (path, suffix) in log.archived().iter().zip(suffixes) {
            assert!(path.to_str().unwrap().ends_with(suffix), "{} ends with {suffix}", path.display());
        }
        let mut paths = log.archived().to_vec();
        paths.push(log.path().to_owned());
        assert_eq!(seqs(&paths), (5..25).collect::<Vec<u64>>());
        assert_eq!(log.sequences(), [(1, 25)]);
        assert_eq!(log.n_bytes(), 25 * 101);
    }

    #[test]
    fn files_are_put_away_the_way_each_writer_does_it() {
        check(Naming::Lumberjack, Compression::GzipAll, &[".log.gz", ".log.gz", ".log.gz"]);
        check(Naming::Logrotate, Compression::None, &["audit.log.3", "audit.log.2", "audit.log.1"]);
        check(Naming::Logrotate, Compression::ZstdAll, &["audit.log.3.zst", "audit.log.2.zst", "audit.log.1.zst"]);
        check(Naming::Kubelet, Compression::GzipOlder, &[".gz", ".gz", ""]);
    }

    #[test]
    fn a_writer_that_was_not_told_goes_on_in_the_renamed_file() {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("0.log");
        let mut log = LogFile::create(&live, SHAPE, 1, 1).rotating(Rotation::new(Naming::Kubelet));
        log.append(2);
        log.rename_away();
        log.append(2);
        assert_eq!(seqs(log.archived()), [0, 1, 2, 3]);
        assert!(!live.exists());
        log.rename_back();
        log.append(1);
        assert_eq!(seqs(std::slice::from_ref(&live)), [0, 1, 2, 3, 4]);
        assert!(log.archived().is_empty());
    }

    #[test]
    fn after_a_truncation_the_file_holds_what_came_later() {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("a.log");
        let mut log = LogFile::create(&live, SHAPE, 1, 1);
        log.append(3);
        log.copy_and_truncate();
        log.append(2);
        assert_eq!(seqs(&[live]), [3, 4]);
        assert_eq!(log.truncated_at(), [3]);
    }

    #[test]
    fn copies_are_named_and_compressed_like_renamed_files() {
        let dir = tempfile::tempdir().unwrap();
        let rotation = Rotation::new(Naming::Logrotate).compressing(Compression::GzipOlder);
        let mut log = LogFile::create(&dir.path().join("a.log"), SHAPE, 1, 1).rotating(rotation);
        for _ in 0..2 {
            log.append(3);
            log.copy_and_truncate();
        }
        log.append(2);
        let names: Vec<_> = log.archived().iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.log.2.gz", "a.log.1"]);
        let mut paths = log.archived().to_vec();
        paths.push(log.path().to_owned());
        assert_eq!(seqs(&paths), (0..8).collect::<Vec<u64>>());
    }
}
