//! BER as SNMP uses it (X.690, RFC 3416), without I/O: fields with tags and lengths, numbers, names of objects.
//!
//! Every length is checked against what is there; what is damaged is an error, never a value.

use thiserror::Error;

/// Sub-identifiers of an object; X.690 has no limit, SMI has this one.
const OID_MAX: usize = 128;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum BerError {
    #[error("it ends too early")]
    Short,
    #[error("something stands behind its end")]
    Long,
    #[error("a field of another type is expected")]
    Type,
    #[error("a number is too large")]
    Large,
    #[error("it is of another version of SNMP")]
    Version,
}

/// An object's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::collector::ups) struct Oid(pub(super) Vec<u32>);

impl std::fmt::Display for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            write!(f, "{part}")?;
        }
        Ok(())
    }
}

/// Fields that follow each other.
pub(super) struct Fields<'b>(pub(super) &'b [u8]);

impl<'b> Fields<'b> {
    /// The next one: its tag and content.
    pub(super) fn next(&mut self) -> Result<(u8, &'b [u8]), BerError> {
        let [tag, length, rest @ ..] = self.0 else { return Err(BerError::Short) };
        let (length, rest) = if *length < 0x80 {
            (usize::from(*length), rest)
        } else {
            let count = usize::from(length & 0x7f);
            // Indefinite lengths are not SNMP's; a datagram needs no more than three bytes of length.
            if !(1..=4).contains(&count) {
                return Err(BerError::Large);
            }
            let (bytes, rest) = rest.split_at_checked(count).ok_or(BerError::Short)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(BerError::Short)?;
        self.0 = rest;
        Ok((*tag, content))
    }

    /// The next one, which has to be of that type: its content.
    pub(super) fn expect(&mut self, wanted: u8) -> Result<&'b [u8], BerError> {
        let (tag, content) = self.next()?;
        if tag == wanted { Ok(content) } else { Err(BerError::Type) }
    }

    /// The next one, which has to be a number that fits.
    pub(super) fn number(&mut self) -> Result<i32, BerError> {
        i32::try_from(signed(self.expect(INTEGER)?)?).map_err(|_| BerError::Large)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), BerError> {
        if self.0.is_empty() { Ok(()) } else { Err(BerError::Long) }
    }
}

/// A number with a sign.
pub(super) fn signed(bytes: &[u8]) -> Result<i64, BerError> {
    match bytes {
        [] => Err(BerError::Short),
        [first, ..] if bytes.len() <= 8 => {
            let sign = if first & 0x80 == 0 { 0 } else { -1 };
            Ok(bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
        }
        _ => Err(BerError::Large),
    }
}

/// A number without a sign.
pub(super) fn unsigned(bytes: &[u8]) -> Result<u64, BerError> {
    match bytes {
        [] => Err(BerError::Short),
        // A leading zero keeps the sign bit free.
        [0, rest @ ..] | rest if rest.len() <= 8 => Ok(rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
        _ => Err(BerError::Large),
    }
}

/// An object's name.
pub(super) fn oid(bytes: &[u8]) -> Result<Oid, BerError> {
    let mut parts = Vec::new();
    let mut part: u32 = 0;
    let mut is_open = false;
    for byte in bytes {
        if part >> 25 != 0 {
            return Err(BerError::Large);
        }
        part = part << 7 | u32::from(byte & 0x7f);
        is_open = byte & 0x80 != 0;
        if is_open {
            continue;
        }
        if parts.is_empty() {
            // The first two stand in one.
            let first = (part / 40).min(2);
            parts.extend([first, part - first * 40]);
        } else {
            parts.push(part);
        }
        if parts.len() > OID_MAX {
            return Err(BerError::Large);
        }
        part = 0;
    }
    if is_open || parts.is_empty() { Err(BerError::Short) } else { Ok(Oid(parts)) }
}

/// Adds a field.
pub(super) fn put(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = (length as u32).to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        out.push(0x80 | (bytes.len() - zeros) as u8);
        out.extend(bytes.iter().skip(zeros));
    }
    out.extend_from_slice(content);
}

/// Adds an object's name.
pub(super) fn put_oid(object: &[u32], out: &mut Vec<u8>) {
    let mut content = Vec::new();
    let (first, rest) = match object {
        [first, second, rest @ ..] => (first.saturating_mul(40).saturating_add(*second), rest),
        [first] => (first.saturating_mul(40), &[][..]),
        [] => (0, &[][..]),
    };
    for part in std::iter::once(&first).chain(rest) {
        for shift in [28, 21, 14, 7] {
            if part >> shift != 0 {
                content.push(0x80 | (part >> shift & 0x7f) as u8);
            }
        }
        content.push((part & 0x7f) as u8);
    }
    put(OID, &content, out);
}

/// Adds a number.
pub(super) fn put_number(number: i32, out: &mut Vec<u8>) {
    put(INTEGER, &minimal(number), out);
}

/// An integer in as few bytes as it takes.
fn minimal(number: i32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let is_spare =
        |pair: &[u8]| matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0);
    let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
    bytes.iter().skip(spare).copied().collect()
}
