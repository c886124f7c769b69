//! What shipping a journal costs: entries per processor second and memory, beside `journalctl -o json` over the same files.
//!
//! `cargo run --release -p benches --bin ship_journal -- DIRECTORY [RUNS]`: has `journalctl` print the journal in DIRECTORY (journal
//! files, or directories of machines) to nowhere, and the agent ship it to a receiver that only counts: every entry, and what the
//! presets take; by turns, RUNS (default 5) times. Prints the medians.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::expect_used, reason = "a bench ends when what it needs is not there")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ::agent::journal::file::{JournalFile, Wanted};
use ::tests::agent;
use benches::process::{self, Cost};
use benches::receiver::Receiver;

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Journalctl,
    AgentAll,
    AgentPresets,
}

const SUBJECTS: [(Subject, &str); 3] = [
    (Subject::Journalctl, "journalctl -o json"),
    (Subject::AgentAll, "agent, every entry"),
    (Subject::AgentPresets, "agent, presets"),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("the directory of a journal"));
    let directory = directory.canonicalize().expect("the directory is there");
    let runs = arguments.next().map_or(5, |runs| runs.parse().expect("a number of runs"));
    let files = files(&directory);
    let (entries, bytes) = files.iter().map(|file| size(file)).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    println!("{} files, {:.2} GiB, {entries} entries", files.len(), bytes as f64 / f64::from(1 << 30));
    println!("| program | entries/CPU-s | µs of a core an entry | × journalctl | seconds | peak MiB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut costs: [Vec<Cost>; 3] = Default::default();
    for _ in 0..runs {
        for ((subject, _), costs) in SUBJECTS.iter().zip(&mut costs) {
            costs.push(measure(*subject, &files, &directory));
        }
    }
    let theirs = median(&costs[0], |cost| cost.cpu.as_secs_f64());
    for ((_, name), costs) in SUBJECTS.iter().zip(&costs) {
        let cpu = median(costs, |cost| cost.cpu.as_secs_f64());
        println!(
            "| {name} | {:.0} | {:.2} | {:.1} | {:.2} | {:.1} |",
            entries as f64 / cpu,
            cpu * 1e6 / entries as f64,
            theirs / cpu,
            median(costs, |cost| cost.wall.as_secs_f64()),
            median(costs, |cost| cost.peak as f64) / f64::from(1 << 20),
        );
    }
}

/// Journal files in a directory and in those below it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "journal" || end == "journal~") {
            found.push(path);
        }
    }
    found
}

fn size(file: &Path) -> (u64, u64) {
    let source = std::fs::File::open(file).expect("a file");
    let bytes = source.metadata().expect("its size").len();
    let entries = JournalFile::open(source, Arc::new(Wanted::default())).expect("a journal").header().n_entries;
    (entries, bytes)
}

#[expect(clippy::disallowed_methods, reason = "the programs under measurement")]
fn measure(subject: Subject, files: &[PathBuf], directory: &Path) -> Cost {
    let selections = match subject {
        Subject::Journalctl => {
            let mut command = Command::new("journalctl");
            command.args(["-o", "json", "--no-pager"]);
            for file in files {
                command.arg("--file").arg(file);
            }
            return process::run(&mut command, || false);
        }
        Subject::AgentAll => "[{job: all, max_age: all}]",
        Subject::AgentPresets => {
            "[{preset: sshd, max_age: all}, {preset: calico-flow, max_age: all}, {preset: node-journal, max_age: all}]"
        }
    };
    let receiver = Receiver::start();
    let work = tempfile::tempdir().expect("room for positions");
    let config = work.path().join("agent.yaml");
    let text = format!(
        "node: bench\nlisten: \"\"\nlogs:\n  journal: {selections}\n  journal_directories: [{}]\noutputs:\n  \
         loki: [{{url: \"{}\", max_entry_age: 0, order_window: 0}}]\n",
        directory.display(),
        receiver.url()
    );
    std::fs::write(&config, text).expect("room for a configuration");
    let mut command = Command::new(agent::binary().expect("the agent is built: cargo build --release, or PICKET_AGENT"));
    command.args(["--once", "--config"]).arg(config).arg("--state-dir").arg(work.path().join("state"));
    command.env("RUST_LOG", "error");
    process::run(&mut command, || false)
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
