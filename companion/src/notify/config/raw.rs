//! Alertmanager's file, key by key. What is not set stays `None`; defaults and meaning are `check`'s.
//!
//! Keys of Alertmanager that this router does not have are known by name, and refused by name.

use std::time::Duration;

use settings::problem::{Problems, quote};
use settings::read::{Count, Labels, Read, Section, Spanned};
use settings::yaml::{Node, Value};

/// A duration as Prometheus' files write it: `1h30m`, `4w`, `1y`; units descend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub(super) Duration);

impl Read for Span {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::read(name, node, problems)?;
        let duration = span(&text);
        if duration.is_none() {
            let words = "is not a duration; write numbers and y, w, d, h, m, s or ms, the longest first, for example 1h30m";
            problems.push(&node.at, format!("`{name}`: {} {words}", quote(&text)));
        }
        duration.map(Self)
    }
}

fn span(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] =
        [("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut millis, mut rest, mut units) = (0_u64, text, &UNITS[..]);
    while !rest.is_empty() || units.len() == UNITS.len() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let after = &rest[digits..];
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let place = units.iter().position(|(unit, _)| *unit == &after[..unit_len])?;
        millis = millis.checked_add(rest[..digits].parse::<u64>().ok()?.checked_mul(units[place].1)?)?;
        units = &units[place + 1..];
        rest = &after[unit_len..];
    }
    Some(Duration::from_millis(millis))
}

/// A setting that must not be printed.
#[derive(Clone)]
pub(super) struct Hidden(pub(super) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Read for Hidden {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Value::Scalar { text, .. } = &node.value {
            return Some(Self(text.clone()));
        }
        problems.push(&node.at, format!("`{name}` takes text"));
        None
    }
}

/// One text or several: `weekdays: monday` beside `weekdays: [monday, friday]`, months that are numbers, too.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(pub(super) Vec<Spanned<String>>);

impl Read for Words {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        Vec::read(name, node, problems).map(Self)
    }

    fn when_empty() -> Option<Self> {
        Some(Self::default())
    }
}

/// A key of Alertmanager's that this router does not have. Always a problem.
#[derive(Clone, Copy, Debug)]
struct NotHere;

impl Read for NotHere {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let words = format!(
            "`{name}` is a key of Alertmanager that the embedded router does not have; remove it, or name a real Alertmanager in `notify.alertmanagers`"
        );
        problems.push(&node.at, words);
        None
    }
}

/// Declares a map of the file: a struct, its known keys, those that are refused by name, and how it is read.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $text:literal $key:ident: $type:ty,)* } not here: [$($other:literal),*]) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $($(#[$key_doc])* pub(super) $key: Option<Spanned<$type>>,)*
        }

        impl Read for $name {
            fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
                let section = Section::read(name, node, &[$($text,)* $($other),*], problems, |_| None)?;
                $(let _: Option<Spanned<NotHere>> = section.take($other, problems);)*
                Some(Self { $($key: section.take($text, problems),)* })
            }

            fn when_empty() -> Option<Self> {
                Some(Self::default())
            }
        }
    };
}

section! {
    /// The whole file.
    Raw {
        "global" global: RawGlobal,
        "route" route: RawRoute,
        "receivers" receivers: Vec<Spanned<RawReceiver>>,
        "inhibit_rules" inhibit_rules: Vec<Spanned<RawInhibitRule>>,
        "time_intervals" time_intervals: Vec<Spanned<RawInterval>>,
        "mute_time_intervals" mute_time_intervals: Vec<Spanned<RawInterval>>,
        "templates" templates: Words,
    }
    not here: ["tracing", "event_recorder"]
}

section! {
    /// `global`
    RawGlobal {
        "resolve_timeout" resolve_timeout: Span,
        "http_config" http_config: RawHttp,
        "slack_api_url" slack_api_url: Hidden,
        "slack_api_url_file" slack_api_url_file: String,
        "smtp_from" smtp_from: String,
        "smtp_hello" smtp_hello: String,
        "smtp_smarthost" smtp_smarthost: String,
        "smtp_auth_username" smtp_auth_username: String,
        "smtp_auth_password" smtp_auth_password: Hidden,
        "smtp_auth_password_file" smtp_auth_password_file: String,
        "smtp_require_tls" smtp_require_tls: bool,
        "smtp_tls_config" smtp_tls_config: RawTls,
    }
    not here: ["smtp_auth_secret", "smtp_auth_secret_file", "smtp_auth_identity", "smtp_force_implicit_tls", "pagerduty_url",
        "opsgenie_api_url", "opsgenie_api_key", "opsgenie_api_key_file", "wechat_api_url", "wechat_api_secret",
        "wechat_api_secret_file", "wechat_api_corp_id", "victorops_api_url", "victorops_api_key", "victorops_api_key_file",
        "telegram_api_url", "telegram_bot_token", "telegram_bot_token_file", "webex_api_url", "jira_api_url",
        "rocketchat_api_url", "rocketchat_token", "rocketchat_token_file", "rocketchat_token_id", "rocketchat_token_id_file",
        "slack_app_token", "slack_app_token_file", "slack_app_url", "mattermost_webhook_url", "mattermost_webhook_url_file"]
}

section! {
    /// `route` and what is below it
    RawRoute {
        "receiver" receiver: String,
        "group_by" group_by: Words,
        "continue" goes_on: bool,
        "match" equal: Labels,
        "match_re" regex: Labels,
        "matchers" matchers: Words,
        "group_wait" group_wait: Span,
        "group_interval" group_interval: Span,
        "repeat_interval" repeat_interval: Span,
        "mute_time_intervals" mute: Words,
        "active_time_intervals" active: Words,
        "routes" routes: Vec<Spanned<RawRoute>>,
    }
    not here: ["labels"]
}

section! {
    /// `receivers[]`
    RawReceiver {
        "name" name: String,
        "slack_configs" slack: Vec<Spanned<RawSlack>>,
        "webhook_configs" webhook: Vec<Spanned<RawWebhook>>,
        "email_configs" email: Vec<Spanned<RawEmail>>,
    }
    not here: ["pagerduty_configs", "opsgenie_configs", "victorops_configs", "pushover_configs", "wechat_configs", "sns_configs",
        "telegram_configs", "discord_configs", "webex_configs", "msteams_configs", "msteamsv2_configs", "jira_configs",
        "rocketchat_configs", "incidentio_configs", "mattermost_configs"]
}

section! {
    /// `slack_configs[]`
    RawSlack {
        "send_resolved" send_resolved: bool,
        "http_config" http_config: RawHttp,
        "api_url" api_url: Hidden,
        "api_url_file" api_url_file: String,
        "channel" channel: String,
        "username" username: String,
        "color" color: String,
        "title" title: String,
        "title_link" title_link: String,
        "pretext" pretext: String,
        "text" text: String,
        "fields" fields: Vec<Spanned<RawField>>,
        "short_fields" short_fields: bool,
        "footer" footer: String,
        "fallback" fallback: String,
        "callback_id" callback_id: String,
        "icon_emoji" icon_emoji: String,
        "icon_url" icon_url: String,
        "image_url" image_url: String,
        "thumb_url" thumb_url: String,
        "link_names" link_names: bool,
        "mrkdwn_in" mrkdwn_in: Words,
        "actions" actions: Vec<Spanned<RawAction>>,
        "timeout" timeout: Span,
    }
    not here: ["app_token", "app_token_file", "app_url", "message_text", "update_message"]
}

section! {
    /// `slack_configs[].fields[]`
    RawField {
        "title" title: String,
        "value" value: String,
        "short" short: bool,
    }
    not here: []
}

section! {
    /// `slack_configs[].actions[]`
    RawAction {
        "type" kind: String,
        "text" text: String,
        "url" url: String,
        "style" style: String,
        "name" name: String,
        "value" value: String,
    }
    not here: ["confirm"]
}

section! {
    /// `webhook_configs[]`
    RawWebhook {
        "send_resolved" send_resolved: bool,
        "http_config" http_config: RawHttp,
        "url" url: Hidden,
        "url_file" url_file: String,
        "max_alerts" max_alerts: Count,
        "timeout" timeout: Span,
    }
    not here: ["payload"]
}

section! {
    /// `email_configs[]`
    RawEmail {
        "send_resolved" send_resolved: bool,
        "to" to: String,
        "from" from: String,
        "smarthost" smarthost: String,
        "hello" hello: String,
        "auth_username" auth_username: String,
        "auth_password" auth_password: Hidden,
        "auth_password_file" auth_password_file: String,
        "require_tls" require_tls: bool,
        "tls_config" tls_config: RawTls,
        "headers" headers: Labels,
        "html" html: String,
        "text" text: String,
    }
    not here: ["auth_secret", "auth_secret_file", "auth_identity", "force_implicit_tls", "threading"]
}

section! {
    /// `http_config`
    RawHttp {
        "basic_auth" basic_auth: RawBasicAuth,
        "authorization" authorization: RawAuthorization,
        "tls_config" tls_config: RawTls,
    }
    not here: ["oauth2", "bearer_token", "bearer_token_file", "proxy_url", "no_proxy", "proxy_from_environment",
        "proxy_connect_header", "follow_redirects", "enable_http2", "http_headers"]
}

section! {
    /// `basic_auth`
    RawBasicAuth {
        "username" username: String,
        "password" password: Hidden,
        "password_file" password_file: String,
    }
    not here: ["username_file", "username_ref", "password_ref"]
}

section! {
    /// `authorization`
    RawAuthorization {
        "type" kind: String,
        "credentials" credentials: Hidden,
        "credentials_file" credentials_file: String,
    }
    not here: ["credentials_ref"]
}

section! {
    /// `tls_config`
    RawTls {
        "ca_file" ca_file: String,
        "cert_file" cert_file: String,
        "key_file" key_file: String,
        "server_name" server_name: String,
        "insecure_skip_verify" insecure_skip_verify: bool,
    }
    not here: ["ca", "cert", "key", "ca_ref", "cert_ref", "key_ref", "min_version", "max_version"]
}

section! {
    /// `inhibit_rules[]`
    RawInhibitRule {
        "source_match" source_equal: Labels,
        "source_match_re" source_regex: Labels,
        "source_matchers" source_matchers: Words,
        "target_match" target_equal: Labels,
        "target_match_re" target_regex: Labels,
        "target_matchers" target_matchers: Words,
        "equal" equal: Words,
    }
    not here: ["name", "sources"]
}

section! {
    /// `time_intervals[]`
    RawInterval {
        "name" name: String,
        "time_intervals" periods: Vec<Spanned<RawPeriod>>,
    }
    not here: []
}

section! {
    /// `time_intervals[].time_intervals[]`
    RawPeriod {
        "times" times: Vec<Spanned<RawTimes>>,
        "weekdays" weekdays: Words,
        "days_of_month" days_of_month: Words,
        "months" months: Words,
        "years" years: Words,
        "location" location: String,
    }
    not here: []
}

section! {
    /// `time_intervals[].time_intervals[].times[]`
    RawTimes {
        "start_time" start_time: String,
        "end_time" end_time: String,
    }
    not here: []
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_descend_and_each_unit_stands_once() {
        for (text, seconds) in
            [("0", 0.0), ("30s", 30.0), ("1h30m", 5_400.0), ("8760h", 31_536_000.0), ("1y2w3d", 33_004_800.0), ("500ms", 0.5)]
        {
            assert_eq!(span(text).map(|span| span.as_secs_f64()), Some(seconds), "{text}");
        }
        for text in ["", "5", "s", "1m1h", "1s1s", "1.5h", "-1s", "99999999999999999999y", "5 m"] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
