//! Alertmanager's webhook, version 4. Pure.

use proto::time::UnixNanos;
use serde_json::{Map, Value, json};

use super::{Failure, Message};
use crate::labels::LabelSet;
use crate::notify::http::Reply;

/// The body of the request. With `max_alerts`, the others are only counted.
pub fn payload(message: &Message<'_>, max_alerts: usize) -> Vec<u8> {
    let shown = match max_alerts {
        0 => message.alerts,
        most => message.alerts.get(..most).unwrap_or(message.alerts),
    };
    let truncated = message.alerts.len() - shown.len();
    // What is common is common to those that are shown, as Alertmanager has it.
    let subject = super::Subject { alerts: shown, ..message.subject() };
    let alerts: Vec<Value> = shown
        .iter()
        .map(|(alert, status)| {
            json!({
                "status": status.as_str(),
                "labels": object(&alert.labels),
                "annotations": object(&alert.annotations),
                "startsAt": time(alert.starts_at),
                "endsAt": time(alert.ends_at),
                "generatorURL": alert.generator_url,
                "fingerprint": alert.fingerprint().to_string(),
            })
        })
        .collect();
    let body = json!({
        "version": "4",
        "groupKey": message.group_key,
        "truncatedAlerts": truncated,
        "status": subject.status().as_str(),
        "receiver": message.receiver,
        "groupLabels": object(message.group_labels),
        "commonLabels": object(&subject.common(|alert| &alert.labels)),
        "commonAnnotations": object(&subject.common(|alert| &alert.annotations)),
        "externalURL": message.external_url,
        "alerts": alerts,
    });
    body.to_string().into_bytes()
}

/// What an answer means.
pub fn outcome(reply: &Reply) -> Result<(), Failure> {
    match reply.status {
        200..300 => Ok(()),
        _ => Err(Failure::of_reply(reply, "the webhook")),
    }
}

/// Labels as a JSON object.
pub fn object(labels: &LabelSet) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
}

/// RFC 3339; no time is Go's zero time.
pub fn time(time: UnixNanos) -> String {
    if time.0 == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let mut text = String::new();
    record::time::format_rfc3339(time, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;

    #[test]
    fn the_body_is_alertmanagers() {
        let body: Value = serde_json::from_slice(&message(|message| payload(message, 0))).unwrap();
        expect_test::expect![[r#"
            {
              "alerts": [
                {
                  "annotations": {
                    "summary": "alice opened a shell"
                  },
                  "endsAt": "0001-01-01T00:00:00Z",
                  "fingerprint": "a6ac968737d527d0",
                  "generatorURL": "",
                  "labels": {
                    "alertname": "K4",
                    "severity": "critical",
                    "user": "alice"
                  },
                  "startsAt": "2026-11-26T10:00:00Z",
                  "status": "firing"
                },
                {
                  "annotations": {
                    "summary": "bob opened a shell"
                  },
                  "endsAt": "2026-11-26T10:05:00Z",
                  "fingerprint": "6906138eb1b3c4c9",
                  "generatorURL": "",
                  "labels": {
                    "alertname": "K4",
                    "severity": "critical",
                    "user": "bob"
                  },
                  "startsAt": "2026-11-26T10:00:00Z",
                  "status": "resolved"
                }
              ],
              "commonAnnotations": {},
              "commonLabels": {
                "alertname": "K4",
                "severity": "critical"
              },
              "externalURL": "http://picket.example.org",
              "groupKey": "{}:{alertname=\"K4\"}",
              "groupLabels": {
                "alertname": "K4"
              },
              "receiver": "team",
              "status": "firing",
              "truncatedAlerts": 0,
              "version": "4"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&body).unwrap());
        let cut: Value = serde_json::from_slice(&message(|message| payload(message, 1))).unwrap();
        assert_eq!((&cut["truncatedAlerts"], cut["alerts"].as_array().map(Vec::len)), (&1.into(), Some(1)));
        assert_eq!(cut["commonLabels"]["user"], "alice");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let reply = |status| Reply { status, retry_after: None, body: String::new() };
        assert_eq!(outcome(&reply(204)), Ok(()));
        assert_eq!(
            [500, 503, 429, 400, 404, 301].map(|status| outcome(&reply(status)).unwrap_err().may_pass),
            [true, true, true, false, false, false]
        );
    }
}
