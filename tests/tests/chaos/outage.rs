//! The server is away: what cannot be sent waits on disk or in its file, and comes in order afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use tests::agent::Agent;
use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::loki::{Answer, Behaviour, Loki};
use tests::rotation::{Compression, Naming, Rotation};
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, scale};

const RAW: Shape = Shape::Raw { bytes: 100 };

fn unavailable() -> Behaviour {
    Behaviour::Answer(Answer::of(503))
}

#[test]
fn unavailable_while_files_rotate_and_are_deleted() {
    let Some(scene) = Scene::set("unavailable_while_files_rotate_and_are_deleted") else {
        return;
    };
    let loki = Loki::start();
    let rotation = Rotation::new(Naming::Lumberjack).compressing(Compression::GzipAll).keeping(2);
    let log = scene.log("audit/audit.log", RAW, 1).rotating(rotation);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let load = Load::start(log, scale().rate, Turn::Rotate(scale().rotate_every));
    let agent = scene.start();
    wait::for_condition("the first lines", Duration::from_secs(20), || loki.n_stored() > 0);
    loki.behave(unavailable());
    wait::span(scale().outage);
    loki.behave(Behaviour::Accept);
    let log = load.stop();
    scene.finish(agent, &loki, scene.book(&[(1, RAW)]), &[&log], 0);
}

#[test]
fn nobody_listens_from_the_start_and_again_later() {
    let Some(scene) = Scene::set("nobody_listens_from_the_start_and_again_later") else {
        return;
    };
    let mut loki = Loki::start_closed();
    let log = scene.log("audit.log", Shape::Audit, 1);
    scene.configure(&[("load", log.path(), "kube-audit")], &[Destination("main", &loki, "")]);
    let load = Load::start(log, scale().rate / 5, Turn::Never);
    let agent = scene.start();
    wait::span(scale().outage / 2);
    loki.open();
    wait::for_condition("the first lines", scale().deliver_max, || loki.n_stored() > 0);
    loki.close();
    wait::span(scale().outage / 2);
    loki.open();
    let log = load.stop();
    // What was in flight when the connections were cut may have been stored.
    scene.finish(agent, &loki, scene.book(&[(1, Shape::Audit)]), &[&log], REPEATS_PER_KILL_MAX);
}

#[test]
fn killed_while_it_fills_the_spool_and_while_it_empties_it() {
    let Some(mut scene) = Scene::set("killed_while_it_fills_the_spool_and_while_it_empties_it") else {
        return;
    };
    let loki = Loki::start();
    let rotation = Rotation::new(Naming::Lumberjack);
    let log = scene.log("audit/audit.log", RAW, 1).rotating(rotation);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let rate = scale().rate;
    let load = Load::start(log, rate, Turn::Rotate(scale().rotate_every));
    let mut agent = scene.start();
    wait::for_condition("the first lines", Duration::from_secs(20), || loki.n_stored() > 0);
    loki.behave(unavailable());
    for _ in 0..2 {
        let target = load.n_records() + scene.random.between(rate / 2, rate * scale().outage.as_secs() / 2);
        wait::for_condition("the writer to go on", Duration::from_mins(2), || load.n_records() >= target);
        agent.kill();
        agent = scene.start();
    }
    let log = load.stop();
    loki.behave(Behaviour::AcceptAfter(Duration::from_millis(10)));
    let n_left = log.n_records() - loki.n_stored() as u64;
    for part in 1..=2 {
        let target = loki.n_stored() + scene.random.between(1, n_left / 4) as usize;
        wait::for_condition(&format!("replay, part {part}"), scale().deliver_max, || loki.n_stored() >= target);
        agent.kill();
        agent = scene.start();
    }
    // Kills while nothing was taken repeat nothing; the two during the replay, a batch each, and one for the begin.
    scene.finish(agent, &loki, scene.book(&[(1, RAW)]), &[&log], 3 * REPEATS_PER_KILL_MAX);
}

#[test]
fn what_stands_in_the_spool_outlives_its_file() {
    let Some(scene) = Scene::set("what_stands_in_the_spool_outlives_its_file") else {
        return;
    };
    let loki = Loki::start();
    loki.behave(unavailable());
    let log = scene.log("audit.log", Shape::Audit, 1);
    scene.configure(&[("load", log.path(), "kube-audit")], &[Destination("main", &loki, "")]);
    let load = Load::start(log, scale().rate / 5, Turn::Never);
    let agent = scene.start();
    wait::span(scale().outage / 2);
    let log = load.stop();
    settled(&agent, &scene.state_dir());
    agent.terminate();
    std::fs::remove_file(log.path()).unwrap();
    loki.behave(Behaviour::Accept);
    let agent = scene.start();
    scene.finish(agent, &loki, scene.book(&[(1, Shape::Audit)]), &[&log], 0);
}

/// Waits until the state directory has not grown for a second: what the agent wants there is there.
fn settled(agent: &Agent, state_dir: &Path) {
    let (mut size, mut since) = (0, Instant::now());
    wait::for_condition("the spool to settle", Duration::from_mins(1), || {
        let now = size_of(state_dir);
        if now != size {
            (size, since) = (now, Instant::now());
        }
        size > 0 && since.elapsed() >= Duration::from_secs(1)
    });
    assert!(agent.metrics().is_some(), "the agent answers while its destination is away");
}

fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0, // gone between the listing and the look
    };
    entries.flatten().map(size).sum()
}
