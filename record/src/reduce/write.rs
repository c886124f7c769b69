//! Writes parts of a JSON value: all of it without some members, or only certain ones, with long strings and lists cut.
//!
//! Blanks between tokens are left out. What is written is valid wherever the value is, which the caller has checked.

use crate::json::{self, Error, Kind, Raw, Scanner};

/// What stands at the end of a string that was cut, so that it is not taken for the whole one.
pub(super) const ELLIPSIS: &str = "…";

/// What to keep of a value.
#[derive(Clone, Copy)]
pub(super) enum Keep {
    /// All of it.
    Whole,
    /// All but the members with these names, however deep.
    Without(&'static [&'static str]),
    /// These members of an object, in this order, and nothing of anything else.
    Only(&'static [Part]),
    /// A string, number or boolean, and nothing of anything else.
    Scalar,
    /// The scalars at the end of an array, and nothing of anything else. What proxies and authenticators add is
    /// appended, so the end is what a client cannot choose.
    Last,
    /// Nothing, not even its name.
    Nothing,
}

/// A member to keep.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) keep: Keep,
}

/// How long strings and lists may be, where single scalars are kept.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// Of the content of a string, in bytes as it stands in the text; of a number, in digits.
    pub(super) string_bytes: usize,
    /// Of a list.
    pub(super) elements: usize,
}

impl Cut {
    pub(super) const NONE: Self = Self { string_bytes: usize::MAX, elements: usize::MAX };
}

/// Appends a member to an object that is open at the end of `out`, if there is anything to keep of it. Returns where
/// its value starts.
pub(super) fn member(name: &[u8], value: Raw<'_>, keep: Keep, cut: Cut, out: &mut Vec<u8>) -> Result<Option<usize>, Error> {
    let start = out.len();
    separate(out);
    out.push(b'"');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
    let value_start = out.len();
    match (keep, value.kind()) {
        (Keep::Whole, _) => without(value, &[], out),
        (Keep::Without(names), _) => without(value, names, out),
        (Keep::Only(kept), Kind::Object) => {
            out.push(b'{');
            parts(value, kept, cut, out)?;
            out.push(b'}');
        }
        (Keep::Scalar, _) => scalar(value, cut, out),
        (Keep::Last, Kind::Array) => last(value, cut, out)?,
        (Keep::Only(_) | Keep::Last | Keep::Nothing, _) => {}
    }
    if out.len() == value_start {
        out.truncate(start);
        return Ok(None);
    }
    Ok(Some(value_start))
}

/// Appends the named parts of `object` to an object that is open at the end of `out`. Of a part that occurs twice the
/// last one counts, as it does for metadata.
pub(super) fn parts(object: Raw<'_>, kept: &[Part], cut: Cut, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut found: Vec<Option<Raw<'_>>> = vec![None; kept.len()];
    Scanner::new(object.bytes()).object(|scanner, key| {
        let value = scanner.value()?;
        if let Some(index) = kept.iter().position(|part| key.is(part.name)) {
            found[index] = Some(value);
        }
        Ok(())
    })?;
    for (part, value) in kept.iter().zip(found) {
        if let Some(value) = value {
            member(part.name.as_bytes(), value, part.keep, cut, out)?;
        }
    }
    Ok(())
}

/// Appends a value without the members of the given names, however deep.
fn without(value: Raw<'_>, names: &[&str], out: &mut Vec<u8>) {
    let text = value.bytes();
    let mut scanner = Scanner::new(text);
    while let Some(token) = scanner.token() {
        match token {
            json::Token::Key(key) if names.iter().any(|name| key.is(name)) => {
                // A key is followed by a value, or the text would not be valid.
                let _ = scanner.value();
            }
            json::Token::Key(key) => {
                separate(out);
                out.push(b'"');
                out.extend_from_slice(key.raw());
                out.extend_from_slice(b"\":");
            }
            json::Token::Open(byte) => {
                separate(out);
                out.push(byte);
            }
            json::Token::Close(byte) => out.push(byte),
            json::Token::Scalar(value) => {
                separate(out);
                out.extend_from_slice(value.bytes());
            }
        }
    }
}

/// Puts a comma where a member or an element is to follow another one. The last byte tells, since it is outside of
/// strings.
fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[' | b':')) {
        out.push(b',');
    }
}

fn scalar(value: Raw<'_>, cut: Cut, out: &mut Vec<u8>) {
    match value.string() {
        Some(content) => {
            let kept = json::boundary(content, cut.string_bytes);
            out.push(b'"');
            out.extend_from_slice(&content[..kept]);
            if kept < content.len() {
                out.extend_from_slice(ELLIPSIS.as_bytes());
            }
            out.push(b'"');
        }
        // A number without its end would be another number.
        None if value.is_scalar() && value.bytes().len() <= cut.string_bytes => {
            out.extend_from_slice(value.bytes());
        }
        None => {}
    }
}

fn last(array: Raw<'_>, cut: Cut, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut n_elements = 0_usize;
    Scanner::new(array.bytes()).array(|scanner| {
        n_elements += usize::from(scanner.value()?.is_scalar());
        Ok(())
    })?;
    let mut n_skipped = n_elements.saturating_sub(cut.elements);
    out.push(b'[');
    Scanner::new(array.bytes()).array(|scanner| {
        let value = scanner.value()?;
        if !value.is_scalar() {
            return Ok(());
        }
        if n_skipped > 0 {
            n_skipped -= 1;
            return Ok(());
        }
        let start = out.len();
        separate(out);
        let value_start = out.len();
        scalar(value, cut, out);
        if out.len() == value_start {
            out.truncate(start);
        }
        Ok(())
    })?;
    out.push(b']');
    Ok(())
}
