//! One UPS by SNMP, v2c or v3: `sysUpTime`, then a walk through UPS-MIB by GETBULK over UDP.
//!
//! A datagram that is lost is sent again within the sample's deadline; an answer to an earlier question is not one to this. A walk that
//! does not come to its end gives nothing.

mod ber;
mod keys;
mod pdu;
mod privacy;
mod report;
mod sealing;
mod ups_mib;
mod usm;
mod v2c;
mod v3;

#[cfg(test)]
pub(super) mod testing;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use client::Secret;
use proto::metric::Families;

pub use keys::AuthProtocol;
pub use privacy::PrivacyProtocol;
pub(super) use report::Report;
pub(super) use ups_mib::families;
pub use usm::{SnmpAuth, SnmpPrivacy, SnmpUser};

use super::timed::{in_words, left};
use super::{Server, UpsError};
use ber::Oid;
use keys::Password;
use pdu::{Ask, Pdu, Response, Value};
use ups_mib::{SYS_UPTIME, UPS_MIB, give};
use usm::{Passwords, Session};

/// How long an answer is waited for before the question is sent again.
const RESEND: Duration = Duration::from_secs(1);
/// Objects asked for at once. Their answer fits into a datagram that is not cut up (1472 bytes).
const REPETITIONS: u8 = 25;
/// UPS-MIB has some hundred objects; a card with more questions than this to ask runs in circles.
const QUESTIONS: usize = 512;
/// So many are more than its largest tables have.
const OBJECTS: usize = 4096;
/// What an engine of v3 has to tell before an answer: its id and its time; again, if it has just been restarted.
const LESSONS: usize = 4;
/// `tooBig` of RFC 3416.
const TOO_BIG: i64 = 1;

/// How a card is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpSettings {
    /// Where it is; port 161 by default.
    pub server: Server,
    /// Who asks.
    pub access: SnmpAccess,
    /// How long all questions of one sample may take.
    pub timeout: Duration,
}

/// Who asks, which is also the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnmpAccess {
    /// v2c: whoever knows what it takes for a password; `public`, mostly.
    Community(Secret),
    /// v3: a user.
    User(Box<SnmpUser>),
}

/// A card.
pub(super) struct Snmp {
    settings: SnmpSettings,
    /// Which of the server's addresses is asked.
    address: usize,
    numbers: Numbers,
    dialect: Dialect,
    repetitions: u8,
    buffer: Vec<u8>,
    given: Families,
}

/// How messages are made of PDUs.
enum Dialect {
    V2c(Vec<u8>),
    V3(Box<Session>),
}

/// What came back.
enum Heard {
    /// An answer to the question.
    Answer(Response),
    /// The engine is known better now: the question is to be asked again.
    Lesson,
    /// Nothing that concerns the question; what it was, if that may be why there is no answer.
    Nothing(Option<&'static str>),
}

/// Numbers of questions that nobody guesses.
struct Numbers {
    secret: RandomState,
    count: u64,
}

impl Snmp {
    /// Not asked yet.
    pub(super) fn new(settings: SnmpSettings) -> Self {
        let mut numbers = Numbers { secret: RandomState::new(), count: 0 };
        let dialect = match &settings.access {
            SnmpAccess::Community(_) => Dialect::V2c(Vec::new()),
            SnmpAccess::User(user) => Dialect::V3(Box::new(Session::new((**user).clone(), numbers.next()))),
        };
        let buffer = vec![0; 65_536];
        Self { settings, address: 0, numbers, dialect, repetitions: REPETITIONS, buffer, given: Families::new() }
    }

    /// Asks for everything.
    pub(super) fn ask(&mut self, out: &mut Families) -> Result<(), UpsError> {
        let until = Instant::now() + self.settings.timeout;
        self.dialect.read_secrets(&self.settings.access)?;
        let mut given = std::mem::take(&mut self.given);
        given.clear();
        let asked = connect(&self.settings.server, self.address)
            .map_err(UpsError::from)
            .and_then(|socket| self.walk(&socket, until, &mut given));
        match &asked {
            Ok(()) => out.append(&given),
            // It may have another one that answers.
            Err(_) => self.address = self.address.wrapping_add(1),
        }
        self.given = given;
        asked
    }

    fn walk(&mut self, socket: &UdpSocket, until: Instant, out: &mut Families) -> Result<(), UpsError> {
        let uptime = self.exchange(socket, Ask::Get, SYS_UPTIME, until)?;
        for binding in uptime.bindings() {
            let (name, value) = binding.map_err(|_| odd("a damaged object"))?;
            give(&name, &value, out);
        }
        let mut last = Oid(UPS_MIB.to_vec());
        let mut found = 0;
        for _ in 0..QUESTIONS {
            let ask = Ask::Bulk(self.repetitions);
            let response = self.exchange(socket, ask, &last.0, until)?;
            let error = response.error;
            let mut is_empty = true;
            for binding in response.bindings().take_while(|_| error == 0) {
                let (name, value) = binding.map_err(|_| odd("a damaged object"))?;
                is_empty = false;
                if !name.0.starts_with(UPS_MIB) || value == Value::Absent {
                    return if found > 0 { Ok(()) } else { Err(odd("no UPS-MIB there")) };
                }
                if found >= OBJECTS {
                    return Err(UpsError::TooMany("objects"));
                }
                if name <= last {
                    return Err(odd("its objects go in circles"));
                }
                give(&name, &value, out);
                found += 1;
                last = name;
            }
            if error == TOO_BIG && self.repetitions > 1 {
                self.repetitions /= 2;
            } else if error != 0 {
                return Err(UpsError::Refused(error_in_words(error)));
            } else if is_empty {
                return Err(odd("an empty answer"));
            }
        }
        Err(odd("its objects have no end"))
    }

    /// A question until it is answered.
    fn exchange(&mut self, socket: &UdpSocket, ask: Ask, object: &[u32], until: Instant) -> Result<Response, UpsError> {
        for _ in 0..=LESSONS {
            let number = self.numbers.next_request();
            let question = self.dialect.question(number, &pdu::question(ask, number, &[object]), Instant::now());
            let mut hint = None;
            let heard = loop {
                if left(until).is_err() {
                    return Err(self.dialect.silent(ask, hint));
                }
                socket.send(&question)?;
                let again = until.min(Instant::now() + RESEND);
                if let Some(heard) = receive(socket, &mut self.buffer, &mut self.dialect, number, again, &mut hint)? {
                    break heard;
                }
                // It or its answer was lost.
            };
            if let Heard::Answer(response) = heard {
                return Ok(response);
            }
        }
        Err(odd("it asks for another engine id or time again and again"))
    }
}

impl Dialect {
    /// Secrets are read for each sample, since they are changed while nobody looks.
    fn read_secrets(&mut self, access: &SnmpAccess) -> Result<(), UpsError> {
        match (self, access) {
            (Self::V2c(community), SnmpAccess::Community(secret)) => *community = secret.read()?.into_bytes(),
            (Self::V3(session), SnmpAccess::User(user)) => {
                if let Some(auth) = &user.auth {
                    let privacy = auth.privacy.as_ref().map(|privacy| password(&privacy.password)).transpose()?;
                    session.set_passwords(Passwords { auth: password(&auth.password)?, privacy });
                }
            }
            // Both come from the same settings.
            _ => {}
        }
        Ok(())
    }

    fn question(&mut self, number: i32, pdu: &[u8], now: Instant) -> Vec<u8> {
        match self {
            Self::V2c(community) => v2c::message(community, pdu),
            Self::V3(session) => session.question(number, pdu, now),
        }
    }

    fn hear(&mut self, bytes: &[u8], number: i32) -> Result<Heard, Report> {
        match self {
            Self::V2c(_) => Ok(match v2c::read(bytes) {
                Ok(Pdu::Response(response)) if response.request == number => Heard::Answer(response),
                _ => Heard::Nothing(None),
            }),
            Self::V3(session) => session.hear(bytes, number, Instant::now()),
        }
    }

    /// No answer came in time. Who has answered the first question, which is a GET, is only slow.
    fn silent(&mut self, ask: Ask, hint: Option<&'static str>) -> UpsError {
        let why = match (self, ask) {
            (_, Ask::Bulk(_)) => Some("it has answered other questions; a longer `timeout` may help"),
            (Self::V2c(_), Ask::Get) => Some("a card is silent to a wrong community, too"),
            (Self::V3(session), Ask::Get) => {
                let silence = session.silence();
                session.forget();
                hint.or(silence)
            }
        };
        UpsError::Silent(why)
    }
}

impl Numbers {
    fn next(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        self.secret.hash_one(self.count)
    }

    /// As a question has it: of 31 bits.
    fn next_request(&mut self) -> i32 {
        (self.next() >> 33) as i32
    }
}

/// A password of v3 from its file.
fn password(secret: &Secret) -> Result<Password, UpsError> {
    Password::new(secret.read()?).ok_or_else(|| UpsError::ShortPassword(secret.clone()))
}

/// Waits for what concerns that question until then. What does not is passed over; what it tells is the hint.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    dialect: &mut Dialect,
    number: i32,
    until: Instant,
    hint: &mut Option<&'static str>,
) -> Result<Option<Heard>, UpsError> {
    while let Ok(left) = left(until) {
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(buffer).map_err(in_words) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
            Err(error) => return Err(error.into()),
        };
        let heard = dialect.hear(buffer.get(..length).unwrap_or_default(), number);
        match heard? {
            Heard::Nothing(what) => *hint = what.or(*hint),
            heard => return Ok(Some(heard)),
        }
    }
    Ok(None)
}

/// A socket that hears that server alone, at one of its addresses.
fn connect(server: &Server, which: usize) -> io::Result<UdpSocket> {
    let addresses: Vec<SocketAddr> = (server.host.as_str(), server.port).to_socket_addrs()?.collect();
    let which = which.checked_rem(addresses.len()).and_then(|which| addresses.get(which));
    let address = which.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let own: SocketAddr = if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(own)?;
    socket.connect(address)?;
    Ok(socket)
}

/// `error-status` of RFC 3416.
fn error_in_words(error: i64) -> String {
    let why = match error {
        2 => " (noSuchName)",
        5 => " (genErr)",
        6 => " (noAccess)",
        16 => " (authorizationError): who asks may not read UPS-MIB",
        _ => "",
    };
    format!("SNMP error {error}{why}")
}

fn odd(why: &'static str) -> UpsError {
    UpsError::Odd { protocol: "SNMP", why }
}
