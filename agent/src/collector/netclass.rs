//! `netclass`: what each network device of the host is, and whether it is up (/sys/class/net; the kernel's
//! Documentation/ABI/testing/sysfs-class-net).
//!
//! Each property is a file of its own, and a device that is down refuses some of them: those are left out.

use std::path::{Path, PathBuf};

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::listing::names;
use super::settings::{Filter, Settings};
use super::text::{hexadecimal, number, text, trim};
use super::{Collector, Failed, Round};

const DEVICE: &[&str] = &["device"];

static UP: Desc = Desc::gauge("node_network_up", "Whether the device's operational state is up.", DEVICE);
static INFO: Desc = Desc::gauge(
    "node_network_info",
    "What the device is, in words.",
    &["device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias"],
);
static ADDRESS_ASSIGN_TYPE: Desc =
    Desc::gauge("node_network_address_assign_type", "Where the address is from: 0 burnt in, 1 random, 2 stolen, 3 set.", DEVICE);
static CARRIER: Desc = Desc::gauge("node_network_carrier", "Whether there is a carrier.", DEVICE);
static CARRIER_CHANGES: Desc =
    Desc::counter("node_network_carrier_changes_total", "How often the carrier came and went.", DEVICE);
static CARRIER_UP: Desc = Desc::counter("node_network_carrier_up_changes_total", "How often the carrier came.", DEVICE);
static CARRIER_DOWN: Desc = Desc::counter("node_network_carrier_down_changes_total", "How often the carrier went.", DEVICE);
static DEVICE_ID: Desc = Desc::gauge("node_network_device_id", "Which of the devices that share an address it is.", DEVICE);
static DORMANT: Desc = Desc::gauge("node_network_dormant", "Whether the device waits for something outside.", DEVICE);
static FLAGS: Desc = Desc::gauge("node_network_flags", "Flags of the device (netdevice(7)).", DEVICE);
static IFACE_ID: Desc = Desc::gauge("node_network_iface_id", "Number of the device.", DEVICE);
static IFACE_LINK: Desc = Desc::gauge("node_network_iface_link", "Number of the device that this one stands on.", DEVICE);
static IFACE_LINK_MODE: Desc = Desc::gauge("node_network_iface_link_mode", "Link mode: 0 default, 1 dormant.", DEVICE);
static MTU: Desc = Desc::gauge("node_network_mtu_bytes", "Bytes of the longest packet.", DEVICE);
static NAME_ASSIGN_TYPE: Desc = Desc::gauge(
    "node_network_name_assign_type",
    "Where the name is from: 1 the kernel's count, 2 predictable, 3 userspace, 4 renamed.",
    DEVICE,
);
static GROUP: Desc = Desc::gauge("node_network_net_dev_group", "Group of the device.", DEVICE);
static SPEED: Desc = Desc::gauge("node_network_speed_bytes", "Speed in bytes a second; -125000 if unknown.", DEVICE);
static QUEUE_LENGTH: Desc = Desc::gauge("node_network_transmit_queue_length", "Packets that the sending queue takes.", DEVICE);
static PROTOCOL_TYPE: Desc = Desc::gauge("node_network_protocol_type", "Type of the hardware, as ARP has it.", DEVICE);

pub(super) const FAMILIES: &[&Desc] = &[
    &UP,
    &INFO,
    &ADDRESS_ASSIGN_TYPE,
    &CARRIER,
    &CARRIER_CHANGES,
    &CARRIER_UP,
    &CARRIER_DOWN,
    &DEVICE_ID,
    &DORMANT,
    &FLAGS,
    &IFACE_ID,
    &IFACE_LINK,
    &IFACE_LINK_MODE,
    &MTU,
    &NAME_ASSIGN_TYPE,
    &GROUP,
    &SPEED,
    &QUEUE_LENGTH,
    &PROTOCOL_TYPE,
];

/// Files whose content is a number, and what it is worth.
const NUMBERS: [(&str, &Desc, f64); 17] = [
    ("addr_assign_type", &ADDRESS_ASSIGN_TYPE, 1.0),
    ("carrier", &CARRIER, 1.0),
    ("carrier_changes", &CARRIER_CHANGES, 1.0),
    ("carrier_up_count", &CARRIER_UP, 1.0),
    ("carrier_down_count", &CARRIER_DOWN, 1.0),
    ("dev_id", &DEVICE_ID, 1.0),
    ("dormant", &DORMANT, 1.0),
    ("flags", &FLAGS, 1.0),
    ("ifindex", &IFACE_ID, 1.0),
    ("iflink", &IFACE_LINK, 1.0),
    ("link_mode", &IFACE_LINK_MODE, 1.0),
    ("mtu", &MTU, 1.0),
    ("name_assign_type", &NAME_ASSIGN_TYPE, 1.0),
    ("netdev_group", &GROUP, 1.0),
    // Megabits, and -1 for unknown.
    ("speed", &SPEED, 1e6 / 8.0),
    ("tx_queue_len", &QUEUE_LENGTH, 1.0),
    ("type", &PROTOCOL_TYPE, 1.0),
];
const WORDS: [&str; 5] = ["address", "broadcast", "duplex", "operstate", "ifalias"];
const OPERSTATE: usize = 3;
/// `IFF_UP` (netdevice(7)).
const FLAG_UP: u64 = 1;

pub(super) struct NetClass {
    directory: PathBuf,
    wanted: Filter,
    ignore_invalid_speed: bool,
    /// By name.
    devices: Vec<Device>,
}

struct Device {
    name: String,
    numbers: [KeptFile; NUMBERS.len()],
    words: [KeptFile; WORDS.len()],
    texts: [String; WORDS.len()],
}

impl NetClass {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            directory: host.sys("class/net"),
            wanted: settings.netclass_devices.clone(),
            ignore_invalid_speed: settings.netclass_ignore_invalid_speed,
            devices: Vec::new(),
        }
    }

    /// Opens what has come, and drops what has gone.
    fn look(&mut self) -> Result<(), Failed> {
        let names: Vec<String> = names(&self.directory)?.into_iter().filter(|name| self.wanted.admits(name)).collect();
        if self.devices.iter().map(|device| &device.name).eq(&names) {
            return Ok(());
        }
        let mut before = std::mem::take(&mut self.devices);
        for name in names {
            match before.iter().position(|device| device.name == name) {
                Some(place) => self.devices.push(before.swap_remove(place)),
                None => self.devices.push(Device::new(&self.directory, name)),
            }
        }
        Ok(())
    }
}

impl Device {
    fn new(directory: &Path, name: String) -> Self {
        let file = |file: &str| KeptFile::new(directory.join(&name).join(file));
        Self { numbers: NUMBERS.map(|(name, ..)| file(name)), words: WORDS.map(file), texts: Default::default(), name }
    }

    fn give(&mut self, ignore_invalid_speed: bool, round: &mut Round<'_>) {
        // What stands there beside devices (`bonding_masters`), or was one a moment ago.
        if matches!(self.words[OPERSTATE].read(round.buffer), Err(Failed::NoData(_))) {
            return;
        }
        for (file, kept) in self.words.iter_mut().zip(&mut self.texts) {
            kept.clear();
            if let Ok(read) = file.read(round.buffer) {
                kept.push_str(&text(read));
            }
        }
        let mut values = [None; NUMBERS.len()];
        for (file, value) in self.numbers.iter_mut().zip(&mut values) {
            *value = file.read(round.buffer).ok().map(trim).and_then(either_base);
        }
        let device = self.name.as_str();
        let [address, broadcast, duplex, operstate, alias] = self.texts.each_ref().map(String::as_str);
        round.out.sample(&UP, &[device], f64::from(operstate == "up"));
        let flags = NUMBERS.iter().zip(values).find(|((name, ..), _)| *name == "flags").and_then(|(_, value)| value);
        let admin = match flags {
            None => "unknown",
            Some(flags) if flags as u64 & FLAG_UP == FLAG_UP => "up",
            Some(_) => "down",
        };
        round.out.sample(&INFO, &[device, address, broadcast, duplex, operstate, admin, alias], 1.0);
        for ((name, desc, unit), value) in NUMBERS.iter().zip(values) {
            if let Some(value) = value.filter(|value| *value >= 0.0 || !ignore_invalid_speed || *name != "speed") {
                round.out.sample(desc, &[device], value * unit);
            }
        }
    }
}

/// Flags and such come as `0x1003`, the others in decimal.
fn either_base(text: &[u8]) -> Option<f64> {
    if text.starts_with(b"0x") { hexadecimal(text).map(|value| value as f64) } else { number(text) }
}

impl Collector for NetClass {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look()?;
        for device in &mut self.devices {
            device.give(self.ignore_invalid_speed, round);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::collector::testing::{check, check_with};

    #[test]
    fn fixtures() {
        check("netclass", &["usual", "down", "absent"]);
        check_with("netclass", &["invalid_speed"], &Settings { netclass_ignore_invalid_speed: true, ..Settings::default() });
    }
}
