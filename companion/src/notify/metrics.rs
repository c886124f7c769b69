//! The status of notification in Prometheus' text format. Pure.

use std::fmt::Write as _;

use proto::time::UnixNanos;

use super::alertmanager::InstanceStatus;
use super::notifier::{RouterStatus, Status};

/// All of it.
pub fn text(status: &Status) -> String {
    let mut out = Families(String::new());
    match status {
        Status::Alertmanagers(instances) => of_alertmanagers(&mut out, instances),
        Status::Router(router) => of_router(&mut out, router),
    }
    out.0
}

fn of_alertmanagers(out: &mut Families, instances: &[InstanceStatus]) {
    let labels = |instance: &InstanceStatus| vec![("alertmanager", instance.url.clone())];
    let with = |instance: &InstanceStatus, outcome: &str| {
        let mut labels = labels(instance);
        labels.push(("outcome", outcome.to_owned()));
        labels
    };
    let outcomes = |instance: &InstanceStatus| {
        [("sent", instance.sent), ("rejected", instance.rejected), ("given_up", instance.given_up)]
            .map(|(outcome, count)| (with(instance, outcome), count as f64))
    };
    out.family(
        "picket_companion_alertmanager_alerts_total",
        "counter",
        "Alerts for Alertmanagers, by what became of them.",
        instances.iter().flat_map(outcomes),
    );
    out.family(
        "picket_companion_alertmanager_failed_attempts_total",
        "counter",
        "Requests that an Alertmanager did not take.",
        instances.iter().map(|instance| (labels(instance), instance.failed_attempts as f64)),
    );
    out.family(
        "picket_companion_alertmanager_pending",
        "gauge",
        "Alerts that wait for an Alertmanager.",
        instances.iter().map(|instance| (labels(instance), instance.pending as f64)),
    );
    out.family(
        "picket_companion_alertmanager_last_error_timestamp_seconds",
        "gauge",
        "When an Alertmanager last did not take something; 0 is never.",
        instances.iter().map(|instance| (labels(instance), seconds(instance.last_error.as_ref().map(|(at, _)| *at)))),
    );
    out.family(
        "picket_companion_alertmanager_last_success_timestamp_seconds",
        "gauge",
        "When an Alertmanager last took something; 0 is never.",
        instances.iter().map(|instance| (labels(instance), seconds(instance.last_success))),
    );
}

fn of_router(out: &mut Families, router: &RouterStatus) {
    let labels = |receiver: &super::router::ReceiverStatus| {
        vec![("receiver", receiver.receiver.clone()), ("integration", receiver.integration.clone())]
    };
    let receivers = || router.receivers.iter();
    let outcomes = |receiver: &super::router::ReceiverStatus| {
        [("delivered", receiver.delivered), ("failed", receiver.failed)].map(|(outcome, count)| {
            let mut labels = labels(receiver);
            labels.push(("outcome", outcome.to_owned()));
            (labels, count as f64)
        })
    };
    out.family(
        "picket_companion_notifications_total",
        "counter",
        "Notifications, by what became of them. The alerts of a failed one are told at their group's next look.",
        receivers().flat_map(outcomes),
    );
    out.family(
        "picket_companion_notification_failed_attempts_total",
        "counter",
        "Attempts to tell a receiver that failed.",
        receivers().map(|receiver| (labels(receiver), receiver.failed_attempts as f64)),
    );
    out.family(
        "picket_companion_notifications_pending",
        "gauge",
        "Notifications under way.",
        receivers().map(|receiver| (labels(receiver), receiver.pending as f64)),
    );
    out.family(
        "picket_companion_notification_last_error_timestamp_seconds",
        "gauge",
        "When a receiver could last not be told; 0 is never.",
        receivers().map(|receiver| (labels(receiver), seconds(receiver.last_error.as_ref().map(|(at, _)| *at)))),
    );
    out.family(
        "picket_companion_notification_last_success_timestamp_seconds",
        "gauge",
        "When a receiver was last told; 0 is never.",
        receivers().map(|receiver| (labels(receiver), seconds(receiver.last_success))),
    );
    let one = |value: f64| [(Vec::new(), value)].into_iter();
    out.family(
        "picket_companion_notify_alerts",
        "gauge",
        "Alerts that fire and are known to the router.",
        one(router.alerts as f64),
    );
    out.family(
        "picket_companion_notify_groups_owed",
        "gauge",
        "Groups with something that nobody could be told of so far.",
        one(router.owing as f64),
    );
    out.family(
        "picket_companion_notify_alerts_refused_total",
        "counter",
        "Alerts that were refused because too many are known.",
        one(router.refused as f64),
    );
    let states = ["active", "pending", "expired"].into_iter().zip(router.silences);
    out.family(
        "picket_companion_notify_silences",
        "gauge",
        "Silences, by where they stand.",
        states.map(|(state, count)| (vec![("state", state.to_owned())], count as f64)),
    );
}

fn seconds(at: Option<UnixNanos>) -> f64 {
    at.map_or(0.0, |at| (at.0 / 1_000_000) as f64 / 1_000.0)
}

/// The text while it grows.
struct Families(String);

impl Families {
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl Iterator<Item = (Vec<(&'static str, String)>, f64)>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            self.0.push_str(name);
            for (place, (label, text)) in labels.iter().enumerate() {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' });
            }
            let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::router::ReceiverStatus;
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
