//! Objects of sysfs: a directory for each device, in it a small file for each thing that is told of it (kernel's sysfs.rst).
//!
//! Who is there is looked up each time, since devices come and go; what an object consists of only when somebody has come or gone, and
//! every few minutes, since drivers add files late. Whoever keeps something for each object makes it anew then.

use std::path::{Path, PathBuf};

use super::Failed;
use super::kept::{KeptFile, read_once};
use super::listing::names;
use super::text::{number, text, trim};

/// Rounds after which objects are looked through although none has come or gone: five minutes at the usual interval.
const ROUNDS: u32 = 20;
/// Objects of a kind at most.
const OBJECTS_MAX: usize = 4096;

/// Directories side by side: /sys/class/hwmon/hwmon*.
#[derive(Debug)]
pub(super) struct Objects {
    directory: PathBuf,
    prefix: &'static str,
    names: Vec<String>,
    rounds: u32,
}

impl Objects {
    /// Those of a directory whose names begin so.
    pub(super) fn new(directory: PathBuf, prefix: &'static str) -> Self {
        Self { directory, prefix, names: Vec::new(), rounds: 0 }
    }

    /// Looks who is there. Their names, in order, if they are to be looked through; nothing if all is as it was.
    pub(super) fn look(&mut self) -> Result<Option<&[String]>, Failed> {
        let mut names = list(&self.directory, self.prefix)?;
        names.truncate(OBJECTS_MAX);
        let same = names == self.names;
        if same && self.rounds > 0 {
            self.rounds -= 1;
            return Ok(None);
        }
        self.rounds = ROUNDS;
        self.names = names;
        Ok(Some(&self.names))
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// What stands in a directory under names that begin so, in order.
pub(super) fn list(directory: &Path, prefix: &str) -> Result<Vec<String>, Failed> {
    let mut names = names(directory)?;
    names.retain(|name| name.starts_with(prefix));
    Ok(names)
}

/// What a file says, without blanks around; nothing if it is not there, or the driver has nothing to say now.
pub(super) fn attribute(path: &Path, buffer: &mut Vec<u8>) -> Option<String> {
    read_once(path, buffer).ok().map(|told| text(told).into_owned())
}

/// The number that a kept file holds now. A driver that has nothing to say (ENODATA, EIO, EINVAL, EAGAIN) costs this one value.
pub(super) fn value(file: &mut KeptFile, buffer: &mut Vec<u8>) -> Option<f64> {
    number(trim(file.read(buffer).ok()?))
}

/// The number that a file holds now.
pub(super) fn value_once(path: &Path, buffer: &mut Vec<u8>) -> Option<f64> {
    number(trim(read_once(path, buffer).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_looked_through_when_one_comes_and_now_and_then() {
        let tree = tempfile::tempdir().unwrap();
        let mut objects = Objects::new(tree.path().join("class"), "x");
        assert!(matches!(objects.look(), Err(Failed::NoData(_))));
        std::fs::create_dir_all(tree.path().join("class/x1")).unwrap();
        std::fs::create_dir_all(tree.path().join("class/y1")).unwrap();
        assert_eq!(objects.look().unwrap(), Some(&["x1".to_owned()][..]));
        assert_eq!(objects.look().unwrap(), None);
        std::fs::create_dir(tree.path().join("class/x0")).unwrap();
        assert_eq!(objects.look().unwrap().map(<[String]>::len), Some(2));
        let looks = (0..=ROUNDS).filter(|_| objects.look().unwrap().is_some()).count();
        assert_eq!(looks, 1);
    }
}
