//! Entries of the systemd journal as `journalctl -o json` prints them, one object a line.
//!
//! One line in; the entry's time and message out, and any other field of it. The time is the one that the agent gives an entry which
//! it reads from the journal itself: microseconds, and below them the entry's sequence number, so that two within one microsecond keep
//! their order. A value that is no UTF-8 is printed as an array of its bytes, several values of one field as an array of values, and
//! one that is too long as `null` (man journalctl, man systemd.journal-fields).

use proto::time::UnixNanos;

use crate::json::{self, Kind, Raw, Scanner, unescape};

#[cfg(test)]
mod tests;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct JournalEntry<'a> {
    /// When journald got it.
    pub time: UnixNanos,
    /// Its text: any bytes. Empty if it has none, or if that was not printed.
    pub message: &'a [u8],
    line: &'a [u8],
}

impl<'a> JournalEntry<'a> {
    /// The first value of a field, such as `_UID`, if it is text.
    pub fn field(&self, name: &str) -> Option<Raw<'a>> {
        let mut found = None;
        // The line has been scanned once and was good.
        members(self.line, |key, value| {
            if key.is(name) && found.is_none() {
                found = Some(value);
            }
        })
        .ok()?;
        match found? {
            value if value.kind() == Kind::Array => first(value).filter(|first| first.kind() != Kind::Number),
            value => Some(value),
        }
    }

    /// Whether the first value of a field is `text`.
    pub fn is(&self, name: &str, text: &str) -> bool {
        self.field(name).is_some_and(|value| value.is(text))
    }
}

/// Reads one line; the message is written to `scratch`, whose content is replaced. `None` if it is no such line.
pub fn parse<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<JournalEntry<'a>> {
    let (mut realtime, mut cursor, mut message) = (None, None, None);
    members(line, |key, value| {
        let place = if key.is("__REALTIME_TIMESTAMP") {
            &mut realtime
        } else if key.is("__CURSOR") {
            &mut cursor
        } else if key.is("MESSAGE") {
            &mut message
        } else {
            return;
        };
        place.get_or_insert(value);
    })
    .ok()?;
    let micros: i64 = number(realtime?.string()?, 10)?.try_into().ok()?;
    let sequence = cursor.and_then(|cursor| sequence_number(cursor.string()?)).unwrap_or_default();
    // What is left of a division by 1000 is below it.
    let below = i64::try_from(sequence % 1000).unwrap_or_default();
    let time = UnixNanos(micros.checked_mul(1000)?.checked_add(below)?);
    scratch.clear();
    if let Some(message) = message {
        write(message, scratch)?;
    }
    Some(JournalEntry { time, message: scratch, line })
}

/// Walks the members of the one object that a line is.
fn members<'a>(line: &'a [u8], mut each: impl FnMut(json::Key<'a>, Raw<'a>)) -> Result<(), json::Error> {
    let mut scanner = Scanner::new(line);
    scanner.object(|scanner, key| {
        each(key, scanner.value()?);
        Ok(())
    })?;
    scanner.finish()
}

/// The first value of an array.
fn first(array: Raw<'_>) -> Option<Raw<'_>> {
    let mut first = None;
    let walked = Scanner::new(array.bytes()).array(|scanner| {
        let value = scanner.value()?;
        first.get_or_insert(value);
        Ok(())
    });
    walked.ok().and(first)
}

/// The bytes of a field's first value, into `out`. `None` if it is written as no field is.
fn write(value: Raw<'_>, out: &mut Vec<u8>) -> Option<()> {
    let value = match value.kind() {
        Kind::Array => match first(value) {
            Some(first) if first.kind() != Kind::Number => first,
            _ => value,
        },
        _ => value,
    };
    match value.kind() {
        Kind::String => unescape(value.string()?, out),
        Kind::Null => {}
        Kind::Array => {
            let mut all_bytes = true;
            let walked = Scanner::new(value.bytes()).array(|scanner| {
                match number(scanner.value()?.bytes(), 10).and_then(|number| u8::try_from(number).ok()) {
                    Some(byte) => out.push(byte),
                    None => all_bytes = false,
                }
                Ok(())
            });
            walked.ok().filter(|()| all_bytes)?;
        }
        Kind::Number | Kind::Bool | Kind::Object => return None,
    }
    Some(())
}

/// The sequence number in a cursor: `s=…;i=2a;b=…;m=…;t=…;x=…`.
fn sequence_number(cursor: &[u8]) -> Option<u64> {
    let digits = cursor.split(|byte| *byte == b';').find_map(|part| part.strip_prefix(b"i="))?;
    number(digits, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    // The standard library takes a sign.
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    u64::from_str_radix(digits, radix).ok()
}
