//! The wall clock of a program under test, which can be set; the clock that waits are measured by goes on as ever.

use std::fs;
use std::path::PathBuf;

/// The clock. By libfaketime, which is loaded before the program's own libraries.
#[derive(Debug)]
pub struct WallClock {
    library: PathBuf,
    /// What it shows more or less than the machine's.
    offset: PathBuf,
}

impl WallClock {
    /// Set right; `offset` is a file for it. `None` where the library is not installed.
    pub fn new(offset: PathBuf) -> Option<Self> {
        let places = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime/libfaketime.so.1"));
        let library = places.into_iter().find(|path| path.is_file())?;
        let clock = Self { library, offset };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it, such as to `-1h`, without a moment in which it says nothing.
    pub fn set(&self, offset: &str) {
        let new = self.offset.with_extension("new");
        fs::write(&new, offset).expect("a file can be written");
        fs::rename(new, &self.offset).expect("a file can be renamed");
    }

    /// What the program's environment needs.
    pub fn variables(&self) -> Vec<(String, String)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", path(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", path(&self.offset)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
