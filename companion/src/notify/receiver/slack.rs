//! Slack's incoming webhooks: one attachment a notification. Pure.

use proto::time::UnixNanos;
use serde_json::{Map, Value, json};

use super::{Failure, Message};
use crate::notify::config::SlackConfig;
use crate::notify::http::Reply;
use crate::notify::template::{Data, Text};

/// A longer title is cut.
const TITLE_CHARS_MAX: usize = 1024;

/// The body of the request.
pub fn payload(config: &SlackConfig, message: &Message<'_>, now: UnixNanos) -> Result<Vec<u8>, String> {
    let data = message.subject().data();
    let mut attachment = Map::new();
    let title = cut(&render("title", &config.title, &data, now)?, TITLE_CHARS_MAX);
    set(&mut attachment, "title", title);
    for (key, text) in [
        ("title_link", &config.title_link),
        ("pretext", &config.pretext),
        ("text", &config.text),
        ("fallback", &config.fallback),
        ("callback_id", &config.callback_id),
        ("color", &config.color),
        ("footer", &config.footer),
        ("image_url", &config.image_url),
        ("thumb_url", &config.thumb_url),
    ] {
        set(&mut attachment, key, render(key, text, &data, now)?);
    }
    let mut fields = Vec::new();
    for field in &config.fields {
        let (title, value) = (render("fields", &field.title, &data, now)?, render("fields", &field.value, &data, now)?);
        fields.push(json!({"title": title, "value": value, "short": field.short}));
    }
    if !fields.is_empty() {
        attachment.insert("fields".to_owned(), fields.into());
    }
    let mut actions = Vec::new();
    for action in &config.actions {
        let mut shown = Map::new();
        for (key, text) in [
            ("type", &action.kind),
            ("text", &action.text),
            ("url", &action.url),
            ("style", &action.style),
            ("name", &action.name),
            ("value", &action.value),
        ] {
            set(&mut shown, key, render("actions", text, &data, now)?);
        }
        actions.push(Value::Object(shown));
    }
    if !actions.is_empty() {
        attachment.insert("actions".to_owned(), actions.into());
    }
    attachment.insert("mrkdwn_in".to_owned(), config.mrkdwn_in.clone().into());

    let mut body = Map::new();
    for (key, text) in [
        ("channel", &config.channel),
        ("username", &config.username),
        ("icon_emoji", &config.icon_emoji),
        ("icon_url", &config.icon_url),
    ] {
        set(&mut body, key, render(key, text, &data, now)?);
    }
    if config.link_names {
        body.insert("link_names".to_owned(), true.into());
    }
    body.insert("attachments".to_owned(), Value::Array(vec![Value::Object(attachment)]));
    Ok(Value::Object(body).to_string().into_bytes())
}

/// What an answer means: the text says what is wrong.
pub fn outcome(reply: &Reply) -> Result<(), Failure> {
    // Some stand-ins for Slack answer JSON, which has its own word for success.
    let is_fine = reply.body.trim() == "ok" || serde_json::from_str::<Value>(&reply.body).is_ok_and(|body| body["ok"] == true);
    match reply.status {
        200..300 if is_fine => Ok(()),
        200..300 => Err(Failure { may_pass: false, ..Failure::of_reply(reply, "Slack") }),
        404 if reply.body.contains("channel") || reply.body.contains("no_service") => Err(Failure::lasting(format!(
            "Slack answers 404: {}; the webhook is gone, or its app has not joined the channel",
            reply.body.trim().chars().take(100).collect::<String>()
        ))),
        _ => Err(Failure::of_reply(reply, "Slack")),
    }
}

fn render(key: &str, text: &Text, data: &Data, now: UnixNanos) -> Result<String, String> {
    text.render(data, now).map_err(|error| format!("the template of `{key}`: {error}"))
}

fn set(map: &mut Map<String, Value>, key: &str, text: String) {
    if !text.is_empty() {
        map.insert(key.to_owned(), text.into());
    }
}

/// At most so many characters, the last of them an ellipsis where something was cut.
fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config_of, message};
    use super::*;
    use crate::notify::config::IntegrationKind;

    fn slack(text: &str) -> Box<SlackConfig> {
        match config_of(&format!("slack_configs: [{{api_url: 'https://h.example.org/x', {text}}}]")).kind {
            IntegrationKind::Slack(config) => config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_notification_is_one_attachment() {
        let config = slack(
            "channel: '#a', title: '{{ .Status }}', link_names: true, fields: [{title: t, value: '{{ len .Alerts }}', short: true}], \
             actions: [{type: button, text: See, url: '{{ .ExternalURL }}'}]",
        );
        let body = message(|message| payload(&config, message, UnixNanos(0))).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        expect_test::expect![[r##"
            {
              "attachments": [
                {
                  "actions": [
                    {
                      "text": "See",
                      "type": "button",
                      "url": "http://picket.example.org"
                    }
                  ],
                  "color": "danger",
                  "fallback": "[FIRING:1] K4 (critical)",
                  "fields": [
                    {
                      "short": true,
                      "title": "t",
                      "value": "2"
                    }
                  ],
                  "mrkdwn_in": [
                    "fallback",
                    "pretext",
                    "text"
                  ],
                  "text": "• alice opened a shell\n• over: bob opened a shell\n",
                  "title": "firing",
                  "title_link": "http://picket.example.org"
                }
              ],
              "channel": "#a",
              "link_names": true,
              "username": "picket"
            }"##]]
        .assert_eq(&serde_json::to_string_pretty(&body).unwrap());
    }

    #[test]
    fn a_long_title_is_cut_by_characters() {
        let config = slack("title: '{{ range 300 }}äöüß{{ end }}{{ range 300 }}x{{ end }}'");
        let body = message(|message| payload(&config, message, UnixNanos(0))).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let title = body["attachments"][0]["title"].as_str().unwrap();
        assert_eq!((title.chars().count(), title.ends_with("…")), (1024, true));
    }

    #[test]
    fn what_an_alert_says_mentions_nobody() {
        let config = slack("title: '<!here> {{ \"<!channel> <@U1> <http://example.org|x> a<b\" }}'");
        let body = message(|message| payload(&config, message, UnixNanos(0))).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["attachments"][0]["title"], "<!here> &lt;!channel> &lt;@U1> <http://example.org|x> a<b");
    }

    #[test]
    fn answers_are_understood() {
        let reply = |status, body: &str| Reply { status, retry_after: None, body: body.to_owned() };
        for (status, body, passes, words) in [
            (404, "channel_not_found", false, "has not joined the channel"),
            (403, "action_prohibited", false, "403: action_prohibited"),
            (400, "invalid_payload", false, "400: invalid_payload"),
            (429, "rate_limited", true, "429: rate_limited"),
            (500, "", true, "answers 500"),
            (200, "<html>login", false, "200: <html>login"),
            (302, "", false, "answers 302"),
        ] {
            let failure = outcome(&reply(status, body)).unwrap_err();
            assert!(failure.may_pass == passes && failure.words.contains(words), "{failure:?}");
        }
        assert_eq!(outcome(&reply(200, "ok")), Ok(()));
        assert_eq!(outcome(&reply(200, r#"{"ok":true}"#)), Ok(()));
    }
}
