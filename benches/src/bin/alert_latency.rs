//! How long after its line is written an alert is at the receiver: file → agent → companion → POST, with all built-in rules.
//!
//! `cargo run --release -p benches --bin alert_latency [-- EVENTS]`: so many audit events (default 300), each of another user who
//! opens a shell in a sensitive namespace, ten a second between fifty others a second that match nothing; what is measured ends when
//! the receiver has the alert's POST, as an Alertmanager would.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::agent::{Agent, Launch};
use tests::webhook::Webhook;
use tests::{companion, stamp, wait};

/// Until the last alert must have come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two events that matter.
const PACE: Duration = Duration::from_millis(100);
/// Events beside each of them.
const OTHERS: u32 = 5;

fn main() {
    let events: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(300);
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let webhook = Webhook::start();
    let Some(program) = companion::binary("alert_latency") else { return };
    let receiver = webhook.url();
    let companion =
        companion::launch(program, directory.path(), &["--listen", "127.0.0.1:0", "--alertmanager", &receiver]).start_listening();
    let log = directory.path().join("audit.log");
    std::fs::write(&log, "").unwrap_or_else(|error| panic!("{error}"));
    let agent = ship(directory.path(), &log, companion.address().unwrap_or_default());

    let mut file = OpenOptions::new().append(true).open(&log).unwrap_or_else(|error| panic!("{error}"));
    let mut written = Vec::new();
    for number in 0..events {
        let mut lines = String::new();
        for other in 0..OTHERS {
            lines += &event(&format!("quiet-{number}-{other}"), "list", "");
        }
        lines += &event(&user(number), "get", "exec");
        written.push(Instant::now());
        file.write_all(lines.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        wait::span(PACE);
    }
    let arrived = |number: usize| {
        let name = user(number);
        let alerts = webhook.named("K8sExecIntoSensitiveNamespace").into_iter();
        alerts.filter(|(_, alert)| alert["labels"]["user"] == name.as_str()).map(|(at, _)| at).min()
    };
    wait::for_condition("the last alert", PATIENCE, || arrived(events - 1).is_some());
    let mut took: Vec<Duration> =
        (0..events).filter_map(|number| Some(arrived(number)?.saturating_duration_since(written[number]))).collect();
    took.sort_unstable();
    println!("{} events, {} alerts arrived", events, took.len());
    let at = |percent: usize| took.get((took.len() - 1) * percent / 100).map_or(0, Duration::as_millis);
    println!("| from the line to the POST | p50 ms | p99 ms | slowest ms |");
    println!("| --- | --- | --- | --- |");
    println!("| 10 alerts/s among 60 events/s | {} | {} | {} |", at(50), at(99), at(100));
    agent.terminate();
    companion.terminate();
}

fn user(number: usize) -> String {
    format!("mallory-{number}")
}

fn ship(directory: &Path, log: &Path, companion: &str) -> Agent {
    let configuration = format!(
        "node: bench\nlisten: 127.0.0.1:0\nlogs:\n  files: [{{job: kubernetes-audit, paths: [{}]}}]\noutputs:\n  loki: [{{url: \"http://{companion}\", linger: 50ms}}]\n",
        log.display()
    );
    let path = directory.join("agent.yaml");
    std::fs::write(&path, configuration).unwrap_or_else(|error| panic!("{error}"));
    let args = ["--config".into(), path.into(), "--state-dir".into(), directory.join("agent-state").into()];
    let logs = directory.join("agent-logs");
    std::fs::create_dir(&logs).unwrap_or_else(|error| panic!("{error}"));
    Launch { program: None, through: Vec::new(), args: args.to_vec(), env: Vec::new(), logs }.start_listening()
}

/// As kube-apiserver writes it.
fn event(user: &str, verb: &str, subresource: &str) -> String {
    let stamp = stamp::rfc3339_nanos(stamp::now_nanos() / 1000 * 1000);
    format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"{user}\",\"stage\":\"ResponseStarted\",\
         \"requestURI\":\"/api/v1/namespaces/vault/pods/vault-0/{subresource}\",\"verb\":\"{verb}\",\"user\":{{\"username\":\"{user}\",\
         \"groups\":[\"system:authenticated\"]}},\"sourceIPs\":[\"10.0.0.9\"],\"userAgent\":\"kubectl/v1.34.1\",\"objectRef\":\
         {{\"resource\":\"pods\",\"namespace\":\"vault\",\"name\":\"vault-0\",\"apiVersion\":\"v1\",\"subresource\":\"{subresource}\"}},\
         \"responseStatus\":{{\"metadata\":{{}},\"code\":101}},\"requestReceivedTimestamp\":\"{stamp}\",\"stageTimestamp\":\"{stamp}\"}}\n"
    )
}
