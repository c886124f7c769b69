//! Messages of SNMP v3 with the User-based Security Model (RFC 3412, RFC 3414) as fields, without I/O and without their cryptography.
//!
//! A message fills its bytes to the last one, since the digest covers all of them; so the place of the digest is known from what
//! stands behind it.

use std::ops::Range;

use super::ber::{BerError, Fields, OCTETS, SEQUENCE, put, put_number};

/// `msgVersion` of v3.
const VERSION: i32 = 3;
/// `msgSecurityModel` of USM.
const USM: i32 = 3;
/// The largest datagram; what is longer than that is not sent here.
const SIZE_MAX: i32 = 65_507;

/// How a message is secured, and whether it wants a report if it cannot be answered (`msgFlags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// It bears a digest.
    pub(super) is_signed: bool,
    /// Its data is encrypted.
    pub(super) is_encrypted: bool,
    /// It is a question.
    pub(super) wants_report: bool,
}

/// A message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message<'b> {
    /// `msgID`: an answer has that of its question.
    pub(super) number: i32,
    /// How it is secured.
    pub(super) flags: Flags,
    /// The id of who answers: the authoritative engine.
    pub(super) engine: &'b [u8],
    /// How often the engine has started.
    pub(super) boots: i32,
    /// Seconds since its last start.
    pub(super) time: i32,
    /// Who asks.
    pub(super) user: &'b [u8],
    /// What proves that it is his, and whole.
    pub(super) digest: &'b [u8],
    /// What makes each encryption another one.
    pub(super) salt: &'b [u8],
    /// The scoped PDU: a sequence, or encrypted octets.
    pub(super) data: Data<'b>,
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data<'b> {
    /// A scoped PDU.
    Plain(&'b [u8]),
    /// One that was encrypted.
    Encrypted(&'b [u8]),
}

impl Default for Data<'_> {
    fn default() -> Self {
        Self::Plain(&[])
    }
}

impl<'b> Message<'b> {
    /// Reads one; where its digest stands, too.
    pub(super) fn read(bytes: &'b [u8]) -> Result<(Self, Range<usize>), BerError> {
        let mut whole = Fields(bytes);
        let mut message = Fields(whole.expect(SEQUENCE)?);
        whole.end()?;
        if message.number()? != VERSION {
            return Err(BerError::Version);
        }
        let mut header = Fields(message.expect(SEQUENCE)?);
        let number = header.number()?;
        header.number()?;
        let flags = Flags::read(header.expect(OCTETS)?)?;
        if header.number()? != USM {
            return Err(BerError::Version);
        }
        header.end()?;
        let mut parameters = Fields(message.expect(OCTETS)?);
        let mut security = Fields(parameters.expect(SEQUENCE)?);
        parameters.end()?;
        let engine = security.expect(OCTETS)?;
        let (boots, time) = (security.number()?, security.number()?);
        let user = security.expect(OCTETS)?;
        let digest = security.expect(OCTETS)?;
        let digest_end = bytes.len().saturating_sub(security.0.len() + message.0.len());
        let salt = security.expect(OCTETS)?;
        security.end()?;
        let data = if flags.is_encrypted {
            let octets = message.expect(OCTETS)?;
            message.end()?;
            Data::Encrypted(octets)
        } else {
            Data::Plain(message.0)
        };
        let digest_at = digest_end.saturating_sub(digest.len())..digest_end;
        Ok((Self { number, flags, engine, boots, time, user, digest, salt, data }, digest_at))
    }

    /// Its bytes, and where its digest stands in them.
    pub(super) fn write(&self) -> (Vec<u8>, Range<usize>) {
        let mut header = Vec::new();
        put_number(self.number, &mut header);
        put_number(SIZE_MAX, &mut header);
        put(OCTETS, &[self.flags.octet()], &mut header);
        put_number(USM, &mut header);
        let mut salt = Vec::new();
        put(OCTETS, self.salt, &mut salt);
        let mut security = Vec::new();
        put(OCTETS, self.engine, &mut security);
        put_number(self.boots, &mut security);
        put_number(self.time, &mut security);
        put(OCTETS, self.user, &mut security);
        put(OCTETS, self.digest, &mut security);
        security.extend_from_slice(&salt);
        let mut parameters = Vec::new();
        put(SEQUENCE, &security, &mut parameters);
        let mut data = Vec::new();
        match self.data {
            Data::Plain(scoped) => data.extend_from_slice(scoped),
            Data::Encrypted(octets) => put(OCTETS, octets, &mut data),
        }
        let mut message = Vec::new();
        put_number(VERSION, &mut message);
        put(SEQUENCE, &header, &mut message);
        put(OCTETS, &parameters, &mut message);
        message.extend_from_slice(&data);
        let mut whole = Vec::new();
        put(SEQUENCE, &message, &mut whole);
        let digest_end = whole.len() - salt.len() - data.len();
        (whole, digest_end - self.digest.len()..digest_end)
    }
}

impl Flags {
    fn read(octets: &[u8]) -> Result<Self, BerError> {
        let [flags] = octets else { return Err(BerError::Type) };
        let flags = Self { is_signed: flags & 1 != 0, is_encrypted: flags & 2 != 0, wants_report: flags & 4 != 0 };
        // Encryption without a digest is none of the three levels.
        if flags.is_encrypted && !flags.is_signed { Err(BerError::Type) } else { Ok(flags) }
    }

    fn octet(self) -> u8 {
        u8::from(self.is_signed) | u8::from(self.is_encrypted) << 1 | u8::from(self.wants_report) << 2
    }
}

/// A PDU with the engine and the context that it concerns.
pub(super) fn scoped(engine: &[u8], context: &[u8], pdu: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    put(OCTETS, engine, &mut fields);
    put(OCTETS, context, &mut fields);
    fields.extend_from_slice(pdu);
    let mut scoped = Vec::new();
    put(SEQUENCE, &fields, &mut scoped);
    scoped
}

/// The PDU of a scoped one. Engine and context are not compared: some cards leave them out, and the digest covers the answer anyway.
pub(super) fn unscoped(bytes: &[u8]) -> Result<&[u8], BerError> {
    let mut content = Fields(Fields(bytes).expect(SEQUENCE)?);
    content.expect(OCTETS)?;
    content.expect(OCTETS)?;
    Ok(content.0)
}
