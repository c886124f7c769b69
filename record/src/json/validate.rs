//! The strict check of a JSON text, for where the output must be valid and speed matters less.
//!
//! It takes what RFC 8259 takes, with three notes: bytes above 0x7F in strings are not checked to be UTF-8, halves of
//! surrogate pairs pass, and containers nest at most [`MAX_DEPTH`] deep.

use super::{Error, MAX_DEPTH, Reason, is_blank};

/// Checks that `text` is one JSON value and nothing else.
pub fn validate(text: &[u8]) -> Result<(), Error> {
    let mut at = skip_blank(text, 0);
    let mut nesting = Nesting::default();
    'value: loop {
        // A value begins here.
        match text.get(at) {
            Some(&open @ (b'{' | b'[')) => {
                if !nesting.push(open == b'{') {
                    return Err(Error { reason: Reason::TooDeep, at });
                }
                at = skip_blank(text, at + 1);
                let close = if open == b'{' { b'}' } else { b']' };
                if text.get(at) != Some(&close) {
                    if open == b'{' {
                        at = key_end(text, at)?;
                    }
                    continue 'value;
                }
                at += 1;
                nesting.pop();
            }
            Some(b'"') => at = string_end(text, at + 1)?,
            _ => at = scalar_end(text, at)?,
        }
        // A value has ended here, and perhaps the containers around it.
        loop {
            at = skip_blank(text, at);
            let Some(in_object) = nesting.innermost() else {
                return if at == text.len() { Ok(()) } else { Err(unexpected(text, at)) };
            };
            match text.get(at) {
                Some(b',') => {
                    at = skip_blank(text, at + 1);
                    if in_object {
                        at = key_end(text, at)?;
                    }
                    continue 'value;
                }
                Some(b'}') if in_object => nesting.pop(),
                Some(b']') if !in_object => nesting.pop(),
                _ => return Err(unexpected(text, at)),
            }
            at += 1;
        }
    }
}

/// The end of the number, `true`, `false` or `null` at `start`. Strict: nothing else passes.
#[inline]
pub(super) fn scalar_end(text: &[u8], start: usize) -> Result<usize, Error> {
    let word: &[u8] = match text.get(start) {
        Some(b't') => b"true",
        Some(b'f') => b"false",
        Some(b'n') => b"null",
        _ => return number_end(text, start),
    };
    let rest = &text[start..];
    if rest.starts_with(word) {
        return Ok(start + word.len());
    }
    let n_common = rest.iter().zip(word).take_while(|(byte, expected)| byte == expected).count();
    Err(unexpected(text, start + n_common))
}

fn number_end(text: &[u8], start: usize) -> Result<usize, Error> {
    let mut at = start + usize::from(text.get(start) == Some(&b'-'));
    // No digit follows a leading zero.
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits_end(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = digits_end(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits_end(text, at + 1 + usize::from(signed))?;
    }
    Ok(at)
}

/// The end of one digit or more.
fn digits_end(text: &[u8], start: usize) -> Result<usize, Error> {
    let mut at = start;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at > start { Ok(at) } else { Err(unexpected(text, at)) }
}

/// The end of a key with its colon and the blanks around it.
fn key_end(text: &[u8], at: usize) -> Result<usize, Error> {
    if text.get(at) != Some(&b'"') {
        return Err(unexpected(text, at));
    }
    let at = skip_blank(text, string_end(text, at + 1)?);
    if text.get(at) != Some(&b':') {
        return Err(unexpected(text, at));
    }
    Ok(skip_blank(text, at + 1))
}

/// Just past the closing quote of the string whose content begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> Result<usize, Error> {
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => {
                    let hex = text.get(at + 2..at + 6).ok_or_else(|| unexpected(text, text.len()))?;
                    if !hex.iter().all(u8::is_ascii_hexdigit) {
                        return Err(unexpected(text, at + 2));
                    }
                    at += 6;
                }
                _ => return Err(unexpected(text, at + 1)),
            },
            Some(0x20..) => at += 1,
            _ => return Err(unexpected(text, at)),
        }
    }
}

fn skip_blank(text: &[u8], mut at: usize) -> usize {
    while text.get(at).copied().is_some_and(is_blank) {
        at += 1;
    }
    at
}

#[cold]
fn unexpected(text: &[u8], at: usize) -> Error {
    let reason = if at >= text.len() { Reason::Incomplete } else { Reason::Unexpected };
    Error { reason, at: at.min(text.len()) }
}

/// For every open container, whether it is an object: one bit each, so that depth costs no recursion.
#[derive(Default)]
struct Nesting {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) -> bool {
        if self.depth == MAX_DEPTH {
            return false;
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.objects[word] = self.objects[word] & !(1 << bit) | u64::from(object) << bit;
        self.depth += 1;
        true
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn innermost(&self) -> Option<bool> {
        let index = self.depth.checked_sub(1)?;
        Some(self.objects[index / 64] >> (index % 64) & 1 == 1)
    }
}
