//! What stands in a directory of /sys: devices, by name or number. In an order of its own, since the kernel's is none.

use std::fs::{self, DirEntry};
use std::path::Path;

use super::Failed;
use super::text::integer;

/// The names of all entries, sorted; those that are no UTF-8, which no device has, are left out.
pub fn names(directory: &Path) -> Result<Vec<String>, Failed> {
    let entries = fs::read_dir(directory).map_err(|source| Failed::of(directory, source))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The numbers of those entries that are a word and a number (`cpu0`, `cpu1`), in their order; none if there is no such directory.
pub fn numbered(directory: &Path, word: &str) -> Vec<u64> {
    let number = |entry: DirEntry| integer(entry.file_name().to_str()?.strip_prefix(word)?.as_bytes());
    let mut numbers: Vec<u64> = fs::read_dir(directory).into_iter().flatten().flatten().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["cpu10", "cpu2", "cpufreq", "cpu", "cpuidle", "present"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(numbered(directory.path(), "cpu"), [2, 10]);
        assert_eq!(names(directory.path()).unwrap(), ["cpu", "cpu10", "cpu2", "cpufreq", "cpuidle", "present"]);
        let none = directory.path().join("none");
        assert!(numbered(&none, "cpu").is_empty());
        assert!(matches!(names(&none), Err(Failed::NoData(_))));
    }
}
