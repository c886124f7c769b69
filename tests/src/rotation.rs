//! How log writers put a full file away: what they name it, when they compress it, and how many they keep.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::stamp;

/// The name that a renamed file gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// kube-apiserver: `audit.log` becomes `audit-2006-01-02T15-04-05.000.log`.
    Lumberjack,
    /// logrotate: `audit.log` becomes `audit.log.1`, what was `.1` becomes `.2`, and so on.
    Logrotate,
    /// kubelet: `0.log` becomes `0.log.20060102-150405`.
    Kubelet,
}

/// What becomes of files that were put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// They stay as they are.
    None,
    /// gzip, all but the newest (the kubelet's way, and logrotate's `delaycompress`).
    GzipOlder,
    /// gzip, at once (lumberjack's way).
    GzipAll,
    /// zstd, at once.
    ZstdAll,
}

/// One way to rotate, with what it has put away so far.
#[derive(Debug)]
pub struct Rotation {
    naming: Naming,
    compression: Compression,
    /// How many files that were put away may stay; the oldest goes first.
    keep: usize,
    /// Oldest first.
    archived: Vec<PathBuf>,
    /// Time in the newest name. Names are made as if the writer had taken its time: they have no more than a second.
    named: i64,
}

impl Rotation {
    /// Keeps everything, compresses nothing.
    pub fn new(naming: Naming) -> Self {
        Self { naming, compression: Compression::None, keep: usize::MAX, archived: Vec::new(), named: 0 }
    }

    /// With this compression.
    #[must_use]
    pub fn compressing(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// With so many files kept beside the live one.
    #[must_use]
    pub fn keeping(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// Renames the live file, and says to what. What is older is compressed and deleted first, as the kubelet does.
    pub fn put_away(&mut self, live: &Path) -> PathBuf {
        let name = self.make_room(live);
        fs::rename(live, &name).expect("the live file can be renamed");
        self.archived.push(name.clone());
        name
    }

    /// Copies the live file to where it would have been renamed to, as logrotate's `copytruncate`.
    pub fn put_copy(&mut self, live: &Path) {
        let name = self.make_room(live);
        fs::copy(live, &name).expect("the live file can be copied");
        self.archived.push(name);
    }

    fn make_room(&mut self, live: &Path) -> PathBuf {
        if self.compression == Compression::GzipOlder {
            self.compress(|path| compress(path, "gz"));
        }
        self.delete_oldest(self.keep.saturating_sub(1));
        self.next_name(live)
    }

    /// What happens once the writer has let go of the renamed file.
    pub fn after_reopen(&mut self) {
        match self.compression {
            Compression::GzipAll => self.compress(|path| compress(path, "gz")),
            Compression::ZstdAll => self.compress(|path| compress(path, "zst")),
            Compression::None | Compression::GzipOlder => {}
        }
    }

    /// Renames the newest file back to the live name, as the kubelet does when the runtime fails to reopen its log.
    pub fn take_back(&mut self, live: &Path) {
        let name = self.archived.pop().expect("a file was put away before");
        fs::rename(name, live).expect("the file can be renamed back");
    }

    /// Files that were put away and are still there, oldest first.
    pub fn archived(&self) -> &[PathBuf] {
        &self.archived
    }

    fn next_name(&mut self, live: &Path) -> PathBuf {
        let name = live.file_name().and_then(OsStr::to_str).expect("the live file has a name");
        let stem = name.strip_suffix(".log").unwrap_or(name);
        match self.naming {
            Naming::Lumberjack => {
                self.named = stamp::now_nanos().max(self.named + 1_000_000);
                live.with_file_name(format!("{stem}-{}.log", stamp::lumberjack(self.named)))
            }
            Naming::Kubelet => {
                self.named = stamp::now_nanos().max(self.named + 1_000_000_000);
                live.with_file_name(format!("{name}.{}", stamp::kubelet(self.named)))
            }
            Naming::Logrotate => {
                self.shift_numbers(live, name);
                live.with_file_name(format!("{name}.1"))
            }
        }
    }

    fn shift_numbers(&mut self, live: &Path, name: &str) {
        let n_archived = self.archived.len();
        // The oldest has the highest number and moves first.
        for (idx, path) in self.archived.iter_mut().enumerate() {
            let packed = path.extension().and_then(OsStr::to_str).filter(|end| matches!(*end, "gz" | "zst"));
            let suffix = packed.map_or(String::new(), |end| format!(".{end}"));
            let next = live.with_file_name(format!("{name}.{}{suffix}", n_archived - idx + 1));
            fs::rename(&*path, &next).expect("an archived file can be renamed");
            *path = next;
        }
    }

    fn compress(&mut self, compress: impl Fn(&Path) -> io::Result<PathBuf>) {
        let is_packed = |path: &Path| path.extension().is_some_and(|end| end == "gz" || end == "zst");
        for path in self.archived.iter_mut().filter(|path| !is_packed(path)) {
            *path = compress(path).expect("an archived file can be compressed");
        }
    }

    fn delete_oldest(&mut self, n_left: usize) {
        let n_excess = self.archived.len().saturating_sub(n_left);
        for path in self.archived.drain(..n_excess) {
            fs::remove_file(path).expect("an archived file can be deleted");
        }
    }
}

/// Writes `<path>.tmp`, renames it to `<path>.<suffix>`, and unlinks the plain file: never a half-written archive.
fn compress(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let with_end = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(end);
        PathBuf::from(name)
    };
    let (temporary, archive) = (with_end("tmp"), with_end(suffix));
    let mut plain = File::open(path)?;
    let packed = File::create(&temporary)?;
    if suffix == "gz" {
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        io::copy(&mut plain, &mut encoder)?;
        encoder.finish()?;
    } else {
        zstd::stream::copy_encode(plain, packed, 1)?;
    }
    fs::rename(&temporary, &archive)?;
    fs::remove_file(path)?;
    Ok(archive)
}
