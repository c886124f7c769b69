//! What answers, for tests: the messages of a card in v2c, and an engine of v3 that knows one user.

use std::fmt::Write as _;

use super::ber::{Fields, INTEGER, OCTETS, OID, SEQUENCE, oid, put, put_oid, signed};
pub(in crate::collector::ups) use super::pdu::Ask;
use super::pdu::{REPORT, RESPONSE, with_bindings};
use super::sealing::LocalKeys;
use super::v2c;
use super::v3::{Flags, Message, scoped, unscoped};

/// An object with the type and content of its value.
pub(in crate::collector::ups) type Object = (Vec<u32>, u8, Vec<u8>);

/// A question as a card reads it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::collector::ups) struct Question {
    pub(in crate::collector::ups) community: Vec<u8>,
    pub(in crate::collector::ups) request: i32,
    pub(in crate::collector::ups) ask: Ask,
    pub(in crate::collector::ups) objects: Vec<Vec<u32>>,
}

impl Question {
    /// Of v2c.
    pub(in crate::collector::ups) fn read(bytes: &[u8]) -> Option<Self> {
        let mut message = Fields(Fields(bytes).expect(SEQUENCE).ok()?);
        message.expect(INTEGER).ok()?;
        let community = message.expect(OCTETS).ok()?.to_vec();
        Some(Self { community, ..Self::of_pdu(message.0)? })
    }

    fn of_pdu(bytes: &[u8]) -> Option<Self> {
        let (tag, pdu) = Fields(bytes).next().ok()?;
        let mut pdu = Fields(pdu);
        let request = pdu.number().ok()?;
        pdu.number().ok()?;
        let repetitions = u8::try_from(signed(pdu.expect(INTEGER).ok()?).ok()?).ok()?;
        let mut list = Fields(pdu.expect(SEQUENCE).ok()?);
        let mut objects = Vec::new();
        while !list.0.is_empty() {
            objects.push(oid(Fields(list.expect(SEQUENCE).ok()?).expect(OID).ok()?).ok()?.0);
        }
        let ask = if tag == 0xa5 { Ask::Bulk(repetitions) } else { Ask::Get };
        Some(Self { community: Vec::new(), request, ask, objects })
    }
}

/// An answer of v2c.
pub(in crate::collector::ups) fn answer(community: &[u8], request: i32, error: i32, objects: &[Object]) -> Vec<u8> {
    v2c::message(community, &with_bindings(RESPONSE, [request, error, 0], &bindings(objects)))
}

fn bindings(objects: &[Object]) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, tag, content) in objects {
        let mut binding = Vec::new();
        put_oid(name, &mut binding);
        put(*tag, content, &mut binding);
        put(SEQUENCE, &binding, &mut list);
    }
    list
}

/// An engine of v3, which follows RFC 3414, 3.2.
pub(in crate::collector::ups) struct Engine {
    pub(super) keys: LocalKeys,
    pub(super) user: Vec<u8>,
    pub(super) boots: i32,
    pub(super) time: i32,
}

/// How an answer is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Open,
    Signed,
    Encrypted,
}

impl Engine {
    /// What it answers to a question, in which that objects stand if it is a question that it takes.
    pub(super) fn reply(&self, question: &[u8], objects: &[Object]) -> Vec<u8> {
        let (message, digest_at) = Message::read(question).unwrap();
        let level = match (&self.keys.auth, &self.keys.privacy) {
            (None, _) => Level::Open,
            (_, None) => Level::Signed,
            _ => Level::Encrypted,
        };
        let is_signed = self.keys.auth.is_some();
        if message.engine != self.keys.engine {
            self.report(message.number, Level::Open, 4)
        } else if message.user != self.user {
            self.report(message.number, Level::Open, 3)
        } else if message.flags.is_signed != is_signed || message.flags.is_encrypted != self.keys.privacy.is_some() {
            self.report(message.number, Level::Open, 1)
        } else if is_signed && !self.keys.is_genuine(question, &message, digest_at) {
            self.report(message.number, Level::Open, 5)
        } else if is_signed && (message.boots != self.boots || (message.time - self.time).abs() > 150) {
            self.report(message.number, Level::Signed, 2)
        } else {
            let Some(question) = self.keys.opened(&message).and_then(|data| Question::of_pdu(unscoped(&data).ok()?)) else {
                return self.report(message.number, Level::Signed, 6);
            };
            let pdu = with_bindings(RESPONSE, [question.request, 0, 0], &bindings(objects));
            self.message(message.number, level, &pdu)
        }
    }

    /// A report of that counter below `usmStats`.
    pub(super) fn report(&self, number: i32, level: Level, counter: u32) -> Vec<u8> {
        let objects = vec![(vec![1, 3, 6, 1, 6, 3, 15, 1, 1, counter, 0], 0x41, vec![1])];
        self.message(number, level, &with_bindings(REPORT, [0, 0, 0], &bindings(&objects)))
    }

    /// A message of its own.
    pub(super) fn message(&self, number: i32, level: Level, pdu: &[u8]) -> Vec<u8> {
        let flags = Flags { is_signed: level != Level::Open, is_encrypted: level == Level::Encrypted, wants_report: false };
        let (engine, user) = (&self.keys.engine, &self.user);
        let message = Message { number, flags, engine, boots: self.boots, time: self.time, user, ..Message::default() };
        self.keys.seal(message, scoped(engine, &[], pdu), 7)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    })
}
