//! SNMP v2c messages in BER (RFC 1157, RFC 3416, X.690), without I/O: questions out, answers in.
//!
//! Every length is checked against what is there; what is damaged is an error, never a value.

use thiserror::Error;

/// Sub-identifiers of an object; X.690 has no limit, SMI has this one.
const OID_MAX: usize = 128;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const ADDRESS: u8 = 0x40;
const COUNTER32: u8 = 0x41;
const GAUGE32: u8 = 0x42;
const TIMETICKS: u8 = 0x43;
const OPAQUE: u8 = 0x44;
const COUNTER64: u8 = 0x46;
const NO_OBJECT: u8 = 0x80;
const NO_INSTANCE: u8 = 0x81;
const END: u8 = 0x82;
const RESPONSE: u8 = 0xa2;
/// `version` of v2c.
const V2C: i64 = 1;

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum BerError {
    #[error("it ends too early")]
    Short,
    #[error("a field of another type is expected")]
    Type,
    #[error("a number is too long")]
    Long,
    #[error("it is of another version of SNMP")]
    Version,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The objects themselves.
    Get,
    /// What follows, so many at once.
    Bulk(u8),
}

/// An object's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Oid(pub(super) Vec<u32>);

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

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'b> {
    /// Of any type of number that is signed.
    Integer(i64),
    /// Counter32, Gauge32, `TimeTicks`, Counter64.
    Unsigned(u64),
    /// Text, or what it takes for it.
    Octets(&'b [u8]),
    /// Another object's name.
    Oid(Oid),
    /// There is no such object, or there is nothing behind it.
    Absent,
    /// Of a type that no UPS has.
    Other,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response<'b> {
    /// Whose answer it is.
    pub(super) request: i32,
    /// 0, or why not (RFC 3416: 1 is `tooBig`).
    pub(super) error: i64,
    /// Objects and their values, not read yet.
    bindings: &'b [u8],
}

/// A question as a message.
pub(super) fn question(community: &[u8], ask: Ask, request: i32, objects: &[&[u32]]) -> Vec<u8> {
    let mut bindings = Vec::new();
    for object in objects {
        let mut binding = Vec::new();
        put_oid(object, &mut binding);
        put(NULL, &[], &mut binding);
        put(SEQUENCE, &binding, &mut bindings);
    }
    let (tag, second) = match ask {
        Ask::Get => (0xa0, 0),
        Ask::Bulk(repetitions) => (0xa5, i32::from(repetitions)),
    };
    let mut pdu = Vec::new();
    for number in [request, 0, second] {
        put(INTEGER, &minimal(number), &mut pdu);
    }
    put(SEQUENCE, &bindings, &mut pdu);
    let mut message = Vec::new();
    put(INTEGER, &minimal(V2C as i32), &mut message);
    put(OCTETS, community, &mut message);
    put(tag, &pdu, &mut message);
    let mut whole = Vec::new();
    put(SEQUENCE, &message, &mut whole);
    whole
}

/// An answer.
pub(super) fn response(bytes: &[u8]) -> Result<Response<'_>, BerError> {
    let mut message = Fields(Fields(bytes).expect(SEQUENCE)?);
    if signed(message.expect(INTEGER)?)? != V2C {
        return Err(BerError::Version);
    }
    message.expect(OCTETS)?;
    let mut pdu = Fields(message.expect(RESPONSE)?);
    let request = i32::try_from(signed(pdu.expect(INTEGER)?)?).map_err(|_| BerError::Long)?;
    let error = signed(pdu.expect(INTEGER)?)?;
    pdu.expect(INTEGER)?;
    Ok(Response { request, error, bindings: pdu.expect(SEQUENCE)? })
}

impl<'b> Response<'b> {
    /// Its objects, one after the other, until one is damaged.
    pub(super) fn bindings(&self) -> impl Iterator<Item = Result<(Oid, Value<'b>), BerError>> + use<'b> {
        let mut fields = Fields(self.bindings);
        std::iter::from_fn(move || {
            if fields.0.is_empty() {
                return None;
            }
            let binding = fields.expect(SEQUENCE).and_then(binding);
            if binding.is_err() {
                fields.0 = &[];
            }
            Some(binding)
        })
    }
}

fn binding(bytes: &[u8]) -> Result<(Oid, Value<'_>), BerError> {
    let mut fields = Fields(bytes);
    let name = oid(fields.expect(OID)?)?;
    let (tag, content) = fields.next()?;
    let value = match tag {
        INTEGER => Value::Integer(signed(content)?),
        COUNTER32 | GAUGE32 | TIMETICKS | COUNTER64 => Value::Unsigned(unsigned(content)?),
        OCTETS => Value::Octets(content),
        OID => Value::Oid(oid(content)?),
        NO_OBJECT | NO_INSTANCE | END | NULL => Value::Absent,
        ADDRESS | OPAQUE => Value::Other,
        _ => return Err(BerError::Type),
    };
    Ok((name, value))
}

/// Fields that follow each other.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    /// The next one: its tag and content.
    fn next(&mut self) -> Result<(u8, &'b [u8]), BerError> {
        let [tag, length, rest @ ..] = self.0 else { return Err(BerError::Short) };
        let (length, rest) = if *length < 0x80 {
            (usize::from(*length), rest)
        } else {
            let count = usize::from(length & 0x7f);
            // Indefinite lengths are not SNMP's; a datagram needs no more than three bytes of length.
            if !(1..=4).contains(&count) {
                return Err(BerError::Long);
            }
            let (bytes, rest) = rest.split_at_checked(count).ok_or(BerError::Short)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(BerError::Short)?;
        self.0 = rest;
        Ok((*tag, content))
    }

    fn expect(&mut self, wanted: u8) -> Result<&'b [u8], BerError> {
        let (tag, content) = self.next()?;
        if tag == wanted { Ok(content) } else { Err(BerError::Type) }
    }
}

fn signed(bytes: &[u8]) -> Result<i64, BerError> {
    match bytes {
        [] => Err(BerError::Short),
        [first, ..] if bytes.len() <= 8 => {
            let sign = if first & 0x80 == 0 { 0 } else { -1 };
            Ok(bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
        }
        _ => Err(BerError::Long),
    }
}

fn unsigned(bytes: &[u8]) -> Result<u64, BerError> {
    match bytes {
        [] => Err(BerError::Short),
        // A leading zero keeps the sign bit free.
        [0, rest @ ..] | rest if rest.len() <= 8 => Ok(rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
        _ => Err(BerError::Long),
    }
}

fn oid(bytes: &[u8]) -> Result<Oid, BerError> {
    let mut parts = Vec::new();
    let mut part: u32 = 0;
    let mut is_open = false;
    for byte in bytes {
        if part >> 25 != 0 {
            return Err(BerError::Long);
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
            return Err(BerError::Long);
        }
        part = 0;
    }
    if is_open || parts.is_empty() { Err(BerError::Short) } else { Ok(Oid(parts)) }
}

fn put(tag: u8, content: &[u8], out: &mut Vec<u8>) {
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

fn put_oid(object: &[u32], out: &mut Vec<u8>) {
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

/// An integer in as few bytes as it takes.
fn minimal(number: i32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let is_spare =
        |pair: &[u8]| matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0);
    let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
    bytes.iter().skip(spare).copied().collect()
}

/// An answer as a card would send it, for tests.
#[cfg(test)]
pub(super) fn answer(community: &[u8], request: i32, error: i32, bindings: &[(Vec<u32>, u8, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, tag, content) in bindings {
        let mut binding = Vec::new();
        put_oid(name, &mut binding);
        put(*tag, content, &mut binding);
        put(SEQUENCE, &binding, &mut list);
    }
    let mut pdu = Vec::new();
    for number in [request, error, 0] {
        put(INTEGER, &minimal(number), &mut pdu);
    }
    put(SEQUENCE, &list, &mut pdu);
    let mut message = Vec::new();
    put(INTEGER, &[1], &mut message);
    put(OCTETS, community, &mut message);
    put(RESPONSE, &pdu, &mut message);
    let mut whole = Vec::new();
    put(SEQUENCE, &message, &mut whole);
    whole
}

/// What a card reads of a question, for tests: request, repetitions and the first object.
#[cfg(test)]
pub(super) fn read_question(bytes: &[u8]) -> Option<(Vec<u8>, i32, Ask, Vec<Oid>)> {
    let mut message = Fields(Fields(bytes).expect(SEQUENCE).ok()?);
    message.expect(INTEGER).ok()?;
    let community = message.expect(OCTETS).ok()?.to_vec();
    let (tag, pdu) = message.next().ok()?;
    let mut pdu = Fields(pdu);
    let request = signed(pdu.expect(INTEGER).ok()?).ok()? as i32;
    pdu.expect(INTEGER).ok()?;
    let repetitions = u8::try_from(signed(pdu.expect(INTEGER).ok()?).ok()?).ok()?;
    let list = Response { request, error: 0, bindings: pdu.expect(SEQUENCE).ok()? };
    let objects = list.bindings().map(|binding| binding.map(|(name, _)| name)).collect::<Result<_, _>>().ok()?;
    let ask = if tag == 0xa5 { Ask::Bulk(repetitions) } else { Ask::Get };
    Some((community, request, ask, objects))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SYS_UPTIME: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 3, 0];

    #[test]
    fn a_question_has_the_bytes_that_net_snmp_sends() {
        // snmpget -v2c -c public HOST 1.3.6.1.2.1.1.3.0
        let get = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x05\x00";
        assert_eq!(question(b"public", Ask::Get, 1, &[&SYS_UPTIME]), get);
        let bulk = question(b"public", Ask::Bulk(25), 0x1234_5678, &[&[1, 3, 6, 1, 2, 1, 33, 1]]);
        let bulk_bytes = b"\x30\x28\x02\x01\x01\x04\x06public\xa5\x1b\x02\x04\x12\x34\x56\x78\x02\x01\x00\x02\x01\x19\x30\x0d\x30\x0b\x06\x07\x2b\x06\x01\x02\x01\x21\x01\x05\x00";
        assert_eq!(bulk, bulk_bytes);
    }

    #[test]
    fn values_are_read_by_their_types() {
        let name = vec![1, 3, 6, 1, 4, 1, 2011, 6, 4_294_967_295];
        for (tag, content, value) in [
            (INTEGER, vec![2], Value::Integer(2)),
            (INTEGER, vec![0xff], Value::Integer(-1)),
            (INTEGER, vec![0x7f, 0xff, 0xff, 0xff], Value::Integer(2_147_483_647)),
            (COUNTER32, vec![0, 0xff, 0xff, 0xff, 0xff], Value::Unsigned(4_294_967_295)),
            (TIMETICKS, vec![1, 0], Value::Unsigned(256)),
            (COUNTER64, vec![0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Value::Unsigned(u64::MAX)),
            (OCTETS, b"APC".to_vec(), Value::Octets(b"APC")),
            (OID, vec![0x2b, 6], Value::Oid(Oid(vec![1, 3, 6]))),
            (END, vec![], Value::Absent),
            (ADDRESS, vec![192, 0, 2, 1], Value::Other),
        ] {
            let bytes = answer(b"public", 7, 0, &[(name.clone(), tag, content.clone())]);
            let response = response(&bytes).unwrap();
            assert_eq!((response.request, response.error), (7, 0));
            assert_eq!(response.bindings().collect::<Vec<_>>(), [Ok((Oid(name.clone()), value))]);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let whole = answer(b"public", 7, 0, &[(SYS_UPTIME.to_vec(), TIMETICKS, vec![1])]);
        for length in 0..whole.len() {
            assert!(response(&whole[..length]).is_err(), "{length}");
        }
        for (tag, content, error) in [
            (INTEGER, vec![], BerError::Short),
            (INTEGER, vec![1; 9], BerError::Long),
            (COUNTER64, vec![1; 9], BerError::Long),
            (OID, vec![0x2b, 0x86], BerError::Short),
            (OID, vec![0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], BerError::Long),
            (0x1f, vec![], BerError::Type),
        ] {
            let bytes = answer(b"", 7, 0, &[(SYS_UPTIME.to_vec(), tag, content)]);
            assert_eq!(response(&bytes).unwrap().bindings().collect::<Vec<_>>(), [Err(error)]);
        }
        assert_eq!(response(&question(b"public", Ask::Get, 1, &[])), Err(BerError::Type));
        assert_eq!(response(b"\x30\x03\x02\x01\x00"), Err(BerError::Version));
        assert_eq!(response(b"\x30\x80\x02\x01\x00"), Err(BerError::Long));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(response) = response(&bytes) {
                prop_assert!(response.bindings().count() <= 80);
            }
        }

        #[test]
        fn an_answer_with_a_changed_byte_is_read_without_a_fault(place in 0_usize..60, byte in any::<u8>()) {
            let mut bytes = answer(b"public", 7, 0, &[(SYS_UPTIME.to_vec(), TIMETICKS, vec![1]), (vec![1, 3, 6], OID, vec![0x2b])]);
            let length = bytes.len();
            bytes[place % length] = byte;
            if let Ok(response) = response(&bytes) {
                prop_assert!(response.bindings().count() <= 60);
            }
        }

        #[test]
        fn names_come_back(parts in prop::collection::vec(any::<u32>(), 0..20)) {
            let name: Vec<u32> = [1, 3].into_iter().chain(parts).collect();
            let question = question(b"c", Ask::Bulk(3), -5, &[&name]);
            prop_assert_eq!(read_question(&question), Some((b"c".to_vec(), -5, Ask::Bulk(3), vec![Oid(name)])));
        }
    }
}
