//! All collectors of the node: their names, whether they run unless somebody says otherwise, and every family that they can give.

use proto::metric::Desc;

use super::host::Host;
use super::settings::Settings;
use super::{
    Collector, bonding, btrfs, dmi, edac, filesystem, hwmon, loadavg, mdadm, meminfo, mountstats, nfs, nfsd, nvme,
    powersupplyclass, rapl, systemd, thermal_zone, watchdog, xfs, zfs,
};

/// What is known of a collector before it is made.
pub struct Entry {
    /// As `node_scrape_collector_success` and the configuration have it.
    pub name: &'static str,
    /// Whether it runs by default.
    pub default: bool,
    /// Every family that it can give.
    pub families: &'static [&'static Desc],
    /// Makes it. Opens nothing that may hang.
    pub make: fn(&Host, &Settings) -> Box<dyn Collector>,
}

/// One row a collector, by name.
pub const COLLECTORS: &[Entry] = &[
    Entry { name: "bonding", default: true, families: bonding::FAMILIES, make: |host, _| Box::new(bonding::Bonding::new(host)) },
    Entry { name: "btrfs", default: true, families: btrfs::FAMILIES, make: |host, _| Box::new(btrfs::Btrfs::new(host)) },
    Entry { name: "dmi", default: true, families: dmi::FAMILIES, make: |host, _| Box::new(dmi::Dmi::new(host)) },
    Entry { name: "edac", default: true, families: edac::FAMILIES, make: |host, _| Box::new(edac::Edac::new(host)) },
    Entry {
        name: "filesystem",
        default: true,
        families: filesystem::FAMILIES,
        make: |host, settings| Box::new(filesystem::FileSystem::new(host, settings)),
    },
    Entry {
        name: "hwmon",
        default: true,
        families: hwmon::FAMILIES,
        make: |host, settings| Box::new(hwmon::HwMon::new(host, settings)),
    },
    Entry { name: "loadavg", default: true, families: loadavg::FAMILIES, make: |host, _| Box::new(loadavg::LoadAvg::new(host)) },
    Entry { name: "mdadm", default: true, families: mdadm::FAMILIES, make: |host, _| Box::new(mdadm::MdAdm::new(host)) },
    Entry { name: "meminfo", default: true, families: meminfo::FAMILIES, make: |host, _| Box::new(meminfo::MemInfo::new(host)) },
    Entry {
        name: "mountstats",
        default: true,
        families: mountstats::FAMILIES,
        make: |host, settings| Box::new(mountstats::MountStats::new(host, settings)),
    },
    Entry { name: "nfs", default: true, families: nfs::FAMILIES, make: |host, _| Box::new(nfs::Nfs::new(host)) },
    Entry { name: "nfsd", default: true, families: nfsd::FAMILIES, make: |host, _| Box::new(nfsd::Nfsd::new(host)) },
    Entry { name: "nvme", default: true, families: nvme::FAMILIES, make: |host, _| Box::new(nvme::Nvme::new(host)) },
    Entry {
        name: "powersupplyclass",
        default: true,
        families: powersupplyclass::FAMILIES,
        make: |host, _| Box::new(powersupplyclass::PowerSupplyClass::new(host)),
    },
    Entry { name: "rapl", default: true, families: rapl::FAMILIES, make: |host, _| Box::new(rapl::Rapl::new(host)) },
    Entry {
        name: "systemd",
        default: false,
        families: systemd::FAMILIES,
        make: |host, settings| Box::new(systemd::Systemd::new(host, settings)),
    },
    Entry {
        name: "thermal_zone",
        default: true,
        families: thermal_zone::FAMILIES,
        make: |host, _| Box::new(thermal_zone::ThermalZone::new(host)),
    },
    Entry {
        name: "watchdog",
        default: true,
        families: watchdog::FAMILIES,
        make: |host, _| Box::new(watchdog::Watchdog::new(host)),
    },
    Entry { name: "xfs", default: false, families: xfs::FAMILIES, make: |host, _| Box::new(xfs::Xfs::new(host)) },
    Entry { name: "zfs", default: true, families: zfs::FAMILIES, make: |host, settings| Box::new(zfs::Zfs::new(host, settings)) },
];
