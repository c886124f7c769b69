//! All collectors of the node: their names, whether they run unless somebody says otherwise, and every family that they can give.

use proto::metric::Desc;

use super::host::Host;
use super::settings::Settings;
use super::{
    Collector, arp, bonding, btrfs, conntrack, cpu, cpufreq, diskstats, dmi, edac, entropy, filefd, filesystem, hwmon,
    interrupts, kernel_hung, loadavg, mdadm, meminfo, mountstats, netclass, netdev, netstat, nfs, nfsd, nvme, os,
    powersupplyclass, pressure, processes, rapl, schedstat, selinux, sockstat, softnet, stat, systemd, tcpstat, textfile,
    thermal_zone, time, timex, udp_queues, uname, vmstat, watchdog, xfs, zfs,
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
    Entry { name: "arp", default: true, families: arp::FAMILIES, make: |host, settings| Box::new(arp::Arp::new(host, settings)) },
    Entry { name: "bonding", default: true, families: bonding::FAMILIES, make: |host, _| Box::new(bonding::Bonding::new(host)) },
    Entry { name: "btrfs", default: true, families: btrfs::FAMILIES, make: |host, _| Box::new(btrfs::Btrfs::new(host)) },
    Entry {
        name: "conntrack",
        default: true,
        families: conntrack::FAMILIES,
        make: |host, _| Box::new(conntrack::Conntrack::new(host)),
    },
    Entry { name: "cpu", default: true, families: cpu::FAMILIES, make: |host, settings| Box::new(cpu::Cpu::new(host, settings)) },
    Entry { name: "cpufreq", default: true, families: cpufreq::FAMILIES, make: |host, _| Box::new(cpufreq::CpuFreq::new(host)) },
    Entry {
        name: "diskstats",
        default: true,
        families: diskstats::FAMILIES,
        make: |host, settings| Box::new(diskstats::DiskStats::new(host, settings)),
    },
    Entry { name: "dmi", default: true, families: dmi::FAMILIES, make: |host, _| Box::new(dmi::Dmi::new(host)) },
    Entry { name: "edac", default: true, families: edac::FAMILIES, make: |host, _| Box::new(edac::Edac::new(host)) },
    Entry { name: "entropy", default: true, families: entropy::FAMILIES, make: |host, _| Box::new(entropy::Entropy::new(host)) },
    Entry { name: "filefd", default: true, families: filefd::FAMILIES, make: |host, _| Box::new(filefd::FileFd::new(host)) },
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
    Entry {
        name: "interrupts",
        default: false,
        families: interrupts::FAMILIES,
        make: |host, settings| Box::new(interrupts::Interrupts::new(host, settings)),
    },
    Entry {
        name: "kernel_hung",
        default: true,
        families: kernel_hung::FAMILIES,
        make: |host, _| Box::new(kernel_hung::KernelHung::new(host)),
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
    Entry {
        name: "netclass",
        default: true,
        families: netclass::FAMILIES,
        make: |host, settings| Box::new(netclass::NetClass::new(host, settings)),
    },
    Entry {
        name: "netdev",
        default: true,
        families: netdev::FAMILIES,
        make: |host, settings| Box::new(netdev::NetDev::new(host, settings)),
    },
    Entry {
        name: "netstat",
        default: true,
        families: netstat::FAMILIES,
        make: |host, settings| Box::new(netstat::NetStat::new(host, settings)),
    },
    Entry { name: "nfs", default: true, families: nfs::FAMILIES, make: |host, _| Box::new(nfs::Nfs::new(host)) },
    Entry { name: "nfsd", default: true, families: nfsd::FAMILIES, make: |host, _| Box::new(nfsd::Nfsd::new(host)) },
    Entry { name: "nvme", default: true, families: nvme::FAMILIES, make: |host, _| Box::new(nvme::Nvme::new(host)) },
    Entry { name: "os", default: true, families: os::FAMILIES, make: |host, _| Box::new(os::Os::new(host)) },
    Entry {
        name: "powersupplyclass",
        default: true,
        families: powersupplyclass::FAMILIES,
        make: |host, _| Box::new(powersupplyclass::PowerSupplyClass::new(host)),
    },
    Entry {
        name: "pressure",
        default: true,
        families: pressure::FAMILIES,
        make: |host, _| Box::new(pressure::Pressure::new(host)),
    },
    Entry {
        name: "processes",
        default: true,
        families: processes::FAMILIES,
        make: |host, _| Box::new(processes::Processes::new(host)),
    },
    Entry { name: "rapl", default: true, families: rapl::FAMILIES, make: |host, _| Box::new(rapl::Rapl::new(host)) },
    Entry {
        name: "schedstat",
        default: true,
        families: schedstat::FAMILIES,
        make: |host, _| Box::new(schedstat::SchedStat::new(host)),
    },
    Entry { name: "selinux", default: true, families: selinux::FAMILIES, make: |host, _| Box::new(selinux::SeLinux::new(host)) },
    Entry {
        name: "sockstat",
        default: true,
        families: sockstat::FAMILIES,
        make: |host, _| Box::new(sockstat::SockStat::new(host)),
    },
    Entry { name: "softnet", default: true, families: softnet::FAMILIES, make: |host, _| Box::new(softnet::SoftNet::new(host)) },
    Entry {
        name: "stat",
        default: true,
        families: stat::FAMILIES,
        make: |host, settings| Box::new(stat::Stat::new(host, settings)),
    },
    Entry {
        name: "systemd",
        default: false,
        families: systemd::FAMILIES,
        make: |host, settings| Box::new(systemd::Systemd::new(host, settings)),
    },
    Entry { name: "tcpstat", default: false, families: tcpstat::FAMILIES, make: |host, _| Box::new(tcpstat::TcpStat::new(host)) },
    Entry {
        name: "textfile",
        default: true,
        families: textfile::FAMILIES,
        make: |host, settings| Box::new(textfile::TextFile::new(host, &settings.textfile_directories)),
    },
    Entry {
        name: "thermal_zone",
        default: true,
        families: thermal_zone::FAMILIES,
        make: |host, _| Box::new(thermal_zone::ThermalZone::new(host)),
    },
    Entry { name: "time", default: true, families: time::FAMILIES, make: |host, _| Box::new(time::Time::new(host)) },
    Entry { name: "timex", default: true, families: timex::FAMILIES, make: |_, _| Box::new(timex::Timex) },
    Entry {
        name: "udp_queues",
        default: true,
        families: udp_queues::FAMILIES,
        make: |host, _| Box::new(udp_queues::UdpQueues::new(host)),
    },
    Entry { name: "uname", default: true, families: uname::FAMILIES, make: |host, _| Box::new(uname::Uname::new(host)) },
    Entry {
        name: "vmstat",
        default: true,
        families: vmstat::FAMILIES,
        make: |host, settings| Box::new(vmstat::VmStat::new(host, settings)),
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};
    use std::fs;
    use std::path::{Path, PathBuf};

    use proto::metric::{Families, UnixMillis};

    use super::*;
    use crate::collector::testing::{collect, host};
    use crate::collector::{Failed, Round};

    #[test]
    fn rows_stand_by_name_and_no_family_belongs_to_two() {
        assert!(COLLECTORS.is_sorted_by_key(|entry| entry.name));
        let mut names = HashSet::new();
        for family in COLLECTORS.iter().flat_map(|entry| entry.families) {
            assert!(names.insert(family.name), "{} twice", family.name);
            assert!(!family.help.is_empty() && family.help.ends_with('.'), "{} needs a sentence", family.name);
        }
    }

    #[test]
    fn this_machine_is_read_without_a_failure_and_every_series_is_given_once() {
        let (host, settings) = (Host::default(), Settings::default());
        let (mut out, mut buffer) = (Families::new(), Vec::new());
        for entry in COLLECTORS {
            let mut collector = (entry.make)(&host, &settings);
            let mut round = Round { out: &mut out, buffer: &mut buffer, now: UnixMillis(1_700_000_000_000) };
            match collector.collect(&mut round) {
                Ok(()) | Err(Failed::NoData(_)) => {}
                // Not everything is for everybody to read.
                Err(Failed::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {}
                Err(failed) => panic!("{}: {failed}", entry.name),
            }
        }
        let mut series = BTreeSet::new();
        for sample in out.samples() {
            let labels: BTreeSet<(&str, &str)> = sample.labels().collect();
            assert!(series.insert((sample.name(), labels)), "{sample:?} twice");
        }
        for name in ["node_cpu_seconds_total", "node_boot_time_seconds", "node_memory_MemTotal_bytes", "node_uname_info"] {
            assert!(out.families().any(|family| family.name == name), "no {name}");
        }
    }

    #[test]
    fn no_file_is_so_damaged_that_a_collector_panics() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector");
        let settings = Settings::default();
        let mut damaged = 0;
        for entry in COLLECTORS {
            for case in fs::read_dir(fixtures.join(entry.name)).into_iter().flatten().flatten() {
                let tree = tempfile::tempdir().unwrap();
                let mut files = Vec::new();
                copy(&case.path(), tree.path(), &mut files);
                for file in files {
                    let whole = fs::read(&file).unwrap();
                    for damage in damages(&whole) {
                        fs::write(&file, damage).unwrap();
                        let _ = collect(entry, &mut *(entry.make)(&host(tree.path()), &settings));
                        damaged += 1;
                    }
                    fs::write(&file, whole).unwrap();
                }
            }
        }
        assert!(damaged > 500, "{damaged}");
    }

    /// Cut, blanked, and with what no file has in it.
    fn damages(whole: &[u8]) -> Vec<Vec<u8>> {
        let (half, odd) = (whole.len() / 2, whole.len() / 3);
        let separators = |to: &[u8]| {
            whole.iter().flat_map(|byte| if byte.is_ascii_alphanumeric() { vec![*byte] } else { to.to_vec() }).collect()
        };
        let mut strange = whole.to_vec();
        for byte in strange.iter_mut().skip(odd % 7).step_by(7) {
            *byte = 0xff;
        }
        let huge = whole
            .iter()
            .flat_map(|byte| if byte.is_ascii_digit() { b"99999999999999999999".to_vec() } else { vec![*byte] })
            .collect();
        vec![
            Vec::new(),
            whole[..half].to_vec(),
            whole[odd..].to_vec(),
            separators(b"\n"),
            separators(b":"),
            separators(b")"),
            strange,
            huge,
        ]
    }

    fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(from).unwrap().flatten() {
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_symlink() {
                // As it is: links of sysfs lead in circles.
                std::os::unix::fs::symlink(fs::read_link(&from).unwrap(), &to).unwrap();
            } else if from.is_dir() {
                fs::create_dir_all(&to).unwrap();
                copy(&from, &to, files);
            } else if entry.file_name() != "expected.prom" {
                fs::copy(&from, &to).unwrap();
                files.push(to);
            }
        }
    }
}
