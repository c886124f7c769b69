//! The status of notification in Prometheus' text format. Pure.

use proto::exposition::{Exposition, Kind};
use proto::time::UnixNanos;

use super::alertmanager::InstanceStatus;
use super::notifier::{RouterStatus, Status};
use super::router::ReceiverStatus;

/// All of it.
pub fn text(status: &Status) -> String {
    let mut out = Exposition::new("picket_companion_");
    match status {
        Status::Alertmanagers(instances) => of_alertmanagers(&mut out, instances),
        Status::Router(router) => of_router(&mut out, router),
    }
    out.finish()
}

fn of_alertmanagers(out: &mut Exposition, instances: &[InstanceStatus]) {
    fn name(instance: &InstanceStatus) -> (&str, &str) {
        ("alertmanager", &instance.url)
    }
    let help = "Alerts for Alertmanagers, by what became of them.";
    for instance in instances {
        for (outcome, count) in [("sent", instance.sent), ("rejected", instance.rejected), ("given_up", instance.given_up)] {
            let labels = [name(instance), ("outcome", outcome)];
            out.sample("alertmanager_alerts_total", Kind::Counter, help, &labels, count as f64);
        }
    }
    let mut each = |metric: &str, kind, help: &str, value: fn(&InstanceStatus) -> f64| {
        for instance in instances {
            out.sample(metric, kind, help, &[name(instance)], value(instance));
        }
    };
    each("alertmanager_failed_attempts_total", Kind::Counter, "Requests that an Alertmanager did not take.", |instance| {
        instance.failed_attempts as f64
    });
    each("alertmanager_pending", Kind::Gauge, "Alerts that wait for an Alertmanager.", |instance| instance.pending as f64);
    each(
        "alertmanager_last_error_timestamp_seconds",
        Kind::Gauge,
        "When an Alertmanager last did not take something; 0 is never.",
        |instance| seconds(instance.last_error.as_ref().map(|(at, _)| *at)),
    );
    each(
        "alertmanager_last_success_timestamp_seconds",
        Kind::Gauge,
        "When an Alertmanager last took something; 0 is never.",
        |instance| seconds(instance.last_success),
    );
}

fn of_router(out: &mut Exposition, router: &RouterStatus) {
    let help = "Notifications, by what became of them. The alerts of a failed one are told at their group's next look.";
    for receiver in &router.receivers {
        let [name, way] = names(receiver);
        for (outcome, count) in [("delivered", receiver.delivered), ("failed", receiver.failed)] {
            out.sample("notifications_total", Kind::Counter, help, &[name, way, ("outcome", outcome)], count as f64);
        }
    }
    let mut each = |metric: &str, kind, help: &str, value: fn(&ReceiverStatus) -> f64| {
        for receiver in &router.receivers {
            out.sample(metric, kind, help, &names(receiver), value(receiver));
        }
    };
    each("notification_failed_attempts_total", Kind::Counter, "Attempts to tell a receiver that failed.", |receiver| {
        receiver.failed_attempts as f64
    });
    each("notifications_pending", Kind::Gauge, "Notifications under way.", |receiver| receiver.pending as f64);
    each(
        "notification_last_error_timestamp_seconds",
        Kind::Gauge,
        "When a receiver could last not be told; 0 is never.",
        |receiver| seconds(receiver.last_error.as_ref().map(|(at, _)| *at)),
    );
    each("notification_last_success_timestamp_seconds", Kind::Gauge, "When a receiver was last told; 0 is never.", |receiver| {
        seconds(receiver.last_success)
    });
    out.gauge("notify_alerts", "Alerts that fire and are known to the router.", router.alerts as f64);
    out.gauge("notify_groups_owed", "Groups with something that nobody could be told of so far.", router.owing as f64);
    out.counter("notify_alerts_refused_total", "Alerts that were refused because too many are known.", router.refused as f64);
    for (state, count) in ["active", "pending", "expired"].into_iter().zip(router.silences) {
        out.sample("notify_silences", Kind::Gauge, "Silences, by where they stand.", &[("state", state)], count as f64);
    }
}

fn names(receiver: &ReceiverStatus) -> [(&str, &str); 2] {
    [("receiver", &receiver.receiver), ("integration", &receiver.integration)]
}

fn seconds(at: Option<UnixNanos>) -> f64 {
    at.map_or(0.0, |at| (at.0 / 1_000_000) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_are_shown_by_receiver() {
        let receiver = ReceiverStatus {
            receiver: "a \"b\"".to_owned(),
            integration: "slack[0]".to_owned(),
            delivered: 2,
            failed: 1,
            last_error: Some((UnixNanos(1_795_694_400_250_000_000), "no".to_owned())),
            ..ReceiverStatus::default()
        };
        let shown = text(&Status::Router(RouterStatus {
            receivers: vec![receiver],
            alerts: 3,
            silences: [1, 0, 2],
            ..RouterStatus::default()
        }));
        for line in [
            r#"picket_companion_notifications_total{receiver="a \"b\"",integration="slack[0]",outcome="delivered"} 2"#,
            r#"picket_companion_notifications_total{receiver="a \"b\"",integration="slack[0]",outcome="failed"} 1"#,
            r#"picket_companion_notification_last_error_timestamp_seconds{receiver="a \"b\"",integration="slack[0]"} 1795694400.25"#,
            "picket_companion_notify_alerts 3",
            r#"picket_companion_notify_silences{state="expired"} 2"#,
            "# TYPE picket_companion_notifications_total counter",
        ] {
            assert!(shown.lines().any(|other| other == line), "{line}\n{shown}");
        }
        let instance = InstanceStatus { url: "http://a.example.org:9093".to_owned(), rejected: 4, ..InstanceStatus::default() };
        let shown = text(&Status::Alertmanagers(vec![instance]));
        assert!(shown.contains(r#"alerts_total{alertmanager="http://a.example.org:9093",outcome="rejected"} 4"#), "{shown}");
    }
}
