//! What shipping a file from its beginning costs: processor seconds per GiB, lines per processor second, memory at full speed.
//!
//! `cargo run --release -p benches --bin ship_logs [-- MEBIBYTES [RUNS]]`: writes files of that size (default 512), then has the
//! floor and the agent, and what other agents are on `PATH`, ship each to a receiver that only counts, by turns, RUNS (default 5)
//! times, and prints the medians. Other agents do not end: their figures hold three idle seconds (not in MB/s).

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use benches::inputs::{Input, Written, warm};
use benches::peers::QUIET;
use benches::process::{self, Cost};
use benches::receiver::Receiver;
use benches::subject::Subject;

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let bytes = arguments.next().unwrap_or(512) << 20;
    let runs = arguments.next().unwrap_or(5) as usize;
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no room for the input: {error}"));
    println!("| input | program | CPU-s/GiB | × floor | lines/CPU-s | MB/s | peak MiB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for input in [Input::Audit, Input::Cri] {
        let file = directory.path().join("input.log");
        let written = input.write(&file, bytes);
        measure(input, &Subject::on(input), &file, written, runs);
    }
}

fn measure(input: Input, subjects: &[Subject], file: &Path, written: Written, runs: usize) {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); subjects.len()];
    for _ in 0..runs {
        for (subject, costs) in subjects.iter().zip(&mut costs) {
            let receiver = Receiver::start();
            let work = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
            warm(file);
            let mut command = subject.command(input, file, &receiver.url(), work.path());
            let mut cost = process::run(&mut command, drained(*subject, &receiver));
            if let Subject::Peer(_) = subject {
                cost.wall = cost.wall.saturating_sub(QUIET);
            }
            costs.push(cost);
        }
    }
    let floor = median(&costs[0], |cost| cost.cpu);
    for (subject, costs) in subjects.iter().zip(&costs) {
        let (cpu, wall) = (median(costs, |cost| cost.cpu), median(costs, |cost| cost.wall));
        println!(
            "| {input:?} | {} | {:.2} | {:.2} | {:.2} M | {:.0} | {:.1} |",
            subject.name(),
            cpu / (written.bytes as f64 / f64::from(1 << 30)),
            cpu / floor,
            written.lines as f64 / cpu / 1e6,
            written.bytes as f64 / wall / 1e6,
            costs.iter().map(|cost| cost.peak).max().unwrap_or(0) as f64 / f64::from(1 << 20),
        );
    }
}

/// Says when a subject that does not end by itself has shipped all: when nothing has come for a while.
fn drained(subject: Subject, receiver: &Receiver) -> impl FnMut() -> bool {
    let (mut last, mut since) = (0, Instant::now());
    move || {
        let bytes = receiver.counts().bytes.load(Ordering::Relaxed);
        if bytes != last || bytes == 0 {
            (last, since) = (bytes, Instant::now());
        }
        matches!(subject, Subject::Peer(_)) && since.elapsed() > QUIET
    }
}

fn median(costs: &[Cost], of: fn(&Cost) -> Duration) -> f64 {
    let mut values: Vec<Duration> = costs.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2].as_secs_f64()
}
