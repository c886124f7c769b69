//! At boot journald writes to memory, and copies it to the disk later, under new numbers: nothing is shipped twice, nothing is lost.

use tests::journald::Settings;

use crate::stage::{ALL, Stage};

fn say(stage: &Stage, name: &str, n_lines: u32) {
    let native = stage.journald.native();
    (0..n_lines).for_each(|number| native.say("boot", 6, &format!("{name} {number}")));
}

#[test]
fn flushed_while_the_agent_runs() {
    let Some(stage) = Stage::set("flushed_while_the_agent_runs", Settings::of("").volatile_at_first(), ALL) else {
        return;
    };
    say(&stage, "early", 500);
    let agent = stage.start();
    let mut written = stage.written();
    stage.assert_arrives(&written, 0);
    stage.journald.flush();
    assert_eq!(stage.journald.files().len(), 1);
    say(&stage, "late", 500);
    stage.collect(&mut written);
    stage.assert_arrives(&written, 0);
    stage.finish(agent);
}

#[test]
fn flushed_while_it_is_being_written() {
    let Some(stage) = Stage::set("flushed_while_it_is_being_written", Settings::of("").volatile_at_first(), ALL) else {
        return;
    };
    let agent = stage.start();
    let mut written = stage.written();
    std::thread::scope(|scope| {
        scope.spawn(|| say(&stage, "all along", 5000));
        while stage.arrived().len() < 500 {
            std::thread::yield_now();
        }
        stage.collect(&mut written);
        stage.journald.flush();
    });
    stage.collect(&mut written);
    // Entries of the moment of the flush: in memory under one number, on the disk under another; nobody saw both.
    let lost = || written.compare_loosely(&stage.arrived());
    tests::wait::for_condition("all of it", crate::scene::scale().deliver_max, || lost().0 == 0);
    assert_eq!(lost(), (0, 0), "lost, and twice");
    stage.finish(agent);
}

/// Read in part from memory, in part from the disk.
#[test]
fn flushed_while_the_agent_is_away() {
    let Some(stage) = Stage::set("flushed_while_the_agent_is_away", Settings::of("").volatile_at_first(), ALL) else {
        return;
    };
    say(&stage, "early", 500);
    let agent = stage.start();
    let mut written = stage.written();
    stage.assert_arrives(&written, 0);
    agent.terminate();
    say(&stage, "while it was away", 300);
    stage.journald.flush();
    say(&stage, "late", 200);
    stage.collect(&mut written);
    for _ in 0..2 {
        let agent = stage.start();
        stage.assert_arrives(&written, 0);
        stage.finish(agent);
    }
}
