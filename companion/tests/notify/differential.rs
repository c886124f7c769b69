//! The embedded router beside Debian's Alertmanager: the same file, the same alerts, the same silences, in real time. What the two
//! tell their webhooks must be the same, group by group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::{Auth, Endpoint, Secret, Tls};
use companion::notify::alert::Alert;
use companion::notify::alertmanager::Target;
use companion::notify::http::Http;
use companion::notify::notifier::{Destination, Options, spawn};
use serde_json::{Value, json};

use crate::double::{Double, firing, over, read};
use crate::real::Alertmanager;
use crate::told::router;

fn config(hook: &Double) -> String {
    format!(
        r#"
route:
  receiver: team
  group_by: [alertname]
  group_wait: 2s
  group_interval: 4s
  repeat_interval: 1h
  routes:
    - matchers: ['lane="security"']
      receiver: security
      group_by: ['...']
      continue: true
    - match_re: {{lane: 'sec.*'}}
      receiver: team
      group_by: [severity, node]
    - matchers: ['severity=~"info|debug"', team!=none]
      receiver: quiet
    - matchers: [muted=yes]
      mute_time_intervals: [always]
    - matchers: [active=yes]
      active_time_intervals: [never]
inhibit_rules:
  - source_matchers: [alertname=NodeDown]
    target_matchers: ['alertname=~"Pod.*"']
    equal: [node, missing]
  - source_match: {{both: "1"}}
    target_match: {{both: "1"}}
time_intervals:
  - name: always
    time_intervals: [{{years: ['2000:2200']}}]
  - name: never
    time_intervals: [{{years: ['1999']}}]
receivers:
  - name: team
    webhook_configs: [{{url: '{0}/team'}}]
  - name: security
    webhook_configs: [{{url: '{0}/security', max_alerts: 1}}]
  - name: quiet
    webhook_configs: [{{url: '{0}/quiet', send_resolved: false}}]
"#,
        hook.url()
    )
}

/// By receiver and group, in order: what was told, without times.
fn told(hook: &Double) -> BTreeMap<String, Vec<Value>> {
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for asked in hook.asked() {
        let mut body = asked.json();
        for alert in body["alerts"].as_array_mut().unwrap() {
            // What fires has no end yet; when something was over is known to the nanosecond on one side only.
            let is_open = alert["endsAt"] == "0001-01-01T00:00:00Z";
            assert_eq!(is_open, alert["status"] == "firing", "{alert}");
            let alert = alert.as_object_mut().unwrap();
            alert.remove("endsAt");
            alert.remove("startsAt");
        }
        told.entry(format!("{} {}", asked.path, body["groupKey"])).or_default().push(body);
    }
    told
}

fn pretty(told: &[Value]) -> String {
    format!("{:#}", Value::from(told))
}

#[tokio::test]
async fn the_router_tells_what_alertmanager_tells() {
    const TEST: &str = "the_router_tells_what_alertmanager_tells";
    let (theirs, ours) = (Double::start().await, Double::start().await);
    let dir = tempfile::tempdir().unwrap();
    let Some(real) = Alertmanager::start(TEST, &config(&theirs), dir.path()).await else { return };
    let options = Options { state_dir: dir.path().join("unused"), external_url: String::new() };
    let to_real = spawn(Destination::Alertmanagers(vec![Target::at(real.url.parse().unwrap())]), &options).unwrap();
    let router = router(read(&config(&ours)), &dir.path().join("state"));

    let client = client_of(&real.url);
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Sil.*", "isRegex": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "me", "comment": "c",
    });
    let made: Value =
        serde_json::from_str(&client.post_json_to("/api/v2/silences", silence.to_string().into()).await.unwrap().body).unwrap();
    assert!(made["silenceID"].is_string(), "{made}");
    assert_eq!(router.api("POST", "silences", "", silence.to_string().as_bytes()).unwrap().status, 200);

    // Moments between two looks of the groups, which are at 2, 6, 10 and 14 on both sides. There is nothing to be waited for: that
    // nothing is told is a part of what is compared.
    let begin = Instant::now();
    let at = |second: u64| async move {
        tokio::time::sleep(Duration::from_secs(second).saturating_sub(begin.elapsed())).await;
    };
    let send = |alerts: &[Alert]| {
        to_real.alerts(alerts.to_vec());
        router.alerts(alerts.to_vec());
    };
    let since = |text: &str| firing(text);
    let (a1, a2, c1) = (since("alertname=A node=1 job=z"), since("alertname=A node=2 job=b"), since("alertname=C node=1"));
    let down = since("alertname=NodeDown node=1");
    let short = since("alertname=Short");
    let security = since("alertname=K4 lane=security severity=critical node=1");
    let info = since("alertname=I severity=info");
    send(&[
        a1.clone(),
        a2.clone(),
        c1.clone(),
        down.clone(),
        short.clone(),
        security.clone(),
        info.clone(),
        since("alertname=PodDown node=1"),
        since("alertname=PodDown node=2"),
        since("alertname=Both both=1"),
        since("alertname=Both both=1 n=2"),
        since("alertname=Silenced"),
        since("alertname=Muted muted=yes"),
        since("alertname=Inactive active=yes"),
        since("alertname=E severity=info team=none empty="),
    ]);
    at(1).await;
    send(&[over(&short)]);
    at(4).await;
    // Looked at once; again at 6.
    send(&[since("alertname=A node=3"), over(&c1), over(&info), since("alertname=K5 lane=security severity=critical node=1")]);
    at(8).await;
    send(&[over(&a1), over(&down), over(&security), since("alertname=I severity=info")]);
    at(12).await;
    send(&[over(&a2), c1.clone()]);
    at(16).await;
    let (of_ours, of_theirs) = (told(&ours), told(&theirs));
    for group in of_ours.keys().chain(of_theirs.keys()) {
        assert_eq!(of_ours.get(group).map(|told| pretty(told)), of_theirs.get(group).map(|told| pretty(told)), "{group}");
    }
    let groups: Vec<String> = told(&ours).into_iter().map(|(group, told)| format!("{group} {}", told.len())).collect();
    assert!(groups.len() >= 9 && groups.contains(&r#"/team "{}:{alertname=\"A\"}" 4"#.to_owned()), "{groups:#?}");

    // What both know now.
    let known = |alerts: &Value| -> Vec<Value> {
        let mut known: Vec<Value> = alerts
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| {
                let silenced = alert["status"]["silencedBy"].as_array().map_or(0, Vec::len);
                json!([
                    alert["fingerprint"],
                    alert["labels"],
                    alert["annotations"],
                    alert["receivers"],
                    alert["generatorURL"],
                    silenced,
                    alert["status"]["inhibitedBy"]
                ])
            })
            .collect();
        known.sort_by_key(Value::to_string);
        known
    };
    let (theirs, ours) =
        (client.get("/api/v2/alerts").await.unwrap().body, router.api("GET", "alerts", "", b"").unwrap().body.unwrap());
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    assert_eq!(known(&ours), known(&theirs));
    router.stop().await;
}

fn client_of(url: &str) -> Http {
    Http::new(Endpoint {
        url: Secret::Inline(url.to_owned()),
        auth: Auth::None,
        tls: Tls::default(),
        timeout: Duration::from_secs(10),
    })
}
