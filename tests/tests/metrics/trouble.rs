//! Trouble of the node itself: a clock that is set, and a disk without room.

use std::fs;

use tests::receiver::{Receiver, Speaks};
use tests::skip::skipped;
use tests::small_disk::{SmallDisk, fill};
use tests::wait;
use tests::wall_clock::WallClock;

use crate::delivery::{arrive, own};
use crate::stage::{INTERVAL, PATIENCE, Stage, gaps};

/// An hour in milliseconds.
const HOUR: i64 = 3_600_000;

#[test]
fn a_clock_that_is_set_stops_nothing() {
    let name = "a_clock_that_is_set_stops_nothing";
    let Some(stage) = Stage::new(name) else { return };
    let Some(clock) = WallClock::new(stage.path("clock")) else {
        return skipped(name, "libfaketime is not installed");
    };
    let receiver = Receiver::start(Speaks::Both);
    let agent = stage.start_with(&receiver.url(), clock.variables());
    let times = || receiver.received().one("node_load1", "node").map_or_else(Vec::new, tests::receiver::Series::times);
    arrive(&receiver, 10);
    clock.set("+1h");
    wait::for_condition("samples of an hour later", PATIENCE, || {
        times().windows(2).any(|pair| pair[1] - pair[0] > HOUR - 60_000)
    });
    arrive(&receiver, 10);
    // Back: nothing that the destination would take can be said before its own time is over; it is sent, and counted as refused.
    clock.set("+0");
    wait::for_condition("refused samples", PATIENCE, || own(&agent, "refused_total") > 0.0);
    let refused = own(&agent, "refused_total");
    wait::for_condition("the agent to go on", PATIENCE, || own(&agent, "refused_total") > refused + 1000.0);
    clock.set("+2h");
    wait::for_condition("samples of another hour later", PATIENCE, || {
        times().windows(2).filter(|pair| pair[1] - pair[0] > HOUR - 60_000).count() == 2
    });
    arrive(&receiver, 10);
    let spooled = own(&agent, "spooled");
    agent.terminate();
    let arrived = receiver.received();
    assert_eq!((arrived.violations, spooled.to_bits()), (Vec::new(), 0.0_f64.to_bits()));
    let times = times();
    // A disk under load may keep a round for seconds; the clock would do so for as long as it was set by.
    let is_late = |(from, to): &(i64, i64)| (10_000..HOUR - 60_000).contains(&(to - from));
    let late: Vec<(i64, i64)> = gaps(&times).into_iter().filter(is_late).collect();
    assert!(times.iter().all(|time| time % INTERVAL == 0) && late.is_empty(), "gaps beside those of the clock: {late:?}");
}

#[test]
fn a_full_disk_loses_nothing_that_memory_holds_and_what_is_lost_at_the_end_is_said() {
    let name = "a_full_disk_loses_nothing_that_memory_holds_and_what_is_lost_at_the_end_is_said";
    let Some(stage) = Stage::new(name) else { return };
    let disk = stage.path("state");
    fs::create_dir(&disk).unwrap();
    let Some(_small) = SmallDisk::mount(&disk) else {
        return skipped(name, "a small tmpfs cannot be mounted here (that takes root and CAP_SYS_ADMIN)");
    };
    let receiver = Receiver::start(Speaks::Both);
    let agent = stage.start(&receiver.url(), "");
    arrive(&receiver, 5);
    let ballast = fill(&disk);
    receiver.answer(Some((503, "away")));
    let is_said = |log: &str| log.lines().filter(|line| line.contains("No space left on device")).count();
    wait::for_condition("the full disk is said", PATIENCE, || is_said(&agent.log()) > 0);
    let before = own(&agent, "answers_total");
    wait::for_condition("it is tried again", PATIENCE, || own(&agent, "answers_total") > before + 1.0);
    assert_eq!(is_said(&agent.log()), 1, "once in a while: {}", agent.log());
    receiver.answer(None);
    arrive(&receiver, 20);
    let lost = own(&agent, "given_up_total") + own(&agent, "refused_total");
    assert_eq!((receiver.received().violations, lost.to_bits()), (Vec::new(), 0.0_f64.to_bits()));
    assert_eq!(gaps(&receiver.received().one("node_load1", "node").unwrap().times()), []);

    // And away for good, with no room on disk: what is in memory at the end is lost, which is said.
    receiver.answer(Some((503, "away")));
    let before = own(&agent, "answers_total");
    wait::for_condition("it is away", PATIENCE, || own(&agent, "answers_total") > before + 1.0);
    let log = stage.path("stderr");
    agent.terminate();
    drop(ballast);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("samples are lost: neither the destination nor the disk takes them"), "{log}");
}
