//! Recorded events with the alerts that they must cause: every file of the data sets over every shipped rule, each expected alert and
//! no other.
//!
//! Twice: with the structured metadata that the agent sends beside the lines, which wins over what a rule reads out of them, and without.
//! An event counts once, and a rule's count of a file is the number of events behind its alerts; for bursts, flows and states it is
//! the number of alerts. The further rules have no labels in the data: what they find there stands in [`FURTHER`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use companion::labels::LabelSet;
use companion::rules::file::{self, Group};
use companion::rules::log_format::Format;
use companion::rules::render::files;
use companion::rules::replay::{self, AlertReport, Source};
use serde_json::Value;

/// What rules that the labels do not know find, by file and rule; looked at one by one.
const FURTHER: [(&str, &str, u64); 6] = [
    ("d06-k4-neg", "K12", 1),                      // a port-forward to Vault
    ("d10-k7-wildcard", "B1", 1),                  // an event of level Metadata
    ("d11-k8-anonymous-binding", "K17", 1),        // a binding for whoever has a token
    ("v1-generate-root", "V8", 1),                 // a ceremony is begun, and ends
    ("v1-generate-root-cancelled", "V8", 1),       // one is begun, and cancelled
    ("v5-neg-permission-denied-on-kv", "V11", 15), // a valid token is refused fifteen times
];

/// Rules that count their alerts.
const COUNT_ALERTS: [&str; 4] = ["K5", "V5", "C1", "C2"];

#[test]
fn every_labelled_file_gives_its_alerts_and_no_other() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.join("kube-audit").is_dir() {
        return skipped();
    }
    let groups = shipped_rules(&data);
    let mut logs = Vec::new();
    for folder in ["kube-audit/real-falco", "kube-audit/synthesized", "vault-audit", "sshd", "calico-flow"] {
        let entries = fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        logs.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "log")));
    }
    logs.sort();
    assert!(logs.len() > 70, "{} files", logs.len());
    let mut wrong = Vec::new();
    for log in &logs {
        let expected = expected(log);
        for (way, source) in [("", source(log)), (" without metadata", bare_source(log))] {
            let found = found(log, source, groups.clone());
            if expected != found {
                wrong.push(format!("{}{way}: expected {expected:?}, found {found:?}", log.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Says that the test could not run, in the form that `tests/run` counts.
fn skipped() {
    let line = b"SKIPPED labelled_data: the data sets are not beside the repository\n";
    std::io::stderr().write_all(line).ok();
    if let Some(path) = std::env::var_os("PICKET_SKIPPED") {
        fs::OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(line)).unwrap();
    }
}

/// The rules with the identities of the data: those of Vault stand in every label file; the owner of the cluster is who `d12` is about.
fn shipped_rules(data: &Path) -> Vec<Group> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
    let mut values = files::read_values(&rules.join("values.example.yaml")).unwrap_or_else(|wrong| panic!("{wrong}"));
    let params = json(&data.join("vault-audit/v7-external-use.expect.json"))["params"].take();
    let text = |value: &Value| vec![value.as_str().expect("an identity").to_owned()];
    values.set("owner.entities", text(&params["owner_entity_id"]));
    values.set("terraform.entities", text(&params["terraform_entity_id"]));
    let owner = fs::read_to_string(data.join("kube-audit/synthesized/d12-k9-owner-outside.log")).unwrap();
    let first: Value = serde_json::from_str(owner.lines().next().unwrap()).unwrap();
    values.set("owner.users", text(&first["user"]["username"]));
    let rendered = files::render_all(&[rules.join("logs")], &values).unwrap_or_else(|wrong| panic!("{wrong}"));
    let load = |(name, text): (&PathBuf, &String)| {
        let name: Arc<str> = name.display().to_string().into();
        file::load(&name, text.as_bytes(), &Arc::default()).unwrap_or_else(|problems| panic!("{problems}"))
    };
    rendered.files.iter().flat_map(load).collect()
}

/// The counts of the label file beside a log.
fn expected(log: &Path) -> BTreeMap<String, u64> {
    let labels = json(&log.with_extension("expect.json"));
    let mut expected = BTreeMap::new();
    for (rule, count) in labels["expect"].as_object().expect("counts by rule") {
        match (rule.as_str(), count) {
            // The second leg of V3: an alert for each state.
            ("V3-state", Value::Object(states)) => {
                expected.extend(states.iter().map(|(state, count)| (format!("V3 {state}"), count.as_u64().unwrap())));
            }
            _ => drop(expected.insert(rule.clone(), count.as_u64().unwrap())),
        }
    }
    let name = log.file_stem().unwrap().to_str().unwrap();
    let further = FURTHER.iter().filter(|(file, ..)| *file == name);
    expected.extend(further.map(|(_, rule, count)| ((*rule).to_owned(), *count)));
    expected
}

/// What the rules make of a log.
fn found(log: &Path, source: Source, groups: Vec<Group>) -> BTreeMap<String, u64> {
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut alerts: BTreeMap<String, u64> = BTreeMap::new();
    let mut note = |report: AlertReport| {
        // Silence and the watchdog are no findings of the log.
        let Some(rule) = report.labels.get("rule") else { return Ok(()) };
        let rule = report.labels.get("state").map_or_else(|| rule.clone(), |state| format!("{rule} {state}"));
        *alerts.entry(rule.clone()).or_default() += 1;
        let ids = report.events.iter().map(|event| id(&event.ts, &event.line));
        events.entry(rule).or_default().extend(ids);
        Ok(())
    };
    let summary = replay::run(groups, vec![source], &mut note).unwrap();
    assert_eq!((summary.too_long, summary.failed_lines), (0, 0), "{}", log.display());
    let count = |(rule, alerts): (String, u64)| {
        let counted = if COUNT_ALERTS.contains(&rule.as_str()) { alerts } else { events[&rule].len() as u64 };
        (rule, counted)
    };
    alerts.clone().into_iter().map(count).collect()
}

/// An event's own id, or its time and line.
fn id(time: &str, line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let own = event["auditID"].as_str().or_else(|| event["request"]["id"].as_str());
    own.map_or_else(|| format!("{time} {line}"), ToOwned::to_owned)
}

/// A log as its agent would ship it.
fn source(log: &Path) -> Source {
    let job = json(&log.with_extension("expect.json"))["job"].as_str().unwrap_or("sshd-pve").to_owned();
    let stream: LabelSet = [("job", job.as_str()), ("node", "n1")].into_iter().collect();
    match job.as_str() {
        "sshd-pve" => {
            let text = fs::read_to_string(log).unwrap();
            let of_sshd: String = text.lines().filter(|entry| is_of_sshd(entry)).flat_map(|entry| [entry, "\n"]).collect();
            Source::new(Box::new(Cursor::new(of_sshd.into_bytes())), stream, Format::Journal)
        }
        "vault-server" => Source::open(log, stream, Format::Json).unwrap(),
        job => Source::open(log, stream, Format::of_job(job)).unwrap(),
    }
}

/// The same lines at the same times as an agent ships them that knows nothing of their format: what a container wrote.
fn bare_source(log: &Path) -> Source {
    let job = json(&log.with_extension("expect.json"))["job"].as_str().unwrap_or("sshd-pve").to_owned();
    if Format::of_job(&job) == Format::Raw {
        return source(log);
    }
    let text = fs::read_to_string(log).unwrap();
    let (mut written, mut time) = (String::new(), "2000-01-01T00:00:00Z".to_owned());
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(own) = event["stageTimestamp"].as_str().or_else(|| event["time"].as_str()) {
            own.clone_into(&mut time);
        }
        written.extend([&time, " stdout F ", line, "\n"]);
    }
    let stream: LabelSet = [("job", job.as_str()), ("node", "n1")].into_iter().collect();
    Source::new(Box::new(Cursor::new(written.into_bytes())), stream, Format::Cri)
}

/// What the agent's preset takes for sshd's own: by what the journal knows of the process, not by what it says of itself.
fn is_of_sshd(entry: &str) -> bool {
    let entry: Value = serde_json::from_str(entry).unwrap();
    let is_named = matches!(entry["SYSLOG_IDENTIFIER"].as_str(), Some("sshd" | "sshd-session" | "sshd-auth"));
    is_named && entry["_UID"] == "0" && entry["_EXE"].as_str().is_none_or(|path| path.starts_with("/usr/sbin/sshd"))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
