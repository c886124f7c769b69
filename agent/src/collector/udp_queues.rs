//! `udp_queues`: bytes that wait in the UDP sockets of the host's network (/proc/net/udp, /proc/net/udp6, proc_pid_net(5)).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{hexadecimal, lines, words};
use super::{Collector, Failed, Round};

static QUEUES: Desc = Desc::gauge("node_udp_queues", "Bytes that wait in UDP sockets.", &["queue", "ip"]);

pub(super) const FAMILIES: &[&Desc] = &[&QUEUES];

/// `tx_queue:rx_queue`, behind number, addresses and state.
const QUEUES_COLUMN: usize = 4;

pub(super) struct UdpQueues {
    files: [(&'static str, KeptFile); 2],
}

impl UdpQueues {
    pub(super) fn new(host: &Host) -> Self {
        Self { files: [("v4", "udp"), ("v6", "udp6")].map(|(ip, name)| (ip, KeptFile::new(host.net(name)))) }
    }
}

/// Bytes to be sent, and bytes to be read.
fn sum(text: &[u8]) -> (u64, u64) {
    let queues = |line| {
        let mut queues = words(line).nth(QUEUES_COLUMN)?.split(|byte| *byte == b':').map(hexadecimal);
        Some((queues.next()??, queues.next()??))
    };
    lines(text).filter_map(queues).fold((0_u64, 0_u64), |sum, (tx, rx)| (sum.0.saturating_add(tx), sum.1.saturating_add(rx)))
}

impl Collector for UdpQueues {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut absent = 0;
        for (ip, file) in &mut self.files {
            match file.read(round.buffer).map(sum) {
                Ok((tx, rx)) => {
                    round.out.sample(&QUEUES, &["tx", ip], tx as f64);
                    round.out.sample(&QUEUES, &["rx", ip], rx as f64);
                }
                Err(Failed::NoData(_)) => absent += 1,
                Err(failed) => return Err(failed),
            }
        }
        if absent == self.files.len() { Err(Failed::NoData("UDP".into())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("udp_queues", &["usual", "without_ipv6", "malformed", "absent"]);
    }
}
