//! Answers as HTTP has them: a status, a kind, a text.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::Value;

/// What goes out.
pub type Answer = Response<Full<Bytes>>;

/// JSON, 200.
pub fn json(value: &Value) -> Answer {
    text(StatusCode::OK, "application/json", value.to_string())
}

/// JSON with another status.
pub fn json_with(status: StatusCode, value: &Value) -> Answer {
    text(status, "application/json", value.to_string())
}

/// Plain text.
pub fn plain(status: StatusCode, words: impl Into<String>) -> Answer {
    text(status, "text/plain; charset=utf-8", words.into())
}

/// Text of a kind.
pub fn text(status: StatusCode, kind: &'static str, words: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(words)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    answer
}

/// Nothing, 204.
pub fn nothing() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// 401, in a way that makes a browser ask for the token.
pub fn unauthorized() -> Answer {
    let mut answer =
        plain(StatusCode::UNAUTHORIZED, "a token is needed: `Authorization: Bearer TOKEN`, or as the password of any user\n");
    answer
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"picket companion\", charset=\"UTF-8\""));
    answer
}

/// Says when to come again, in whole seconds, rounded up.
#[must_use]
pub fn after(mut answer: Answer, wait: Option<Duration>) -> Answer {
    if let Some(wait) = wait {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64));
    }
    answer
}
