//! One way of telling somebody: from a notification to a request (pure, a file each), and the thin edge that sends it.

use bytes::Bytes;
use proto::time::UnixNanos;
use std::time::Duration;

use super::alert::{Alert, AlertStatus};
use super::config::{EmailConfig, Integration, IntegrationKind, SlackConfig, WebhookConfig};
use super::dispatch::Notification;
use super::http::{Http, Reply, is_passing};
use super::template::Subject;
use crate::labels::LabelSet;

pub mod email;
pub mod slack;
pub mod smtp;
pub mod webhook;

/// Why something was not delivered. The words hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub words: String,
    /// Whether the same may work later.
    pub may_pass: bool,
    /// The wait that the other side asks for.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// The same may work later.
    pub fn passing(words: impl Into<String>) -> Self {
        Self { words: words.into(), may_pass: true, retry_after: None }
    }

    /// The same will not work.
    pub fn lasting(words: impl Into<String>) -> Self {
        Self { words: words.into(), may_pass: false, retry_after: None }
    }

    /// Of an answer that is no success.
    fn of_reply(reply: &Reply, what: &str) -> Self {
        let body: String = reply.body.trim().chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self {
            words: format!("{what} answers {}{}{body}", reply.status, if body.is_empty() { "" } else { ": " }),
            may_pass: is_passing(reply.status),
            retry_after: reply.retry_after,
        }
    }
}

/// A notification and what else a message says.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The receiver's name.
    pub receiver: &'a str,
    /// The group, as webhooks call it.
    pub group_key: &'a str,
    /// The labels that tell the group.
    pub group_labels: &'a LabelSet,
    /// The alerts.
    pub alerts: &'a [(Alert, AlertStatus)],
    /// Where this program can be looked at.
    pub external_url: &'a str,
}

impl<'a> Message<'a> {
    /// Of a notification.
    pub fn of(notification: &'a Notification, external_url: &'a str) -> Self {
        Self {
            receiver: &notification.receiver,
            group_key: &notification.group_key,
            group_labels: &notification.group_labels,
            alerts: &notification.alerts,
            external_url,
        }
    }

    /// For templates.
    pub fn subject(&self) -> Subject<'a> {
        Subject { receiver: self.receiver, alerts: self.alerts, group_labels: self.group_labels, external_url: self.external_url }
    }
}

/// What sends.
#[derive(Debug)]
pub enum Sender {
    /// To a Slack webhook.
    Slack(Box<(SlackConfig, Http)>),
    /// To a webhook.
    Webhook(Box<(WebhookConfig, Http)>),
    /// By e-mail.
    Email(Box<EmailConfig>),
}

impl Sender {
    /// For one way of telling.
    pub fn new(integration: &Integration) -> Self {
        match &integration.kind {
            IntegrationKind::Slack(config) => Self::Slack(Box::new(((**config).clone(), Http::new(config.http.clone())))),
            IntegrationKind::Webhook(config) => Self::Webhook(Box::new(((**config).clone(), Http::new(config.http.clone())))),
            IntegrationKind::Email(config) => Self::Email(config.clone()),
        }
    }

    /// One attempt.
    pub async fn send(&self, message: &Message<'_>, now: UnixNanos) -> Result<(), Failure> {
        match self {
            Self::Slack(slack) => {
                let (config, http) = &**slack;
                let body = slack::payload(config, message, now).map_err(Failure::lasting)?;
                let reply = http.post_json(Bytes::from(body)).await.map_err(Failure::passing)?;
                slack::outcome(&reply)
            }
            Self::Webhook(webhook) => {
                let (config, http) = &**webhook;
                let body = webhook::payload(message, config.max_alerts);
                let reply = http.post_json(Bytes::from(body)).await.map_err(Failure::passing)?;
                webhook::outcome(&reply)
            }
            Self::Email(config) => {
                let mail = email::mail(config, message, now).map_err(Failure::lasting)?;
                smtp::send(config, &mail).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! What the tests of the receivers share.

    use std::path::Path;

    use super::*;

    /// The one integration of a receiver with these keys.
    pub(super) fn config_of(keys: &str) -> Integration {
        let text = format!("route: {{receiver: team}}\nreceivers:\n- name: team\n  {keys}\n");
        let config = crate::notify::config::parse(&"am.yml".into(), text.as_bytes(), Path::new("/"))
            .unwrap_or_else(|error| panic!("{error}"));
        config.receivers[0].integrations[0].clone()
    }

    /// One alert that fires and one that is over.
    pub(super) fn message<T>(look: impl FnOnce(&Message<'_>) -> T) -> T {
        let at = |text: &str| record::time::parse_rfc3339(text.as_bytes()).unwrap();
        let alert = |user: &str, ends_at: UnixNanos| Alert {
            labels: [("alertname", "K4"), ("severity", "critical"), ("user", user)].into_iter().collect(),
            annotations: [("summary", format!("{user} opened a shell"))].into_iter().collect(),
            starts_at: at("2026-11-26T10:00:00Z"),
            ends_at,
            generator_url: String::new(),
        };
        let alerts = [
            (alert("alice", UnixNanos(0)), AlertStatus::Firing),
            (alert("bob", at("2026-11-26T10:05:00Z")), AlertStatus::Resolved),
        ];
        let group_labels = [("alertname", "K4")].into_iter().collect();
        look(&Message {
            receiver: "team",
            group_key: r#"{}:{alertname="K4"}"#,
            group_labels: &group_labels,
            alerts: &alerts,
            external_url: "http://picket.example.org",
        })
    }
}
