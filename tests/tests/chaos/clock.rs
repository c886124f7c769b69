//! Time is not what it seems: entries that lie behind their stream, and a wall clock that is set while the agent runs.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::loki::{Answer, Behaviour, Loki};
use tests::skip::skipped;
use tests::wall_clock::WallClock;
use tests::{stamp, wait};

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, scale};

const RAW: Shape = Shape::Raw { bytes: 100 };
const MINUTE: i64 = 60 * 1_000_000_000;
/// From a line's writing to its arrival, on a machine that runs other tests beside this one.
const DELAY_MS_MAX: i64 = 3000;

/// Appends JSON lines with these times, in minutes from `base` and by their place; gives their text.
fn append(path: &Path, base: i64, minutes: &[i64]) -> Vec<String> {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    let line = |(place, minute): (usize, &i64)| {
        let time = stamp::rfc3339_nanos(base + minute * MINUTE + place as i64);
        format!("{{\"time\":\"{time}\",\"minute\":{minute},\"place\":{place}}}")
    };
    let lines: Vec<String> = minutes.iter().enumerate().map(line).collect();
    file.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    lines
}

fn stored(loki: &Loki) -> Vec<String> {
    let mut lines: Vec<String> = loki.stored_since(0).iter().map(|delivery| delivery.line.clone()).collect();
    lines.sort();
    lines
}

#[test]
fn entries_further_behind_than_the_window_are_counted_and_others_arrive() {
    let Some(scene) = Scene::set("entries_further_behind_than_the_window_are_counted_and_others_arrive") else {
        return;
    };
    let loki = Loki::start();
    let path = scene.path("late.log");
    let base = stamp::now_nanos();
    let mut expected = append(&path, base, &[-10, -9, -5, -30]);
    let logs = format!("  files: [{{job: late, format: json, max_age: all, paths: [\"{}\"]}}]\n", path.display());
    scene.configure_logs(&logs, &[Destination("main", &loki, "")]);
    let agent = scene.start();
    wait::for_condition("the first lines", scale().deliver_max, || loki.n_stored() == 4);

    // Nothing is stored of the next batch before the agent dies; the newest entry that counts is one of the batch before.
    loki.behave(Behaviour::Answer(Answer::of(503)));
    let (n_before, lines) = (loki.n_requests(), append(&path, base, &[-64, -66, -4, -600, -63]));
    wait::for_condition("a batch that is not taken", scale().deliver_max, || loki.n_requests() > n_before);
    agent.kill();
    let announced = loki.requests()[n_before].body.clone();
    loki.behave(Behaviour::Accept);
    let n_tried = loki.n_requests();
    let agent = scene.start();
    let refused = |line: &&String| line.contains("-66") || line.contains("-600");
    expected.extend(lines.iter().filter(|line| !refused(line)).cloned());
    expected.sort();
    wait::for_condition("the others", scale().deliver_max, || loki.n_stored() >= expected.len());
    assert_eq!(loki.requests()[n_tried].body, announced, "the repeat is the same, byte for byte");
    assert_eq!(stored(&loki), expected);
    assert!(loki.refused().is_empty(), "the server was spared: {:?}", loki.refused());

    let n_refused: usize = lines.iter().filter(refused).map(|line| line.len() + 1).sum();
    assert_eq!(scene.balance(&agent, Some(fs::metadata(&path).unwrap().len())), Some(n_refused as u64));
    let metrics = agent.metrics().unwrap();
    let reasons: Vec<String> = metrics
        .of("picket_agent_ledger_lines")
        .filter(|sample| sample.labels["state"] == "rejected")
        .map(|sample| format!("{} {}", sample.labels["reason"], sample.value))
        .collect();
    assert_eq!(reasons, ["too_far_behind 2"]);
    agent.terminate();
}

/// The wall clock is set back and forth by an hour; the clock that waits are measured by is not.
#[test]
fn the_wall_clock_jumps_under_load_and_the_agent_is_killed() {
    let Some(scene) = Scene::set("the_wall_clock_jumps_under_load_and_the_agent_is_killed") else {
        return;
    };
    let Some(clock) = WallClock::new(scene.path("offset")) else {
        return skipped(scene.name, "no libfaketime (Debian package faketime)");
    };
    let scene = clock.variables().into_iter().fold(scene, |scene, (name, value)| scene.with_env(&name, &value));
    let loki = Loki::start();
    let log = scene.log("audit.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let load = Load::start(log, scale().rate, Turn::Never);
    let mut agent = scene.start();
    let mut n_kills = 0;
    for (text, is_killed) in [("-1h", false), ("+1h", false), ("+0", true), ("-2h", true), ("+1h", true)] {
        let n_seen = loki.n_stored();
        wait::for_condition("lines by the present clock", scale().deliver_max, || {
            loki.n_stored() >= n_seen + scale().rate as usize / 2
        });
        clock.set(text);
        if is_killed {
            agent.kill();
            agent = scene.start();
            n_kills += 1;
        }
    }
    let n_seen = loki.n_stored();
    wait::for_condition("lines by the last clock", scale().deliver_max, || loki.n_stored() >= n_seen + 1000);
    let log = load.stop();
    let times: Vec<i64> = loki.stored_since(0).iter().map(|delivery| delivery.time).collect();
    let ahead = times.iter().max().unwrap() - stamp::now_nanos();
    assert!(ahead > 50 * MINUTE, "the agent saw the clock jump: its newest time is {} s ahead", ahead / 1_000_000_000);
    let mut book = scene.book(&[(1, RAW)]);
    crate::scene::deliver(&mut book, &loki, &[&log]);
    let (delay_max, _) = book.delay_ms();
    // Each start takes a moment, in which lines wait.
    assert!(delay_max <= 2 * DELAY_MS_MAX, "no wait is measured by the wall clock: {delay_max} ms at most");
    scene.finish(agent, &loki, book, &[&log], n_kills * REPEATS_PER_KILL_MAX);
}
