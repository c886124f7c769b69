//! Entries that cannot be read any more: deleted before they were, or damaged. What can be read is shipped, the rest is counted.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::journald::{Keep, Settings};
use tests::wait;

use crate::scene::scale;
use crate::stage::{ALL, Stage, Written};

/// Loki's default.
const AHEAD: Duration = Duration::from_mins(10);

fn say(stage: &Stage, name: &str, n_lines: u32) {
    let native = stage.journald.native();
    (0..n_lines).for_each(|number| native.say("n", 6, &format!("{name} {number}")));
}

#[test]
fn what_was_deleted_while_the_agent_was_down_is_counted_to_the_entry() {
    let name = "what_was_deleted_while_the_agent_was_down_is_counted_to_the_entry";
    let Some(stage) = Stage::set(name, Settings::of(""), ALL) else {
        return;
    };
    say(&stage, "read", 300);
    let agent = stage.start();
    let mut written = stage.written();
    stage.assert_arrives(&written, 0);
    agent.terminate();

    for round in 0..6 {
        say(&stage, &format!("unread {round}"), 200);
        stage.journald.rotate();
    }
    let unread = stage.written().without(&written);
    stage.journald.vacuum(Keep::Files(2));
    say(&stage, "after", 10);
    let left = stage.written();
    let n_lost = unread.without(&left).len() as u64;
    assert!(n_lost >= 600, "{n_lost}");
    written.join(left);
    let agent = stage.start();
    stage.assert_arrives(&written, 0);
    assert_eq!(Stage::gaps(&agent, "journal sequence"), n_lost);
    stage.finish(agent);
    // It is counted once.
    let agent = stage.start();
    say(&stage, "at last", 1);
    stage.collect(&mut written);
    stage.assert_arrives(&written, 0);
    assert_eq!(Stage::gaps(&agent, "journal sequence"), n_lost);
    stage.finish(agent);
}

#[test]
fn journald_is_killed_and_its_file_set_aside() {
    let Some(mut stage) = Stage::set("journald_is_killed_and_its_file_set_aside", Settings::of(""), ALL) else {
        return;
    };
    let agent = stage.start();
    let mut written = Written::default();
    for round in 0..3 {
        say(&stage, &format!("round {round}"), 400);
        // Not by `sync`, which would leave a file that is closed.
        let last = format!("round {round} 399");
        wait::for_condition("journald to write", scale().deliver_max, || {
            let entries = stage.journald.entries();
            written.add(&entries);
            entries.iter().any(|entry| entry.message() == last)
        });
        stage.journald.kill();
        stage.journald.run();
    }
    let n_aside = stage.journald.files().iter().filter(|path| path.to_string_lossy().ends_with(".journal~")).count();
    assert_eq!(n_aside, 3, "{:?}", stage.journald.files());
    stage.collect(&mut written);
    stage.assert_arrives(&written, 0);
    assert_eq!(Stage::gaps(&agent, "damaged") + Stage::gaps(&agent, "journal sequence"), 0);
    stage.finish(agent);
}

/// The archived files, oldest first.
fn archived(stage: &Stage) -> Vec<PathBuf> {
    let files = stage.journald.files().into_iter();
    files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("system@")).collect()
}

fn cut(path: &Path, share: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 100 * share).unwrap();
}

/// Zeros from there to the end: what a power cut leaves of a file whose last pages were not written.
fn zero(path: &Path, share: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    let begin = len / 100 * share;
    file.write_all_at(&vec![0; (len - begin) as usize], begin).unwrap();
}

#[test]
fn damaged_files_give_what_journalctl_reads_of_them_and_stop_nothing() {
    let name = "damaged_files_give_what_journalctl_reads_of_them_and_stop_nothing";
    let Some(stage) = Stage::set(name, Settings::of("Compress=no"), ALL) else {
        return;
    };
    // Files are made large; a rotation archives them as they are, and cuts off what was not used.
    for round in 0..5 {
        say(&stage, &format!("round {round}"), 3000);
        stage.journald.rotate();
    }
    let before = stage.written();
    let files = archived(&stage);
    assert_eq!(files.len(), 5, "{files:?}");
    cut(&files[0], 50);
    zero(&files[1], 60);
    let file = OpenOptions::new().write(true).open(&files[2]).unwrap();
    let (len, mut random) = (file.metadata().unwrap().len(), stage.scene.random.clone());
    for _ in 0..200 {
        file.write_all_at(&[(random.number() & 0xff) as u8], random.between(300, len)).unwrap();
    }
    let garbage: Vec<u8> = (0..100_000).map(|_| (random.number() & 0xff) as u8).collect();
    let directory = stage.journald.directory();
    fs::write(directory.join("garbage.journal"), &garbage).unwrap();
    fs::write(directory.join("empty.journal"), "").unwrap();
    fs::write(directory.join("short.journal"), &garbage[..20]).unwrap();
    fs::write(directory.join("zeros.journal"), vec![0; 10_000]).unwrap();

    // A spoilt time may be one in the future, which a Loki refuses.
    stage.loki.refuse_ahead_of(AHEAD);
    let latest = tests::stamp::now_nanos() / 1000 + i64::try_from(AHEAD.as_micros()).unwrap();
    let mut readable = Written::default();
    // Of an entry that has lost its message nothing is left to ship.
    let entries = stage.journald.readable().into_iter().filter(|entry| !entry.message().is_empty() && entry.realtime <= latest);
    readable.add(&entries.collect::<Vec<_>>());
    assert!(readable.len() > 6000 && readable.len() < before.len(), "{} of {}", readable.len(), before.len());
    let agent = stage.start();
    stage.wait_for(&readable);
    let lost = readable.compare(&stage.arrived()).lost;
    assert!(
        lost.is_empty(),
        "{} of {} that journalctl reads did not arrive, such as {:?}",
        lost.len(),
        readable.len(),
        lost.first()
    );
    // What else arrived was written once, and came whole.
    let mut all = before;
    all.add(&stage.journald.readable());
    let outcome = all.compare(&stage.arrived());
    assert!(outcome.wrong.len() <= 200, "no more than there are wrong bytes: {outcome}");
    assert!(Stage::gaps(&agent, "damaged") > 0, "what cannot be read is counted");
    assert!(Stage::gaps(&agent, "not a journal that can be read") > 0);

    say(&stage, "it goes on", 100);
    let goes_on = || stage.arrived().iter().any(|delivery| delivery.line == "it goes on 99");
    wait::for_condition("what came after the damage", Duration::from_secs(30), goes_on);
    stage.finish(agent);
}
