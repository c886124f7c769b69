//! The command line: one pass, a dry run, and what is said when there is nothing to do.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tests::line::Shape;
use tests::loki::Loki;
use tests::skip::skipped;

use crate::scene::{Destination, Scene, written};

const RUN_MAX: Duration = Duration::from_mins(1);

#[test]
fn once_ships_everything_and_again_nothing() {
    let Some(scene) = Scene::set("once_ships_everything_and_again_nothing") else {
        return;
    };
    let loki = Loki::start();
    let mut log = scene.log("audit.log", Shape::Audit, 1);
    log.append(3000);
    scene.configure(&[("load", log.path(), "kube-audit")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, Shape::Audit)]);
    for round in 1..=2 {
        let (status, _, errors) = scene.launch(&["--once"]).run(RUN_MAX);
        assert_eq!(status.code(), Some(0), "round {round}: {errors}");
        book.read(&loki);
        book.verdict(&written(&[&log])).assert_whole(0);
    }
}

#[test]
fn once_fails_when_nobody_takes_it() {
    let Some(scene) = Scene::set("once_fails_when_nobody_takes_it") else {
        return;
    };
    let loki = Loki::start_closed();
    let mut log = scene.log("audit.log", Shape::Audit, 1);
    log.append(10);
    scene.configure(&[("load", log.path(), "kube-audit")], &[Destination("main", &loki, ", timeout: 1s")]);
    let (status, _, errors) = scene.launch(&["--once"]).run(RUN_MAX * 2);
    assert_eq!(status.code(), Some(1), "{errors}");
}

#[test]
fn a_dry_run_prints_one_object_a_line_ships_nothing_and_writes_nothing() {
    let Some(scene) = Scene::set("a_dry_run_prints_one_object_a_line_ships_nothing_and_writes_nothing") else {
        return;
    };
    let loki = Loki::start();
    let mut log = scene.log("audit.log", Shape::Audit, 1);
    log.append(200);
    scene.configure(&[("load", log.path(), "kube-audit")], &[Destination("main", &loki, "")]);
    let (status, output, errors) = scene.launch(&["--dry-run", "--once", "--output", "json"]).run(RUN_MAX);
    assert_eq!(status.code(), Some(0), "{errors}");
    assert_eq!(marked(&output), 200, "each line once: {output}");
    assert_eq!(loki.n_requests(), 0);
    assert_eq!(std::fs::read_dir(scene.state_dir()).unwrap().count(), 0, "no state is written");
}

#[test]
fn a_dry_run_shows_changes_of_watched_files_and_writes_nothing() {
    let Some(scene) = Scene::set("a_dry_run_shows_changes_of_watched_files_and_writes_nothing") else {
        return;
    };
    let watched = scene.path("manifests");
    std::fs::create_dir(&watched).unwrap();
    std::fs::write(watched.join("etcd.yaml"), "a").unwrap();
    std::fs::write(watched.join("scheduler.yaml"), "b").unwrap();
    let loki = Loki::start();
    let logs = format!("  changes: {{job: manifests, paths: [\"{}/*\"]}}\n", watched.display());
    scene.configure_logs(&logs, &[Destination("main", &loki, "")]);
    let (status, output, errors) = scene.launch(&["--dry-run", "--once", "--output", "json"]).run(RUN_MAX);
    assert_eq!(status.code(), Some(0), "{errors}");
    assert_eq!(changes_of(&output), ["found etcd.yaml", "found scheduler.yaml"]);
    for object in objects(&output) {
        assert_eq!((&object["labels"]["job"], &object["labels"]["node"]), (&"manifests".into(), &"test-node".into()));
        let line: Value = serde_json::from_str(object["line"].as_str().unwrap()).unwrap();
        assert_eq!(object["time"], line["time"], "the time is the line's own");
    }
    assert_eq!(std::fs::read_dir(scene.state_dir()).unwrap().count(), 0, "no state is written");

    // A run that ships, and a change after it: a dry run shows the lines of its log, and what came since.
    let (status, _, errors) = scene.launch(&["--once"]).run(RUN_MAX);
    assert_eq!((status.code(), loki.n_stored()), (Some(0), 2), "{errors}");
    let state = || std::fs::read(scene.state_dir().join("changes.json")).unwrap();
    let before = state();
    std::fs::write(watched.join("etcd.yaml"), "c").unwrap();
    std::fs::remove_file(scene.path("stdout")).unwrap();
    let (_, output, _) = scene.launch(&["--dry-run", "--once", "--output", "json"]).run(RUN_MAX);
    assert_eq!(changes_of(&output), ["changed etcd.yaml", "found etcd.yaml", "found scheduler.yaml"]);
    assert_eq!((state() == before, loki.n_stored()), (true, 2));

    std::fs::remove_file(scene.path("stdout")).unwrap();
    let (_, output, errors) = scene.launch(&["--dry-run", "--once"]).run(RUN_MAX);
    assert_eq!(
        output.lines().filter(|line| line.contains("job=\"manifests\"") && line.contains("sha256")).count(),
        3,
        "{output}"
    );
    assert!(errors.contains("manifests: 3 entries"), "{errors}");
}

/// Metadata `change` and the last part of `path` of every entry, in order of text.
fn changes_of(output: &str) -> Vec<String> {
    let say = |object: Value| {
        let text = |name: &str| object["metadata"][name].as_str().unwrap().to_owned();
        let (change, path) = (text("change"), text("path"));
        format!("{change} {}", path.rsplit('/').next().unwrap())
    };
    let mut said: Vec<String> = objects(output).into_iter().map(say).collect();
    said.sort();
    said
}

#[test]
fn without_an_output_it_names_both_ways() {
    let Some(scene) = Scene::set("without_an_output_it_names_both_ways") else {
        return;
    };
    let mut log = scene.log("audit.log", Shape::Audit, 1);
    log.append(1);
    let file = format!("kubernetes-audit={}", log.path().display());
    let (status, _, errors) = scene.launch(&["--file", &file]).run(RUN_MAX);
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("--loki") && errors.contains("--dry-run"), "{errors}");
}

/// Recorded audit events, which are not part of this repository.
#[test]
fn a_dry_run_over_recorded_audit_events() {
    let Some(scene) = Scene::set("a_dry_run_over_recorded_audit_events") else {
        return;
    };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/kube-audit");
    let Ok(data) = data.canonicalize() else {
        return skipped(scene.name, &format!("no recorded events in {}", data.display()));
    };
    let file = format!("kubernetes-audit={}/*/*.log", data.display());
    let (status, output, errors) = scene.launch(&["--dry-run", "--once", "--output", "json", "--file", &file]).run(RUN_MAX);
    assert_eq!(status.code(), Some(0), "{errors}");
    let n_entries = objects(&output).iter().filter(|object| object.to_string().contains("auditID")).count();
    assert_eq!(n_entries, n_events(&data), "{errors}");
}

/// How many lines with an event there are, two levels down.
fn n_events(dir: &Path) -> usize {
    let below = |dir: &Path| std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let folders = below(dir).filter(|path| path.is_dir());
    let logs = folders.flat_map(|folder| below(&folder)).filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.map(|log| std::fs::read_to_string(log).unwrap().lines().filter(|line| line.contains("auditID")).count()).sum()
}

fn objects(output: &str) -> Vec<Value> {
    let parse = |line: &str| match serde_json::from_str(line) {
        Ok(object @ Value::Object(_)) => object,
        other => panic!("not an object: {line}: {other:?}"),
    };
    output.lines().map(parse).collect()
}

/// How many objects carry a written line.
fn marked(output: &str) -> usize {
    objects(output).iter().filter(|object| object.to_string().contains("pkt:")).count()
}
