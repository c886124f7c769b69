//! The router and the Alertmanager client, from alerts to requests on the wire.

use std::path::Path;
use std::time::Duration;

use client::{Auth, Secret};
use companion::notify::alert::Alert;
use companion::notify::alertmanager::Target;
use companion::notify::clock::now;
use companion::notify::config::Config;
use companion::notify::notifier::{Destination, Notifier, Options, Status, spawn};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::double::{Asked, Double, firing, over, read, until};

pub(crate) fn router(config: Config, state_dir: &Path) -> Notifier {
    let options = Options { state_dir: state_dir.to_owned(), external_url: "http://picket.example.org".to_owned() };
    spawn(Destination::Router(Box::new(config)), &options).unwrap()
}

fn alertmanagers(targets: Vec<Target>, state_dir: &Path) -> Notifier {
    let options = Options { state_dir: state_dir.to_owned(), external_url: String::new() };
    spawn(Destination::Alertmanagers(targets), &options).unwrap()
}

fn at(url: &str) -> Target {
    Target::at(url.parse().unwrap())
}

#[tokio::test]
async fn slack_and_a_webhook_are_told_and_told_of_the_end() {
    let (slack, hook) = (Double::start().await, Double::start().await);
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("slack");
    std::fs::write(&secret, format!("{}/services/T0/B0/x\n", slack.url())).unwrap();
    let config = read(&format!(
        "route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 300ms}}\n\
         receivers:\n\
         - name: team\n\
         \x20 slack_configs: [{{api_url_file: '{}', send_resolved: true}}]\n\
         \x20 webhook_configs: [{{url: '{}/hook', http_config: {{authorization: {{credentials: token}}}}}}]\n",
        secret.display(),
        hook.url()
    ));
    let notifier = router(config, &dir.path().join("state"));
    let alert = firing("alertname=K4 severity=critical");
    notifier.alerts(vec![alert.clone()]);
    slack.wait_for(1).await;
    let asked = hook.wait_for(1).await;
    assert_eq!((asked[0].path.as_str(), asked[0].authorization.as_deref()), ("/hook", Some("Bearer token")));
    let body = asked[0].json();
    assert_eq!(
        (&body["status"], &body["groupKey"], &body["alerts"][0]["fingerprint"]),
        (&json!("firing"), &json!(r#"{}:{alertname="K4"}"#), &json!(alert.fingerprint().to_string()))
    );
    notifier.alerts(vec![over(&alert)]);
    let asked = slack.wait_for(2).await;
    assert_eq!(asked[0].path, "/services/T0/B0/x");
    let titles: Vec<Value> = asked.iter().map(|asked| asked.json()["attachments"][0]["title"].clone()).collect();
    assert_eq!(titles, ["[FIRING:1] K4 (critical)", "[RESOLVED] K4 (critical)"]);
    assert_eq!(hook.wait_for(2).await[1].json()["status"], "resolved");
    until("both are counted", || notifier.metrics().matches("outcome=\"delivered\"} 2").count().eq(&2).then_some(())).await;
    notifier.stop().await;
}

#[tokio::test]
async fn what_is_refused_or_too_much_is_tried_again_counted_and_shown() {
    let slack = Double::start().await;
    let dir = tempfile::tempdir().unwrap();
    let config = read(&format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 500ms}}\n\
         receivers: [{{name: team, slack_configs: [{{api_url: '{}/s3cr3t'}}]}}]\n",
        slack.url()
    ));
    slack.will_answer(&[(500, "")]);
    slack.will_ask_to_wait("1");
    slack.will_answer(&[(404, "channel_not_found")]);
    let notifier = router(config, dir.path());
    notifier.alerts(vec![firing("alertname=A")]);
    slack.wait_for(4).await;
    let status = until("it is delivered", || {
        let Status::Router(status) = notifier.status() else { panic!("no router") };
        (status.receivers[0].delivered == 1).then(|| status.receivers[0].clone())
    })
    .await;
    // 500 and 429 are passing, 404 ends the notification; the group's next look tells it again.
    assert_eq!((status.failed, status.failed_attempts), (1, 3));
    let (_, words) = status.last_error.clone().unwrap();
    assert!(words.contains("has not joined the channel") && !words.contains("s3cr3t"), "{words}");
    assert!(notifier.metrics().contains(r#"notifications_total{receiver="team",integration="slack[0]",outcome="failed"} 1"#));
    notifier.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_down_holds_up_no_other() {
    let hook = Double::start().await;
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = read(&format!(
        "route: {{receiver: team, group_by: ['...'], group_wait: 0s, group_interval: 10s}}\n\
         receivers: [{{name: team, webhook_configs: [{{url: 'http://{gone}/'}}, {{url: '{}'}}]}}]\n",
        hook.url()
    ));
    let notifier = router(config, dir.path());
    notifier.alerts((0..20).map(|n| firing(&format!("alertname=A n={n}"))).collect());
    hook.wait_for(20).await;
    let Status::Router(status) = notifier.status() else { panic!("no router") };
    assert_eq!((status.receivers[0].delivered, status.receivers[0].pending), (0, 20));
    drop(notifier);
}

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_forgets_no_silence() {
    let hook = Double::start().await;
    let dir = tempfile::tempdir().unwrap();
    let config = || {
        read(&format!(
            "route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 300ms}}\n\
             receivers: [{{name: team, webhook_configs: [{{url: '{}'}}]}}]\n",
            hook.url()
        ))
    };
    let notifier = router(config(), dir.path());
    let (a, b) = (firing("alertname=A"), firing("alertname=B"));
    let silence = r#"{"matchers":[{"name":"alertname","value":"B","isRegex":false}],"startsAt":"2020-01-01T00:00:00Z",
        "endsAt":"2100-01-01T00:00:00Z","createdBy":"me","comment":"c"}"#;
    assert_eq!(notifier.api("POST", "silences", "", silence.as_bytes()).unwrap().status, 200);
    notifier.alerts(vec![a.clone(), b.clone()]);
    hook.wait_for(1).await;
    let under = |alert: &Alert| notifier.silence_of(&alert.labels, now()).map(|silence| (silence.created_by, silence.comment));
    assert_eq!((under(&a), under(&b)), (None, Some(("me".to_owned(), "c".to_owned()))));
    notifier.stop().await;

    let notifier = router(config(), dir.path());
    notifier.alerts(vec![a.clone(), b]);
    // The end is told next: the beginning was not repeated.
    notifier.alerts(vec![over(&a)]);
    let asked = hook.wait_for(2).await;
    let told: Vec<(Value, Value)> =
        asked.iter().map(|asked| (asked.json()["status"].clone(), asked.json()["commonLabels"]["alertname"].clone())).collect();
    assert_eq!(told, [(json!("firing"), json!("A")), (json!("resolved"), json!("A"))]);
    let silences = notifier.api("GET", "silences", "", b"").unwrap().body.unwrap();
    assert_eq!(silences[0]["status"]["state"], "active");
    notifier.stop().await;
}

#[tokio::test]
async fn another_file_keeps_groups_silences_and_what_was_told() {
    let (before, after) = (Double::start().await, Double::start().await);
    let dir = tempfile::tempdir().unwrap();
    let config = |url: &str, wait: &str| {
        read(&format!(
            "route:\n  receiver: team\n  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 300ms\n  \
             routes: [{{matchers: [alertname=Slow], group_wait: {wait}}}]\n\
             receivers: [{{name: team, webhook_configs: [{{url: '{url}'}}]}}]\n",
        ))
    };
    let notifier = router(config(&before.url(), "1h"), dir.path());
    let silence = r#"{"matchers":[{"name":"alertname","value":"B","isRegex":false}],"startsAt":"2020-01-01T00:00:00Z",
        "endsAt":"2100-01-01T00:00:00Z","createdBy":"me","comment":"c"}"#;
    assert_eq!(notifier.api("POST", "silences", "", silence.as_bytes()).unwrap().status, 200);
    let (a, b) = (firing("alertname=A"), firing("alertname=B"));
    let slow = Alert { starts_at: now(), ..firing("alertname=Slow") };
    notifier.alerts(vec![a.clone(), b.clone(), slow]);
    before.wait_for(1).await;
    until("it is noted", || notifier.metrics().contains("outcome=\"delivered\"} 1").then_some(())).await;

    notifier.reconfigure(Box::new(config(&after.url(), "0s")), "http://new.example.org").unwrap();
    // What waits need not be said again, and waits no longer than the new file says. Of what was told only the end is.
    after.wait_for(1).await;
    notifier.alerts(vec![a.clone(), b]);
    notifier.alerts(vec![over(&a)]);
    let told: Vec<(Value, Value, Value)> = after
        .wait_for(2)
        .await
        .iter()
        .map(Asked::json)
        .map(|body| (body["status"].clone(), body["commonLabels"]["alertname"].clone(), body["externalURL"].clone()))
        .collect();
    let url = json!("http://new.example.org");
    assert_eq!(told, [(json!("firing"), json!("Slow"), url.clone()), (json!("resolved"), json!("A"), url)]);
    assert_eq!(before.asked().len(), 1, "the old file tells nobody any more");
    let silences = notifier.api("GET", "silences", "", b"").unwrap().body.unwrap();
    assert_eq!(silences[0]["status"]["state"], "active");
    until("the account goes on", || notifier.metrics().contains("outcome=\"delivered\"} 3").then_some(())).await;
    notifier.stop().await;
}

#[tokio::test]
async fn a_test_message_says_which_receiver_is_wrong() {
    let (slack, hook) = (Double::start().await, Double::start().await);
    let dir = tempfile::tempdir().unwrap();
    let config = read(&format!(
        "route: {{receiver: team}}\n\
         receivers: [{{name: team, slack_configs: [{{api_url: '{}'}}], webhook_configs: [{{url: '{}'}}]}}]\n",
        slack.url(),
        hook.url()
    ));
    slack.will_answer(&[(404, "no_service")]);
    let notifier = router(config, dir.path());
    let outcomes = notifier.send_test().await;
    assert_eq!(outcomes[1], ("team/webhook[0]".to_owned(), Ok(())));
    let error = outcomes[0].1.clone().unwrap_err();
    assert!(outcomes[0].0 == "team/slack[0]" && error.contains("no_service"), "{error}");
    assert_eq!(hook.asked()[0].json()["commonLabels"]["alertname"], "PicketTest");
    notifier.stop().await;
}

#[tokio::test]
async fn every_alertmanager_is_told_and_one_that_is_down_is_told_later() {
    let first = Double::start().await;
    // Its place is kept, and nobody answers yet.
    let later = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = later.local_addr().unwrap();
    drop(later);
    let mut with_token = at(&format!("{}/prefix/", first.url()));
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "one").unwrap();
    with_token.auth = Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::File(token.clone()) };
    let notifier = alertmanagers(vec![with_token, at(&format!("http://user:s3cr3t@{second}"))], &dir.path().join("state"));
    let alert = firing("alertname=A");
    notifier.alerts(vec![alert.clone()]);
    let asked = first.wait_for(1).await;
    assert_eq!((asked[0].path.as_str(), asked[0].authorization.as_deref()), ("/prefix/api/v2/alerts", Some("Bearer one")));
    assert_eq!(asked[0].json()[0]["labels"], json!({"alertname": "A"}));
    // A token that is replaced is read again.
    std::fs::write(&token, "another").unwrap();
    notifier.alerts(vec![over(&alert)]);
    assert_eq!(first.wait_for(2).await[1].authorization.as_deref(), Some("Bearer another"));

    let status = until("the second has failed", || {
        let Status::Alertmanagers(status) = notifier.status() else { panic!("a router") };
        (status[1].failed_attempts > 0).then(|| status[1].clone())
    })
    .await;
    assert!(status.pending <= 1 && status.last_error.is_some() && !format!("{status:?}").contains("s3cr3t"), "{status:?}");
    // A restart forgets nothing of what waits.
    let saved = || {
        std::fs::read_dir(dir.path().join("state"))
            .unwrap()
            .filter(|entry| {
                entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "state"))
            })
            .count()
    };
    until("it is saved", || (saved() == 1).then_some(())).await;
    notifier.stop().await;
    let notifier = alertmanagers(vec![at(&first.url()), at(&format!("http://user:s3cr3t@{second}"))], &dir.path().join("state"));
    // It comes up: the alert is over by then, but it is told as firing once.
    let second = Double::on(TcpListener::bind(second).await.unwrap());
    let asked = second.wait_for(1).await;
    assert_eq!(asked[0].authorization.as_deref(), Some("Basic dXNlcjpzM2NyM3Q="));
    let ends_at = asked[0].json()[0]["endsAt"].as_str().unwrap().to_owned();
    let ends_at = record::time::parse_rfc3339(ends_at.as_bytes()).unwrap();
    assert!(ends_at.0 > now().0 + Duration::from_mins(4).as_nanos() as i64);
    until("nothing waits on disk", || (saved() == 0).then_some(())).await;
    notifier.stop().await;
}

#[tokio::test]
async fn an_alert_that_is_refused_is_found_and_not_sent_again() {
    let double = Double::start().await;
    let dir = tempfile::tempdir().unwrap();
    let notifier = alertmanagers(vec![at(&double.url())], dir.path());
    // All four, the first two, the first alone.
    double.will_answer(&[(400, "bad"), (400, "bad"), (400, "bad: label name")]);
    notifier.alerts((0..4).map(|n| firing(&format!("alertname=A n={n}"))).collect());
    let asked = double.wait_for(5).await;
    assert_eq!(asked.iter().map(|asked| asked.json().as_array().unwrap().len()).collect::<Vec<_>>(), [4, 2, 1, 1, 2]);
    let status = until("all is settled", || {
        let Status::Alertmanagers(status) = notifier.status() else { panic!("a router") };
        (status[0].sent == 3).then(|| status[0].clone())
    })
    .await;
    assert_eq!((status.rejected, status.pending, status.failed_attempts), (1, 0, 0));
    assert!(status.last_error.unwrap().1.contains("label name"));
    assert_eq!(notifier.send_test().await[0].1, Ok(()));
    notifier.stop().await;
}
