//! Prometheus' 29 template functions.
//!
//! Times and durations of Go become the text that Go would print; everything else is as there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use gotmpl::{FuncMap, TemplateError, Value};
use proto::time::UnixNanos;
use regex::Regex;

use super::{Environment, humanize, label_map, print};
use crate::rules::duration;

/// Names that label maps must have, once they are known.
type Names = Arc<OnceLock<BTreeSet<Arc<str>>>>;
type Answer = Result<Value, TemplateError>;

/// All of them, by name.
pub(super) fn all(environment: &Arc<Environment>, now: &Arc<AtomicI64>, names: &Names) -> FuncMap {
    let mut functions = FuncMap::new();
    let mut add = |name: &'static str, takes: usize, function: Arc<dyn Fn(&[Value]) -> Answer + Send + Sync>| {
        let checked = move |args: &[Value]| {
            // `args` takes any number.
            if name != "args" && args.len() != takes {
                return fail(format!("{name} takes {takes} arguments, not {}", args.len()));
            }
            function(args)
        };
        functions.insert(name.to_owned(), Arc::new(checked));
    };

    add("query", 1, query(environment, now, names));
    add("first", 1, Arc::new(|args| match list(&args[0])? {
        [first, ..] => Ok(first.clone()),
        [] => fail("first() called on vector with no elements"),
    }));
    add("label", 2, Arc::new(|args| Ok(args[1].field("Labels").and_then(|labels| labels.field(text(&args[0]).ok()?)).cloned().unwrap_or_else(|| string("")))));
    add("value", 1, Arc::new(|args| Ok(args[0].field("Value").cloned().unwrap_or(Value::Float(0.0)))));
    add("strvalue", 1, Arc::new(|args| Ok(args[0].field("Labels").and_then(|labels| labels.field("__value__")).cloned().unwrap_or_else(|| string("")))));
    add("sortByLabel", 2, Arc::new(|args| {
        let name = text(&args[0])?;
        let mut samples = list(&args[1])?.to_vec();
        samples.sort_by_key(|sample| sample.field("Labels").and_then(|labels| labels.field(name)).map(ToString::to_string));
        Ok(Value::List(samples.into()))
    }));
    add("args", 0, Arc::new(|args| {
        let numbered = args.iter().enumerate().map(|(place, value)| (format!("arg{place}").into(), value.clone()));
        Ok(Value::Map(Arc::new(numbered.collect())))
    }));

    add("humanize", 1, Arc::new(|args| Ok(string(&humanize::humanize(number(&args[0])?)))));
    add("humanize1024", 1, Arc::new(|args| Ok(string(&humanize::humanize_1024(number(&args[0])?)))));
    add("humanizeDuration", 1, Arc::new(|args| Ok(string(&humanize::humanize_duration(number(&args[0])?)))));
    add("humanizePercentage", 1, Arc::new(|args| Ok(string(&humanize::humanize_percentage(number(&args[0])?)))));
    add("humanizeTimestamp", 1, Arc::new(|args| timestamp(&args[0])));
    add("toTime", 1, Arc::new(|args| timestamp(&args[0])));
    add("toDuration", 1, Arc::new(|args| Ok(string(&go_duration(number(&args[0])?)))));
    let at = Arc::clone(now);
    add("now", 0, Arc::new(move |_| Ok(Value::Float(at.load(Ordering::Relaxed) as f64 / 1e9))));
    add("parseDuration", 1, Arc::new(|args| {
        let given = text(&args[0])?;
        match duration::parse(given) {
            Ok(duration) => Ok(Value::Float(duration.0.as_secs_f64())),
            Err(reason) => fail(format!("{given:?} {reason}")),
        }
    }));

    add("title", 1, Arc::new(|args| Ok(string(&title(text(&args[0])?)))));
    add("toUpper", 1, Arc::new(|args| Ok(string(&text(&args[0])?.to_uppercase()))));
    add("toLower", 1, Arc::new(|args| Ok(string(&text(&args[0])?.to_lowercase()))));
    add("match", 2, Arc::new(|args| Ok(Value::Bool(regex(&args[0])?.is_match(text(&args[1])?)))));
    add("reReplaceAll", 3, Arc::new(|args| {
        Ok(string(&regex(&args[0])?.replace_all(text(&args[2])?, text(&args[1])?)))
    }));
    add("stripPort", 1, Arc::new(|args| {
        let given = text(&args[0])?;
        Ok(string(split_port(given).map_or(given, |(host, _)| host)))
    }));
    add("stripDomain", 1, Arc::new(|args| Ok(string(&strip_domain(text(&args[0])?)))));
    add("urlQueryEscape", 1, Arc::new(|args| Ok(string(&gotmpl::url_encode(text(&args[0])?)))));
    add("safeHtml", 1, Arc::new(|args| Ok(string(text(&args[0])?))));

    add("graphLink", 1, Arc::new(|args| Ok(string(&format!("/graph?g0.expr={}&g0.tab=0", gotmpl::url_encode(text(&args[0])?))))));
    add("tableLink", 1, Arc::new(|args| Ok(string(&format!("/graph?g0.expr={}&g0.tab=1", gotmpl::url_encode(text(&args[0])?))))));
    let path = url::Url::parse(&environment.external_url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    add("pathPrefix", 0, Arc::new(move |_| Ok(string(&path))));
    let external_url = environment.external_url.clone();
    add("externalURL", 0, Arc::new(move |_| Ok(string(&external_url))));
    add(print::NAME, 1, Arc::new(print::text));
    functions
}

fn query(environment: &Arc<Environment>, now: &Arc<AtomicI64>, names: &Names) -> Arc<dyn Fn(&[Value]) -> Answer + Send + Sync> {
    let (environment, now, names) = (Arc::clone(environment), Arc::clone(now), Arc::clone(names));
    Arc::new(move |args| {
        let Some(querier) = &environment.querier else {
            return fail("query has nobody to ask here");
        };
        let samples = querier(text(&args[0])?, UnixNanos(now.load(Ordering::Relaxed))).map_err(TemplateError::Exec)?;
        let none = BTreeSet::new();
        let names = names.get().unwrap_or(&none);
        let samples = samples.into_iter().map(|sample| {
            Value::Map(Arc::new(BTreeMap::from([
                ("Labels".into(), label_map(&sample.labels, names)),
                ("Value".into(), Value::Float(sample.value)),
            ])))
        });
        Ok(Value::List(samples.collect()))
    })
}

fn fail<T>(message: impl Into<String>) -> Result<T, TemplateError> {
    Err(TemplateError::Exec(message.into()))
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}

fn text(value: &Value) -> Result<&str, TemplateError> {
    value.as_str().map_or_else(|| fail(format!("expected text, not {value}")), Ok)
}

fn list(value: &Value) -> Result<&[Value], TemplateError> {
    match value {
        Value::List(items) => Ok(items),
        other => fail(format!("expected the samples of a query, not {other}")),
    }
}

fn number(value: &Value) -> Result<f64, TemplateError> {
    let found = match value {
        Value::Float(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    found.map_or_else(|| fail(format!("expected a number, not {value}")), Ok)
}

fn regex(pattern: &Value) -> Result<Regex, TemplateError> {
    let pattern = text(pattern)?;
    Regex::new(pattern).or_else(|_| fail(format!("{pattern:?} is no regular expression")))
}

fn timestamp(value: &Value) -> Answer {
    match humanize::humanize_timestamp(number(value)?) {
        Some(text) => Ok(string(&text)),
        None => fail(format!("{value} is not a time")),
    }
}

/// What Go prints for a `time.Duration`: `2m15.3563s`, `1h0m0s`, `1.5ms`.
fn go_duration(seconds: f64) -> String {
    let nanos = (seconds * 1e9) as i64;
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let fraction = |value: u64, unit: u64| {
        let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let text = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000) + "µs",
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000) + "ms",
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = fraction(rest, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// Go's `strings.Title`: the first letter of each word.
fn title(text: &str) -> String {
    let mut before = ' ';
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let inside = before.is_alphanumeric() || matches!(before, '_' | '\'');
        if inside {
            out.push(letter);
        } else {
            out.extend(letter.to_uppercase());
        }
        before = letter;
    }
    out
}

/// Go's `net.SplitHostPort`.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(host) = host.strip_prefix('[') {
        return Some((host.strip_suffix(']')?, port));
    }
    (!host.contains([':', '[', ']'])).then_some((host, port))
}

fn strip_domain(text: &str) -> String {
    let (host, port) = split_port(text).map_or((text, None), |(host, port)| (host, Some(port)));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let host = host.split('.').next().unwrap_or_default();
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
