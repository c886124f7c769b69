//! A configuration's file: found, read up to a bound, made typed settings, and what to say of a key that stands in the wrong place.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::problem::{At, Problem, Problems};
use crate::read::Read;
use crate::yaml::{self, FILE_BYTES_MAX};

/// What messages call the whole file.
pub const ROOT: &str = "the file";

/// The file and its bytes; none if there is none at `default` and none was `asked` for.
pub fn find(asked: Option<&Path>, default: &Path) -> Result<(Option<PathBuf>, Vec<u8>), Problem> {
    let path = asked.unwrap_or(default);
    match read(path) {
        Ok(text) => Ok((Some(path.to_owned()), text)),
        Err(error) if asked.is_none() && error.kind() == io::ErrorKind::NotFound => Ok((None, Vec::new())),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Its bytes; one more than allowed tells the parser that it is too long. A device may have no end at all.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// It cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(&At::outside(&path.to_string_lossy()), format!("cannot be read: {error}"))
}

/// The settings in it: those that are right, and notes about the others.
pub fn parse<T: Read + Default>(name: &Arc<str>, text: &[u8], problems: &mut Problems) -> Result<T, Problems> {
    let root = yaml::parse(name, text)?;
    if root.is_null() {
        return Ok(T::default());
    }
    Ok(T::read(ROOT, &root, problems).unwrap_or_default())
}

/// What to say of a key that is unknown in `section`, and known in another or meant for YAML. `known` are the paths of all settings.
pub fn elsewhere(section: &str, key: &str, known: &[String]) -> Option<String> {
    if key == "<<" {
        return Some("merge keys are not read; repeat the settings, or a value by an alias".to_owned());
    }
    let place = if section == ROOT { "at the top".to_owned() } else { format!("in `{section}`") };
    if known.iter().any(|path| path == key) {
        return Some(format!("unknown key `{key}` {place}; it belongs at the top, without indentation"));
    }
    let mut homes: Vec<String> = known
        .iter()
        .filter_map(|path| path.rsplit_once('.'))
        .filter(|(_, last)| *last == key)
        .map(|(home, _)| format!("`{home}`"))
        .collect();
    let last = homes.pop()?;
    let homes = if homes.is_empty() { last } else { format!("{} or {last}", homes.join(", ")) };
    Some(format!("unknown key `{key}` {place}; it belongs in {homes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_was_asked_for_has_to_be_there() {
        let missing = Path::new("/nonexistent/a.yaml");
        assert_eq!(find(None, missing).unwrap(), (None, Vec::new()));
        let problem = find(Some(missing), missing).unwrap_err().to_string();
        assert!(problem.starts_with("/nonexistent/a.yaml: cannot be read: "), "{problem}");
        let (path, text) = find(Some(Path::new("/dev/zero")), missing).unwrap();
        assert_eq!((path.as_deref(), text.len()), (Some(Path::new("/dev/zero")), FILE_BYTES_MAX + 1));
    }

    #[test]
    fn a_misplaced_key_is_told_where_it_belongs() {
        let known = ["listen".to_owned(), "logs.files.job".to_owned(), "a.b.url".to_owned(), "c.url".to_owned()];
        for (section, key, words) in [
            (ROOT, "url", Some("unknown key `url` at the top; it belongs in `a.b` or `c`")),
            ("logs", "listen", Some("unknown key `listen` in `logs`; it belongs at the top, without indentation")),
            (ROOT, "job", Some("unknown key `job` at the top; it belongs in `logs.files`")),
            (ROOT, "<<", Some("merge keys are not read; repeat the settings, or a value by an alias")),
            (ROOT, "what", None),
        ] {
            assert_eq!(elsewhere(section, key, &known).as_deref(), words);
        }
    }
}
