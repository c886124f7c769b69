//! What it costs to follow logs as they are written, and how late they arrive: memory, processor, latency, start, repeats.
//!
//! `cargo run --release -p benches --bin follow_logs [-- SECONDS]`: ten containers' log files (CRI, one record in eight in three
//! parts), written at 0, 100 and 5,000 lines a second for SECONDS (default 30) each, then through an outage of
//! 60 seconds at 5,000; each with an agent of its own and a Loki that decodes and counts. Then: from the start of
//! the process to the first request, and lines repeated after a kill -9 while it catches up.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tests::account::Book;
use tests::agent::{Agent, Launch};
use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::log_file::LogFile;
use tests::loki::{Answer, Behaviour, Loki};
use tests::wait;

/// As many containers as a small node has with something to say.
const N_FILES: u32 = 10;
/// Settled before anything is measured.
const SETTLE: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_mins(1);
const RUN: u32 = 1;

fn main() {
    let span = std::env::args().nth(1).and_then(|text| text.parse().ok()).map_or(Duration::from_secs(30), Duration::from_secs);
    println!("| what | resident MiB | % of a core | p50 ms | p99 ms |");
    println!("| --- | --- | --- | --- | --- |");
    follow("idle", 0, span, Duration::ZERO);
    follow("100 lines/s", 100, span, Duration::ZERO);
    follow("5,000 lines/s", 5_000, span, Duration::ZERO);
    follow("5,000 lines/s, the server away for a minute", 5_000, OUTAGE, OUTAGE);
    println!();
    let mut starts: Vec<f64> = (0..9).map(|_| start_to_first_request()).collect();
    starts.sort_by(f64::total_cmp);
    println!("start to first request, 10,000 lines waiting: median {:.0} ms of 9 starts, slowest {:.0} ms", starts[4], starts[8]);
    let repeats: Vec<u64> = (1..=5).map(repeats_after_a_kill).collect();
    println!("lines repeated after a kill -9 while catching up, in each of five: {repeats:?}");
}

/// An agent before some containers' logs.
struct Place {
    directory: tempfile::TempDir,
    loki: Loki,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")), loki: Loki::start() }
    }

    fn log(&self, number: u32) -> LogFile {
        let path = format!("pods/default_pod-{number}_0a0b0c0d-0000-4000-8000-00000000000{number}/app/0.log");
        LogFile::create(&self.directory.path().join(path), Shape::Cri, RUN, number * 2)
    }

    fn launch(&self) -> Launch {
        let directory = self.directory.path();
        let mut text = String::from("node: bench\nlisten: 127.0.0.1:0\n");
        write!(text, "logs:\n  pods: {{root: {}}}\n", directory.join("pods").display()).unwrap_or_default();
        write!(text, "outputs:\n  loki: [{{url: \"{}\"}}]\n", self.loki.url()).unwrap_or_default();
        let config = directory.join("agent.yaml");
        std::fs::write(&config, text).unwrap_or_else(|error| panic!("{error}"));
        let args = ["--config".into(), config.into(), "--state-dir".into(), directory.join("state").into()];
        Launch { program: None, through: Vec::new(), args: args.to_vec(), env: Vec::new(), logs: directory.to_owned() }
    }
}

fn book(n_files: u32) -> Book {
    let mut book = Book::new(RUN);
    for number in 0..n_files {
        book.expect_shape(number * 2, Shape::Cri);
    }
    book
}

fn follow(what: &str, rate: u64, span: Duration, outage: Duration) {
    let place = Place::new();
    let logs: Vec<LogFile> = (0..N_FILES).map(|number| place.log(number)).collect();
    let agent = place.launch().start_listening();
    let mut loads: Vec<Load> = logs.into_iter().map(|log| Load::start(log, records(rate), Turn::Never)).collect();
    wait::span(SETTLE);
    if !outage.is_zero() {
        place.loki.behave(Behaviour::Answer(Answer::of(503)));
    }
    let (n_before, cpu_before, begin) = (place.loki.n_stored(), agent.cpu_time(), Instant::now());
    let mut most = 0;
    while begin.elapsed() < span {
        most = most.max(agent.resident_bytes());
        wait::span(Duration::from_millis(100));
    }
    let (cpu, wall) = (agent.cpu_time().saturating_sub(cpu_before), begin.elapsed());
    let mut delays = delays_since(&place.loki, n_before);
    delays.sort_unstable();
    let of = |percent: usize| delays.get(delays.len() * percent / 100).map_or("–".to_owned(), i64::to_string);
    place.loki.behave(Behaviour::Accept);
    let logs: Vec<LogFile> = loads.drain(..).map(Load::stop).collect();
    println!(
        "| {what} | {:.1} | {:.2} | {} | {} |",
        most as f64 / f64::from(1 << 20),
        100.0 * cpu.as_secs_f64() / wall.as_secs_f64(),
        of(50),
        of(99),
    );
    all_arrives(&place, &logs);
    agent.terminate();
}

/// How many records a second in each file make so many lines a second in all: a record has one and a half on average, with its
/// parts and what stands beside it on stderr.
fn records(lines: u64) -> u64 {
    (lines * 2 / 3).div_ceil(u64::from(N_FILES))
}

/// Milliseconds from the writing of each line to the end of the request that brought it.
fn delays_since(loki: &Loki, from: usize) -> Vec<i64> {
    loki.stored_since(from).iter().map(|entry| (entry.arrived - entry.time) / 1_000_000).collect()
}

/// A figure of a program that loses lines is worth nothing.
fn all_arrives(place: &Place, logs: &[LogFile]) -> u64 {
    let written: Vec<(u32, u64)> = logs.iter().flat_map(LogFile::sequences).collect();
    let n_lines = written.iter().map(|(_, n_lines)| n_lines).sum::<u64>();
    let mut book = book(logs.len() as u32);
    wait::until(Duration::from_mins(3), || {
        book.read(&place.loki);
        (book.n_distinct() >= n_lines).then_some(())
    });
    let verdict = book.verdict(&written);
    assert!(verdict.is_whole(u64::MAX), "{verdict}");
    verdict.n_repeats
}

fn start_to_first_request() -> f64 {
    let place = Place::new();
    let mut log = place.log(0);
    log.append(10_000);
    let launch = place.launch();
    let begin = Instant::now();
    let agent = launch.start();
    let first = wait::until(Duration::from_secs(10), || place.loki.requests().first().map(|request| request.at));
    agent.kill();
    first.map_or(f64::NAN, |at| (at - begin).as_secs_f64() * 1e3)
}

fn repeats_after_a_kill(number: u64) -> u64 {
    let place = Place::new();
    let mut log = place.log(0);
    log.append(100_000);
    let agent: Agent = place.launch().start();
    let n_requests = (number * 10) as usize;
    wait::until(Duration::from_secs(30), || (place.loki.n_requests() >= n_requests).then_some(()));
    agent.kill();
    let agent = place.launch().start_listening();
    let repeats = all_arrives(&place, &[log]);
    agent.terminate();
    repeats
}
