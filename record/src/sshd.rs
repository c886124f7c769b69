//! What OpenSSH's daemon says of logins: the text of one message → who, from where, how, and what became of it.
//!
//! A client chooses its user name, and sshd logs it as it came: `Invalid user root from 10.0.0.1 port 22 from 203.0.113.7 port 57213`.
//! So a message is anchored at its beginning, and its address is taken from the side that the name does not reach: in `Accepted` the
//! first one, since the user is a real account there while ids of keys behind it are the client's; elsewhere the one behind which
//! stands what sshd itself writes. A message that can be read in two ways, or not as a whole, gives nothing.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memchr_iter};

use crate::json::Sink as _;
use crate::metadata::Metadata;

#[cfg(test)]
mod tests;

/// What a message says of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// What became of it.
    pub result: LoginResult,
    /// Whose it was to be. Where no account is known, this is what the client sent: any bytes, perhaps none.
    pub user: Option<&'a [u8]>,
    /// The client's address as sshd prints it: IPv4, IPv6 without brackets and perhaps with a `%zone`, or `UNKNOWN`.
    pub address: Option<&'a str>,
    /// The client's port.
    pub port: Option<u16>,
    /// `publickey`, `password`, `keyboard-interactive/pam`, …
    pub method: Option<&'a str>,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoginResult {
    /// The client is in.
    Accepted,
    /// A method was refused.
    Failed,
    /// A method was good, and others are asked for.
    Partial,
    /// A method is not over yet.
    Postponed,
    /// There is no such account.
    InvalidUser,
    /// There is one, and the configuration keeps it out.
    NotAllowed,
    /// The client tried too often.
    MaxAttempts,
    /// The client did not log in in time.
    Timeout,
    /// The connection was closed without a word.
    Closed,
    /// The connection was reset.
    Reset,
    /// One side said goodbye.
    Disconnected,
}

impl LoginResult {
    /// The value of the metadata `result`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Postponed => "postponed",
            Self::InvalidUser => "invalid_user",
            Self::NotAllowed => "not_allowed",
            Self::MaxAttempts => "max_attempts",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Disconnected => "disconnected",
        }
    }
}

/// How a message begins, and who reads what follows.
type Shape = (&'static [u8], LoginResult, for<'a> fn(&'a [u8], LoginResult) -> Option<Login<'a>>);

/// Every message that is read. Where an id follows, its blank is left to it, since a name may be missing.
const SHAPES: [Shape; 17] = [
    (b"Accepted ", LoginResult::Accepted, accepted),
    (b"Failed ", LoginResult::Failed, attempt),
    (b"Partial ", LoginResult::Partial, attempt),
    (b"Postponed ", LoginResult::Postponed, attempt),
    (b"Invalid user ", LoginResult::InvalidUser, invalid_user),
    (b"error: maximum authentication attempts exceeded for ", LoginResult::MaxAttempts, max_attempts),
    (b"User ", LoginResult::NotAllowed, not_allowed),
    (b"ROOT LOGIN REFUSED FROM ", LoginResult::NotAllowed, root_refused),
    (b"Connection closed by", LoginResult::Closed, ended),
    (b"Connection reset by", LoginResult::Reset, ended),
    (b"Disconnected from", LoginResult::Disconnected, ended),
    (b"Disconnecting", LoginResult::Disconnected, disconnecting),
    (b"Received disconnect from ", LoginResult::Disconnected, goodbye),
    (b"Timeout before authentication for connection from ", LoginResult::Timeout, timeout),
    (b"Timeout before authentication for ", LoginResult::Timeout, old_timeout),
    (b"fatal: Timeout before authentication for ", LoginResult::Timeout, old_timeout),
    (b"error: Received disconnect from ", LoginResult::Disconnected, goodbye),
];

/// Reads one message. `None` if it is about something else, or if it is not certain what it says.
pub fn parse(message: &[u8]) -> Option<Login<'_>> {
    // What the unprivileged process says is passed on by its monitor, marked at the end.
    let marked = [&b" [preauth]"[..], b" [postauth]"].iter().find_map(|mark| message.strip_suffix(*mark));
    let text = marked.unwrap_or(message);
    SHAPES.iter().find_map(|(head, result, read)| read(text.strip_prefix(*head)?, *result))
}

/// Adds what `message` says: `user`, `src_ip`, `src_port`, `method` and `result`, as far as it says them.
pub fn metadata(message: &[u8], metadata: &mut Metadata) {
    let Some(login) = parse(message) else { return };
    if let Some(user) = login.user {
        metadata.push_with("user", |out| out.push_bytes(user));
    }
    metadata.push("src_ip", login.address.unwrap_or_default());
    if let Some(port) = login.port {
        let mut digits = [0; 5];
        let mut rest = &mut digits[..];
        // The largest port has five digits.
        let _ = write!(rest, "{port}");
        let left = rest.len();
        metadata.push_with("src_port", |out| out.push_bytes(&digits[..digits.len() - left]));
    }
    metadata.push("method", login.method.unwrap_or_default());
    metadata.push("result", login.result.name());
}

/// `publickey for root from 203.0.113.7 port 55633 ssh2: ED25519-CERT SHA256:… ID anything (serial 0) CA …`
fn accepted(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (method, text) = method(text)?;
    let (user, text) = word(text)?;
    let (peer, rest) = Peer::read(text.strip_prefix(b"from ")?)?;
    (!user.is_empty() && ends_attempt(rest)).then(|| peer.login(result, Some(user), Some(method)))
}

/// `password for invalid user admin from 203.0.113.7 port 45409 ssh2`
fn attempt(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (method, text) = method(text)?;
    let (user, peer) = only_peer(known_or_not(text), b" from ", ends_attempt)?;
    Some(peer.login(result, Some(user), Some(method)))
}

/// `admin from 203.0.113.7 port 57213`
fn invalid_user(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (user, peer) = only_peer(text, b" from ", <[u8]>::is_empty)?;
    Some(peer.login(result, Some(user), None))
}

/// `root from 203.0.113.7 port 57213 ssh2`
fn max_attempts(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (user, peer) = only_peer(known_or_not(text), b" from ", |rest| rest == b" ssh2")?;
    Some(peer.login(result, Some(user), None))
}

/// `root from host.example.org not allowed because …`, `root not allowed because …`: of accounts that there are.
fn not_allowed(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (user, text) = word(text)?;
    let (host, text) = match text.strip_prefix(b"from ") {
        Some(text) => word(text).map(|(host, text)| (Some(host), text))?,
        None => (None, text),
    };
    // The name of a host is not the address that it had.
    let address = host.and_then(address);
    text.starts_with(b"not allowed because ").then_some(Login { result, user: Some(user), address, port: None, method: None })
}

/// `203.0.113.7 port 57213`
fn root_refused(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (peer, rest) = Peer::read(text)?;
    rest.is_empty().then(|| peer.login(result, Some(b"root"), None))
}

/// ` authenticating user root 203.0.113.7 port 57213`
fn ended(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    id(text, result, <[u8]>::is_empty)
}

/// ` invalid user admin 203.0.113.7 port 57213: Too many authentication failures`. What follows the id may hold the name again.
fn disconnecting(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    id(text, result, |rest| rest.starts_with(b": "))
}

/// `203.0.113.7 port 57213:11: disconnected by user`: the text is the client's.
fn goodbye(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (peer, rest) = Peer::read(text)?;
    rest.starts_with(b":").then(|| peer.login(result, None, None))
}

/// `203.0.113.7 to 192.0.2.1, pid = 4711`, since OpenSSH 9.8.
fn timeout(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (word, rest) = word(text)?;
    let address = Some(address(word)?);
    rest.starts_with(b"to ").then_some(Login { result, user: None, address, port: None, method: None })
}

/// `203.0.113.7 port 57213`
fn old_timeout(text: &[u8], result: LoginResult) -> Option<Login<'_>> {
    let (peer, rest) = Peer::read(text)?;
    rest.is_empty().then(|| peer.login(result, None, None))
}

/// Where a client is.
#[derive(Clone, Copy)]
struct Peer<'a> {
    address: &'a str,
    port: u16,
}

impl<'a> Peer<'a> {
    /// `203.0.113.7 port 57213` at the start of `text`, and what follows it.
    fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (host, text) = word(text)?;
        let text = text.strip_prefix(b"port ")?;
        let n_digits = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = text.split_at(n_digits);
        let port = str::from_utf8(digits).ok()?.parse().ok()?;
        Some((Self { address: address(host)?, port }, rest))
    }

    fn login(self, result: LoginResult, user: Option<&'a [u8]>, method: Option<&'a str>) -> Login<'a> {
        Login { result, user, address: Some(self.address), port: Some(self.port), method }
    }
}

/// The only place in `text` where `before`, a peer and what `fits` stand in this order: what precedes it, and the peer.
///
/// sshd cuts a user name at its first colon and to 100 bytes, so no name brings an `ssh2: ` of its own. If two places fit all the
/// same (ids of keys are the client's too), neither is believed.
fn only_peer<'a>(text: &'a [u8], before: &[u8], fits: impl Fn(&[u8]) -> bool) -> Option<(&'a [u8], Peer<'a>)> {
    // Every `before` begins with a blank. Two of them may share one, so each blank is looked at.
    let mut places = memchr_iter(b' ', text).filter_map(|at| {
        let (peer, rest) = Peer::read(text[at..].strip_prefix(before)?)?;
        fits(rest).then_some((&text[..at], peer))
    });
    let place = places.next();
    if places.next().is_some() { None } else { place }
}

/// The longest text with an id that is believed.
///
/// Before an id a name has up to 187 bytes. Control characters among them are printed as four, the message is cut at 500 bytes, and
/// journald takes blanks off its end: so it may end within the name, where the client wants it. With 93 control characters or more,
/// which that takes, at least 370 bytes are left; a name without them needs 270 at most.
const CERTAIN_BYTES: usize = 360;

/// What sshd puts before an address when it knows a name. The last one lacks its blank in some versions.
const PREAMBLES: [&[u8]; 4] = [b" invalid user ", b" authenticating user ", b" user ", b" authenticatinguser "];

/// ` invalid user admin 203.0.113.7 port 57213`, or the address alone, and behind it what `fits`.
fn id(text: &[u8], result: LoginResult, fits: impl Fn(&[u8]) -> bool) -> Option<Login<'_>> {
    if text.len() > CERTAIN_BYTES {
        return None;
    }
    let (before, peer) = only_peer(text, b" ", fits)?;
    if before.is_empty() {
        return Some(peer.login(result, None, None));
    }
    let user = PREAMBLES.iter().find_map(|preamble| before.strip_prefix(*preamble))?;
    Some(peer.login(result, Some(user), None))
}

/// Whether this may follow the address of an attempt: its end, or what sshd says of the key.
fn ends_attempt(rest: &[u8]) -> bool {
    rest.strip_prefix(b" ssh2").is_some_and(|rest| rest.is_empty() || rest.starts_with(b": "))
}

/// `publickey for `, which only sshd writes, at the start of `text`, and what follows it.
fn method(text: &[u8]) -> Option<(&str, &[u8])> {
    let (method, text) = word(text)?;
    let method = str::from_utf8(method).ok().filter(|method| !method.is_empty())?;
    Some((method, text.strip_prefix(b"for ")?))
}

/// Without the words that say that there is no such account.
fn known_or_not(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"invalid user ").unwrap_or(text)
}

/// What stands before the first blank, and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// An address as sshd prints it.
fn address(word: &[u8]) -> Option<&str> {
    /// An IPv6 address has at most 45 characters, a name of an interface 15.
    const LONGEST: usize = 64;
    let text = str::from_utf8(word).ok().filter(|text| text.len() <= LONGEST)?;
    let is_ipv6 = || match text.split_once('%') {
        Some((address, zone)) => !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv6Addr>().is_ok(),
    };
    (text == "UNKNOWN" || text.parse::<Ipv4Addr>().is_ok() || is_ipv6()).then_some(text)
}
