//! `netdev`: bytes and packets of each network device of the host (/proc/net/dev, proc_pid_net(5)), and packets that nobody took,
//! which that file does not have (/sys/class/net/<device>/statistics/rx_nohandler).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::settings::{Filter, Settings};
use super::text::{integer, lines, name, trim, words};
use super::{Collector, Failed, Round};

const DEVICE: &[&str] = &["device"];

static RX_BYTES: Desc = Desc::counter("node_network_receive_bytes_total", "Bytes received.", DEVICE);
static RX_PACKETS: Desc = Desc::counter("node_network_receive_packets_total", "Packets received.", DEVICE);
static RX_ERRS: Desc = Desc::counter("node_network_receive_errs_total", "Packets received with an error.", DEVICE);
static RX_DROP: Desc = Desc::counter("node_network_receive_drop_total", "Packets dropped on arrival, missed ones too.", DEVICE);
static RX_FIFO: Desc = Desc::counter("node_network_receive_fifo_total", "Overruns of the receiving queue.", DEVICE);
static RX_FRAME: Desc =
    Desc::counter("node_network_receive_frame_total", "Frames of a wrong length, form or checksum, or over the limit.", DEVICE);
static RX_COMPRESSED: Desc = Desc::counter("node_network_receive_compressed_total", "Compressed packets received.", DEVICE);
static RX_MULTICAST: Desc = Desc::counter("node_network_receive_multicast_total", "Multicast packets received.", DEVICE);
static RX_NOHANDLER: Desc = Desc::counter("node_network_receive_nohandler_total", "Packets that nobody took.", DEVICE);
static TX_BYTES: Desc = Desc::counter("node_network_transmit_bytes_total", "Bytes sent.", DEVICE);
static TX_PACKETS: Desc = Desc::counter("node_network_transmit_packets_total", "Packets sent.", DEVICE);
static TX_ERRS: Desc = Desc::counter("node_network_transmit_errs_total", "Packets that could not be sent for an error.", DEVICE);
static TX_DROP: Desc = Desc::counter("node_network_transmit_drop_total", "Packets dropped before they were sent.", DEVICE);
static TX_FIFO: Desc = Desc::counter("node_network_transmit_fifo_total", "Overruns of the sending queue.", DEVICE);
static TX_COLLS: Desc = Desc::counter("node_network_transmit_colls_total", "Collisions.", DEVICE);
static TX_CARRIER: Desc = Desc::counter(
    "node_network_transmit_carrier_total",
    "Packets that could not be sent for want of a carrier, or were given up.",
    DEVICE,
);
static TX_COMPRESSED: Desc = Desc::counter("node_network_transmit_compressed_total", "Compressed packets sent.", DEVICE);

pub(super) const FAMILIES: &[&Desc] = &[
    &RX_BYTES,
    &RX_PACKETS,
    &RX_ERRS,
    &RX_DROP,
    &RX_FIFO,
    &RX_FRAME,
    &RX_COMPRESSED,
    &RX_MULTICAST,
    &TX_BYTES,
    &TX_PACKETS,
    &TX_ERRS,
    &TX_DROP,
    &TX_FIFO,
    &TX_COLLS,
    &TX_CARRIER,
    &TX_COMPRESSED,
    &RX_NOHANDLER,
];
/// The first of them, as many as the line has columns.
const COLUMNS: usize = 16;

pub(super) struct NetDev {
    host: Host,
    file: KeptFile,
    wanted: Filter,
    /// In the order of the file.
    devices: Vec<Device>,
    /// For the devices' own files, while the buffer of the round holds the file.
    small: Vec<u8>,
}

struct Device {
    name: String,
    nohandler: KeptFile,
}

impl NetDev {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            host: host.clone(),
            file: KeptFile::new(host.net("dev")),
            wanted: settings.netdev_devices.clone(),
            devices: Vec::new(),
            small: Vec::new(),
        }
    }
}

impl Collector for NetDev {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut given = 0;
        for line in lines(self.file.read(round.buffer)?) {
            // Neither line of the head has a colon; older kernels write the first number right behind it.
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let Some(device) = name(trim(&line[..colon])).filter(|device| self.wanted.admits(device)) else { continue };
            let mut columns = [0; COLUMNS];
            let mut values = words(&line[colon + 1..]).map_while(integer);
            if !columns.iter_mut().all(|column| values.next().map(|value| *column = value).is_some()) {
                continue;
            }
            for (desc, value) in FAMILIES.iter().zip(columns) {
                round.out.sample(desc, &[device], value as f64);
            }
            if self.devices.get(given).is_none_or(|known| known.name != device) {
                let nohandler = KeptFile::new(self.host.sys(&format!("class/net/{device}/statistics/rx_nohandler")));
                self.devices.truncate(given);
                self.devices.push(Device { name: device.to_owned(), nohandler });
            }
            if let Some(known) = self.devices.get_mut(given)
                && let Some(value) = known.nohandler.read(&mut self.small).ok().and_then(|text| integer(trim(text)))
            {
                round.out.sample(&RX_NOHANDLER, &[device], value as f64);
            }
            given += 1;
        }
        self.devices.truncate(given);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("netdev", &["usual", "old", "malformed", "absent"]);
    }
}
