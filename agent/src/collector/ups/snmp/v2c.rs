//! Messages of SNMP v2c (RFC 1901), without I/O: a PDU, and the community that everybody on the way can read.

use super::ber::{BerError, Fields, OCTETS, SEQUENCE, put, put_number};
use super::pdu::Pdu;

/// `version` of v2c.
const VERSION: i32 = 1;

/// A question as a message.
pub(super) fn message(community: &[u8], pdu: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put_number(VERSION, &mut message);
    put(OCTETS, community, &mut message);
    message.extend_from_slice(pdu);
    let mut whole = Vec::new();
    put(SEQUENCE, &message, &mut whole);
    whole
}

/// What a message holds.
pub(super) fn read(bytes: &[u8]) -> Result<Pdu, BerError> {
    let mut message = Fields(Fields(bytes).expect(SEQUENCE)?);
    if message.number()? != VERSION {
        return Err(BerError::Version);
    }
    message.expect(OCTETS)?;
    Pdu::read(message.0)
}
