//! What any HTTP answer says to a sender, whoever gave it: how long to wait, and why, in words for people.

use std::time::Duration;

use crate::loki::text;
use crate::time::UnixNanos;

/// HTML: a proxy's, or of something else altogether.
pub(crate) fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn wait(value: &str, now: UnixNanos) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = text::http_date(value)?;
    Some(Duration::from_nanos(u64::try_from(i128::from(then.0) - i128::from(now.0)).unwrap_or_default()))
}

/// The beginning of a body, on one line, behind its status. Of a page, its title, and that it is not what was `expected`.
pub(crate) fn reason(status: u16, body: &str, expected: &str) -> String {
    const MAX_BYTES: usize = 512;
    let title = if is_page(body) { title(body) } else { None };
    let body = title.unwrap_or(body).trim();
    let mut reason = format!("{status}: ");
    // Titles tend to begin with the status.
    let said = if title.is_some() { body.strip_prefix(&status.to_string()).unwrap_or(body).trim_start() } else { body };
    reason.extend(said[..said.floor_char_boundary(MAX_BYTES)].chars().map(|c| if c.is_control() { ' ' } else { c }));
    reason.push_str(if said.len() > MAX_BYTES { "…" } else { "" });
    if title.is_some() {
        reason.push_str(" (an HTML page: of a proxy, or of something that is no ");
        reason.push_str(expected);
        reason.push(')');
    }
    reason
}

/// What a page has between `<title>` and its end, in the letter case in which all proxies write it.
fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>").or_else(|| page.split_once("<TITLE>"))?;
    Some(rest.split('<').next().unwrap_or(rest)).filter(|title| !title.trim().is_empty())
}
