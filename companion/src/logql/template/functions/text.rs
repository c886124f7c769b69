//! Texts. Those with a capital letter are Go's and take the text first; the others take it last, for pipes.

use super::{Answer, Fault, TEXT_MAX, Value, exactly, int, text};

pub(super) fn run<'v>(name: &str, values: Vec<Value<'v>>) -> Answer<'v> {
    match name {
        "ToLower" | "lower" => one(name, values, str::to_lowercase),
        "ToUpper" | "upper" => one(name, values, upper),
        "TrimSpace" | "trim" => one(name, values, |subject| subject.trim().to_owned()),
        "title" => one(name, values, title),
        "urlencode" => one(name, values, |subject| url::form_urlencoded::byte_serialize(subject.as_bytes()).collect()),
        "urldecode" => {
            let [subject] = exactly::<1>(name, values)?;
            percent_decoded(text(&subject)?)
        }
        "b64enc" => one(name, values, |subject| base64_encoded(subject.as_bytes())),
        "b64dec" => one(name, values, |subject| base64_decoded(subject).unwrap_or_default()),
        "Trim" => two(name, values, |subject, set| subject.trim_matches(|letter| set.contains(letter)).to_owned()),
        "TrimLeft" => two(name, values, |subject, set| subject.trim_start_matches(|letter| set.contains(letter)).to_owned()),
        "TrimRight" => two(name, values, |subject, set| subject.trim_end_matches(|letter| set.contains(letter)).to_owned()),
        "TrimPrefix" => two(name, values, |subject, prefix| subject.strip_prefix(prefix).unwrap_or(subject).to_owned()),
        "TrimSuffix" => two(name, values, |subject, suffix| subject.strip_suffix(suffix).unwrap_or(subject).to_owned()),
        "trimAll" => two(name, values, |set, subject| subject.trim_matches(|letter| set.contains(letter)).to_owned()),
        "trimPrefix" => two(name, values, |prefix, subject| subject.strip_prefix(prefix).unwrap_or(subject).to_owned()),
        "trimSuffix" => two(name, values, |suffix, subject| subject.strip_suffix(suffix).unwrap_or(subject).to_owned()),
        "contains" => test(name, values, |part, subject| subject.contains(part)),
        "hasPrefix" => test(name, values, |prefix, subject| subject.starts_with(prefix)),
        "hasSuffix" => test(name, values, |suffix, subject| subject.ends_with(suffix)),
        "replace" => {
            let [from, to, subject] = exactly::<3>(name, values)?;
            replaced(text(&subject)?, text(&from)?, text(&to)?, usize::MAX)
        }
        "Replace" => {
            let [subject, from, to, count] = exactly::<4>(name, values)?;
            let count = usize::try_from(int(&count)?).unwrap_or(usize::MAX);
            replaced(text(&subject)?, text(&from)?, text(&to)?, count)
        }
        "repeat" => {
            let [count, subject] = exactly::<2>(name, values)?;
            let (count, subject) = (count.to_int(), text(&subject)?);
            let count = usize::try_from(count).map_err(|_| Fault::Failed("strings: negative Repeat count".to_owned()))?;
            bounded(subject.len().saturating_mul(count))?;
            Ok(Value::text(subject.repeat(count)))
        }
        "trunc" => {
            let [count, subject] = exactly::<2>(name, values)?;
            let (count, subject) = (count.to_int(), text(&subject)?);
            Ok(Value::text(
                if count < 0 { last(subject, count.unsigned_abs()) } else { first(subject, count.unsigned_abs()) }.to_owned(),
            ))
        }
        "substr" => {
            let [start, end, subject] = exactly::<3>(name, values)?;
            Ok(Value::text(substring(start.to_int(), end.to_int(), text(&subject)?)))
        }
        "indent" | "nindent" => {
            let [count, subject] = exactly::<2>(name, values)?;
            let (count, subject) = (usize::try_from(count.to_int()).unwrap_or_default(), text(&subject)?);
            bounded(count.saturating_mul(subject.matches('\n').count() + 1).saturating_add(subject.len()))?;
            let blanks = " ".repeat(count);
            let indented = format!("{blanks}{}", subject.replace('\n', &format!("\n{blanks}")));
            Ok(Value::text(if name == "nindent" { format!("\n{indented}") } else { indented }))
        }
        "alignLeft" | "alignRight" => {
            let [width, subject] = exactly::<2>(name, values)?;
            let (width, subject) = (width.to_int(), text(&subject)?);
            let Ok(width) = usize::try_from(width) else { return Ok(Value::text(subject.to_owned())) };
            bounded(width)?;
            Ok(Value::text(match (subject.chars().count() > width, name) {
                (true, "alignLeft") => first(subject, width as u64).to_owned(),
                (true, _) => last(subject, width as u64).to_owned(),
                (false, "alignLeft") => format!("{subject:<width$}"),
                (false, _) => format!("{subject:>width$}"),
            }))
        }
        other => Err(Fault::Arguments(format!("function \"{other}\" not defined"))),
    }
}

fn one<'v>(name: &str, values: Vec<Value<'v>>, make: impl FnOnce(&str) -> String) -> Answer<'v> {
    let [subject] = exactly::<1>(name, values)?;
    Ok(Value::text(make(text(&subject)?)))
}

fn two<'v>(name: &str, values: Vec<Value<'v>>, make: impl FnOnce(&str, &str) -> String) -> Answer<'v> {
    let [left, right] = exactly::<2>(name, values)?;
    Ok(Value::text(make(text(&left)?, text(&right)?)))
}

fn test<'v>(name: &str, values: Vec<Value<'v>>, holds: impl FnOnce(&str, &str) -> bool) -> Answer<'v> {
    let [left, right] = exactly::<2>(name, values)?;
    Ok(Value::bool(holds(text(&left)?, text(&right)?)))
}

fn bounded(length: usize) -> Result<(), Fault> {
    if length > TEXT_MAX { Err(Fault::Failed(format!("a text has at most {TEXT_MAX} bytes"))) } else { Ok(()) }
}

fn replaced<'v>(subject: &str, from: &str, to: &str, count: usize) -> Answer<'v> {
    bounded(subject.len().saturating_mul(to.len().max(1) + 1))?;
    Ok(Value::text(subject.replacen(from, to, count)))
}

/// Each letter for itself: `ß` has no capital of one letter, and stays.
fn upper(text: &str) -> String {
    text.chars()
        .map(|letter| {
            let mut upper = letter.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => letter,
            }
        })
        .collect()
}

/// The first letter of each word as a capital.
fn title(text: &str) -> String {
    let mut in_word = false;
    text.chars()
        .map(|letter| {
            let starts = !in_word;
            in_word = letter.is_alphanumeric() || matches!(letter, '_' | '\'');
            if starts { upper(letter.encode_utf8(&mut [0; 4])).chars().next().unwrap_or(letter) } else { letter }
        })
        .collect()
}

fn first(text: &str, count: u64) -> &str {
    match text.char_indices().nth(count as usize) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

fn last(text: &str, count: u64) -> &str {
    let length = text.chars().count() as u64;
    if count >= length {
        return text;
    }
    match text.char_indices().nth((length - count) as usize) {
        Some((start, _)) => text.get(start..).unwrap_or_default(),
        None => text,
    }
}

fn substring(start: i64, end: i64, text: &str) -> String {
    let length = text.chars().count() as i64;
    let (start, end) = (start.min(length), end.min(length));
    let (from, to) = match (start < 0, end < 0) {
        (true, true) => (0, 0),
        (true, false) => (0, end),
        (false, true) => (start, length),
        (false, false) => (start, end),
    };
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    text.chars().skip(count(from)).take(count(to - from)).collect()
}

/// Go's `url.QueryUnescape`.
fn percent_decoded<'v>(text: &str) -> Answer<'v> {
    let bytes = text.as_bytes();
    let mut place = 0;
    while let Some(at) = memchr::memchr(b'%', bytes.get(place..).unwrap_or_default()) {
        let escape = bytes.get(place + at..).unwrap_or_default();
        if !matches!(escape, [_, first, second, ..] if first.is_ascii_hexdigit() && second.is_ascii_hexdigit()) {
            let shown = String::from_utf8_lossy(escape.get(..3.min(escape.len())).unwrap_or_default()).into_owned();
            return Err(Fault::Failed(format!("invalid URL escape {}", crate::logql::quantity::quoted(&shown))));
        }
        place += at + 3;
    }
    // As a form's value, whose separators are text here.
    let form = format!("v={}", text.replace('&', "%26").replace('=', "%3D"));
    let decoded = url::form_urlencoded::parse(form.as_bytes()).next();
    Ok(Value::text(decoded.map(|(_, value)| value.into_owned()).unwrap_or_default()))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (place, byte)| bits | u32::from(*byte) << (16 - 8 * place));
        for place in 0..4 {
            let letter = BASE64.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// With or without the signs that fill it up.
fn base64_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = BASE64.iter().position(|known| *known == letter)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
