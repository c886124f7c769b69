//! The configuration as data: `fixtures/config/good` and `bad`, one folder a case, and the reference configuration.
//!
//! `UPDATE_EXPECT=1` rewrites the expected files; read what it wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use expect_test::expect_file;
use proptest::prelude::*;

use super::checked::{Config, Format};
use super::*;
use crate::cli::Cli;
use crate::detect::Found;
use settings::problem::Problems;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const REFERENCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/agent.yaml"));

fn environment() -> Environment {
    Environment { node_name: None, host_name: Some("node-1".to_owned()), working_directory: PathBuf::from("/srv") }
}

fn check_text(text: &[u8]) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let raw: Raw = file::parse(&"agent.yaml".into(), text, &mut problems)?;
    let config = check::check(&raw, &environment());
    problems.and(config)
}

fn effective_of(text: &str) -> String {
    match check_text(text.as_bytes()) {
        Ok(config) => effective::effective(&config),
        Err(problems) => panic!("{problems}"),
    }
}

fn load_line(line: &str) -> Result<Loaded, Problems> {
    load(&Cli::parse_from(line.split(' ')).settings, &environment())
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("fixtures/config").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("entry").path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_bad_file_is_refused_with_the_expected_lines() {
    let cases = cases("bad");
    assert!(cases.len() >= 20);
    for case in cases {
        let text = fs::read(case.join("agent.yaml")).expect("agent.yaml");
        let problems = check_text(&text).expect_err(&case.to_string_lossy());
        expect_file![case.join("expected.txt")].assert_eq(&format!("{problems}\n"));
    }
}

#[test]
fn every_good_file_means_the_expected_and_so_does_its_effective_form() {
    for case in cases("good") {
        let text = fs::read_to_string(case.join("agent.yaml")).expect("agent.yaml");
        let effective = effective_of(&text);
        expect_file![case.join("expected.yaml")].assert_eq(&effective);
        assert_eq!(effective_of(&effective), effective, "{}", case.display());
    }
}

#[test]
fn the_reference_has_the_defaults() {
    // What the reference sets beyond defaults, and nothing else.
    let least = "
logs:
  files:
    - job: kubernetes-audit
    - {job: vault-audit, paths: [/var/log/vault/audit.log]}
    - {job: shop, paths: [/var/log/shop/*.json], format: json}
    - job: tomcat
      paths: [/var/log/tomcat/catalina.out]
      drop: [{name: health checks, regex: GET /healthz}]
      multiline: {first: '^[0-9]{4}-'}
  pods: {}
  journal: [{preset: sshd}, {preset: calico-flow}, {preset: node-journal}]
  changes: {paths: [/etc/kubernetes/manifests/*, /etc/kubernetes/policies/*, /etc/ssh/sshd_config]}
metrics:
  gpu: {}
  ups:
    - {nut: ups.example.org, username: monitor, password_file: /etc/picket/ups-password}
    - {snmp: 192.0.2.7, community_file: /etc/picket/community}
    - snmp: 192.0.2.9
      v3: {username: monitor, auth: sha256, auth_password_file: /etc/picket/snmp-auth, privacy: aes, privacy_password_file: /etc/picket/snmp-privacy}
    - {apcupsd: 192.0.2.8}
  textfile: {directory: /var/lib/picket/textfile}
  scrape:
    - job: kube-apiserver
      url: https://127.0.0.1:6443
      bearer_token_file: /var/run/secrets/kubernetes.io/serviceaccount/token
      tls: {ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}
  scrape_pods: {}
  relabel:
    - {job: dcgm-exporter, name_prefix: nvidia_tesla_t4_}
    - {job: kube-apiserver, action: drop, source_labels: [__name__, le], regex: 'apiserver_request_duration_seconds_bucket;.*'}
    - {job: kube-apiserver, action: hashmod, source_labels: [instance], target_label: shard, modulus: 2}
    - {job: kube-apiserver, source_labels: [instance], regex: '(.*):.*', target_label: host}
kubelet: {tls: {insecure_skip_verify: true}}
outputs: {loki: [{url: http://loki:3100}], remote_write: [{url: http://prometheus:9090}]}";
    assert_eq!(effective_of(REFERENCE), effective_of(least));
}

#[test]
fn the_reference_mentions_every_key() {
    // Each section's keys have to stand in the text of that section, which the indentation shows.
    let uncommented = REFERENCE.replace("#: ", "");
    let mentioned: BTreeSet<String> = mentioned(&uncommented);
    let missing: Vec<String> = raw::keys().into_iter().filter(|key| !mentioned.contains(key)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// The paths of all keys in a text; block style is followed by its indentation, flow style by its braces.
fn mentioned(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let body = line.trim_start_matches([' ', '-']);
        let indent = line.len() - body.len();
        let Some((key, rest)) = body.split_once(':') else {
            continue;
        };
        open.retain(|(other, _)| *other < indent);
        open.push((indent, key.to_owned()));
        let path = open.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(".");
        for inner in rest.split(['{', ',', '[']).filter_map(|part| part.trim().split_once(':')) {
            found.insert(format!("{path}.{}", inner.0));
        }
        found.insert(path);
    }
    found
}

#[test]
fn the_commented_lines_of_the_reference_are_valid_keys() {
    for line in REFERENCE.lines().filter_map(|line| line.trim_start().strip_prefix("#: ")) {
        let text = match line.split_once(':').expect("a key").0 {
            "drop" | "routes" | "multiline" | "app_labels" => format!("logs:\n  pods:\n    {line}\n"),
            name @ ("interrupts" | "systemd") => format!("metrics:\n  collectors:\n    enable: [{name}]\n    {line}\n"),
            _ => format!("outputs:\n  loki:\n    - url: https://loki\n      {line}\n"),
        };
        assert!(check_text(text.as_bytes()).is_ok(), "{line}: {:?}", check_text(text.as_bytes()));
    }
}

#[test]
fn presets_and_ages_follow_the_job() {
    let config = check_text(b"logs: {files: [{job: kube-audit}, {job: vault-audit, paths: [/v]}, {job: a, paths: [/a], max_age: all}, {job: b, paths: [/b]}]}").expect("valid");
    let files = config.logs.files;
    assert!(matches!(files[0].format, Format::KubeAudit(_)) && matches!(files[1].format, Format::VaultAudit(_)));
    assert_eq!(files[0].paths, defaults::KUBE_AUDIT_PATHS);
    assert_eq!(files.iter().map(|file| file.max_age).collect::<Vec<_>>(), [None, None, None, Some(defaults::MAX_AGE)]);
    assert_eq!((files[0].max_line, files[2].max_line), (16 << 20, 1 << 20));
}

#[test]
fn arguments_are_added_to_the_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("agent.yaml");
    fs::write(&path, "listen: 127.0.0.1:1\noutputs: {loki: [{url: http://a}]}\n").expect("written");
    let line = format!(
        "agent --config {} --loki http://b --file web=logs/../web*.log --file vault-audit=/v --listen 127.0.0.1:2",
        path.display()
    );
    let loaded = load_line(&line).expect("valid");
    let names: Vec<&str> = loaded.config.outputs.loki.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["a:80", "b:80"]);
    assert_eq!(loaded.config.logs.files[0].paths, ["/srv/web*.log"]);
    assert!(matches!(loaded.config.logs.files[1].format, Format::VaultAudit(_)));
    assert_eq!(loaded.config.listen.map(|listen| listen.port()), Some(2));
    assert!(loaded.findings.is_empty() && loaded.ready(false).is_ok());

    let problems = load_line("agent --config /nowhere/agent.yaml").expect_err("missing").to_string();
    assert!(problems.starts_with("/nowhere/agent.yaml: cannot be read: "), "{problems}");
    let problems = load_line("agent --file nginx --loki loki:3100 --remote-write p:9090").expect_err("wrong").to_string();
    assert_eq!(
        problems,
        "--file: `nginx` is not JOB=GLOB; for example nginx=/var/log/nginx/*.log\n\
         --loki: `url` must begin with http:// or https://\n\
         --remote-write: `url` must begin with http:// or https://"
    );
}

#[test]
fn what_is_on_the_node_is_found_and_read() {
    let node = tempfile::tempdir().expect("folder");
    let line = format!("agent --path-rootfs {}", node.path().display());
    let empty = load_line(&line).expect("valid");
    // What is measured is found on the machine that this runs on.
    assert!(empty.findings.iter().take(4).all(|finding| matches!(finding.found, Found::Absent(_))));
    let problems = empty.ready(false).expect_err("nowhere to send").to_string();
    assert!(problems.contains("--loki URL") && problems.contains("--remote-write URL") && problems.contains("--dry-run"));
    assert!(empty.config.metrics.is_some(), "the node can be measured wherever it is");

    for folder in ["var/log/kubernetes/audit", "vault/audit", "var/log/pods", "run/log/journal"] {
        fs::create_dir_all(node.path().join(folder)).expect("created");
    }
    for file in ["var/log/kubernetes/audit/audit.log", "vault/audit/vault.log"] {
        fs::write(node.path().join(file), "").expect("written");
    }
    let found = load_line(&line).expect("valid");
    let shown: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown[..4],
        [
            "Kubernetes audit log: found, /var/log/kubernetes/audit/audit.log",
            "Vault audit log: found, /vault/audit/*.log",
            "pod logs: found, /var/log/pods/",
            "journal: found, /run/log/journal/",
        ]
    );
    assert_eq!(found.config.logs.files[1].paths, ["/vault/audit/*.log"]);
    assert_eq!(found.config.logs.pods.as_ref().map(|pods| pods.routes.len()), Some(1));
    let journal = found.config.logs.journal.as_ref().expect("found");
    let jobs: Vec<&str> = journal.selections.iter().map(|selection| selection.job.as_str()).collect();
    assert_eq!(jobs, ["sshd-pve", "calico-flow", "node-journal"]);

    let samples_alone = load_line(&format!("{line} --remote-write http://p")).expect("valid");
    assert!(
        samples_alone.config.logs.files.is_empty() && samples_alone.findings.iter().all(|finding| finding.what != "pod logs"),
        "no Loki wants logs"
    );
    assert!(samples_alone.config.metrics.is_some() && samples_alone.ready(false).is_ok());
    let explicit = load_line(&format!("{line} --file a=/b --remote-write http://p")).expect("valid");
    assert!(explicit.ready(false).expect_err("logs go nowhere").to_string().contains("nowhere to send logs"));

    let file = node.path().join("agent.yaml");
    fs::write(&file, "logs: {max_held_bytes: 5MiB}").expect("written");
    let found = load_line(&format!("{line} --config {}", file.display())).expect("valid");
    assert_eq!((found.config.logs.files.len(), found.config.logs.max_held_bytes), (2, 5 << 20), "a bound is no input");
    assert!(found.ready(true).is_ok());

    // What is there but cannot be read is configured all the same: the reader retries, and counts it as unreadable.
    fs::create_dir_all(node.path().join("var/log/kubernetes/audit.log")).expect("created");
    let refused = load_line(&line).expect("valid");
    assert!(matches!(refused.findings[0].found, Found::Unreadable(_)));
    assert_eq!(refused.config.logs.files.len(), 2);
}

#[test]
fn no_file_takes_long_or_much() {
    let aliases: String = (0..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, i| {
        format!("{text}a{}: &a{} [{}]\n", i + 1, i + 1, vec![format!("*a{i}"); 9].join(", "))
    });
    let garbage: Vec<u8> = (0..10 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let deep = "[".repeat(1 << 19);
    let wide = "- a\n".repeat(1 << 18);
    let keys: String = (0..40_000).map(|i| i.to_string() + ": 1\n").collect();
    let long = format!("{}: 1\n", "x".repeat(1 << 19));
    for text in [aliases.as_bytes(), &garbage, deep.as_bytes(), wide.as_bytes(), keys.as_bytes(), long.as_bytes()] {
        let start = Instant::now();
        let shown = check_text(text).expect_err("refused").to_string();
        assert!(shown.len() < 64 << 10, "{} bytes of message", shown.len());
        assert!(start.elapsed().as_secs() < 5, "{:?}: {}", start.elapsed(), &shown[..100.min(shown.len())]);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check_text(&bytes);
    }

    #[test]
    fn no_damage_to_the_reference_panics(at in 0..REFERENCE.len(), with in "[ \\[\\]{}:#&*!|>'\"%@`,?\\-\n\ta-z0-9\u{e4}]{0,4}", cut in 0_usize..40) {
        let mut text = REFERENCE.as_bytes().to_vec();
        let end = (at + cut).min(text.len());
        text.splice(at..end, with.bytes());
        let _ = check_text(&text);
    }
}
