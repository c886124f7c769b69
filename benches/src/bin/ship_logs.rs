//! What shipping a file from its beginning costs: processor seconds per GiB, lines per processor second, memory at full speed.
//!
//! `cargo run --release -p benches --bin ship_logs [-- MEBIBYTES [RUNS]]`: writes files of that size (default 512), then has the
//! floor and the agent ship each to a receiver that only counts, by turns, RUNS (default 5) times, and prints the medians.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::time::Duration;

use benches::inputs::{Input, Written, warm};
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
    for (input, subjects) in [
        (Input::Audit, &[Subject::Floor, Subject::AgentRaw, Subject::AgentJson, Subject::AgentAudit][..]),
        (Input::Cri, &[Subject::Floor, Subject::AgentCri][..]),
    ] {
        let file = directory.path().join("input.log");
        let written = input.write(&file, bytes);
        measure(input, subjects, &file, written, runs);
    }
}

fn measure(input: Input, subjects: &[Subject], file: &Path, written: Written, runs: usize) {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); subjects.len()];
    for _ in 0..runs {
        for (subject, costs) in subjects.iter().zip(&mut costs) {
            let receiver = Receiver::start();
            let work = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
            warm(file);
            costs.push(process::run(&mut subject.command(file, &receiver.url(), work.path()), || false));
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

fn median(costs: &[Cost], of: fn(&Cost) -> Duration) -> f64 {
    let mut values: Vec<Duration> = costs.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2].as_secs_f64()
}
