//! What measuring a node costs: a round of all collectors beside `node_exporter`'s scrape and the bare reading of as many files, what a
//! sample takes on the wire, and a large scrape.
//!
//! `cargo run --release -p benches --bin sample_node [SECONDS BETWEEN ROUNDS]`: rounds follow one another at once, and then so many seconds
//! apart (default 15), since cold caches are what a node pays. `node_exporter` is measured where it is on `PATH`.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench ends when what it needs is not there")]

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::collector::host::Host;
use agent::collector::registry::COLLECTORS;
use agent::collector::rounds::Rounds;
use agent::collector::settings::Settings;
use agent::relabel::Relabelling;
use agent::target::{Target, TargetLabels};
use benches::process::{self, memory};
use proto::exposition::read::{Format, Reading, read};
use proto::exposition::write_families;
use proto::metric::{Families, UnixMillis};
use proto::remote_write::{Encoder, Part, Request, Version};
use tests::metrics::get;
use tests::program::Program;
use tests::wait;

/// Rounds that are counted.
const ROUNDS: u32 = 20;
fn main() {
    let apart = Duration::from_secs(std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(15));
    println!("| one sample of the node | series | CPU ms, at once | CPU ms, {apart:?} apart |");
    println!("| --- | --- | --- | --- |");
    let kept = ours(apart);
    floor(apart, &kept);
    exporter(apart);
    println!(
        "\nresident after all of it: {:.1} MiB\n",
        memory("/proc/self", "VmRSS:").unwrap_or_default() as f64 / f64::from(1 << 20)
    );
    println!("| on the wire | series | 1.0 B a sample | 2.0 B a sample | 2.0 with help | 2.0 of 1.0 |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for copies in [1, 6] {
        wire(copies);
    }
    println!("\n| a scrape of 10,000 series | CPU ms |");
    println!("| --- | --- |");
    scrape();
}

fn rounds() -> Rounds {
    let names: Vec<&str> = COLLECTORS.iter().filter(|entry| entry.default).map(|entry| entry.name).collect();
    Rounds::new(&names, &Host::default(), &Settings::default())
}

/// Processor time of this process, all threads.
fn cpu() -> Duration {
    process::own_time()
}

/// Milliseconds a time, done at once and apart.
fn times(apart: Duration, mut run: impl FnMut(), cpu: impl Fn() -> Duration) -> (f64, f64) {
    run();
    let before = cpu();
    for _ in 0..ROUNDS {
        run();
    }
    let at_once = cpu().saturating_sub(before) / ROUNDS;
    let mut cold = Duration::ZERO;
    for _ in 0..4 {
        wait::span(apart);
        let before = cpu();
        run();
        cold += cpu().saturating_sub(before);
    }
    (at_once.as_secs_f64() * 1e3, (cold / 4).as_secs_f64() * 1e3)
}

fn ours(apart: Duration) -> Vec<PathBuf> {
    let mut rounds = rounds();
    let mut out = Families::new();
    let (hot, cold) = times(
        apart,
        || {
            out.clear();
            rounds.collect(UnixMillis(1_700_000_000_000), &mut out);
        },
        cpu,
    );
    println!("| all collectors | {} | {hot:.2} | {cold:.2} |", out.len());
    kept()
}

/// The files that the collectors keep open, by descriptors of our own, and nothing else.
fn floor(apart: Duration, kept: &[PathBuf]) {
    let files: Vec<File> = kept.iter().filter_map(|path| File::open(path).ok()).collect();
    let mut buffer = vec![0; 1 << 20];
    let read = || {
        for file in &files {
            let mut at = 0;
            while let Ok(read) = file.read_at(&mut buffer, at) {
                if read == 0 {
                    break;
                }
                at += read as u64;
            }
        }
    };
    let (hot, cold) = times(apart, read, cpu);
    println!("| the {} files that they keep open, read and not looked at | | {hot:.2} | {cold:.2} |", files.len());
}

/// What this process has open below /proc and /sys.
fn kept() -> Vec<PathBuf> {
    let links = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.filter(|path| (path.starts_with("/proc") || path.starts_with("/sys")) && path.is_file()).collect()
}

fn exporter(apart: Duration) {
    let Some(exporter) = Program::find("prometheus-node-exporter") else { return };
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let running = exporter.serve([format!("--web.listen-address={address}")], &[], &directory.path().join("log"));
    wait::for_condition("node_exporter answers", Duration::from_secs(20), || get(&address, "/metrics").is_ok());
    let place = format!("/proc/{}", running.id());
    let mut series = 0;
    let scrape = || series = get(&address, "/metrics").unwrap().lines().filter(|line| !line.starts_with('#')).count();
    let (hot, cold) = times(apart, scrape, || process::cpu_of(&place).unwrap_or_default());
    let resident = memory(&place, "VmRSS:").unwrap_or_default() as f64 / f64::from(1 << 20);
    println!("| node_exporter, scraped ({resident:.1} MiB resident) | {series} | {hot:.2} | {cold:.2} |");
}

fn target() -> Target {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = TargetLabels {
        target: vec![pair("job", "node"), pair("instance", "node-1")],
        external: vec![pair("cluster", "default"), pair("node", "node-1")],
        honor: false,
    };
    Target::new(labels, Relabelling::default())
}

/// The node's samples so many times, each with a label of its own.
fn wire(copies: usize) {
    let mut once = Families::new();
    rounds().collect(UnixMillis(1_700_000_000_000), &mut once);
    let mut all = Families::new();
    for copy in 0..copies {
        for sample in once.samples() {
            let family = sample.family();
            all.read_family(family.name, family.kind, family.help, "");
            all.read_sample(sample.name(), sample.value(), None);
            for (name, value) in sample.labels() {
                all.label(name, value);
            }
            if copies > 1 {
                all.label("copy", &copy.to_string());
            }
        }
    }
    let samples = target().take(&mut all, UnixMillis(1_700_000_000_000)).pop().unwrap();
    let count = samples.len();
    let request = Request::new(vec![Part::whole(Arc::new(samples))]);
    let mut encoder = Encoder::new();
    let mut size = |version, help| encoder.encode(&request, version, |_| help).len() as f64 / count as f64;
    let (old, new, with_help) = (size(Version::V1, false), size(Version::V2, false), size(Version::V2, true));
    println!(
        "| the node's samples, {copies} times | {count} | {old:.1} | {new:.1} | {with_help:.1} | {:.0} % |",
        100.0 * new / old
    );
}

fn scrape() {
    let mut text = String::new();
    for series in 0..10_000 {
        let (family, code) = (series / 100, series % 100);
        if code == 0 {
            let _ = writeln!(text, "# HELP app_requests_{family}_total Requests.\n# TYPE app_requests_{family}_total counter");
        }
        let _ = writeln!(text, "app_requests_{family}_total{{method=\"get\",path=\"/api/v1/things\",code=\"{code}\"}} {series}");
    }
    let (mut families, mut target, mut encoder) = (Families::new(), target(), Encoder::new());
    let mut steps = [Duration::ZERO; 3];
    let resident = memory("/proc/self", "VmRSS:").unwrap_or_default();
    for round in 0..=ROUNDS {
        let begun = process::thread_time();
        read(text.as_bytes(), &Reading::of(Format::Text), &mut families).unwrap();
        let parsed = process::thread_time();
        let samples = target.take(&mut families, UnixMillis(i64::from(round))).pop().unwrap();
        let taken = process::thread_time();
        let request = Request::new(vec![Part::whole(Arc::new(samples))]);
        std::hint::black_box(encoder.encode(&request, Version::V2, |_| false));
        // The first one is that in which everything is new.
        if round > 0 {
            for (step, cost) in steps.iter_mut().zip([
                parsed.saturating_sub(begun),
                taken.saturating_sub(parsed),
                process::thread_time().saturating_sub(taken),
            ]) {
                *step += cost;
            }
        }
        families.clear();
    }
    for (what, cost) in ["parsed", "taken by its target", "encoded and compressed, 2.0"].iter().zip(steps) {
        println!("| {what} | {:.2} |", (cost / ROUNDS).as_secs_f64() * 1e3);
    }
    let grown = memory("/proc/self", "VmRSS:").unwrap_or_default().saturating_sub(resident);
    println!("| resident for it | {:.1} MiB |", grown as f64 / f64::from(1 << 20));
    let mut out = String::new();
    read(text.as_bytes(), &Reading::of(Format::Text), &mut families).unwrap();
    let begun = Instant::now();
    write_families(&families, &mut out);
    println!("| written as text again | {:.2} |", begun.elapsed().as_secs_f64() * 1e3);
}
