//! What the companion's rules cost: microseconds a line by stage, events a second through the whole engine, and its memory.
//!
//! `cargo run --release -p benches --bin log_rules [-- DATA]`: all shipped rules (`deploy/rules/logs` with its example values), once
//! and twice (the copy's alerts have other names), on one thread, in its processor time, over
//!
//! - the recorded audit lines in `DATA/kube-audit` and `DATA/vault-audit` (default `../shared/data`) by turns, or generated ones
//!   of which one in ten matches where there are none;
//! - a melting cluster: shells in a sensitive namespace, each of which matches one rule.
//!
//! The events of a stream are 20 ms apart, and each has an id of its own. What is measured is what the companion does with entries
//! that it has been handed; reading a request is not in it.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::audit::Events;
use benches::process::{memory, thread_time};
use benches::rules::Rules;
use companion::entry::Entry;
use companion::labels::LabelSet;
use companion::logql::{Extracted, Extractor, Extractors, LineCache, Query, parse};
use companion::rules::engine::{Engine, Options};
use proto::time::UnixNanos;

/// Time between two events, nanoseconds.
const APART: i64 = 20_000_000;
/// So many entries are offered before the engine is advanced.
const BATCH: u64 = 500;
/// An hour of 50 events a second.
const HOUR: u64 = 180_000;
/// Events of which all match.
const MELTING: u64 = 70_000;
/// Lines that the stages are measured with.
const LINES: u64 = 2_000;
/// When the events begin.
const START: UnixNanos = UnixNanos(1_795_424_400_000_000_000);

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let data = std::env::args().nth(1).map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let kube = Events::recorded(&data.join("kube-audit")).unwrap_or(Events::Generated);
    let sources = [
        ("kubernetes-audit", "audit events", Some(kube)),
        ("vault-audit", "Vault's entries", Events::recorded(&data.join("vault-audit"))),
        ("kubernetes-audit", "generated, 1 in 10 matches", Some(Events::Generated)),
        ("kubernetes-audit", "shells, all match", Some(Events::Shells)),
    ];
    let rules = Rules::shipped(&root.join("deploy/rules"));
    for (job, about, events) in &sources {
        let Some(events) = events else { continue };
        let stream: LabelSet = [("cluster", "default"), ("job", job), ("node", "master-1")].into_iter().collect();
        say(&format!("\n{about}: {} bytes on average", events.bytes()));
        for copies in [1, 2] {
            stages(&rules, copies, &stream, events);
            let number = if matches!(events, Events::Shells) { MELTING } else { HOUR };
            whole(&rules, copies, &stream, events, number);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the result of the measurement")]
fn say(text: &str) {
    println!("{text}");
}

/// Prints what a line costs by stage.
fn stages(rules: &Rules, copies: usize, stream: &LabelSet, events: &Events) {
    let lines: Vec<String> = (0..LINES).map(|number| events.event(number)).collect();
    let extractors = rules.extractors(copies, stream);
    let mut cache = LineCache::default();
    let filters = each(&lines, |entry| {
        cache.begin();
        extractors.iter().filter(|extractor| extractor.admits(entry.line, &mut cache)).count()
    });
    // A path that leads nowhere is looked for to the end.
    let scan = extractor("sum by (a) (count_over_time({job=~\".+\"} | json a=\"nowhere\" [1m]))");
    let json = each(&lines, |entry| {
        cache.begin();
        black_box(scan.extract(stream, entry, &mut cache));
        0
    });
    let alone = each(&lines, |entry| {
        cache.begin();
        let points = extractors.iter().map(|extractor| extractor.extract(stream, entry, &mut cache));
        points.filter(|extracted| *extracted != Extracted::Nothing).count()
    });
    let mut all = Extractors::new(extractors.clone());
    let together = each(&lines, |entry| {
        let mut points = 0;
        all.extract(stream, entry, &mut cache, |_, _, _| points += 1);
        points
    });
    say(&format!(
        "  {} leaves, µs a line: line filters {filters}, a path of the JSON {json}, each leaf by itself {alone}, together {together}",
        extractors.len()
    ));
}

fn extractor(text: &str) -> Extractor {
    match parse(text) {
        Ok(Query::Metric(query)) => Extractor::new(&query, 0),
        _ => panic!("{text}"),
    }
}

/// Microseconds a line, the best of some passes, and how many of what was counted.
fn each(lines: &[String], mut of: impl FnMut(Entry<'_>) -> usize) -> String {
    let mut best = Duration::MAX;
    let mut count = 0;
    for _ in 0..7 {
        count = 0;
        let begin = thread_time();
        for line in lines {
            count += of(Entry { time: START, line, metadata: &[] });
        }
        best = best.min(thread_time().saturating_sub(begin));
    }
    let per_line = |of: f64| of / lines.len() as f64;
    format!("{:.2} ({:.2} points)", per_line(best.as_secs_f64() * 1e6), per_line(count as f64))
}

/// Prints events a second through the engine, and what it takes in memory after them.
fn whole(rules: &Rules, copies: usize, stream: &LabelSet, events: &Events, number: u64) {
    let resident = || memory("/proc/self", "VmRSS:").unwrap_or_default() as f64 / f64::from(1 << 20);
    let before = resident();
    let mut engine = Engine::new(rules.groups(copies), Options::default(), START);
    let (mut offering, mut advancing) = (Duration::ZERO, Duration::ZERO);
    let mut next = 0;
    while next < number {
        let batch: Vec<(UnixNanos, String)> = (next..number.min(next + BATCH))
            .map(|number| (UnixNanos(START.0 + number as i64 * APART), events.event(number)))
            .collect();
        next += batch.len() as u64;
        let Some((now, _)) = batch.last() else { break };
        let entries = batch.iter().map(|(time, line)| Entry { time: *time, line, metadata: &[] });
        let begin = thread_time();
        engine.offer_all(stream, entries, *now);
        let offered = thread_time();
        engine.advance(*now);
        black_box(engine.notifications());
        offering += offered.saturating_sub(begin);
        advancing += thread_time().saturating_sub(offered);
    }
    let rate = |time: Duration| number as f64 / time.as_secs_f64();
    say(&format!(
        "  {} rules, {number} events: {:.0} events/s offered, {:.0} events/s with their evaluation; {} points counted, {:.1} MiB of them, resident {:.1} MiB (before {before:.1})",
        engine.rules().count(),
        rate(offering),
        rate(offering + advancing),
        engine.counts().points,
        engine.bytes() as f64 / f64::from(1 << 20),
        resident(),
    ));
}
