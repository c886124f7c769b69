//! journald's clock is set, and the machine starts anew: nothing is lost, and times are as journald said them.

use tests::journald::Settings;
use tests::skip::skipped;
use tests::wall_clock::WallClock;

use crate::stage::{ALL, Stage};

fn say(stage: &Stage, name: &str, n_lines: u32) {
    let native = stage.journald.native();
    (0..n_lines).for_each(|number| native.say("n", 6, &format!("{name} {number}")));
}

/// Within the window in which Loki takes what lies behind.
#[test]
fn journalds_clock_is_set_back_and_forth() {
    let name = "journalds_clock_is_set_back_and_forth";
    let offset = tempfile::NamedTempFile::new().unwrap();
    let Some(clock) = WallClock::new(offset.path().to_owned()) else {
        return skipped(name, "no libfaketime (Debian package faketime)");
    };
    let settings =
        clock.variables().into_iter().fold(Settings::of(""), |settings, (name, value)| settings.with_env(&name, &value));
    let Some(stage) = Stage::set(name, settings, ALL) else {
        return;
    };
    let agent = stage.start();
    let mut times = Vec::new();
    for (round, jump) in ["+0", "-30m", "+20m", "-10m", "+0"].into_iter().enumerate() {
        clock.set(jump);
        say(&stage, &format!("round {round}"), 200);
        stage.journald.sync();
        times.push(stage.journald.entries().last().unwrap().realtime);
        if round % 2 == 1 {
            stage.journald.rotate();
        }
    }
    assert!(times[1] < times[0] && times[2] > times[3], "journald saw its clock jump: {times:?}");
    let written = stage.written();
    stage.wait_for(&written);
    let outcome = written.compare(&stage.arrived());
    assert!(outcome.lost.is_empty() && outcome.wrong.is_empty() && outcome.n_repeats == 0, "{outcome}");
    assert!(outcome.n_back > 0, "they come in the order in which they were written: {outcome}");
    stage.finish(agent);
}

#[test]
fn the_machine_starts_anew_several_times() {
    let name = "the_machine_starts_anew_several_times";
    let Some(mut stage) = Stage::set(name, Settings::of(""), ALL) else {
        return;
    };
    for boot in 1..=4 {
        stage.journald.stop();
        stage.journald.node().boot(&format!("{boot:032x}"));
        stage.journald.run();
        say(&stage, &format!("boot {boot}"), 100);
        if boot == 2 {
            // Read in between, and then from where it was.
            let agent = stage.start();
            stage.assert_arrives(&stage.written(), 0);
            agent.terminate();
        }
    }
    let written = stage.written();
    let boots: std::collections::BTreeSet<_> = stage.journald.entries().into_iter().map(|entry| entry.boot_id).collect();
    assert_eq!(boots.len(), 5, "{boots:?}");
    let agent = stage.start();
    stage.assert_arrives(&written, 0);
    assert_eq!(Stage::gaps(&agent, "journal sequence"), 0);
    stage.finish(agent);
}
