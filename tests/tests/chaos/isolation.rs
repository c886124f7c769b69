//! One trouble stays one trouble: a dead destination, or a full disk, disturbs nothing else.

use std::time::Duration;

use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::loki::{Answer, Behaviour, Loki};
use tests::skip::skipped;
use tests::small_disk::{self, SmallDisk};
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, deliver, scale, written};

const RAW: Shape = Shape::Raw { bytes: 100 };
/// A guard against growth without bound; the promise itself (40 MiB at full speed) is measured by the benches.
const RESIDENT_BYTES_MAX: u64 = 64 << 20;
/// From a line's writing to its arrival, on a machine that runs other tests beside this one.
const DELAY_MS_MAX: i64 = 3000;

fn beside_a_dead_one(name: &'static str, dead_behaviour: Option<Behaviour>) {
    let Some(scene) = Scene::set(name) else {
        return;
    };
    let (live, mut dead) = (Loki::start(), Loki::start());
    match dead_behaviour {
        Some(behaviour) => dead.behave(behaviour),
        None => dead.close(),
    }
    let log = scene.log("audit.log", RAW, 1);
    let destinations = [Destination("dead", &dead, ", timeout: 2s"), Destination("live", &live, "")];
    scene.configure(&[("load", log.path(), "raw")], &destinations);
    let agent = scene.start();
    let load = Load::start(log, scale().rate, Turn::Never);
    let n_records = scale().rate * scale().outage.as_secs();
    let mut resident_max = 0;
    wait::for_condition("the outage to pass", Duration::from_mins(2), || {
        resident_max = resident_max.max(agent.resident_bytes());
        load.n_records() >= n_records
    });
    let log = load.stop();
    let mut book = scene.book(&[(1, RAW)]);
    deliver(&mut book, &live, &[&log]);
    book.verdict(&written(&[&log])).assert_whole(0);
    let (delay_max, delay_99) = book.delay_ms();
    assert!(delay_max <= DELAY_MS_MAX, "the live destination waited: {delay_max} ms at most, {delay_99} ms at p99");
    assert!(resident_max <= RESIDENT_BYTES_MAX, "{resident_max} bytes resident");
    dead.open();
    dead.behave(Behaviour::Accept);
    scene.finish(agent, &dead, scene.book(&[(1, RAW)]), &[&log], 0);
}

#[test]
fn a_destination_beside_one_where_nobody_listens() {
    beside_a_dead_one("a_destination_beside_one_where_nobody_listens", None);
}

#[test]
fn a_destination_beside_a_black_hole() {
    beside_a_dead_one("a_destination_beside_a_black_hole", Some(Behaviour::BlackHole));
}

#[test]
fn a_destination_beside_one_that_refuses_the_key() {
    beside_a_dead_one("a_destination_beside_one_that_refuses_the_key", Some(Behaviour::Answer(Answer::of(401))));
}

#[test]
fn the_state_directory_fills_up_and_is_emptied() {
    let Some(scene) = Scene::set("the_state_directory_fills_up_and_is_emptied") else {
        return;
    };
    let state_dir = scene.state_dir();
    let Some(_small) = SmallDisk::mount(&state_dir) else {
        return skipped(scene.name, "a small tmpfs cannot be mounted here (that takes root and CAP_SYS_ADMIN)");
    };
    let loki = Loki::start();
    let log = scene.log("audit.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let load = Load::start(log, scale().rate, Turn::Never);
    let agent = scene.start();
    wait::for_condition("the first lines", Duration::from_secs(20), || loki.n_stored() > 0);
    let ballast = small_disk::fill(&scene.state_dir());
    wait::span(scale().outage / 4);
    // Full, and the server away: nowhere to put anything.
    loki.behave(Behaviour::Answer(Answer::of(503)));
    wait::span(scale().outage / 2);
    loki.behave(Behaviour::Accept);
    wait::span(scale().outage / 4);
    std::fs::remove_file(ballast).unwrap();
    let log = load.stop();
    scene.finish(agent, &loki, scene.book(&[(1, RAW)]), &[&log], REPEATS_PER_KILL_MAX);
}
