//! What a whole companion costs under a cluster's audit log: processor time an event, and memory after an hour of it.
//!
//! `cargo run --release -p benches --bin companion_load [-- DATA]`: a companion with its built-in rules takes an hour of 50 events a
//! second (the recorded lines in `DATA/kube-audit`, default `../shared/data`, or generated ones) in requests of 700, one after the
//! other, as fast as it acknowledges them: HTTP, snappy and protobuf, the window of an hour, all rules, and their journal on disk.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::audit::Events;
use proto::loki::metadata::StructuredMetadata;
use proto::loki::push::PushBuilder;
use proto::time::UnixNanos;
use tests::{companion, stamp};

/// An hour of 50 events a second.
const EVENTS: u64 = 180_000;
/// Time between two, nanoseconds.
const APART: i64 = 20_000_000;
/// Entries of a request, as the agent sends them.
const TOGETHER: u64 = 700;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let data = std::env::args().nth(1).map_or_else(|| root.join("../shared/data"), PathBuf::from);
    println!("| what | events/s of a core | acknowledged, events/s | resident MiB before | after an hour of 50 events/s |");
    println!("| --- | --- | --- | --- | --- |");
    if let Some(events) = Events::recorded(&data.join("kube-audit")) {
        load("recorded audit events", &events);
    }
    load("generated, one in ten matches a rule", &Events::Generated);
    load("an attack: each event matches a rule", &Events::Shells);
}

fn load(what: &str, events: &Events) {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let Some(program) = companion::binary("companion_load") else { return };
    // As fast as it can, not as fast as it should.
    std::fs::write(directory.path().join("companion.yaml"), "limits: {rate: 1GiB}\n").unwrap_or_else(|error| panic!("{error}"));
    let running = companion::launch(program, directory.path(), &["--listen", "127.0.0.1:0"]).start_listening();
    let address = running.address().unwrap_or_default().to_owned();
    let resident = || running.resident_bytes() as f64 / f64::from(1 << 20);
    let before = resident();
    let begun = running.cpu_time();
    // It ends now, so that the whole of it is in the window.
    let start = stamp::now_nanos() - EVENTS as i64 * APART;
    let mut builder = PushBuilder::new();
    let (mut number, mut waited) = (0, Duration::ZERO);
    while number < EVENTS {
        let slot = builder.stream("{cluster=\"default\", job=\"kubernetes-audit\", node=\"master-1\"}");
        for number in number..EVENTS.min(number + TOGETHER) {
            let time = UnixNanos(start + number as i64 * APART);
            builder.push(slot, time, &events.event(number), &StructuredMetadata::default());
        }
        number += TOGETHER;
        let mut body = Vec::new();
        builder.encode(&mut body);
        builder.clear();
        let sent = Instant::now();
        let answer = companion::ask(&address, "POST", "/loki/api/v1/push", &["Content-Type: application/x-protobuf"], &body);
        waited += sent.elapsed();
        let answer = answer.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let spent = running.cpu_time().saturating_sub(begun);
    let rate = |time: Duration| EVENTS as f64 / time.as_secs_f64();
    println!("| {what} | {:.0} | {:.0} | {before:.1} | {:.1} |", rate(spent), rate(waited), resident());
    running.terminate();
}
