//! Which rules run: those of the configuration, or the built-in ones; values filled in, and the rules that nobody has to write.
//!
//! All files are read, and all that is wrong in them is said, before any of them counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobMatcher;
use settings::problem::{At, Problem, Problems};

use crate::config::checked;
use crate::rules::duration::RuleDuration;
use crate::rules::file::{self, Group};
use crate::rules::generated::{self, Sources};
use crate::rules::render::{self, Used, Values};
use crate::rules::template::Environment;

/// The rules of deploy/rules/logs, as they were when this program was built.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("kubernetes.yaml", include_str!("../../deploy/rules/logs/kubernetes.yaml")),
    ("vault.yaml", include_str!("../../deploy/rules/logs/vault.yaml")),
    ("hosts.yaml", include_str!("../../deploy/rules/logs/hosts.yaml")),
    ("flow.yaml", include_str!("../../deploy/rules/logs/flow.yaml")),
    ("further.yaml", include_str!("../../deploy/rules/logs/further.yaml")),
    ("sources.yaml", include_str!("../../deploy/rules/logs/sources.yaml")),
];
/// The example of their values.
pub const VALUES: (&str, &str) = ("values.example.yaml", include_str!("../../deploy/rules/values.example.yaml"));

/// A source of a user's rules that is quiet for so long is an alert.
const SILENT_AFTER: RuleDuration = RuleDuration(std::time::Duration::from_hours(1));
/// A rule file that anybody wrote is shorter.
const FILE_BYTES_MAX: u64 = settings::yaml::FILE_BYTES_MAX as u64;
/// Globs are followed so deep.
const DEPTH_MAX: usize = 16;

/// A rule file, with its values filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path, or what it is called.
    pub name: Arc<str>,
    /// Its text.
    pub text: String,
}

/// The rules that run.
#[derive(Clone, Debug, Default)]
pub struct Rulebook {
    /// Group by group, file by file.
    pub groups: Vec<Group>,
    /// How many files they are from.
    pub files: usize,
    /// They are the built-in ones.
    pub built_in: bool,
}

/// Reads the rules of a configuration.
pub fn load(rules: &checked::Rules, environment: &Arc<Environment>) -> Result<Rulebook, Problems> {
    let sources = sources(rules)?;
    let mut groups = read(&sources, environment)?;
    groups.extend(unwritten(&groups, &rules.silent_by_nature, environment)?);
    Ok(Rulebook { groups, files: sources.len(), built_in: rules.logs.is_empty() })
}

/// The files, with their values filled in.
pub fn sources(rules: &checked::Rules) -> Result<Vec<Source>, Problems> {
    let values = match &rules.values {
        Some(path) => Some(read_values(path)?),
        None if rules.logs.is_empty() => Some(Values::read(&VALUES.0.into(), VALUES.1.as_bytes())?),
        None => None,
    };
    let mut sources = Vec::new();
    if rules.logs.is_empty() {
        sources.extend(BUILT_IN.map(|(name, text)| Source { name: name.into(), text: text.to_owned() }));
    }
    let mut problems = Problems::default();
    for glob in &rules.logs {
        let at = At::outside(glob);
        match files_of(glob) {
            Ok(files) if files.is_empty() => problems.push(&at, "no file is called so; correct the path, or remove it"),
            Ok(files) => sources.extend(files),
            Err(problem) => problems.push(&at, problem.to_string()),
        }
    }
    let sources = problems.or(sources)?;
    let (mut filled, mut problems, mut used) = (Vec::new(), Problems::default(), Used::new());
    for source in sources {
        let text = match &values {
            Some(values) => render::render(&source.name, &source.text, values, &mut used),
            None if render::is_source(&source.text) => Err(Problem::new(
                &At::outside(&source.name),
                "values are missing that this file names as ${…}; set `rules.values`, or --values",
            )
            .into()),
            None => Ok(source.text.clone()),
        };
        match text {
            Ok(text) => filled.push(Source { text, ..source }),
            Err(wrong) => problems = merged(problems, wrong),
        }
    }
    problems.or(filled)
}

/// Reads rule files.
pub fn read(sources: &[Source], environment: &Arc<Environment>) -> Result<Vec<Group>, Problems> {
    let (mut groups, mut problems) = (Vec::new(), Problems::default());
    for source in sources {
        match file::load(&source.name, source.text.as_bytes(), environment) {
            Ok(read) => groups.extend(read),
            Err(wrong) => problems = merged(problems, wrong),
        }
    }
    problems.or(groups)
}

/// Rules files at paths: files, and of folders what is in them but for tests.
pub fn files_at(paths: &[PathBuf]) -> Result<Vec<Source>, Problems> {
    let mut sources = Vec::new();
    for path in paths {
        let refused = |error: &io::Error| Problem::new(&At::outside(&path.to_string_lossy()), format!("cannot be read: {error}"));
        if !fs::metadata(path).map_err(|error| refused(&error))?.is_dir() {
            sources.push(read_source(path)?);
            continue;
        }
        let mut files = Vec::new();
        walk(path, 0, &mut files).map_err(|error| refused(&error))?;
        files.retain(|file| {
            is_yaml(file) && !is_test(file) && !file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("values"))
        });
        files.sort();
        for file in files {
            sources.push(read_source(&file)?);
        }
    }
    Ok(sources)
}

/// What is quiet and should not be, where the files themselves do not watch it; and the alert that always fires.
fn unwritten(groups: &[Group], silent_by_nature: &[String], environment: &Arc<Environment>) -> Result<Vec<Group>, Problems> {
    let rules = || groups.iter().flat_map(|group| &group.rules);
    let watches = rules().any(|rule| rule.query.leaves().iter().any(|leaf| leaf.is_absence));
    let except =
        if watches { generated::selectors(groups).into_iter().map(|selector| (selector, None)).collect() } else { Vec::new() };
    let has_watchdog = !rules().any(|rule| rule.name == "Watchdog");
    let silent_by_nature = silent_by_nature.to_vec();
    generated::groups(groups, &Sources { silent_after: SILENT_AFTER, except, silent_by_nature, has_watchdog }, environment)
}

/// Reads values.
pub fn read_values(path: &Path) -> Result<Values, Problems> {
    let source = read_source(path)?;
    Values::read(&source.name, source.text.as_bytes())
}

fn read_source(path: &Path) -> Result<Source, Problem> {
    use std::io::Read as _;
    let name: Arc<str> = path.to_string_lossy().into();
    let refused = |why: &dyn std::fmt::Display| Problem::new(&At::outside(&name), format!("cannot be read: {why}"));
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| refused(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(refused(&format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(Source { name, text })
}

/// The files of a glob, sorted.
fn files_of(glob: &str) -> Result<Vec<Source>, Problem> {
    let refused = |why: &dyn std::fmt::Display| Problem::new(&At::outside(glob), format!("{why}"));
    let matcher: GlobMatcher = globset::GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map_err(|error| refused(&error.kind()))?
        .compile_matcher();
    let fixed: PathBuf = Path::new(glob)
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']))
        .collect();
    let mut files = Vec::new();
    match fs::metadata(&fixed) {
        Ok(meta) if meta.is_dir() => walk(&fixed, 0, &mut files).map_err(|error| refused(&error))?,
        Ok(_) => return Ok(vec![read_source(&fixed)?]),
        // `*.yaml` has no fixed part.
        Err(_) if fixed.as_os_str().is_empty() => walk(Path::new("."), 0, &mut files).map_err(|error| refused(&error))?,
        Err(_) => return Ok(Vec::new()),
    }
    let plain = |file: &Path| file.strip_prefix("./").unwrap_or(file).to_owned();
    let mut files: Vec<PathBuf> = files.iter().map(|file| plain(file)).filter(|file| matcher.is_match(file)).collect();
    files.sort();
    files.iter().map(|file| read_source(file)).collect()
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth < DEPTH_MAX {
                walk(&path, depth + 1, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml")
}

/// The test files of a folder, sorted.
pub fn tests_in(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut found = Vec::new();
    walk(folder, 0, &mut found)?;
    found.retain(|file| is_yaml(file) && is_test(file));
    found.sort();
    files.extend(found);
    Ok(())
}

/// In a folder `tests`, or called so.
pub fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_test"))
}

fn merged(problems: Problems, more: Problems) -> Problems {
    match problems.and::<()>(Err(more)) {
        Ok(()) => Problems::default(),
        Err(all) => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_built_in_and_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules/logs");
        let mut shipped: Vec<String> = fs::read_dir(folder)
            .expect("rules")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .filter(|name| is_yaml(Path::new(name)))
            .collect();
        shipped.sort();
        let mut known = BUILT_IN.map(|(name, _)| name.to_owned());
        known.sort();
        assert_eq!(shipped, known);
        let book = load(&checked::Rules::default(), &Arc::default()).unwrap_or_else(|problems| panic!("{problems}"));
        let names: Vec<&str> = book.groups.iter().flat_map(|group| &group.rules).map(|rule| rule.name.as_str()).collect();
        assert!(names.len() > 20 && book.built_in, "{names:?}");
        assert_eq!(names.iter().filter(|name| **name == "Watchdog").count(), 1);
    }

    #[test]
    fn globs_find_files_and_what_they_do_not_watch_is_watched() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "groups: [{name: g, rules: [{alert: A, expr: 'sum(count_over_time({job=\"x\"}[5m])) > 0'}]}]";
        fs::create_dir(dir.path().join("sub")).expect("made");
        for name in ["a.yaml", "b.yml", "sub/c.yaml"] {
            fs::write(dir.path().join(name), text).expect("written");
        }
        let of_files = |glob: &str, silent_by_nature: &[&str]| {
            let logs = vec![dir.path().join(glob).to_string_lossy().into_owned()];
            let silent_by_nature = silent_by_nature.iter().map(|job| (*job).to_owned()).collect();
            load(&checked::Rules { logs, values: None, silent_by_nature }, &Arc::default())
        };
        let book = |glob: &str| of_files(glob, &[]);
        assert_eq!(book("*.yaml").expect("valid").files, 1);
        assert_eq!(book("**/*.{yaml,yml}").expect("valid").files, 3);
        let names: Vec<String> =
            book("a.yaml").expect("valid").groups.iter().flat_map(|group| &group.rules).map(|rule| rule.name.clone()).collect();
        assert_eq!(names, ["A", "SourceSilent", "Watchdog"]);
        let silent = of_files("a.yaml", &["x"]).expect("valid");
        assert!(silent.groups.iter().flat_map(|group| &group.rules).all(|rule| rule.name != "SourceSilent"));
        let none = book("nothing/*.yaml").expect_err("no file").to_string();
        assert!(none.contains("no file is called so"), "{none}");
        fs::write(dir.path().join("a.yaml"), text.replace("\"x\"", "`${jobs.x}`")).expect("written");
        assert!(book("a.yaml").expect_err("values").to_string().contains("set `rules.values`"));
    }
}
