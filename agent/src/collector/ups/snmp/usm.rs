//! A user's conversation with one engine of SNMP v3 (RFC 3414), without I/O: questions out, what they bring in.
//!
//! First the engine has to tell its id, then, to who signs, its time; each is one question that is asked again. An answer counts only if
//! it has the number of the question and is secured as that is; what is forged, damaged or old is passed over. Reports that say that the
//! engine cannot sign its answer bear no digest, and are believed: the worst that they can do is to cost a sample.

#[cfg(test)]
mod tests;

use std::time::Instant;

use client::Secret;

use super::Heard;
use super::keys::{AuthProtocol, Password};
use super::pdu::{self, Ask, Pdu};
use super::privacy::PrivacyProtocol;
use super::report::Report;
use super::sealing::LocalKeys;
use super::v3::{Data, Flags, Message, scoped, unscoped};

/// Longer ones are none (RFC 3411).
const ENGINE_ID_MAX: usize = 32;
/// By how many seconds a message may be older than the newest.
const WINDOW: i32 = 150;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpUser {
    /// The name.
    pub name: String,
    /// The context; mostly there is only the one without a name.
    pub context: String,
    /// How messages are signed, if they are.
    pub auth: Option<SnmpAuth>,
}

/// How messages are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpAuth {
    /// By what.
    pub protocol: AuthProtocol,
    /// The password.
    pub password: Secret,
    /// How they are encrypted, if they are.
    pub privacy: Option<SnmpPrivacy>,
}

/// How messages are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpPrivacy {
    /// By what.
    pub protocol: PrivacyProtocol,
    /// The password.
    pub password: Secret,
}

/// The passwords, read from their files.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Passwords {
    pub(super) auth: Password,
    pub(super) privacy: Option<Password>,
}

/// The conversation.
pub(super) struct Session {
    user: SnmpUser,
    master: Option<MasterKeys>,
    /// Keys for the engine that was there last; kept while it is away, since they are dear.
    local: Option<LocalKeys>,
    /// Nothing until the engine has told its id.
    clock: Option<Clock>,
    /// What makes each encryption another one.
    salt: u64,
}

/// Keys for all engines, and the passwords that they come from.
struct MasterKeys {
    passwords: Passwords,
    auth: Vec<u8>,
    privacy: Vec<u8>,
}

/// An engine's time as it was told last.
struct Clock {
    boots: i32,
    time: i32,
    /// When.
    at: Instant,
    /// Whether it was told under a digest.
    is_told: bool,
    /// Whether anything was answered since.
    has_answered: bool,
}

impl Session {
    /// Nobody was asked yet. `salt` should be another one each time.
    pub(super) fn new(user: SnmpUser, salt: u64) -> Self {
        Self { user, master: None, local: None, clock: None, salt }
    }

    /// Takes passwords, of a user who signs; the same ones cost nothing.
    pub(super) fn set_passwords(&mut self, passwords: Passwords) {
        let Some(auth) = &self.user.auth else { return };
        if self.master.as_ref().is_some_and(|master| master.passwords == passwords) {
            return;
        }
        let protocol = auth.protocol;
        let privacy = passwords.privacy.as_ref().map(|password| protocol.master_key(password)).unwrap_or_default();
        self.master = Some(MasterKeys { auth: protocol.master_key(&passwords.auth), privacy, passwords });
        self.local = None;
        self.clock = None;
    }

    /// Forgets the engine: who is silent may be another one when he is back, or have lost his count of restarts.
    pub(super) fn forget(&mut self) {
        self.clock = None;
    }

    /// What silence means now, if that is known: some engines say nothing of what they cannot decrypt, or of an unknown context.
    pub(super) fn silence(&self) -> Option<&'static str> {
        let clock = self.clock.as_ref()?;
        let is_known = clock.is_told || self.user.auth.is_none();
        if !is_known || clock.has_answered {
            return None;
        }
        let is_encrypted = self.user.auth.as_ref().is_some_and(|auth| auth.privacy.is_some());
        match (is_encrypted, self.user.context.is_empty()) {
            (true, true) => Some("it knows the user, but answers nothing that is encrypted; look at `privacy` and its password"),
            (true, false) => Some("it knows the user; look at `privacy` and its password, and at `context`"),
            (false, false) => Some("it tells who it is, but nothing more; look at `context`"),
            (false, true) => None,
        }
    }

    /// A question as a message; while the engine is not known, one for its id.
    pub(super) fn question(&mut self, number: i32, pdu: &[u8], now: Instant) -> Vec<u8> {
        let mut message = Message { number, flags: Flags { wants_report: true, ..Flags::default() }, ..Message::default() };
        let (Some(clock), Some(local)) = (&self.clock, &self.local) else {
            let scoped = scoped(&[], &[], &pdu::question(Ask::Get, number, &[]));
            return Message { data: Data::Plain(&scoped), ..message }.write().0;
        };
        message.engine = &local.engine;
        message.user = self.user.name.as_bytes();
        if let Some(auth) = &self.user.auth {
            message.flags.is_signed = true;
            message.flags.is_encrypted = auth.privacy.is_some();
            (message.boots, message.time) = (clock.boots, clock.now(now));
        }
        self.salt = self.salt.wrapping_add(1);
        local.seal(message, scoped(&local.engine, self.user.context.as_bytes(), pdu), self.salt)
    }

    /// What a datagram means to the question of that number.
    pub(super) fn hear(&mut self, bytes: &[u8], number: i32, now: Instant) -> Result<Heard, Report> {
        let Ok((message, digest_at)) = Message::read(bytes) else { return Ok(Heard::Nothing(None)) };
        if message.number != number {
            return Ok(Heard::Nothing(None));
        }
        let (Some(clock), Some(local)) = (&mut self.clock, &self.local) else { return Ok(self.meet(&message, now)) };
        if !message.flags.is_signed {
            return self.hear_unsigned(&message, now);
        }
        if message.engine != local.engine || message.user != self.user.name.as_bytes() {
            return Ok(Heard::Nothing(Some("an answer of somebody else came")));
        }
        if !local.is_genuine(bytes, &message, digest_at) {
            return Ok(Heard::Nothing(Some("an answer with a wrong digest came")));
        }
        if !clock.take(message.boots, message.time, now) {
            return Ok(Heard::Nothing(Some("an old answer came")));
        }
        let is_secured = message.flags.is_encrypted == local.privacy.is_some();
        let data = local.opened(&message);
        match data.and_then(|data| unscoped(&data).and_then(Pdu::read).ok()) {
            Some(Pdu::Response(response)) if is_secured && response.request == number => {
                clock.has_answered = true;
                Ok(Heard::Answer(response))
            }
            Some(Pdu::Response(_)) => Ok(Heard::Nothing(Some("an answer that is not encrypted came"))),
            Some(Pdu::Report(counter)) => match Report::from(counter) {
                Report::NotInTimeWindows => Ok(Heard::Lesson),
                report => Err(report),
            },
            None => Ok(Heard::Nothing(Some("an answer that cannot be decrypted came"))),
        }
    }

    /// Learns who answers.
    fn meet(&mut self, message: &Message<'_>, now: Instant) -> Heard {
        let Data::Plain(data) = message.data else { return Heard::Nothing(None) };
        let is_report = matches!(unscoped(data).and_then(Pdu::read), Ok(Pdu::Report(_)));
        if !is_report || message.engine.is_empty() || message.engine.len() > ENGINE_ID_MAX {
            return Heard::Nothing(Some("it does not tell its engine id"));
        }
        if self.local.as_ref().is_none_or(|local| local.engine != message.engine) {
            self.local = Some(self.localized(message.engine));
        }
        self.clock = Some(Clock { boots: 0, time: 0, at: now, is_told: false, has_answered: false });
        Heard::Lesson
    }

    fn localized(&self, engine: &[u8]) -> LocalKeys {
        let keys = self.user.auth.as_ref().zip(self.master.as_ref());
        LocalKeys {
            engine: engine.to_vec(),
            auth: keys.map(|(auth, master)| (auth.protocol, auth.protocol.localized(&master.auth, engine))),
            privacy: keys.and_then(|(auth, master)| {
                let privacy = auth.privacy.as_ref()?;
                Some(privacy.protocol.localized(auth.protocol, &master.privacy, engine))
            }),
        }
    }

    /// Of a message without a digest: an answer, if none is asked for, or a report.
    fn hear_unsigned(&mut self, message: &Message<'_>, now: Instant) -> Result<Heard, Report> {
        let Data::Plain(data) = message.data else { return Ok(Heard::Nothing(None)) };
        let is_signed = self.user.auth.is_some();
        let is_known = self.local.as_ref().is_some_and(|local| local.engine == message.engine);
        match unscoped(data).and_then(Pdu::read) {
            Ok(Pdu::Response(_)) if is_signed => Ok(Heard::Nothing(Some("an answer without a digest came"))),
            Ok(Pdu::Response(response)) => {
                let is_ours = is_known && message.user == self.user.name.as_bytes() && response.request == message.number;
                if !is_ours {
                    return Ok(Heard::Nothing(Some("an answer of somebody else came")));
                }
                if let Some(clock) = &mut self.clock {
                    clock.has_answered = true;
                }
                Ok(Heard::Answer(response))
            }
            Ok(Pdu::Report(counter)) => match Report::from(counter) {
                Report::UnknownEngineIds if !is_known => Ok(self.meet(message, now)),
                Report::NotInTimeWindows if is_signed => Ok(Heard::Nothing(Some("it tells its time without a digest"))),
                report => Err(report),
            },
            Err(_) => Ok(Heard::Nothing(None)),
        }
    }
}

impl Clock {
    /// The engine's time as it should be.
    fn now(&self, now: Instant) -> i32 {
        let passed = i32::try_from(now.saturating_duration_since(self.at).as_secs()).unwrap_or(i32::MAX);
        self.time.saturating_add(passed)
    }

    /// Takes the time of a message that is whole; whether it is one of now (RFC 3414, 3.2, 7b).
    fn take(&mut self, boots: i32, time: i32, now: Instant) -> bool {
        if boots > self.boots || (boots == self.boots && time > self.time) {
            (self.boots, self.time, self.at) = (boots, time, now);
        }
        let is_of_now = boots == self.boots && time >= self.now(now).saturating_sub(WINDOW);
        let is_at_the_end = self.boots == i32::MAX;
        self.is_told |= is_of_now && !is_at_the_end;
        is_of_now && !is_at_the_end
    }
}
