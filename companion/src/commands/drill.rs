//! `companion drill`: the events of a rule's own test, with the time of now, through the real path of a running companion.
//!
//! Each hop is reported: pushed and acknowledged, firing, told. The stream has the label `drill`, and events have identities of their
//! own, so that whoever sees them later knows what they were, and a second drill is not taken for the first.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Auth, Endpoint, Secret, Tls};
use serde_json::{Value, json};

use super::Failed;
use crate::cli::Exit;
use crate::clock;
use crate::notify::http::{Http, Reply};
use crate::rules::unit_test::example::{Example, examples};

/// The tests of deploy/rules/logs, as they were when this program was built.
const BUILT_IN: [(&str, &str); 6] = [
    ("kubernetes.yaml", include_str!("../../../deploy/rules/logs/tests/kubernetes.yaml")),
    ("vault.yaml", include_str!("../../../deploy/rules/logs/tests/vault.yaml")),
    ("hosts.yaml", include_str!("../../../deploy/rules/logs/tests/hosts.yaml")),
    ("flow.yaml", include_str!("../../../deploy/rules/logs/tests/flow.yaml")),
    ("further.yaml", include_str!("../../../deploy/rules/logs/tests/further.yaml")),
    ("sources.yaml", include_str!("../../../deploy/rules/logs/tests/sources.yaml")),
];
/// An alert that takes longer was not caused by the event; one with a `for` waits as long as that says.
const ALERT_MAX: Duration = Duration::from_secs(30);
/// A group of alerts waits for others, mostly 30 s.
const TOLD_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Sends, and waits for the alert.
pub(super) fn run(
    rule: Option<&str>,
    url: &str,
    token: Option<&Path>,
    ca: Option<&Path>,
    tests: &[PathBuf],
    out: &mut dyn Write,
) -> Result<Exit, Failed> {
    let example = example(rule, tests)?;
    let auth =
        token.map_or(Auth::None, |path| Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::File(path.to_owned()) });
    let tls = Tls { ca_file: ca.map(Path::to_owned), ..Tls::default() };
    let url = Secret::Inline(url.trim_end_matches('/').to_owned());
    let http = Http::new(Endpoint { url, auth, tls, timeout: REQUEST_MAX });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Drill { http, example }.run(out))
}

/// The example of a rule, by the alert's name or the label `rule`; of any rule if none is named.
fn example(rule: Option<&str>, tests: &[PathBuf]) -> Result<Example, Failed> {
    let mut all = Vec::new();
    if tests.is_empty() {
        for (name, text) in BUILT_IN {
            all.extend(examples(&name.into(), text.as_bytes(), Path::new(""))?);
        }
    } else {
        for path in super::test_files(tests)? {
            let bytes = std::fs::read(&path).map_err(|error| super::unreadable(&path, &error))?;
            let name: Arc<str> = path.to_string_lossy().into();
            all.extend(examples(&name, &bytes, path.parent().unwrap_or(Path::new("")))?);
        }
    }
    let is_it = |example: &Example| rule.is_none_or(|rule| example.alert == rule || example.rule.as_deref() == Some(rule));
    let found = all.iter().find(|example| is_it(example)).cloned();
    found.ok_or_else(|| {
        let mut names: Vec<&str> = all.iter().map(|example| example.rule.as_deref().unwrap_or(&example.alert)).collect();
        names.dedup();
        Failed::Drill(format!(
            "no test makes the rule {} fire; those with an example are {}",
            rule.unwrap_or_default(),
            names.join(", ")
        ))
    })
}

struct Drill {
    http: Http,
    example: Example,
}

impl Drill {
    async fn run(&self, out: &mut dyn Write) -> Result<Exit, Failed> {
        let example = &self.example;
        writeln!(out, "drill    {} ({} events of the test {:?})", example.alert, example.entries.len(), example.test)?;
        let told_before = self.told().await;
        let known: Vec<String> = self.alerts().await.unwrap_or_default();
        let begin = Instant::now();
        match self.http.post_json_to("/loki/api/v1/push", Bytes::from(self.body().to_string())).await {
            Ok(Reply { status: 204, .. }) => writeln!(out, "pushed   acknowledged after {} ms", begin.elapsed().as_millis())?,
            Ok(reply) => return failed(out, "pushed", &format!("refused: {} {}", reply.status, reply.body.trim())),
            Err(why) => return failed(out, "pushed", &format!("{why}; is the companion running there? --url names it")),
        }
        let Some(after) = self
            .wait(begin, ALERT_MAX, async || {
                self.alerts().await.is_some_and(|alerts| alerts.iter().any(|alert| !known.contains(alert)))
            })
            .await
        else {
            let words = if known.is_empty() {
                "no alert came; does the companion have this rule, and do its values fit the example's?"
            } else {
                "no new alert came: the same fires already"
            };
            return failed(out, "fires", words);
        };
        writeln!(out, "fires    after {} ms", after.as_millis())?;
        let Some(told_before) = told_before else {
            writeln!(out, "told     nobody: none is configured")?;
            return Ok(Exit::Ok);
        };
        let told = self.wait(begin, TOLD_MAX, async || self.told().await.is_some_and(|told| told > told_before)).await;
        match told {
            Some(after) => writeln!(out, "told     after {} ms", after.as_millis())?,
            None => return failed(out, "told", "nobody was told; the page of the companion says why"),
        }
        Ok(Exit::Ok)
    }

    /// The events as a push, the last of them now.
    fn body(&self) -> Value {
        let now = clock::now().0;
        let last = self.example.entries.iter().map(|entry| entry.time.0).max().unwrap_or(now);
        let streams: Vec<Value> = self
            .example
            .entries
            .iter()
            .map(|entry| {
                let labels = entry.stream.with([("drill", "true")]);
                // What is counted once an identity was perhaps counted in the drill before.
                let own = |text: &str| {
                    text.replace("\"auditID\":\"", &format!("\"auditID\":\"drill-{now}-"))
                        .replace("\"request\":{\"id\":\"", &format!("\"request\":{{\"id\":\"drill-{now}-"))
                };
                let metadata: serde_json::Map<String, Value> =
                    entry.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let labels: serde_json::Map<String, Value> =
                    labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
                json!({"stream": labels, "values": [[(entry.time.0 - last + now).to_string(), own(&entry.line), metadata]]})
            })
            .collect();
        json!({"streams": streams})
    }

    /// The firing alerts of the rule, each with its labels and since when; nothing if the companion does not say.
    async fn alerts(&self) -> Option<Vec<String>> {
        let reply = self.http.get("/api/v1/alerts").await.ok()?;
        let answer: Value = serde_json::from_str(&reply.body).ok()?;
        let alerts = answer.pointer("/data/alerts")?.as_array()?.iter();
        let ours = alerts.filter(|alert| {
            alert.pointer("/labels/alertname").is_some_and(|name| name == self.example.alert.as_str())
                && alert.get("state").is_some_and(|state| state == "firing")
        });
        Some(ours.map(|alert| format!("{} {}", alert["labels"], alert["activeAt"])).collect())
    }

    /// Notifications that arrived so far; nothing if nobody is told.
    async fn told(&self) -> Option<f64> {
        let reply = self.http.get("/metrics").await.ok()?;
        let arrived = reply.body.lines().filter(|line| {
            line.starts_with("picket_companion_alertmanager_alerts_total{") && line.contains("outcome=\"sent\"")
                || line.starts_with("picket_companion_notifications_total{") && line.contains("\"delivered\"")
        });
        let numbers: Vec<f64> = arrived.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!numbers.is_empty()).then(|| numbers.iter().sum())
    }

    /// How long it took until it was so.
    async fn wait(&self, begin: Instant, within: Duration, is_so: impl AsyncFn() -> bool) -> Option<Duration> {
        while begin.elapsed() < within {
            if is_so().await {
                return Some(begin.elapsed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }
}

fn failed(out: &mut dyn Write, hop: &str, words: &str) -> Result<Exit, Failed> {
    writeln!(out, "{hop:<8} FAILED: {words}")?;
    Ok(Exit::Found)
}
