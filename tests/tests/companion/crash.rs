//! What a crash, a full disk and a clock that is set do to alerts: none is lost, none comes twice.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tests::companion::{ask, push};
use tests::scene::Scene;
use tests::skip::skipped;
use tests::small_disk::{self, SmallDisk};
use tests::wait;
use tests::wall_clock::WallClock;

use crate::stage::{EXEC_ALERT, PATIENCE, SECOND, Stage, exec_event, now};

/// A rule that waits for ten minutes, evaluated every second.
const WAITING: &str = "groups:\n- name: g\n  interval: 1s\n  rules:\n  - {alert: Lasting, expr: 'sum by (user) (count_over_time({job=\"kubernetes-audit\"} | json user=\"user.username\" [1h])) > 0', for: 10m}\n";

/// Events of one user each, some seconds old.
fn append(log: &Path, events: &[(String, i64)]) {
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    for (user, seconds) in events {
        writeln!(file, "{}", exec_event(user, now() - seconds * SECOND)).unwrap();
    }
}

/// The alerts of one user that were told, each time.
fn of_user(alerts: Vec<(std::time::Instant, Value)>, user: &str) -> Vec<Value> {
    alerts.into_iter().map(|(_, alert)| alert).filter(|alert| alert["labels"]["user"] == user).collect()
}

/// When they began: once, however often it was told.
fn starts(alerts: &[Value]) -> BTreeSet<&str> {
    alerts.iter().map(|alert| alert["startsAt"].as_str().unwrap()).collect()
}

#[test]
fn killed_while_attacks_are_written_every_alert_comes_once_and_late() {
    let name = "killed_while_attacks_are_written_every_alert_comes_once_and_late";
    let (Some(scene), Some(stage)) = (Scene::set(name), Stage::set(name)) else { return };
    let companion = stage.start(&stage.telling_webhook());
    let address = companion.address().unwrap().to_owned();
    let log = scene.path("audit.log");
    append(&log, &[("before".to_owned(), 0)]);
    let url = format!("http://{address}");
    scene.configure_urls(&[("kubernetes-audit", log.as_path(), "kube-audit")], &[("companion", &url, ", linger: 50ms")]);
    let agent = scene.start();
    wait::for_condition("the alert before", PATIENCE, || !stage.webhook.named(EXEC_ALERT).is_empty());
    companion.kill();

    // Ten minutes of attacks, which the agent keeps meanwhile, and it is killed too.
    append(&log, &(0..5).map(|minute| (format!("attacker-{minute}"), 600 - 60 * minute)).collect::<Vec<_>>());
    agent.kill();
    let agent = scene.start();
    append(&log, &(5..10).map(|minute| (format!("attacker-{minute}"), 600 - 60 * minute)).collect::<Vec<_>>());
    let companion = stage.start_at(&address, &stage.telling_webhook(), Vec::new());
    let told = |user: &str| of_user(stage.webhook.named(EXEC_ALERT), user);
    wait::for_condition("ten alerts", PATIENCE, || (0..10).all(|minute| !told(&format!("attacker-{minute}")).is_empty()));
    for minute in 0..10 {
        let user = format!("attacker-{minute}");
        let told = told(&user);
        assert_eq!(starts(&told).len(), 1, "{user} fired once: {told:?}");
        let is_late = told.iter().any(|alert| alert["annotations"]["late"].is_string());
        assert!(is_late, "{user}: {told:?}");
    }
    assert_eq!(starts(&told("before")).len(), 1, "what fired before the kill goes on, and does not begin anew");
    agent.terminate();
    companion.terminate();
}

#[test]
fn killed_while_an_alert_is_pending_its_wait_goes_on() {
    let Some(stage) = Stage::set("killed_while_an_alert_is_pending_its_wait_goes_on") else { return };
    let rules = stage.file("rules.yaml", WAITING);
    let configuration = format!("{}rules: {{logs: [{}]}}\n", stage.telling_webhook(), rules.display());
    let companion = stage.start(&configuration);
    let address = companion.address().unwrap().to_owned();
    // It has waited for all but a few seconds of its ten minutes when it is killed.
    let began = now() - 593 * SECOND;
    assert_eq!(push(&address, "kubernetes-audit", &[(began, exec_event("mallory", began))], &[]).unwrap().status, 204);
    let alerts = ask(&address, "GET", "/api/v1/alerts", &[], b"").unwrap();
    assert!(alerts.body.contains("\"pending\""), "{alerts:?}");
    companion.kill();
    let companion = stage.start(&configuration);
    wait::for_condition("the alert", PATIENCE, || !stage.webhook.named("Lasting").is_empty());
    assert_eq!(starts(&of_user(stage.webhook.named("Lasting"), "mallory")).len(), 1);
    companion.terminate();
}

#[test]
fn on_a_full_disk_alerts_are_told_and_nothing_is_acknowledged() {
    let name = "on_a_full_disk_alerts_are_told_and_nothing_is_acknowledged";
    let Some(stage) = Stage::set(name) else { return };
    fs::create_dir(stage.state_dir()).unwrap();
    let state_dir = stage.state_dir();
    let Some(_small) = SmallDisk::mount(&state_dir) else {
        return skipped(name, "a small tmpfs cannot be mounted here (that takes root and CAP_SYS_ADMIN)");
    };
    let companion = stage.start(&stage.telling_webhook());
    let address = companion.address().unwrap().to_owned();
    let send = |user: &str| {
        let time = now();
        push(&address, "kubernetes-audit", &[(time, exec_event(user, time))], &[]).unwrap()
    };
    let ballast = small_disk::fill(&state_dir);
    // What was allotted before may still take a few.
    wait::for_condition("a refusal", PATIENCE, || send("alice").status >= 500);
    assert!(send("mallory").status >= 500, "there is still no room");
    wait::for_condition("the alert", PATIENCE, || !of_user(stage.webhook.named(EXEC_ALERT), "mallory").is_empty());
    let ready = ask(&address, "GET", "/readyz", &[], b"").unwrap();
    assert_ne!(ready.status, 200, "it says that it is in trouble: {ready:?}");
    fs::remove_file(ballast).unwrap();
    wait::for_condition("an acknowledgement", PATIENCE, || send("trudy").status == 204);
    // What could not be saved on the full disk is saved now.
    companion.kill();
    let companion = stage.start(&stage.telling_webhook());
    let address = companion.address().unwrap().to_owned();
    let alerts = ask(&address, "GET", "/api/v1/alerts", &[], b"").unwrap();
    assert!(["mallory", "trudy"].iter().all(|user| alerts.body.contains(user)), "{alerts:?}");
    wait::for_condition("it is ready", PATIENCE, || ask(&address, "GET", "/readyz", &[], b"").unwrap().status == 200);
    companion.terminate();
}

#[test]
fn a_clock_that_is_set_stops_no_alert() {
    let name = "a_clock_that_is_set_stops_no_alert";
    let Some(stage) = Stage::set(name) else { return };
    let Some(clock) = WallClock::new(stage.path("offset")) else {
        return skipped(name, "no libfaketime (Debian package faketime)");
    };
    let rules = stage.file(
        "rules.yaml",
        "groups:\n- name: g\n  interval: 1s\n  rules:\n  - {alert: One, expr: 'sum by (user) (count_over_time({job=\"kubernetes-audit\"} | json user=\"user.username\" [3s])) > 0'}\n  - {alert: Silent, expr: 'absent_over_time({job=\"kubernetes-audit\"}[5m])'}\n",
    );
    let configuration = format!("{}rules: {{logs: [{}]}}\n", stage.telling_webhook(), rules.display());
    let companion = stage.start_at("127.0.0.1:0", &configuration, clock.variables());
    let address = companion.address().unwrap().to_owned();
    for (offset, hours, user) in [("+0", 0, "a"), ("+2h", 2, "b"), ("-2h", -2, "c"), ("+0", 0, "d")] {
        clock.set(offset);
        let time = now() + hours * 3600 * SECOND;
        assert_eq!(push(&address, "kubernetes-audit", &[(time, exec_event(user, time))], &[]).unwrap().status, 204);
        let told = || of_user(stage.webhook.named("One"), user);
        wait::for_condition("the alert", Duration::from_secs(5), || !told().is_empty());
        // By ticks, which go on by the clock that is set.
        wait::for_condition("its end", PATIENCE, || starts(&told()).len() == 1 && is_over(&told()));
    }
    assert!(stage.webhook.named("Silent").is_empty(), "{:?}", stage.webhook.named("Silent"));
    companion.terminate();
}

/// Whether it was told to be over: the end of a firing alert lies minutes ahead, and comes nearer when there is one.
fn is_over(told: &[Value]) -> bool {
    let ends: Vec<&str> = told.iter().map(|alert| alert["endsAt"].as_str().unwrap()).collect();
    ends.last() < ends.first()
}
