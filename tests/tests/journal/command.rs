//! The command line: one pass, and a dry run.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tests::journald::Settings;
use tests::stamp;

use crate::stage::{ALL, Stage};

const RUN_MAX: Duration = Duration::from_mins(1);

fn set(name: &'static str) -> Option<Stage> {
    let stage = Stage::set(name, Settings::of(""), ALL)?;
    let native = stage.journald.native();
    (0..500).for_each(|number| native.say("n", 6, &format!("line {number}")));
    stage.journald.rotate();
    (500..700).for_each(|number| native.say("n", 6, &format!("line {number}")));
    stage.journald.sync();
    Some(stage)
}

#[test]
fn a_dry_run_of_the_journal_prints_its_entries_and_writes_nothing() {
    let Some(stage) = set("a_dry_run_of_the_journal_prints_its_entries_and_writes_nothing") else {
        return;
    };
    let args = stage.args();
    let launch = stage.scene.launch(&["--dry-run", "--once", "--output", "json", &args[0], &args[1]]);
    let (status, output, errors) = launch.run(RUN_MAX);
    assert_eq!(status.code(), Some(0), "{errors}");
    let printed: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let printed: Vec<(String, String)> = printed
        .iter()
        .map(|object| (object["time"].as_str().unwrap().to_owned(), object["line"].as_str().unwrap().to_owned()))
        .collect();
    let entries = stage.journald.entries();
    let expected: BTreeSet<_> = entries.iter().map(|entry| (stamp::rfc3339_nanos(entry.time()), entry.message())).collect();
    assert_eq!(printed.len(), expected.len());
    assert_eq!(printed.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(stage.loki.n_requests(), 0);
    assert_eq!(std::fs::read_dir(stage.scene.state_dir()).unwrap().count(), 0, "no state is written");
}

#[test]
fn once_ships_the_journal_and_again_nothing() {
    let Some(stage) = set("once_ships_the_journal_and_again_nothing") else {
        return;
    };
    let args = stage.args();
    for round in 1..=2 {
        let (status, _, errors) = stage.scene.launch(&["--once", &args[0], &args[1]]).run(RUN_MAX);
        assert_eq!(status.code(), Some(0), "round {round}: {errors}");
        stage.assert_arrives(&stage.written(), 0);
    }
}
