//! `nvme`: controllers and their namespaces (/sys/class/nvme). How worn a device is stands in its SMART log, which takes an ioctl.

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::{Objects, attribute, list, value};
use super::text::text;
use super::{Collector, Failed, Round};

const NAMESPACE: &[&str] = &["device", "nsid"];

static INFO: Desc = Desc::gauge(
    "node_nvme_info",
    "What a controller says of itself.",
    &["device", "firmware_revision", "model", "serial", "state", "cntlid"],
);
static NAMESPACE_INFO: Desc = Desc::gauge(
    "node_nvme_namespace_info",
    "State of a namespace, as far as its controller can reach it.",
    &["device", "nsid", "ana_state"],
);
static CAPACITY: Desc = Desc::gauge("node_nvme_namespace_capacity_bytes", "Capacity of a namespace.", NAMESPACE);
static SIZE: Desc = Desc::gauge("node_nvme_namespace_size_bytes", "Size of a namespace.", NAMESPACE);
static USED: Desc = Desc::gauge("node_nvme_namespace_used_bytes", "Bytes of a namespace that are allocated.", NAMESPACE);
static BLOCK: Desc = Desc::gauge("node_nvme_namespace_logical_block_size_bytes", "Size of a namespace's blocks.", NAMESPACE);

pub(super) const FAMILIES: &[&Desc] = &[&INFO, &NAMESPACE_INFO, &CAPACITY, &SIZE, &USED, &BLOCK];

/// The unit of a block device's `size`, whatever the size of its blocks.
const SECTOR: f64 = 512.0;

pub(super) struct Nvme {
    objects: Objects,
    controllers: Vec<Controller>,
}

struct Controller {
    device: String,
    firmware_revision: String,
    model: String,
    serial: String,
    cntlid: String,
    state: KeptFile,
    namespaces: Vec<Namespace>,
}

struct Namespace {
    nsid: String,
    ana_state: KeptFile,
    size: KeptFile,
    nuse: KeptFile,
    block: KeptFile,
}

impl Nvme {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("class/nvme"), "nvme"), controllers: Vec::new() }
    }

    fn look(&mut self, buffer: &mut Vec<u8>) -> Result<(), Failed> {
        let directory = self.objects.directory().to_owned();
        let Some(names) = self.objects.look()? else { return Ok(()) };
        self.controllers.clear();
        for device in names {
            let path = directory.join(device);
            let mut read = |name: &str| attribute(&path.join(name), buffer).unwrap_or_default();
            let (firmware_revision, model, serial, cntlid) =
                (read("firmware_rev"), read("model"), read("serial"), read("cntlid"));
            let namespace = |name: &String| {
                let path = path.join(name);
                let kept = |name: &str| KeptFile::new(path.join(name));
                Some(Namespace {
                    nsid: nsid(name)?.to_owned(),
                    ana_state: kept("ana_state"),
                    size: kept("size"),
                    nuse: kept("nuse"),
                    block: kept("queue/logical_block_size"),
                })
            };
            let namespaces = list(&path, "nvme").unwrap_or_default().iter().filter_map(namespace).collect();
            let state = KeptFile::new(path.join("state"));
            self.controllers.push(Controller {
                device: device.clone(),
                firmware_revision,
                model,
                serial,
                cntlid,
                state,
                namespaces,
            });
        }
        Ok(())
    }
}

/// `nvme0n1` is namespace 1. Of a path to a namespace that several controllers share (`nvme0c0n1`) the disk stands elsewhere.
fn nsid(name: &str) -> Option<&str> {
    let (controller, nsid) = name.strip_prefix("nvme")?.split_once('n')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(controller) && is_number(nsid)).then_some(nsid)
}

impl Collector for Nvme {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look(round.buffer)?;
        for controller in &mut self.controllers {
            let Controller { device, firmware_revision, model, serial, cntlid, state, namespaces } = controller;
            let state = state.read(round.buffer).map(text).unwrap_or_default();
            round.out.sample(&INFO, &[device, firmware_revision, model, serial, &state, cntlid], 1.0);
            for Namespace { nsid, ana_state, size, nuse, block } in namespaces {
                // Who knows of no other ways to a namespace says nothing of this one.
                let ana_state = ana_state.read(round.buffer).map_or("unknown".into(), text);
                round.out.sample(&NAMESPACE_INFO, &[device, nsid, &ana_state], 1.0);
                if let Some(size) = value(size, round.buffer) {
                    round.out.sample(&CAPACITY, &[device, nsid], size * SECTOR);
                    round.out.sample(&SIZE, &[device, nsid], size * SECTOR);
                }
                let Some(block) = value(block, round.buffer) else { continue };
                // Since 6.8.
                if let Some(nuse) = value(nuse, round.buffer) {
                    round.out.sample(&USED, &[device, nsid], nuse * block);
                }
                round.out.sample(&BLOCK, &[device, nsid], block);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("nvme", &["usual", "blocks_of_4_kib", "multipath", "absent"]);
    }
}
