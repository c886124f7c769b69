//! What a line of the kernel's packet log says (netfilter's LOG target): `prefix: IN=eth0 OUT= … SRC=… DST=… PROTO=TCP SPT=… DPT=…`.
//!
//! One message in; addresses, ports, protocol, interfaces and the rule's prefix out, as they are printed. Words of the form
//! `KEY=value` are read up to the first bracket, since errors of ICMP carry another packet in brackets. The names are those that the
//! rules for these lines take out of them, so a rule means the same with this metadata and without it.

use std::net::IpAddr;

use memchr::memmem;

use crate::json::Sink as _;
use crate::metadata::Metadata;

#[cfg(test)]
mod tests;

/// A packet that was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the rule writes before it, without the colon and the blanks that end it.
    pub prefix: &'a [u8],
    /// The interface through which it came; empty if it was made here.
    pub input: &'a [u8],
    /// The interface through which it leaves; empty if it is for this host.
    pub output: &'a [u8],
    /// The sender's address; of version 6 in full.
    pub source: &'a str,
    /// The receiver's address.
    pub destination: &'a str,
    /// `TCP`, `UDP`, `ICMP`, or a number.
    pub protocol: Option<&'a str>,
    /// The sender's port, where the protocol has any.
    pub source_port: Option<&'a str>,
    /// The receiver's port.
    pub destination_port: Option<&'a str>,
}

/// Reads one message. `None` if it is no such line.
pub fn parse(message: &[u8]) -> Option<Packet<'_>> {
    let (prefix, input, output, rest) = memmem::find_iter(message, b"IN=").find_map(|at| {
        let (input, rest) = word(&message[at + 3..]);
        let (output, rest) = word(rest.strip_prefix(b"OUT=")?);
        Some((&message[..at], input, output, rest))
    })?;
    let prefix = prefix.trim_ascii_end();
    let prefix = prefix.strip_suffix(b":").unwrap_or(prefix).trim_ascii_end();
    let mut words = Words::default();
    let bracket = memchr::memchr(b'[', rest).unwrap_or(rest.len());
    for word in rest[..bracket].split(|byte| *byte == b' ') {
        words.take(word);
    }
    let [source, destination] =
        [words.source, words.destination].map(|address| text(address?, |text| text.parse::<IpAddr>().is_ok()));
    let [source_port, destination_port] = [words.source_port, words.destination_port].map(|port| text(port?, is_port));
    let protocol = words.protocol.and_then(|protocol| text(protocol, |text| !text.is_empty()));
    Some(Packet { prefix, input, output, source: source?, destination: destination?, protocol, source_port, destination_port })
}

/// Adds what `message` says: `prefix`, `in`, `out`, `src`, `dst`, `proto`, `spt` and `dpt`, as far as it says them.
pub fn metadata(message: &[u8], metadata: &mut Metadata) {
    let Some(packet) = parse(message) else { return };
    for (name, value) in [("prefix", packet.prefix), ("in", packet.input), ("out", packet.output)] {
        metadata.push_with(name, |out| out.push_bytes(value));
    }
    metadata.push("src", packet.source);
    metadata.push("dst", packet.destination);
    for (name, value) in [("proto", packet.protocol), ("spt", packet.source_port), ("dpt", packet.destination_port)] {
        metadata.push(name, value.unwrap_or_default());
    }
}

/// The values of the words that count.
#[derive(Default)]
struct Words<'a> {
    source: Option<&'a [u8]>,
    destination: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    source_port: Option<&'a [u8]>,
    destination_port: Option<&'a [u8]>,
}

impl<'a> Words<'a> {
    /// Of several words with one key the first counts.
    fn take(&mut self, word: &'a [u8]) {
        let Some(at) = memchr::memchr(b'=', word) else { return };
        let place = match &word[..at] {
            b"SRC" => &mut self.source,
            b"DST" => &mut self.destination,
            b"PROTO" => &mut self.protocol,
            b"SPT" => &mut self.source_port,
            b"DPT" => &mut self.destination_port,
            _ => return,
        };
        place.get_or_insert(&word[at + 1..]);
    }
}

/// What stands before the first blank, and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(b' ', text).unwrap_or(text.len());
    (&text[..at], text.get(at + 1..).unwrap_or_default())
}

fn text(bytes: &[u8], fits: impl FnOnce(&str) -> bool) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| fits(text))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}
