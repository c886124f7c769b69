//! The subcommands: arguments in, text out. None of them needs a running companion but `drill`.

mod drill;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use settings::problem::{At, Problem, Problems};

use crate::cli::{Command, Exit, Log, Output};
use crate::config::checked;
use crate::rulebook;
use crate::rules::audit_policy::{self, Policy};
use crate::rules::check::{self, Sample};
use crate::rules::log_format::{FORMATS, Format};
use crate::rules::render::Values;
use crate::rules::{render, replay, unit_test};

/// Does what is asked; says what is wrong on `err`.
pub fn run(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let done = match command {
        Command::Check { rules, sample, audit_policy, values } => {
            checks(rules, sample, audit_policy.as_deref(), values.as_deref(), out)
        }
        Command::Render { rules, values, out: folder } => renders(rules, values, folder, out, err),
        Command::Test { tests } => tests_of(tests, out),
        Command::Replay { log, rules, values, output } => replays(log, rules, values.clone(), *output, out, err),
        Command::Drill { rule, url, token, ca, tests } => {
            drill::run(rule.as_deref(), url, token.as_deref(), ca.as_deref(), tests, out)
        }
    };
    match done {
        Ok(exit) => exit,
        // Whoever read the output has seen enough.
        Err(Failed::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(failed) => {
            let _ = writeln!(err, "{failed}");
            Exit::Usage
        }
    }
}

/// Why a subcommand could not be done.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Files(#[from] Problems),
    #[error("{0}")]
    Rendering(#[from] render::files::Wrong),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Drill(String),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Files(problem.into())
    }
}

fn checks(
    rules: &[PathBuf],
    samples: &[Log],
    policy: Option<&Path>,
    values: Option<&Path>,
    out: &mut dyn Write,
) -> Result<Exit, Failed> {
    let sources = filled(rulebook::files_at(rules)?, values)?;
    let mut read = Vec::new();
    for log in samples {
        read.push(Sample::read(&log.job, format_of(log)?, &log.file).map_err(|error| unreadable(&log.file, &error))?);
    }
    let mut findings = check::files(&sources, &read);
    if let Some(path) = policy {
        let name: Arc<str> = path.to_string_lossy().into();
        let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        let policy = Policy::read(&name, &text)?;
        for source in &sources {
            let needs = audit_policy::needs::read(&source.name, &source.text)?;
            findings.extend(check::blind(&audit_policy::check(&policy, &needs)));
        }
    }
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let count = sources.len();
    if findings.is_empty() {
        writeln!(out, "{count} files: nothing to say")?;
    }
    Ok(if findings.is_empty() { Exit::Ok } else { Exit::Found })
}

/// Sources with their values, the example's where none are given.
fn filled(sources: Vec<rulebook::Source>, values: Option<&Path>) -> Result<Vec<rulebook::Source>, Failed> {
    let values = match values {
        Some(path) => rulebook::read_values(path)?,
        None => Values::read(&rulebook::VALUES.0.into(), rulebook::VALUES.1.as_bytes())?,
    };
    let mut used = render::Used::new();
    sources
        .into_iter()
        .map(|source| {
            let text = render::render(&source.name, &source.text, &values, &mut used)?;
            Ok(rulebook::Source { text, ..source })
        })
        .collect()
}

fn renders(rules: &[PathBuf], values: &Path, folder: &Path, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failed> {
    let values = render::files::read_values(values)?;
    let rendered = render::files::render_all(rules, &values)?;
    for note in &rendered.unused {
        writeln!(err, "{note}")?;
    }
    render::files::write_all(&rendered, folder)?;
    for file in rendered.files.keys() {
        writeln!(out, "{}", folder.join(file).display())?;
    }
    Ok(Exit::Ok)
}

fn tests_of(paths: &[PathBuf], out: &mut dyn Write) -> Result<Exit, Failed> {
    let files = test_files(paths)?;
    let (mut all, mut coverage) = (unit_test::Outcome::default(), unit_test::Coverage::default());
    for file in &files {
        let outcome = unit_test::run(file, &mut coverage)?;
        all.tests += outcome.tests;
        all.expectations += outcome.expectations;
        all.failures.extend(outcome.failures);
    }
    let passed = unit_test::write(&all, out)?;
    let covered = coverage.write(out)?;
    Ok(if passed && covered { Exit::Ok } else { Exit::Found })
}

/// Test files at paths: files, and of folders those that are tests.
fn test_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problems> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            rulebook::tests_in(path, &mut files).map_err(|error| unreadable(path, &error))?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let at = At::outside(&paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "));
        return Err(
            Problem::new(&at, "there is no test file; tests stand in folders `tests`, or their names end in _test.yaml").into()
        );
    }
    Ok(files)
}

fn replays(
    logs: &[Log],
    rules: &[String],
    values: Option<PathBuf>,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failed> {
    let rules = checked::Rules { logs: rules.to_vec(), values, ..checked::Rules::default() };
    // Rules that nobody wrote are of the present: a source's silence, the watchdog.
    let groups = rulebook::read(&rulebook::sources(&rules)?, &Arc::default())?;
    let mut sources = Vec::new();
    for log in logs {
        let stream = [("job", log.job.as_str())].into_iter().collect();
        sources.push(replay::Source::open(&log.file, stream, format_of(log)?).map_err(|error| unreadable(&log.file, &error))?);
    }
    let form = match output {
        Output::Text => replay::Output::Text,
        Output::Json => replay::Output::Json,
    };
    let summary = replay::write(groups, sources, form, &mut io::BufWriter::new(out))?;
    writeln!(
        err,
        "{} lines, {} without a time, {} too long; {} alerts; {} lines failed in a rule",
        summary.lines, summary.without_time, summary.too_long, summary.alerts, summary.failed_lines,
    )?;
    Ok(Exit::Ok)
}

fn format_of(log: &Log) -> Result<Format, Problem> {
    let Some(name) = &log.format else { return Ok(Format::of_job(&log.job)) };
    Format::named(name).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
        Problem::new(&At::outside("--log"), format!("there is no format `{name}`; it is one of {}", names.join(", ")))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(&At::outside(&path.to_string_lossy()), format!("cannot be read: {error}"))
}
