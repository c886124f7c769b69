//! The functions that Alertmanager's templates may call, and what stands behind a dot.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use gotmpl::{Template, TemplateError, Value};
use jiff::SignedDuration;
use proto::time::UnixNanos;

use super::go_time::{GoTime, read_duration, show_duration};
use crate::notify::mute;

/// Where every `.name` of a template ends: see `rewrite`.
pub(super) const FIELD: &str = "field";
/// What Slack's printed values pass through.
pub(super) const UNMENTION: &str = "unmention";
/// Stands in a map that is a Go struct: there an unknown name is a mistake and no empty text.
pub(super) const STRUCT: &str = "\u{0}struct";

thread_local! {
    /// What `now` is to the template that this thread renders. Rendering does not wait for anything, so it stays on its thread.
    static NOW: Cell<UnixNanos> = const { Cell::new(UnixNanos(0)) };
}

/// Sets what `now` says.
pub(super) fn set_now(now: UnixNanos) {
    NOW.set(now);
}

type Answer = Result<Value, TemplateError>;
type Function = fn(&[Value]) -> Answer;

/// Go's own.
const BUILTIN: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println",
    "slice", "urlquery",
];

/// Whether a template may call it.
pub(super) fn is_known(name: &str) -> bool {
    let hidden = [FIELD, UNMENTION].contains(&name);
    BUILTIN.contains(&name) || (!hidden && FUNCTIONS.iter().any(|(known, _)| *known == name))
}

/// A template that knows them all.
pub(super) fn with_functions(template: Template) -> Template {
    FUNCTIONS.iter().fold(template, |template, (name, function)| template.func(name, *function))
}

/// Alertmanager's, and what `rewrite` puts in.
const FUNCTIONS: [(&str, Function); 25] = [
    (FIELD, field),
    (UNMENTION, |args| Ok(text(one(args)?.to_string().replace("<!", "&lt;!").replace("<@", "&lt;@").replace("<#", "&lt;#")))),
    ("index", index),
    ("toUpper", |args| Ok(text(one(args)?.to_string().to_uppercase()))),
    ("toLower", |args| Ok(text(one(args)?.to_string().to_lowercase()))),
    ("title", |args| Ok(text(title(&one(args)?.to_string())))),
    ("trimSpace", |args| Ok(text(one(args)?.to_string().trim().to_owned()))),
    ("join", join),
    ("match", matched),
    ("reReplaceAll", replace_all),
    ("safeHtml", |args| Ok(text(one(args)?.to_string()))),
    ("safeUrl", |args| Ok(text(one(args)?.to_string()))),
    ("urlUnescape", url_unescape),
    ("stringSlice", |args| Ok(list(args.iter().map(|arg| text(arg.to_string()))))),
    ("list", |args| Ok(list(args.iter().cloned()))),
    ("append", append),
    ("dict", dict),
    ("toJson", |args| Ok(text(json(one(args)?).to_string()))),
    ("now", |_| Ok(time(&GoTime::utc(NOW.get())))),
    ("since", since),
    ("date", |args| two(args).and_then(|(layout, at)| Ok(text(as_time(at)?.format(&layout.to_string()))))),
    ("toDate", to_date),
    ("tz", in_zone),
    ("humanizeDuration", |args| Ok(text(humanize_duration(as_seconds(one(args)?)?)))),
    ("routeLabels", |_| Err(failed("routeLabels: this router's routes have no labels"))),
];

pub(super) fn text(text: String) -> Value {
    Value::String(text.into())
}

pub(super) fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::List(values.collect())
}

pub(super) fn time(time: &GoTime) -> Value {
    text(time.to_string())
}

fn failed(words: &str) -> TemplateError {
    TemplateError::Exec(words.to_owned())
}

fn one(args: &[Value]) -> Result<&Value, TemplateError> {
    match args {
        [arg] => Ok(arg),
        _ => Err(failed("one argument is wanted")),
    }
}

fn two(args: &[Value]) -> Result<(&Value, &Value), TemplateError> {
    match args {
        [first, second] => Ok((first, second)),
        _ => Err(failed("two arguments are wanted")),
    }
}

/// `.name` on something, with arguments if it is a method.
fn field(args: &[Value]) -> Answer {
    let [Value::String(name), subject, args @ ..] = args else { return Err(failed("field of nothing")) };
    let unknown = || failed(&format!("can't evaluate field {name} in a {}", subject.type_name()));
    match subject {
        Value::Map(map) if map.contains_key(STRUCT) => map.get(name).cloned().ok_or_else(unknown),
        Value::Map(map) => Ok(match (&**name, args) {
            ("SortedPairs", []) => list(sorted(map).into_iter().map(|(name, value)| pair(name, value))),
            ("Names", []) => list(sorted(map).into_iter().map(|(name, _)| Value::String(Arc::clone(name)))),
            ("Values", []) => list(sorted(map).into_iter().map(|(_, value)| value.clone())),
            ("Remove", [Value::List(names)]) => {
                let removed: Vec<String> = names.iter().map(ToString::to_string).collect();
                let kept = map.iter().filter(|(name, _)| !removed.iter().any(|removed| **removed == ***name));
                Value::Map(Arc::new(kept.map(|(name, value)| (Arc::clone(name), value.clone())).collect()))
            }
            // A label that is missing prints as nothing.
            (_, []) => map.get(name).cloned().unwrap_or_else(|| text(String::new())),
            _ => return Err(unknown()),
        }),
        Value::List(items) => {
            let of = |key: &str| list(items.iter().filter_map(|item| item.field(key).cloned()));
            let with_status = |status: &str| {
                let is = |item: &&Value| matches!(item.field("Status"), Some(Value::String(text)) if **text == *status);
                list(items.iter().filter(is).cloned())
            };
            match (&**name, args) {
                ("Firing", []) => Ok(with_status("firing")),
                ("Resolved", []) => Ok(with_status("resolved")),
                ("Names", []) => Ok(of("Name")),
                ("Values", []) => Ok(of("Value")),
                _ => Err(unknown()),
            }
        }
        Value::String(shown) => match (GoTime::parse(shown), read_duration(shown)) {
            (Some(at), _) => method_of_time(&at, name, args).unwrap_or_else(|| Err(unknown())),
            (None, Some(seconds)) if args.is_empty() => match &**name {
                "Seconds" => Ok(Value::Float(seconds)),
                "Minutes" => Ok(Value::Float(seconds / 60.0)),
                "Hours" => Ok(Value::Float(seconds / 3600.0)),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        },
        // What was missing has nothing in it.
        Value::Nil => Ok(text(String::new())),
        _ => Err(unknown()),
    }
}

fn method_of_time(at: &GoTime, name: &str, args: &[Value]) -> Option<Answer> {
    let other = |args: &[Value]| one(args).and_then(as_time);
    Some(match (name, args) {
        ("Format", [layout]) => Ok(text(at.format(&layout.to_string()))),
        ("String", []) => Ok(time(at)),
        ("UTC", []) => Ok(time(&at.in_zone(&jiff::tz::TimeZone::UTC))),
        ("Local", []) => Ok(time(&at.in_zone(&jiff::tz::TimeZone::system()))),
        ("Unix", []) => Ok(Value::Int(at.nanos().0.div_euclid(1_000_000_000))),
        ("IsZero", []) => Ok(Value::Bool(at.nanos().0 == 0)),
        ("Sub", [_]) => {
            other(args).map(|other| text(show_duration(SignedDuration::from_nanos(at.nanos().0.saturating_sub(other.nanos().0)))))
        }
        ("Before", [_]) => other(args).map(|other| Value::Bool(at.nanos() < other.nanos())),
        ("After", [_]) => other(args).map(|other| Value::Bool(at.nanos() > other.nanos())),
        _ => return None,
    })
}

/// `alertname` first, then by name.
fn sorted(map: &BTreeMap<Arc<str>, Value>) -> Vec<(&Arc<str>, &Value)> {
    let mut pairs: Vec<_> = map.iter().collect();
    pairs.sort_by_key(|(name, _)| (&***name != "alertname", Arc::clone(name)));
    pairs
}

fn pair(name: &Arc<str>, value: &Value) -> Value {
    structure([("Name", Value::String(Arc::clone(name))), ("Value", value.clone())])
}

/// What Go would have as a struct.
pub(super) fn structure<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().chain([(STRUCT, Value::Bool(true))]);
    Value::Map(Arc::new(fields.map(|(name, value)| (name.into(), value)).collect()))
}

/// Go's, where a missing name of a label map is the empty text.
fn index(args: &[Value]) -> Answer {
    let [first, rest @ ..] = args else { return Err(failed("index of nothing")) };
    rest.iter().try_fold(first.clone(), |value, key| match value.index(key)? {
        Value::Nil => Ok(text(String::new())),
        found => Ok(found),
    })
}

fn title(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    let mut inside = false;
    for c in words.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || (inside && matches!(c, '\'' | '_'));
    }
    out
}

fn join(args: &[Value]) -> Answer {
    let (separator, Value::List(items)) = two(args)? else { return Err(failed("join wants a separator and a list")) };
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    Ok(text(items.join(&separator.to_string())))
}

fn regex(pattern: &Value) -> Result<regex::Regex, TemplateError> {
    let built = regex::RegexBuilder::new(&pattern.to_string()).size_limit(1 << 20).build();
    built.map_err(|error| failed(&error.to_string()))
}

fn matched(args: &[Value]) -> Answer {
    let (pattern, subject) = two(args)?;
    Ok(Value::Bool(regex(pattern)?.is_match(&subject.to_string())))
}

fn replace_all(args: &[Value]) -> Answer {
    let [pattern, replacement, subject] = args else {
        return Err(failed("reReplaceAll wants a pattern, a replacement and a text"));
    };
    Ok(text(regex(pattern)?.replace_all(&subject.to_string(), replacement.to_string()).into_owned()))
}

fn url_unescape(args: &[Value]) -> Answer {
    let escaped = one(args)?.to_string().replace('+', " ");
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code =
            || after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, code()) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'%', None) => return Err(failed("invalid URL escape")),
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    Ok(text(String::from_utf8_lossy(&bytes).into_owned()))
}

fn append(args: &[Value]) -> Answer {
    let [Value::List(first), more @ ..] = args else { return Err(failed("append wants a list")) };
    Ok(list(first.iter().chain(more).cloned()))
}

fn dict(args: &[Value]) -> Answer {
    if !args.len().is_multiple_of(2) {
        return Err(failed("dict wants names and values in pairs"));
    }
    let pairs = args.chunks_exact(2).map(|pair| (pair[0].to_string().into(), pair[1].clone()));
    Ok(Value::Map(Arc::new(pairs.collect())))
}

/// For `toJson`. A time is what Go makes of it, RFC 3339.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil | Value::Function(_) => serde_json::Value::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::String(shown) => match GoTime::parse(shown) {
            Some(at) => at.format("2006-01-02T15:04:05.999999999Z07:00").into(),
            None => shown.to_string().into(),
        },
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(map) => {
            let is_struct = map.contains_key(STRUCT);
            let fields = map.iter().filter(|(name, _)| &***name != STRUCT);
            // Go's tags begin small.
            let small = |name: &str| name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect();
            let name = |name: &str| if is_struct { small(name) } else { name.to_owned() };
            serde_json::Value::Object(fields.map(|(key, value)| (name(key), json(value))).collect())
        }
    }
}

fn as_time(value: &Value) -> Result<GoTime, TemplateError> {
    let shown = value.to_string();
    GoTime::parse(&shown).ok_or_else(|| failed(&format!("{shown:?} is no time")))
}

fn since(args: &[Value]) -> Answer {
    let then = as_time(one(args)?)?;
    Ok(text(show_duration(SignedDuration::from_nanos(NOW.get().0.saturating_sub(then.nanos().0)))))
}

fn to_date(args: &[Value]) -> Answer {
    let (layout, shown) = two(args)?;
    let (layout, shown) = (layout.to_string(), shown.to_string());
    GoTime::read(&layout, &shown).map(|at| time(&at)).ok_or_else(|| failed(&format!("{shown:?} is not written as {layout:?}")))
}

fn in_zone(args: &[Value]) -> Answer {
    let (zone, at) = two(args)?;
    let zone = mute::location(&zone.to_string()).map_err(TemplateError::Exec)?;
    Ok(time(&as_time(at)?.in_zone(&zone)))
}

fn as_seconds(value: &Value) -> Result<f64, TemplateError> {
    match value {
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        other => {
            let shown = other.to_string();
            let number = shown.parse().ok().or_else(|| read_duration(&shown));
            number.ok_or_else(|| failed(&format!("{shown:?} is no duration")))
        }
    }
}

/// `1d 2h 3m 4s`; four digits below a minute; below a second with a prefix.
fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds == 0.0 {
        return format!("{}s", four_digits(seconds)).replace("NaNs", "NaN").replace("Infs", "Inf");
    }
    if seconds.abs() >= 1.0 {
        let sign = if seconds < 0.0 { "-" } else { "" };
        #[expect(clippy::cast_sign_loss, reason = "it is positive")]
        let whole = seconds.abs() as u64;
        let (days, hours, minutes, rest) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
        return match (days, hours, minutes) {
            (0, 0, 0) => format!("{sign}{}s", four_digits(seconds.abs())),
            (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
            (0, _, _) => format!("{sign}{hours}h {minutes}m {rest}s"),
            _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
        };
    }
    let (mut value, mut prefix) = (seconds, "");
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (value, prefix) = (value * 1000.0, next);
    }
    format!("{}{prefix}s", four_digits(value))
}

/// `%.4g` of a number between 1 and 1000, and of what is none.
fn four_digits(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    #[expect(clippy::cast_sign_loss, reason = "the logarithm of what is above 1 is positive")]
    let before = if value.abs() < 1.0 { 1 } else { value.abs().log10() as usize + 1 };
    let mut shown = String::new();
    // Writing to a String cannot fail.
    let _ = write!(shown, "{value:.places$}", places = 4_usize.saturating_sub(before));
    if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.').to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_as_people_read_them() {
        for (seconds, shown) in [
            (0.0, "0s"),
            (1.0, "1s"),
            (59.987, "59.99s"),
            (135.3563, "2m 15s"),
            (3_600.0, "1h 0m 0s"),
            (93_784.0, "1d 2h 3m 4s"),
            (-61.0, "-1m 1s"),
            (0.001_234_5, "1.234ms"),
            (0.000_000_5, "500ns"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(humanize_duration(seconds), shown, "{seconds}");
        }
    }
}
