//! Files are deleted that a destination has not read, and the disk cannot spare them: what is given up is known to the byte.

use std::time::Duration;

use tests::agent::Agent;
use tests::line::Shape;
use tests::loki::{Answer, Behaviour, Loki};
use tests::rotation::{Naming, Rotation};
use tests::wait;

use crate::scene::{Destination, Scene, deliver, scale, written};

const RAW: Shape = Shape::Raw { bytes: 100 };
/// With the newline.
const LINE_BYTES: u64 = 101;
const MAX_HELD: u64 = 1 << 20;
const N_FILES: u64 = 12;
const LINES_PER_FILE: u64 = 3000;

/// Bytes of the files that the agent has open though they have no name any more.
fn held(agent: &Agent) -> u64 {
    agent.open_files().iter().filter(|(name, _)| name.ends_with(" (deleted)")).map(|(_, bytes)| bytes).sum()
}

#[expect(clippy::cast_sign_loss, reason = "bytes and events are not below zero")]
fn total(agent: &Agent, name: &str, destination: &str) -> u64 {
    let metrics = agent.metrics().unwrap();
    let of = |sample: &&tests::metrics::Sample| {
        sample.labels.get("destination").is_none_or(|known| known == destination)
            && sample.labels.get("reason").is_none_or(|reason| reason == "max_held_bytes")
    };
    metrics.of(name).filter(of).map(|sample| sample.value as u64).sum()
}

#[test]
fn deleted_files_are_given_up_when_the_disk_cannot_spare_them() {
    let Some(scene) = Scene::set("deleted_files_are_given_up_when_the_disk_cannot_spare_them") else {
        return;
    };
    let (away, live) = (Loki::start(), Loki::start());
    let rotation = Rotation::new(Naming::Lumberjack).keeping(1);
    let mut log = scene.log("audit/audit.log", RAW, 1).rotating(rotation);
    let input = format!("{{job: load, paths: [\"{}\"], rotate_wait: 1s}}", log.path().display());
    let destinations = [Destination("away", &away, ", spool: 0"), Destination("live", &live, "")];
    scene.configure_logs(&format!("  files: [{input}]\n  max_held_bytes: 1MiB\n"), &destinations);
    let (mut away_book, mut live_book) = (scene.book(&[(1, RAW)]), scene.book(&[(1, RAW)]));
    let agent = scene.start();
    log.append(100);
    deliver(&mut away_book, &away, &[&log]);
    away.behave(Behaviour::Answer(Answer::of(503)));
    for _ in 0..N_FILES {
        log.append(LINES_PER_FILE);
        let path = log.path().display().to_string();
        // A file that comes and goes unseen is nobody's to give up.
        let is_seen = || agent.open_files().iter().any(|(name, _)| *name == path);
        wait::for_condition("the file to be seen", Duration::from_secs(20), is_seen);
        log.rotate();
    }
    deliver(&mut live_book, &live, &[&log]);
    live_book.verdict(&written(&[&log])).assert_whole(0);
    wait::for_condition("the disk to be spared", Duration::from_secs(20), || held(&agent) <= MAX_HELD);
    wait::for_condition("the metric to say so", Duration::from_secs(20), || {
        total(&agent, "picket_agent_held_bytes", "") == held(&agent)
    });
    assert!(held(&agent) > MAX_HELD / 2, "no more is given up than has to be: {} bytes are held", held(&agent));
    let n_lost_bytes = total(&agent, "picket_agent_gap_bytes_total", "away");
    assert!(n_lost_bytes > MAX_HELD, "{n_lost_bytes} bytes are said to be lost, while it is away still");

    away.behave(Behaviour::Accept);
    log.append(10);
    let n_left = log.n_records() - n_lost_bytes / LINE_BYTES;
    wait::until(scale().deliver_max, || {
        away_book.read(&away);
        (away_book.n_distinct() >= n_left).then_some(())
    });
    let verdict = away_book.verdict(&written(&[&log]));
    scene.say(&verdict);
    assert!(!verdict.has_violations() && verdict.n_repeats == 0, "{verdict:#}");
    assert_eq!(verdict.n_lost() * LINE_BYTES, n_lost_bytes, "what is missing is what the ledger says: {verdict:#}");
    assert_eq!(total(&agent, "picket_agent_gap_bytes_total", "away"), n_lost_bytes, "nothing was lost since");
    for destination in ["away", "live"] {
        assert_eq!(total(&agent, "picket_agent_gap_events_total", destination), 0, "{destination}: all of it is known");
    }
    assert_eq!(total(&agent, "picket_agent_gap_bytes_total", "live"), 0, "who has read a file loses nothing with it");
    wait::for_condition("deleted files to be closed", Duration::from_secs(30), || held(&agent) == 0);
    wait::for_condition("the metric to say so", Duration::from_secs(30), || total(&agent, "picket_agent_held_bytes", "") == 0);

    let ledger = agent.metrics().and_then(|metrics| metrics.ledger()).expect("the agent answers");
    assert_eq!(ledger.imbalance(), "");
    assert_eq!((ledger.read()["away"], ledger.read()["live"]), (log.n_bytes() - n_lost_bytes, log.n_bytes()));
    deliver(&mut live_book, &live, &[&log]);
    live_book.verdict(&written(&[&log])).assert_whole(0);
    agent.terminate();
}
