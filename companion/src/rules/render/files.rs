//! The edge of rendering: reads rule sources and values, writes plain rule files of the same names.
//!
//! Everything is rendered before anything is written: where one source is wrong, the folder stays as it was.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use settings::problem::{At, Problem, Problems};

use super::{Used, Values, render, unused};

/// What was rendered.
#[derive(Debug)]
pub struct Rendered {
    /// The files as they would be written: name within the folder, and text.
    pub files: BTreeMap<PathBuf, String>,
    /// Values that none of them asked for. Notes, no errors: whoever renders some of the rules needs some of the values.
    pub unused: Vec<Problem>,
}

/// What is wrong, file by file; one line each.
#[derive(Debug)]
pub struct Wrong(Vec<Problems>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problems) in self.0.iter().enumerate() {
            write!(f, "{}{problems}", if place > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Wrong {}

/// Reads the values.
pub fn read_values(path: &Path) -> Result<Values, Wrong> {
    let name = name(path);
    let bytes = fs::read(path).map_err(|error| unreadable(&name, &error))?;
    Values::read(&name, &bytes).map_err(|problems| Wrong(vec![problems]))
}

/// Renders rule files; of a folder those directly in it that end in `.yaml` or `.yml` (tests of rules lie deeper).
pub fn render_all(rules: &[PathBuf], values: &Values) -> Result<Rendered, Wrong> {
    let (mut files, mut wrong, mut used) = (BTreeMap::new(), Vec::new(), Used::new());
    for path in sources(rules)? {
        let name = name(&path);
        let outcome = fs::read_to_string(&path)
            .map_err(|error| Problems::from(problem(&name, &error)))
            .and_then(|source| render(&name, &source, values, &mut used));
        match (outcome, path.file_name()) {
            (Ok(text), Some(file)) => {
                if files.insert(PathBuf::from(file), text).is_some() {
                    wrong.push(Problem::new(&At::outside(&name), "another file has the same name; render them apart").into());
                }
            }
            (Ok(_), None) => {}
            (Err(problems), _) => wrong.push(problems),
        }
    }
    if wrong.is_empty() { Ok(Rendered { files, unused: unused(values, &used) }) } else { Err(Wrong(wrong)) }
}

/// Writes what was rendered, each file by renaming, so that a ruler never reads half of one.
pub fn write_all(rendered: &Rendered, out: &Path) -> io::Result<()> {
    let in_words = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"))
    };
    fs::create_dir_all(out).map_err(in_words(out))?;
    for (file, text) in &rendered.files {
        let path = out.join(file);
        let new = path.with_extension("yaml.new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(in_words(&path))?;
    }
    Ok(())
}

fn sources(rules: &[PathBuf]) -> Result<Vec<PathBuf>, Wrong> {
    let mut sources = Vec::new();
    for path in rules {
        if !path.is_dir() {
            sources.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(|error| unreadable(&name(path), &error))?;
        let is_rules = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_rules).collect();
        if found.is_empty() {
            return Err(unreadable(&name(path), &io::Error::other("has no .yaml or .yml files in it")));
        }
        found.sort();
        sources.append(&mut found);
    }
    Ok(sources)
}

fn name(path: &Path) -> Arc<str> {
    path.display().to_string().into()
}

fn problem(name: &Arc<str>, error: &io::Error) -> Problem {
    Problem::new(&At::outside(name), error.to_string())
}

fn unreadable(name: &Arc<str>, error: &io::Error) -> Wrong {
    Wrong(vec![problem(name, error).into()])
}
