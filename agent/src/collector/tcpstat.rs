//! `tcpstat`: how many TCP connections of the host's network are in each state, and the bytes that wait in them (sock_diag(7)).
//!
//! The kernel is asked for the sockets themselves where we are in the host's network. From a container with a network of its own only
//! /proc/net/tcp of the host's first process is in reach, which costs more the more sockets there are.

use std::io;

use proto::metric::Desc;
use rustix::net::netlink;

use super::host::Host;
use super::kept::KeptFile;
use super::netlink::{Netlink, reaches_host, word};
use super::text::{hexadecimal, lines, words};
use super::{Collector, Failed, Round};

static STATES: Desc =
    Desc::gauge("node_tcp_connection_states", "TCP connections in each state, and bytes that wait.", &["state"]);

pub(super) const FAMILIES: &[&Desc] = &[&STATES];

/// In the order of the kernel's numbers, which begin at 1 (include/net/tcp_states.h).
const NAMES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];
/// `SOCK_DIAG_BY_FAMILY`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const ALL_STATES: u32 = 0xfff;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
/// Places in `struct inet_diag_msg`.
const STATE_AT: usize = 1;
const RX_QUEUE_AT: usize = 56;
const TX_QUEUE_AT: usize = 60;

pub(super) struct TcpStat {
    source: Source,
    files: [KeptFile; 2],
}

enum Source {
    /// The socket, opened when it is first used; and whether there is IPv6.
    Kernel {
        netlink: Option<Netlink>,
        ipv6: bool,
    },
    Files,
}

/// What is counted.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    states: [u64; NAMES.len()],
    rx_queued: u64,
    tx_queued: u64,
}

impl TcpStat {
    pub(super) fn new(host: &Host) -> Self {
        let source =
            if reaches_host(host) { Source::Kernel { netlink: None, ipv6: host.net("tcp6").exists() } } else { Source::Files };
        Self { source, files: ["tcp", "tcp6"].map(|name| KeptFile::new(host.net(name))) }
    }
}

impl Counts {
    fn add(&mut self, state: u64, rx_queued: u64, tx_queued: u64) {
        if let Some(count) = (state as usize).checked_sub(1).and_then(|place| self.states.get_mut(place)) {
            *count += 1;
        }
        self.rx_queued = self.rx_queued.saturating_add(rx_queued);
        self.tx_queued = self.tx_queued.saturating_add(tx_queued);
    }

    /// A message of the kernel: one socket.
    fn add_message(&mut self, message: &[u8]) {
        if let (Some(state), Some(rx), Some(tx)) = (message.get(STATE_AT), word(message, RX_QUEUE_AT), word(message, TX_QUEUE_AT))
        {
            self.add(u64::from(*state), u64::from(rx), u64::from(tx));
        }
    }

    /// /proc/net/tcp: number, addresses, state, `tx_queue:rx_queue`.
    fn add_file(&mut self, text: &[u8]) {
        for line in lines(text) {
            let mut fields = words(line).skip(3);
            let (Some(state), Some(queues)) = (fields.next().and_then(hexadecimal), fields.next()) else { continue };
            let mut queues = queues.split(|byte| *byte == b':').map(hexadecimal);
            if let (Some(Some(tx)), Some(Some(rx))) = (queues.next(), queues.next()) {
                self.add(state, rx, tx);
            }
        }
    }
}

fn ask(netlink: &mut Netlink, family: u8, buffer: &mut Vec<u8>, counts: &mut Counts) -> io::Result<()> {
    let mut request = [0; REQUEST];
    request[0] = family;
    request[1] = IPPROTO_TCP;
    request[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
    netlink.dump(SOCK_DIAG_BY_FAMILY, &request, buffer, |message| counts.add_message(message))
}

/// Both families. A socket that has failed is not used again: what is left in it belongs to the failed request.
fn ask_kernel(socket: &mut Option<Netlink>, ipv6: bool, buffer: &mut Vec<u8>) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut netlink = socket.take().map_or_else(|| Netlink::open(netlink::SOCK_DIAG), Ok)?;
    ask(&mut netlink, AF_INET, buffer, &mut counts)?;
    if ipv6 {
        ask(&mut netlink, AF_INET6, buffer, &mut counts)?;
    }
    *socket = Some(netlink);
    Ok(counts)
}

fn read_files(files: &mut [KeptFile; 2], buffer: &mut Vec<u8>) -> Result<Counts, Failed> {
    let mut counts = Counts::default();
    let [tcp, tcp6] = files;
    counts.add_file(tcp.read(buffer)?);
    match tcp6.read(buffer) {
        Ok(text) => counts.add_file(text),
        // Without IPv6.
        Err(Failed::NoData(_)) => {}
        Err(failed) => return Err(failed),
    }
    Ok(counts)
}

impl Collector for TcpStat {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let counts = match &mut self.source {
            Source::Kernel { netlink, ipv6 } => ask_kernel(netlink, *ipv6, round.buffer),
            Source::Files => Err(io::ErrorKind::Unsupported.into()),
        };
        let counts = match counts {
            Ok(counts) => counts,
            // A kernel without inet_diag, or a sandbox without netlink, has the files all the same.
            Err(_) => {
                self.source = Source::Files;
                read_files(&mut self.files, round.buffer)?
            }
        };
        // All states, so that none appears at 1.
        for (state, count) in NAMES.iter().zip(counts.states) {
            round.out.sample(&STATES, &[state], count as f64);
        }
        round.out.sample(&STATES, &["rx_queued_bytes"], counts.rx_queued as f64);
        round.out.sample(&STATES, &["tx_queued_bytes"], counts.tx_queued as f64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("tcpstat", &["usual", "without_ipv6", "malformed", "absent"]);
    }

    #[test]
    fn the_kernel_tells_of_our_own_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, mut buffer) = (None, Vec::new());
        for _ in 0..2 {
            let counts = ask_kernel(&mut socket, false, &mut buffer).unwrap();
            assert!(counts.states[0] >= 2 && counts.states[9] >= 1, "{counts:?}");
        }
        drop(connection);
    }
}
