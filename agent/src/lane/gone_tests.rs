//! Logs that go away under a lane.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::stage::Stage;
use crate::ledger::Fate;
use crate::tail::chain::Chain;
use crate::tail::discovery::PathGlob;
use crate::tail::fixtures::{file_input, pod_input};
use crate::tail::inputs::Inputs;

#[test]
fn a_file_that_only_the_batch_under_way_knows_is_not_taken_for_finished() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| logs.path().join(name);
    let inputs = || {
        let input = crate::config::checked::FileInput { rotate_wait: Duration::from_mins(1), ..file_input("a") };
        let glob = PathGlob::new(&path("a.log").display().to_string()).unwrap();
        Inputs { files: vec![(Arc::new(input), vec![glob])], ..Inputs::default() }
    };
    fs::write(path("a.log"), "one\n").unwrap();
    let mut stage = Stage::set(saved.path(), inputs(), u64::MAX, 700);
    stage.deliver(1);
    fs::rename(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "two\n").unwrap();
    assert_eq!(stage.announce(), 1);
    stage.end();
    // Written and renamed while nobody looks.
    fs::write(path("a.log"), "two\nthree\n").unwrap();
    fs::rename(path("a.log.1"), path("a.log.2")).unwrap();
    fs::rename(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "four\n").unwrap();
    let mut stage = Stage::set(saved.path(), inputs(), u64::MAX, 700);
    stage.deliver(3);
    assert_eq!(stage.gaps(Fate::Unknown), (0, 0));
    stage.end();
}

#[test]
fn a_file_that_is_copied_and_truncated_before_a_byte_of_it_was_read_is_read_from_the_copy() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| logs.path().join(name);
    let glob = PathGlob::new(&path("a.log").display().to_string()).unwrap();
    let inputs = Inputs { files: vec![(Arc::new(file_input("a")), vec![glob])], ..Inputs::default() };
    fs::write(path("a.log.1"), "one\n".repeat(10)).unwrap();
    fs::write(path("a.log"), "two\n").unwrap();
    // One line a batch: the lane stands still in the older file, and has not come to the newer.
    let mut stage = Stage::set(saved.path(), inputs, u64::MAX, 1);
    stage.until("the files to be found", |stage| stage.catalog.chains().first().is_some_and(|chain| chain.segments().len() == 2));
    fs::rename(path("a.log.1"), path("a.log.2")).unwrap();
    fs::copy(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "three\n").unwrap();
    stage.deliver(12);
    assert_eq!(stage.gaps(Fate::Unknown), (0, 1), "what came between copy and truncation, nobody knows");
    stage.end();
}

fn pods(root: &Path) -> Inputs {
    Inputs { pods: Some(Arc::new(pod_input(root))), ..Inputs::default() }
}

/// Something changes in the directory: the scout looks, sooner than it would by itself.
fn stir(root: &Path) {
    fs::create_dir(root.join("stirred")).unwrap();
    fs::remove_dir(root.join("stirred")).unwrap();
}

fn write_pod(root: &Path, pod: &str, uid: &str) {
    let container = root.join(format!("jobs_{pod}_{uid}/main"));
    fs::create_dir_all(&container).unwrap();
    fs::write(container.join("0.log"), "2026-11-23T00:00:01Z stdout F done\n").unwrap();
}

#[test]
fn two_thousand_pods_that_come_and_go_leave_nothing_behind() {
    const WAVES: usize = 20;
    const PODS: usize = 100;
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
    let mut seen: Vec<Weak<Chain>> = Vec::new();
    let mut most = 0;
    for wave in 0..WAVES {
        for pod in 0..PODS {
            write_pod(logs.path(), &format!("run-{wave}-{pod}"), "u");
        }
        stage.deliver(PODS as u64);
        for pod in 0..PODS {
            fs::remove_dir_all(logs.path().join(format!("jobs_run-{wave}-{pod}_u"))).unwrap();
        }
        seen.extend(stage.catalog.chains().iter().map(Arc::downgrade));
        most = most.max(stage.catalog.chains().len());
    }
    assert!(seen.len() >= WAVES * PODS, "every pod was a chain of its own");
    stage.until("all chains to be forgotten", |stage| {
        stage.answer();
        stir(logs.path());
        stage.catalog.chains().is_empty() && stage.counters.chains.value() == 0
    });
    assert!(most <= WAVES * PODS / 2, "{most} chains at once");
    // The lane lets go of them when it wakes the next time.
    write_pod(logs.path(), "last", "u");
    stage.deliver(1);
    stage.until("the lane to let go", |_| seen.iter().filter(|chain| chain.strong_count() > 0).count() == 0);
    assert_eq!(stage.gaps(Fate::Unknown), (0, 0), "they were read to their ends");
    assert!(fs::metadata(saved.path().join("positions")).unwrap().len() < 5 << 20, "as it is while it is appended to");
    stage.end();
    let size = fs::metadata(saved.path().join("positions")).unwrap().len();
    assert!(size < 1024, "{size} bytes for one pod");
}

#[test]
fn a_pod_that_comes_back_under_its_name_is_read_from_its_beginning() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
    write_pod(logs.path(), "web-0", "one");
    stage.deliver(1);
    fs::remove_dir_all(logs.path().join("jobs_web-0_one")).unwrap();
    stage.until("it to be forgotten", |stage| {
        stage.answer();
        stir(logs.path());
        stage.catalog.chains().is_empty()
    });
    write_pod(logs.path(), "web-0", "two");
    stage.deliver(1);
    assert_eq!((stage.gaps(Fate::Unknown), stage.gaps(Fate::Lost)), ((0, 0), (0, 0)));
    stage.end();
}

#[test]
fn a_pod_that_vanished_while_nobody_looked_is_a_gap_once() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
    write_pod(logs.path(), "run-1", "u");
    write_pod(logs.path(), "run-2", "u");
    stage.deliver(2);
    stage.end();
    fs::remove_dir_all(logs.path().join("jobs_run-1_u")).unwrap();
    for _ in 0..2 {
        let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
        stage.until("the first look", |stage| stage.counters.missing.value() == 1);
        assert_eq!(stage.gaps(Fate::Unknown), (0, 1));
        stage.end();
    }
}

#[test]
fn a_deleted_file_is_given_up_to_the_byte_while_the_destination_takes_nothing() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = logs.path().join("a.log");
    let content = "0123456789\n".repeat(1000);
    fs::write(&path, &content).unwrap();
    let globs = vec![PathGlob::new(&path.display().to_string()).unwrap()];
    let inputs = Inputs { files: vec![(Arc::new(file_input("a")), globs)], ..Inputs::default() };
    // Batches of ten entries: one is on its way, one is queued, one is ready; the rest is not read.
    let mut stage = Stage::set(saved.path(), inputs, content.len() as u64 - 1, 10);
    stage.until("the lane to wait", |stage| stage.inbox.len() == 1);
    fs::rename(&path, logs.path().join("a.log.1")).unwrap();
    fs::write(&path, "the next file\n").unwrap();
    // Only of a file that another has followed is it known that nothing more was written to it.
    stage.until("the next file to be seen", |stage| stage.catalog.chains()[0].segments().len() == 2);
    fs::remove_file(logs.path().join("a.log.1")).unwrap();
    stage.until("the file to be given up", |stage| stage.gaps(Fate::Lost).0 > 0);
    stage.until("nothing to be held", |stage| stage.catalog.held().is_empty());
    let lost = stage.gaps(Fate::Lost).0.unsigned_abs();

    let mut got = 0;
    stage.until("all that is left", |stage| {
        got += stage.answer().1;
        got + lost >= (content.len() + "the next file\n".len()) as u64
    });
    assert_eq!(got + lost, (content.len() + "the next file\n".len()) as u64, "what did not arrive is what was lost");
    assert!(lost > content.len() as u64 / 2, "{lost} bytes: most of it was not read");
    assert_eq!(stage.gaps(Fate::Unknown), (0, 0), "and nothing else is");
    stage.end();
}
