//! An event on its way: file → agent → companion → Alertmanager → webhook.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

use tests::companion::{ask, push};
use tests::scene::Scene;
use tests::skip::skipped;
use tests::wait;

use crate::stage::{ALERT_MAX, EXEC_ALERT, PATIENCE, Stage, alertmanager, exec_event, now};

#[test]
fn an_event_in_a_watched_file_is_an_alert_at_a_real_alertmanager_within_two_seconds() {
    let name = "an_event_in_a_watched_file_is_an_alert_at_a_real_alertmanager_within_two_seconds";
    let (Some(scene), Some(stage)) = (Scene::set(name), Stage::set(name)) else { return };
    let Some((_alertmanager, address)) = alertmanager(&stage) else {
        return skipped(name, "no prometheus-alertmanager");
    };
    let companion = stage.start(&format!("notify: {{alertmanagers: [\"http://{address}\"]}}\n"));
    let log = scene.path("audit.log");
    std::fs::write(&log, "").unwrap();
    let url = format!("http://{}", companion.address().unwrap());
    scene.configure_urls(&[("kubernetes-audit", log.as_path(), "kube-audit")], &[("companion", &url, ", linger: 50ms")]);
    let agent = scene.start();

    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    for user in ["mallory", "trudy"] {
        let begin = Instant::now();
        writeln!(file, "{}", exec_event(user, now())).unwrap();
        wait::for_condition("the alert at Alertmanager", PATIENCE, || {
            ask(&address, "GET", "/api/v2/alerts", &[], b"")
                .is_ok_and(|answer| answer.body.contains(EXEC_ALERT) && answer.body.contains(user))
        });
        let took = begin.elapsed();
        assert!(took <= ALERT_MAX, "{took:?} from the file to Alertmanager");
        eprintln!("{took:?} from the file to Alertmanager");
    }
    agent.terminate();
    companion.terminate();
}

#[test]
fn without_alertmanager_the_embedded_router_tells_a_webhook() {
    let Some(stage) = Stage::set("without_alertmanager_the_embedded_router_tells_a_webhook") else { return };
    let router = format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s}}\nreceivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
        stage.webhook.url(),
    );
    let file = stage.file("router.yml", &router);
    let companion = stage.start(&format!("notify: {{config: {}}}\n", file.display()));
    let address = companion.address().unwrap().to_owned();
    let begin = Instant::now();
    let time = now();
    assert_eq!(push(&address, "kubernetes-audit", &[(time, exec_event("mallory", time))], &[]).unwrap().status, 204);
    wait::for_condition("the alert", ALERT_MAX, || !stage.webhook.named(EXEC_ALERT).is_empty());
    eprintln!("{:?} from the push to the webhook", begin.elapsed());
    // Silences by API, in Alertmanager's words.
    let silence = "{\"matchers\":[{\"name\":\"user\",\"value\":\"mallory\",\"isRegex\":false,\"isEqual\":true}],\"startsAt\":\"2020-01-01T00:00:00Z\",\
                   \"endsAt\":\"2099-01-01T00:00:00Z\",\"createdBy\":\"test\",\"comment\":\"a drill\"}";
    let made = ask(&address, "POST", "/api/v2/silences", &["Content-Type: application/json"], silence.as_bytes()).unwrap();
    assert_eq!(made.status, 200, "{made:?}");
    let listed = ask(&address, "GET", "/api/v2/alerts", &[], b"").unwrap();
    assert!(listed.body.contains("\"suppressed\""), "{listed:?}");
    companion.terminate();
}

#[test]
fn what_grafana_asks_of_a_source_is_answered() {
    let Some(stage) = Stage::set("what_grafana_asks_of_a_source_is_answered") else { return };
    let companion = stage.start(&stage.telling_webhook());
    let address = companion.address().unwrap().to_owned();
    let time = now();
    push(&address, "kubernetes-audit", &[(time, exec_event("mallory", time))], &[]).unwrap();
    for (path, part) in [
        ("/loki/api/v1/query?query=vector(1)%2Bvector(1)", "\"2\""),
        ("/loki/api/v1/labels", "\"node\""),
        ("/loki/api/v1/label/job/values", "\"kubernetes-audit\""),
        ("/loki/api/v1/series", "\"kubernetes-audit\""),
        // As Loki's own client asks.
        ("/loki/api/v1/series?match=%7Bjob%3D%22nothing%22%7D", "\"data\":[]"),
        ("/loki/api/v1/query_range?query=%7Bjob%3D%22kubernetes-audit%22%7D&interval=30s&direction=forward", "mallory"),
        ("/loki/api/v1/query_range?query=%7Bjob%3D%22kubernetes-audit%22%7D", "mallory"),
        (
            "/loki/api/v1/query?query=sum%20by%20(verb)%20(count_over_time(%7Bjob%3D%22kubernetes-audit%22%7D%20%7C%20json%20%5B5m%5D))",
            "\"get\"",
        ),
        ("/loki/api/v1/rules", EXEC_ALERT),
        ("/api/v1/query?query=1%2B1", "\"scalar\""),
        ("/api/v1/rules", "\"alerting\""),
        ("/prometheus/api/v1/alerts", EXEC_ALERT),
        ("/api/v1/status/buildinfo", "\"version\""),
        ("/api/v2/status", "\"versionInfo\""),
        ("/metrics", "picket_companion_entries_total 1"),
        ("/", "is firing"),
        ("/readyz", "ready"),
    ] {
        let answer = ask(&address, "GET", path, &[], b"").unwrap();
        assert!(answer.status == 200 && answer.body.contains(part), "{path}: {answer:?}");
    }
    companion.terminate();
}
