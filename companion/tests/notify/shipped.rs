//! The configuration in deploy/config: our router reads it, Debian's amtool too, and it sends alerts where it says.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use companion::labels::LabelSet;
use companion::notify::alert::AlertStatus;
use companion::notify::clock::now;
use companion::notify::config::{self, IntegrationKind};
use companion::notify::matcher::{self, Matchers};
use companion::notify::receiver::{Message, slack};
use serde_json::Value;
use settings::yaml;

use crate::double::{firing, labels};
use crate::real::{installed, program_of, skipped};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/alertmanager.yml")
}

#[test]
fn our_router_reads_it_and_sends_each_lane_to_its_receiver() {
    let config = config::load(&shipped()).unwrap_or_else(|error| panic!("{error}"));
    let receivers = |text: &str| -> Vec<(String, u64, u64, u64)> {
        let set: LabelSet = labels(text);
        let routes = config.routes.of(&set).into_iter().filter_map(|id| config.routes.get(id));
        routes
            .map(|route| {
                let seconds = [route.group_wait, route.group_interval, route.repeat_interval].map(|span| span.as_secs());
                (route.receiver.clone(), seconds[0], seconds[1], seconds[2])
            })
            .collect()
    };
    for (alert, receiver, times) in [
        ("alertname=K4 lane=security severity=critical", "security", (10, 60, 3_600)),
        ("alertname=K2 lane=security severity=info", "security", (10, 60, 3_600)),
        ("alertname=NodeDown severity=critical", "critical", (10, 60, 21_600)),
        ("alertname=DiskFilling severity=warning", "warning", (30, 300, 86_400)),
        ("alertname=Anything", "warning", (30, 300, 86_400)),
        ("alertname=Backup severity=info", "info", (300, 1_800, 86_400)),
    ] {
        assert_eq!(receivers(alert), [(receiver.to_owned(), times.0, times.1, times.2)], "{alert}");
    }
    assert!(config.receivers.iter().flat_map(|receiver| &receiver.integrations).all(|integration| integration.send_resolved));
    // The dead man's switch goes out by a webhook of its own, again and again.
    assert_eq!(receivers("alertname=Watchdog severity=none")[0].0, "watchdog");
}

/// What the Slack receivers of the file say of an alert.
#[test]
fn its_messages_say_who_what_and_where() {
    let config = config::load(&shipped()).unwrap_or_else(|error| panic!("{error}"));
    let mut alert = firing("alertname=ExecIntoPod rule=K4 lane=security severity=critical");
    alert.annotations = alert.annotations.with([
        ("summary", "alice ran a shell in vault/vault-0 from 192.0.2.7"),
        ("description", "kubectl exec, response 101"),
        ("runbook", "https://runbooks.example.org/k4"),
    ]);
    let mut said = Vec::new();
    for receiver in &config.receivers {
        let group_labels = alert.labels.without(|name| name != "alertname");
        for integration in &receiver.integrations {
            let IntegrationKind::Slack(slack) = &integration.kind else { continue };
            let alerts = [(alert.clone(), AlertStatus::Firing)];
            let message = Message {
                receiver: &receiver.name,
                group_key: "",
                group_labels: &group_labels,
                alerts: &alerts,
                external_url: "http://picket.example.org",
            };
            let body = slack::payload(slack, &message, now()).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let part = |key: &str| body["attachments"][0][key].as_str().unwrap_or_default().to_owned();
            said.push(format!("{} {} {}\n{}", body["channel"].as_str().unwrap(), part("color"), part("title"), part("text")));
        }
    }
    expect_test::expect![[r"
        #security danger [SECURITY/CRITICAL] ExecIntoPod (1)
        • *K4* alice ran a shell in vault/vault-0 from 192.0.2.7
        kubectl exec, response 101
        runbook: https://runbooks.example.org/k4

        #alerts danger [CRITICAL] ExecIntoPod (1)
        • alice ran a shell in vault/vault-0 from 192.0.2.7

        #alerts warning [WARNING] ExecIntoPod (1)
        • alice ran a shell in vault/vault-0 from 192.0.2.7

        #alerts #439FE0 [INFO] ExecIntoPod (1)
        • alice ran a shell in vault/vault-0 from 192.0.2.7
    "]]
    .assert_eq(&said.join("\n"));
}

/// Of the retention by stream: the highest priority that matches counts, as in Loki.
#[test]
fn security_streams_are_kept_for_ninety_days() {
    let path = shipped().with_file_name("loki-retention.yaml");
    let root = yaml::parse(&path.to_string_lossy().into(), &std::fs::read(&path).unwrap()).unwrap();
    let limits = key(&root, "limits_config").unwrap();
    let yaml::Value::List(rules) = &key(&limits, "retention_stream").unwrap().value else { panic!("a list is wanted") };
    let rules: Vec<(Matchers, u32, String)> = rules
        .iter()
        .map(|rule| {
            let text = |name: &str| scalar(&key(rule, name).unwrap());
            (Matchers(matcher::parse(&text("selector")).unwrap()), text("priority").parse().unwrap(), text("period"))
        })
        .collect();
    let default = scalar(&key(&limits, "retention_period").unwrap());
    let period = |stream: &str| {
        let stream = labels(stream);
        let found = rules.iter().filter(|(matchers, _, _)| matchers.matches(&stream)).max_by_key(|(_, priority, _)| *priority);
        found.map_or(default.clone(), |(_, _, period)| period.clone())
    };
    for (stream, kept) in [
        ("job=kubernetes-audit node=a", "2160h"),
        ("job=vault-audit namespace=vault pod=vault-0", "2160h"),
        ("job=sshd-pve node=pve", "2160h"),
        ("job=sshd-untrusted node=pve", "2160h"),
        ("job=file-changes node=a", "2160h"),
        ("job=calico-flow node=a", "720h"),
        ("job=node-journal node=a", "336h"),
        ("job=shop/web namespace=shop", "168h"),
        ("job=other", "720h"),
    ] {
        assert_eq!(period(stream), kept, "{stream}");
    }
    let compactor = key(&root, "compactor").unwrap();
    assert_eq!(scalar(&key(&compactor, "retention_enabled").unwrap()), "true");
}

fn key(node: &yaml::Node, name: &str) -> Option<Rc<yaml::Node>> {
    match &node.value {
        yaml::Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| Rc::clone(node)),
        _ => None,
    }
}

fn scalar(node: &yaml::Node) -> String {
    match &node.value {
        yaml::Value::Scalar { text, .. } => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn amtool_reads_it() {
    let Some(program) = installed(&["amtool"]) else {
        skipped("amtool_reads_it", "no amtool here (apt-get install prometheus-alertmanager)");
        return;
    };
    let output = program_of(&program).arg("check-config").arg(shipped()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}
