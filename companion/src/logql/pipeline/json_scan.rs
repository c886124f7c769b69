//! Reading JSON as leniently as Loki's reader does: only what is asked for is looked at, and a text that breaks off has given
//! what came before.
//!
//! Of an array or object that is skipped only quotes and its own brackets are seen; so what is wrong inside stays unnoticed,
//! and the same lines are in error here and there.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    Null,
    Object,
    Array,
}

impl Kind {
    /// Of a value that the scanner of whole lines has found, and how many bytes of it at each end are quotes.
    pub(super) fn found(kind: record::json::Kind) -> (usize, Self) {
        match kind {
            record::json::Kind::String => (1, Self::Text),
            record::json::Kind::Number => (0, Self::Number),
            record::json::Kind::Bool => (0, Self::Bool),
            record::json::Kind::Null => (0, Self::Null),
            record::json::Kind::Object => (0, Self::Object),
            record::json::Kind::Array => (0, Self::Array),
        }
    }
}

/// Why a text is no JSON, in Loki's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed,
    Object,
    Array,
    Text,
    Unknown,
}

impl Fault {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed JSON error",
            Self::Object => "Value looks like object, but can't find closing '}' symbol",
            Self::Array => "Value is array, but can't find closing ']' symbol",
            Self::Text => "Value is string, but can't find closing '\"' symbol",
            Self::Unknown => "Unknown value type",
        }
    }
}

/// A value in its text: of a text what stands between the quotes, of all else the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Value {
    pub(super) fn raw<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Appends what the value says: texts without their escapes, all else as it stands, of null nothing.
    pub(super) fn push_to(&self, text: &[u8], out: &mut String) {
        match self.kind {
            Kind::Text => push_unescaped(self.raw(text), out),
            Kind::Null => {}
            _ => push_lossy(self.raw(text), out),
        }
    }
}

/// The line is UTF-8, and is only cut at quotes and brackets; so this is only lossy where an escape was cut in two.
fn push_lossy(bytes: &[u8], out: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(bytes)),
    }
}

pub(super) fn push_unescaped(raw: &[u8], out: &mut String) {
    if memchr::memchr(b'\\', raw).is_none() {
        return push_lossy(raw, out);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    record::json::unescape(raw, &mut bytes);
    push_lossy(&bytes, out);
}

/// The first byte from `at` on that is no blank.
pub(super) fn token(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).map(|blanks| at + blanks)
}

/// So many bytes of a text are looked at one by one.
const SHORT: usize = 16;

/// The closing quote of a text whose opening one is right before `at`, and whether there are escapes before it.
fn text_end(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut has_escapes = false;
    loop {
        let rest = text.get(at..)?;
        // Most texts are short, and a call costs more than they do.
        let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\');
        let near = rest.iter().take(SHORT).position(is_mark);
        let found = match near {
            Some(found) => at + found,
            None => at + SHORT + memchr::memchr2(b'"', b'\\', rest.get(SHORT..)?)?,
        };
        if text.get(found) == Some(&b'"') {
            return Some((found, has_escapes));
        }
        has_escapes = true;
        at = found + 2;
    }
}

/// After the bracket that closes the one at `start`.
fn container_end(text: &[u8], start: usize, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let byte = *text.get(at)?;
        if byte == b'"' {
            at = text_end(text, at + 1)?.0;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
}

/// The value that begins at or after `at`, and where it ends. Of one that does not end, its start.
pub(super) fn value(text: &[u8], at: usize) -> Result<(Value, usize), (Fault, usize)> {
    let start = token(text, at).ok_or((Fault::Malformed, at))?;
    let made = |kind, start: usize, end: usize| Value { kind, start: start as u32, end: end as u32 };
    match text.get(start) {
        Some(b'"') => {
            let (end, _) = text_end(text, start + 1).ok_or((Fault::Text, start))?;
            Ok((made(Kind::Text, start + 1, end), end + 1))
        }
        Some(b'{') => {
            let end = container_end(text, start, b'{', b'}').ok_or((Fault::Object, start))?;
            Ok((made(Kind::Object, start, end), end))
        }
        Some(b'[') => {
            let end = container_end(text, start, b'[', b']').ok_or((Fault::Array, start))?;
            Ok((made(Kind::Array, start, end), end))
        }
        _ => {
            let rest = text.get(start..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
            let end = start + rest.iter().position(ends).unwrap_or(rest.len());
            let kind = match text.get(start..end).unwrap_or_default() {
                b"true" | b"false" => Kind::Bool,
                b"null" => Kind::Null,
                [b'0'..=b'9' | b'-', ..] => Kind::Number,
                _ => return Err((Fault::Unknown, start)),
            };
            Ok((made(kind, start, end), end))
        }
    }
}

/// A member of an object: what stands between the quotes of its name, and its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) key: (u32, u32),
    pub(super) key_has_escapes: bool,
    pub(super) value: Value,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Stop,
}

/// Calls `each` with the members of the object that begins at or after `at`, as far as they can be read.
pub(super) fn members(text: &[u8], at: usize, mut each: impl FnMut(Member) -> Go) -> Result<(), (Fault, Option<Member>)> {
    let fault = |fault| (fault, None);
    let start = token(text, at).filter(|start| text.get(*start) == Some(&b'{')).ok_or(fault(Fault::Object))?;
    let mut at = token(text, start + 1).ok_or(fault(Fault::Malformed))?;
    if text.get(at) == Some(&b'}') {
        return Ok(());
    }
    loop {
        match text.get(at) {
            Some(b'"') => {}
            // After a comma.
            Some(b'}') => return Ok(()),
            _ => return Err(fault(Fault::Object)),
        }
        let (key_end, key_has_escapes) = text_end(text, at + 1).ok_or(fault(Fault::Malformed))?;
        let key = ((at + 1) as u32, key_end as u32);
        let colon = token(text, key_end + 1).filter(|colon| text.get(*colon) == Some(&b':'));
        let colon = colon.ok_or(fault(Fault::Malformed))?;
        let (value, end) = value(text, colon + 1).map_err(|(fault, start)| {
            let kind = match text.get(start) {
                Some(b'{') => Kind::Object,
                Some(b'[') => Kind::Array,
                _ => Kind::Null,
            };
            (fault, Some(Member { key, key_has_escapes, value: Value { kind, start: start as u32, end: text.len() as u32 } }))
        })?;
        if each(Member { key, key_has_escapes, value }) == Go::Stop {
            return Ok(());
        }
        let next = token(text, end).ok_or(fault(Fault::Array))?;
        match text.get(next) {
            Some(b'}') => return Ok(()),
            Some(b',') => at = token(text, next + 1).ok_or(fault(Fault::Array))?,
            _ => return Err(fault(Fault::Object)),
        }
    }
}

/// Calls `each` with the elements of the array that begins at `start`, as far as they can be read.
pub(super) fn elements(text: &[u8], start: usize, mut each: impl FnMut(Value) -> Go) {
    let mut at = start + 1;
    while let Ok((value, end)) = value(text, at) {
        if each(value) == Go::Stop {
            return;
        }
        match token(text, end) {
            Some(next) if text.get(next) == Some(&b',') => at = next + 1,
            _ => return,
        }
    }
}
