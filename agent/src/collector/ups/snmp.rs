//! One UPS by SNMP v2c: `sysUpTime`, then a walk through UPS-MIB by GETBULK over UDP.
//!
//! A datagram that is lost is sent again within the sample's deadline; an answer to an earlier question is not one to this. A walk that
//! does not come to its end gives nothing.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use client::Secret;
use proto::metric::Families;

use super::ber::{self, Ask, Oid, Response, Value};
use super::timed::{in_words, left};
use super::ups_mib::{SYS_UPTIME, UPS_MIB, give};
use super::{Server, UpsError};

/// How long an answer is waited for before the question is sent again.
const RESEND: Duration = Duration::from_secs(1);
/// Objects asked for at once. Their answer fits into a datagram that is not cut up (1472 bytes).
const REPETITIONS: u8 = 25;
/// UPS-MIB has some hundred objects; a card with more questions than this to ask runs in circles.
const QUESTIONS: usize = 512;
/// `tooBig` of RFC 3416.
const TOO_BIG: i64 = 1;

/// How a card is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpSettings {
    /// Where it is; port 161 by default.
    pub server: Server,
    /// What it takes for a password; `public`, mostly.
    pub community: Secret,
    /// How long all questions of one sample may take.
    pub timeout: Duration,
}

/// A card.
pub(super) struct Snmp {
    settings: SnmpSettings,
    request: i32,
    repetitions: u8,
    buffer: Vec<u8>,
    given: Families,
}

impl Snmp {
    /// Not asked yet.
    pub(super) fn new(settings: SnmpSettings) -> Self {
        Self { settings, request: 0, repetitions: REPETITIONS, buffer: vec![0; 65_536], given: Families::new() }
    }

    /// Asks for everything.
    pub(super) fn ask(&mut self, out: &mut Families) -> Result<(), UpsError> {
        let until = Instant::now() + self.settings.timeout;
        let community = self.settings.community.read()?;
        let socket = connect(&self.settings.server)?;
        let mut given = std::mem::take(&mut self.given);
        given.clear();
        let asked = self.walk(&socket, community.as_bytes(), until, &mut given);
        if asked.is_ok() {
            out.append(&given);
        }
        self.given = given;
        asked
    }

    fn walk(&mut self, socket: &UdpSocket, community: &[u8], until: Instant, out: &mut Families) -> Result<(), UpsError> {
        let uptime = self.exchange(socket, community, Ask::Get, SYS_UPTIME, until)?;
        for binding in uptime.bindings() {
            let (name, value) = binding.map_err(|_| odd("a damaged object"))?;
            give(&name, &value, out);
        }
        let mut last = Oid(UPS_MIB.to_vec());
        let mut found = 0;
        for _ in 0..QUESTIONS {
            let ask = Ask::Bulk(self.repetitions);
            let response = self.exchange(socket, community, ask, &last.0, until)?;
            let error = response.error;
            let mut is_empty = true;
            for binding in response.bindings().take_while(|_| error == 0) {
                let (name, value) = binding.map_err(|_| odd("a damaged object"))?;
                is_empty = false;
                if !name.0.starts_with(UPS_MIB) || value == Value::Absent {
                    return if found > 0 { Ok(()) } else { Err(odd("no UPS-MIB there")) };
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
                return Err(UpsError::Refused(format!("SNMP error {error}")));
            } else if is_empty {
                return Err(odd("an empty answer"));
            }
        }
        Err(odd("its objects have no end"))
    }

    /// A question until it is answered.
    fn exchange(
        &mut self,
        socket: &UdpSocket,
        community: &[u8],
        ask: Ask,
        object: &[u32],
        until: Instant,
    ) -> Result<Response<'_>, UpsError> {
        self.request = self.request.checked_add(1).unwrap_or(1);
        let question = ber::question(community, ask, self.request, &[object]);
        let length = loop {
            left(until)?;
            socket.send(&question)?;
            let again = until.min(Instant::now() + RESEND);
            match receive(socket, &mut self.buffer, self.request, again) {
                Ok(length) => break length,
                // It or its answer was lost.
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(error) => return Err(error.into()),
            }
        };
        let answer = self.buffer.get(..length).unwrap_or_default();
        ber::response(answer).map_err(|_| odd("a damaged answer"))
    }
}

/// Waits for the answer to that question; its length. Others, and damaged ones, are passed over.
fn receive(socket: &UdpSocket, buffer: &mut [u8], request: i32, until: Instant) -> io::Result<usize> {
    loop {
        socket.set_read_timeout(Some(left(until)?))?;
        let length = socket.recv(buffer).map_err(in_words)?;
        let answer = buffer.get(..length).unwrap_or_default();
        if ber::response(answer).is_ok_and(|response| response.request == request) {
            return Ok(length);
        }
    }
}

/// A socket that hears that server alone.
fn connect(server: &Server) -> io::Result<UdpSocket> {
    let mut addresses = (server.host.as_str(), server.port).to_socket_addrs()?;
    let address = addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let own: SocketAddr = if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(own)?;
    socket.connect(address)?;
    Ok(socket)
}

fn odd(why: &'static str) -> UpsError {
    UpsError::Odd { protocol: "SNMP v2c", why }
}
