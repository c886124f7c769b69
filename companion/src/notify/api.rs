//! Alertmanager's API, version 2, as far as silences and alerts: JSON in, JSON out, no sockets. Any program that speaks to
//! Alertmanager (amtool, Grafana) can list and silence here.

use client::backoff::random;
use proto::time::UnixNanos;
use serde::Deserialize;
use serde_json::{Value, json};

use super::decide::after;
use super::dispatch::{AlertView, Dispatcher};
use super::matcher::{self, MatchOp, Matcher, Matchers};
use super::receiver::webhook::{object, time};
use super::silence::{Silence, SilenceError};
use crate::labels::LabelSet;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// JSON; nothing where there is no body.
    pub body: Option<Value>,
}

impl Answer {
    fn fine(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }

    fn refused(status: u16, words: impl Into<String>) -> Self {
        Self { status, body: Some(Value::String(words.into())) }
    }
}

/// Answers a request below `/api/v2/`, such as `GET silences`; nothing if there is nothing of that name. `query` is what stands
/// behind the question mark.
pub fn answer(dispatcher: &mut Dispatcher, method: &str, path: &str, query: &str, body: &[u8], now: UnixNanos) -> Option<Answer> {
    let of_one = path.strip_prefix("silence/").filter(|id| !id.is_empty());
    Some(match (method, path, of_one) {
        ("GET", "silences", _) => silences(dispatcher, query, now),
        ("POST", "silences", _) => set_silence(dispatcher, body, now),
        ("GET", _, Some(id)) => match dispatcher.silences.get(id) {
            Some(silence) => Answer::fine(of_silence(silence, now)),
            None => Answer::refused(404, SilenceError::NotFound.to_string()),
        },
        ("DELETE", _, Some(id)) => match dispatcher.silences.expire(id, now) {
            Ok(()) => Answer { status: 200, body: None },
            Err(error) => refusal(&error),
        },
        ("GET", "alerts", _) => alerts(dispatcher, query, now),
        (_, "silences" | "alerts", _) | (_, _, Some(_)) => Answer::refused(405, "method not allowed"),
        _ => return None,
    })
}

fn refusal(error: &SilenceError) -> Answer {
    let status = match error {
        SilenceError::Invalid(_) => 400,
        SilenceError::NotFound => 404,
        SilenceError::Full => 429,
    };
    Answer::refused(status, error.to_string())
}

#[derive(Deserialize)]
struct PostedSilence {
    #[serde(default)]
    id: String,
    matchers: Vec<PostedMatcher>,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
    #[serde(rename = "createdBy")]
    created_by: String,
    comment: String,
}

#[derive(Deserialize)]
struct PostedMatcher {
    name: String,
    value: String,
    #[serde(rename = "isRegex")]
    is_regex: bool,
    #[serde(rename = "isEqual", default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

fn set_silence(dispatcher: &mut Dispatcher, body: &[u8], now: UnixNanos) -> Answer {
    let posted: PostedSilence = match serde_json::from_slice(body) {
        Ok(posted) => posted,
        Err(error) => return Answer::refused(400, format!("this is no silence: {error}")),
    };
    let mut matchers = Vec::new();
    for posted in &posted.matchers {
        match Matcher::new(&posted.name, MatchOp::of(posted.is_regex, posted.is_equal), &posted.value) {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => return Answer::refused(400, format!("silence invalid: {error}")),
        }
    }
    if matchers.is_empty() {
        return Answer::refused(400, "silence invalid: at least one matcher required");
    }
    let at = |text: &str| record::time::parse_rfc3339(text.as_bytes());
    let (Some(starts_at), Some(ends_at)) = (at(&posted.starts_at), at(&posted.ends_at)) else {
        return Answer::refused(400, "`startsAt` and `endsAt` are times in RFC 3339, such as 2026-11-26T12:00:00Z");
    };
    let silence = Silence {
        id: posted.id,
        matchers: Matchers(matchers),
        starts_at,
        ends_at,
        updated_at: now,
        created_by: posted.created_by,
        comment: posted.comment,
    };
    match dispatcher.silences.set(silence, uuid, now) {
        Ok(id) => Answer::fine(json!({ "silenceID": id })),
        Err(error) => refusal(&error),
    }
}

fn silences(dispatcher: &Dispatcher, query: &str, now: UnixNanos) -> Answer {
    let filters = match filters(query) {
        Ok(filters) => filters,
        Err(error) => return Answer::refused(400, error),
    };
    // A silence passes if it has a matcher of each name that the filter allows, as Alertmanager has it.
    let passes = |silence: &&Silence| {
        let values: LabelSet = silence.matchers.0.iter().map(|matcher| (matcher.name.as_str(), matcher.value.as_str())).collect();
        filters.matches(&values)
    };
    Answer::fine(dispatcher.silences.listed(now).into_iter().filter(passes).map(|silence| of_silence(silence, now)).collect())
}

fn of_silence(silence: &Silence, now: UnixNanos) -> Value {
    let matchers = silence.matchers.0.iter().map(|matcher| {
        json!({"name": matcher.name, "value": matcher.value, "isRegex": matcher.op.is_regex(), "isEqual": matcher.op.is_equal()})
    });
    json!({
        "id": silence.id,
        "status": {"state": silence.state(now).as_str()},
        "updatedAt": time(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "startsAt": time(silence.starts_at),
        "endsAt": time(silence.ends_at),
        "matchers": matchers.collect::<Vec<_>>(),
    })
}

fn alerts(dispatcher: &Dispatcher, query: &str, now: UnixNanos) -> Answer {
    let filters = match filters(query) {
        Ok(filters) => filters,
        Err(error) => return Answer::refused(400, error),
    };
    let is_wanted = |name: &str| value(query, name).is_none_or(|value| value != "false");
    let receiver = match value(query, "receiver").map(|pattern| matcher::anchored(&pattern)).transpose() {
        Ok(receiver) => receiver,
        Err(error) => return Answer::refused(400, format!("failed to parse receiver param: {error}")),
    };
    let is_shown = |view: &AlertView<'_>| {
        let (silenced, inhibited) = (!view.silenced_by.is_empty(), !view.inhibited_by.is_empty());
        filters.matches(&view.known.alert.labels)
            && receiver.as_ref().is_none_or(|receiver| view.receivers.iter().any(|name| receiver.is_match(name)))
            && (is_wanted("silenced") || !silenced)
            && (is_wanted("inhibited") || !inhibited)
            && (is_wanted("unprocessed") || view.is_processed)
            && (is_wanted("active") || silenced || inhibited)
    };
    let shown = dispatcher.view(now).into_iter().filter(is_shown).map(|view| {
        let state = match (view.silenced_by.is_empty() && view.inhibited_by.is_empty(), view.is_processed) {
            (false, _) => "suppressed",
            (true, true) => "active",
            (true, false) => "unprocessed",
        };
        let alert = &view.known.alert;
        let ends_at = if alert.ends_at.0 == 0 { after(now, dispatcher.config().resolve_timeout) } else { alert.ends_at };
        json!({
            "annotations": object(&alert.annotations),
            "endsAt": time(ends_at),
            "fingerprint": view.fingerprint.to_string(),
            "receivers": view.receivers.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "startsAt": time(alert.starts_at),
            "status": {
                "inhibitedBy": view.inhibited_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "silencedBy": view.silenced_by,
                "state": state,
            },
            "updatedAt": time(view.known.updated_at),
            "generatorURL": alert.generator_url,
            "labels": object(&alert.labels),
        })
    });
    Answer::fine(shown.collect())
}

fn values(query: &str, name: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| *key == *name).map(|(_, value)| value.into_owned()).collect()
}

fn value(query: &str, name: &str) -> Option<String> {
    values(query, name).into_iter().next()
}

fn filters(query: &str) -> Result<Matchers, String> {
    let mut found = Vec::new();
    for filter in values(query, "filter") {
        found.extend(matcher::parse(&filter).map_err(|_| format!("bad matcher format: {filter}"))?);
    }
    Ok(Matchers(found))
}

/// A random identity, version 4.
fn uuid() -> String {
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        8 + (low >> 62),
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::alert::Alert;
    use super::*;

    fn at(text: &str) -> UnixNanos {
        record::time::parse_rfc3339(text.as_bytes()).unwrap()
    }

    fn dispatcher() -> Dispatcher {
        let text = "route: {receiver: team, group_by: [alertname]}\nreceivers: [{name: team}]\n\
                    inhibit_rules: [{source_matchers: [alertname=Source], target_matchers: [alertname=Target]}]\n";
        let config = super::super::config::parse(&"am.yml".into(), text.as_bytes(), Path::new("/")).unwrap();
        let mut dispatcher = Dispatcher::new(Arc::new(config));
        let alert = |name: &str| Alert {
            labels: [("alertname", name)].into_iter().collect(),
            starts_at: at("2026-11-26T12:00:00Z"),
            ..Alert::default()
        };
        dispatcher.take(["A", "Source", "Target"].map(alert), at("2026-11-26T12:00:00Z"));
        dispatcher
    }

    const POSTED: &str = r#"{"matchers":[{"name":"alertname","value":"A","isRegex":false}],"startsAt":"2026-11-26T11:00:00Z",
        "endsAt":"2026-11-26T13:00:00.000Z","createdBy":"me","comment":"c"}"#;

    #[test]
    fn silences_are_made_changed_listed_and_ended() {
        let mut dispatcher = dispatcher();
        let now = at("2026-11-26T12:00:00Z");
        let mut ask = |method: &str, path: &str, query: &str, body: &str| {
            let answer = answer(&mut dispatcher, method, path, query, body.as_bytes(), now).unwrap();
            (answer.status, answer.body.unwrap_or_default())
        };
        let (status, made) = ask("POST", "silences", "", POSTED);
        let id = made["silenceID"].as_str().unwrap().to_owned();
        assert_eq!((status, id.len(), id.matches('-').count()), (200, 36, 4));
        let (_, listed) = ask("GET", "silences", "", "");
        let expected = json!([{
            "id": id, "status": {"state": "active"}, "updatedAt": "2026-11-26T12:00:00Z", "comment": "c", "createdBy": "me",
            "startsAt": "2026-11-26T12:00:00Z", "endsAt": "2026-11-26T13:00:00Z",
            "matchers": [{"name": "alertname", "value": "A", "isRegex": false, "isEqual": true}],
        }]);
        assert_eq!(listed, expected);
        assert_eq!(ask("GET", "silences", "filter=alertname%3D%22B%22", "").1, json!([]));
        assert_eq!(ask("GET", &format!("silence/{id}"), "", "").1, expected[0]);
        let (_, alerts) = ask("GET", "alerts", "filter=alertname%3DA", "");
        assert_eq!(
            (&alerts[0]["status"]["state"], &alerts[0]["status"]["silencedBy"][0]),
            (&"suppressed".into(), &id.clone().into())
        );
        assert_eq!(ask("GET", "alerts", "silenced=false&filter=alertname%3DA", "").1, json!([]));
        assert_eq!(ask("DELETE", &format!("silence/{id}"), "", ""), (200, Value::Null));
        assert_eq!(ask("GET", &format!("silence/{id}"), "", "").1["status"]["state"], "expired");
        for (method, path, body, status, words) in [
            ("POST", "silences", "{}", 400, "this is no silence"),
            ("POST", "silences", &*POSTED.replace("\"A\"", "\"\""), 400, "must not match the empty string"),
            ("POST", "silences", &*POSTED.replace("T13", "T10"), 400, "start time must be before end time"),
            ("POST", "silences", &*POSTED.replace("false", "true").replace("\"A\"", "\"(\""), 400, "silence invalid"),
            (
                "POST",
                "silences",
                &*POSTED.replace('{', "{\"id\":\"x\",").replacen("{\"id\":\"x\",\"name", "{\"name", 1),
                404,
                "silence not found",
            ),
            ("GET", "silence/x", "", 404, "silence not found"),
            ("DELETE", "silence/x", "", 404, "silence not found"),
            ("PUT", "silences", "", 405, "not allowed"),
        ] {
            let (got, said) = ask(method, path, "", body);
            assert!(
                got == status && said.as_str().is_some_and(|said| said.contains(words)),
                "{method} {path} {body}: {got} {said}"
            );
        }
        assert_eq!(ask("GET", "silences", "filter=%3D%3D", "").0, 400);
        assert_eq!(answer(&mut Dispatcher::new(Arc::clone(dispatcher.config())), "GET", "status", "", b"", now), None);
    }

    #[test]
    fn alerts_are_shown_with_where_they_stand() {
        let mut dispatcher = dispatcher();
        let now = at("2026-11-26T12:01:00Z");
        let mut ask = |query: &str| answer(&mut dispatcher, "GET", "alerts", query, b"", now).unwrap().body.unwrap();
        let all = ask("");
        let states: Vec<_> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| (alert["labels"]["alertname"].clone(), alert["status"]["state"].clone()))
            .collect();
        assert_eq!(states.len(), 3);
        assert!(states.contains(&("A".into(), "unprocessed".into())) && states.contains(&("Target".into(), "suppressed".into())));
        let names = |alerts: Value| alerts.as_array().unwrap().len();
        assert_eq!(
            (
                names(ask("inhibited=false")),
                names(ask("unprocessed=false")),
                names(ask("receiver=team")),
                names(ask("receiver=te"))
            ),
            (2, 0, 3, 0)
        );
        dispatcher.poll(now);
        let mut ask = |query: &str| answer(&mut dispatcher, "GET", "alerts", query, b"", now).unwrap().body.unwrap();
        assert_eq!(names(ask("unprocessed=false")), 3);
        assert_eq!(names(ask("active=false")), 1);
    }
}
