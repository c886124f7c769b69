//! PDUs of SNMP (RFC 3416), the same in every version of its messages, without I/O: questions out, answers in.

use super::ber::{BerError, Fields, INTEGER, NULL, OCTETS, OID, Oid, SEQUENCE, oid, put, put_number, put_oid, signed, unsigned};

const ADDRESS: u8 = 0x40;
const COUNTER32: u8 = 0x41;
const GAUGE32: u8 = 0x42;
const TIMETICKS: u8 = 0x43;
const OPAQUE: u8 = 0x44;
const COUNTER64: u8 = 0x46;
const NO_OBJECT: u8 = 0x80;
const NO_INSTANCE: u8 = 0x81;
const END: u8 = 0x82;
const GET: u8 = 0xa0;
pub(super) const RESPONSE: u8 = 0xa2;
const GET_BULK: u8 = 0xa5;
pub(super) const REPORT: u8 = 0xa8;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collector::ups) enum Ask {
    /// The objects themselves.
    Get,
    /// What follows, so many at once.
    Bulk(u8),
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

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pdu {
    /// An answer.
    Response(Response),
    /// Why there is none (RFC 3412): the counter that has grown.
    Report(Oid),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// The question's number.
    pub(super) request: i32,
    /// 0, or why not (RFC 3416: 1 is `tooBig`).
    pub(super) error: i64,
    /// Objects and their values, not read yet.
    bindings: Vec<u8>,
}

/// A question.
pub(super) fn question(ask: Ask, request: i32, objects: &[&[u32]]) -> Vec<u8> {
    let mut bindings = Vec::new();
    for object in objects {
        let mut binding = Vec::new();
        put_oid(object, &mut binding);
        put(NULL, &[], &mut binding);
        put(SEQUENCE, &binding, &mut bindings);
    }
    let (tag, second) = match ask {
        Ask::Get => (GET, 0),
        Ask::Bulk(repetitions) => (GET_BULK, i32::from(repetitions)),
    };
    with_bindings(tag, [request, 0, second], &bindings)
}

/// A PDU of three numbers and objects with their values.
pub(super) fn with_bindings(tag: u8, numbers: [i32; 3], bindings: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    for number in numbers {
        put_number(number, &mut content);
    }
    put(SEQUENCE, bindings, &mut content);
    let mut pdu = Vec::new();
    put(tag, &content, &mut pdu);
    pdu
}

impl Pdu {
    /// Reads one; what stands behind it is not looked at, since a cipher may have filled up its last block.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BerError> {
        let (tag, content) = Fields(bytes).next()?;
        let mut fields = Fields(content);
        let request = fields.number()?;
        let error = signed(fields.expect(INTEGER)?)?;
        fields.expect(INTEGER)?;
        let response = Response { request, error, bindings: fields.expect(SEQUENCE)?.to_vec() };
        match tag {
            RESPONSE => Ok(Self::Response(response)),
            REPORT => {
                let (name, _) = response.bindings().next().ok_or(BerError::Short)??;
                Ok(Self::Report(name))
            }
            _ => Err(BerError::Type),
        }
    }
}

impl Response {
    /// Its objects, one after the other, until one is damaged.
    pub(super) fn bindings(&self) -> impl Iterator<Item = Result<(Oid, Value<'_>), BerError>> {
        let mut fields = Fields(&self.bindings);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Question, answer};
    use super::super::v2c::{message, read};
    use super::*;

    fn response(bytes: &[u8]) -> Result<Response, BerError> {
        match read(bytes)? {
            Pdu::Response(response) => Ok(response),
            Pdu::Report(_) => Err(BerError::Type),
        }
    }

    const SYS_UPTIME: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 3, 0];

    #[test]
    fn a_question_has_the_bytes_that_net_snmp_sends() {
        // snmpget -v2c -c public HOST 1.3.6.1.2.1.1.3.0
        let get = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x05\x00";
        assert_eq!(message(b"public", &question(Ask::Get, 1, &[&SYS_UPTIME])), get);
        let bulk = message(b"public", &question(Ask::Bulk(25), 0x1234_5678, &[&[1, 3, 6, 1, 2, 1, 33, 1]]));
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
            (INTEGER, vec![1; 9], BerError::Large),
            (COUNTER64, vec![1; 9], BerError::Large),
            (OID, vec![0x2b, 0x86], BerError::Short),
            (OID, vec![0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], BerError::Large),
            (0x1f, vec![], BerError::Type),
        ] {
            let bytes = answer(b"", 7, 0, &[(SYS_UPTIME.to_vec(), tag, content)]);
            assert_eq!(response(&bytes).unwrap().bindings().collect::<Vec<_>>(), [Err(error)]);
        }
        assert_eq!(response(&message(b"public", &question(Ask::Get, 1, &[]))), Err(BerError::Type));
        assert_eq!(response(b"\x30\x03\x02\x01\x00"), Err(BerError::Version));
        assert_eq!(response(b"\x30\x80\x02\x01\x00"), Err(BerError::Large));
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
            let bytes = message(b"c", &question(Ask::Bulk(3), -5, &[&name]));
            let read = Question { community: b"c".to_vec(), request: -5, ask: Ask::Bulk(3), objects: vec![name] };
            prop_assert_eq!(Question::read(&bytes), Some(read));
        }
    }
}
