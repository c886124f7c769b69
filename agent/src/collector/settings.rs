//! What can be said to collectors; the defaults are `node_exporter`'s, with what a Kubernetes node adds.

use regex::bytes::Regex;

/// What collectors leave out, and what they give besides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// arp: devices.
    pub arp_devices: Filter,
    /// cpu: `node_cpu_guest_seconds_total` too.
    pub cpu_guest: bool,
    /// cpu: `node_cpu_info` and `node_cpu_frequency_hertz` from /proc/cpuinfo too.
    pub cpu_info: bool,
    /// cpu: flags of the first processor that are given, as `aes`; none without a pattern.
    pub cpu_flags: Option<Regex>,
    /// cpu: bugs of the first processor that are given, as `spectre_v2`; none without a pattern.
    pub cpu_bugs: Option<Regex>,
    /// diskstats: devices. Partitions are left out.
    pub diskstats_devices: Filter,
    /// filesystem: mount points.
    pub filesystem_mount_points: Filter,
    /// filesystem: types.
    pub filesystem_types: Filter,
    /// filesystem: pods' volumes are given though their mount points are left out; tokens, secrets and configuration are not.
    pub filesystem_kubelet_volumes: bool,
    /// hwmon: chips, as `platform_coretemp_0`.
    pub hwmon_chips: Filter,
    /// hwmon: sensors, as `platform_coretemp_0;temp3`.
    pub hwmon_sensors: Filter,
    /// interrupts: those that are given, as `24;IO-APIC;5-edge ACPI:Ged`.
    pub interrupts: Filter,
    /// interrupts: those that never came on a processor too.
    pub interrupts_zeros: bool,
    /// mountstats: operations that were never used are given too, as `node_exporter` does.
    pub mountstats_all_operations: bool,
    /// netclass: devices. The ends of pods are left out, which `node_exporter` gives: there may be hundreds, of 18 series each.
    pub netclass_devices: Filter,
    /// netclass: whether an unknown speed, which the kernel gives as -1, is left out; else it is -125000 bytes a second.
    pub netclass_ignore_invalid_speed: bool,
    /// netdev: devices.
    pub netdev_devices: Filter,
    /// netstat: fields that are given, as `Tcp_InSegs`.
    pub netstat_fields: Regex,
    /// stat: `node_softirqs_total` too.
    pub stat_softirqs: bool,
    /// systemd: units, by their whole names.
    pub systemd_units: Filter,
    /// systemd: how often services were restarted.
    pub systemd_restarts: bool,
    /// systemd: when units were started.
    pub systemd_start_times: bool,
    /// systemd: tasks of services.
    pub systemd_tasks: bool,
    /// vmstat: fields that are given, as `pgfault`.
    pub vmstat_fields: Regex,
    /// textfile: directories of `*.prom` files, as paths of the host; patterns are allowed.
    pub textfile_directories: Vec<String>,
    /// zfs: all statistics of the module, not only those of the ARC, of pools and of data sets.
    pub zfs_all: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            arp_devices: Filter::default(),
            cpu_guest: true,
            cpu_info: false,
            cpu_flags: None,
            cpu_bugs: None,
            diskstats_devices: Filter::without(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"),
            // Those of node_exporter and of the charts that install it on Kubernetes.
            filesystem_mount_points: Filter::without(
                r"^/(dev|proc|sys|run/credentials/.+|run/k3s/containerd/.+|run/containerd/.+|var/lib/docker/.+|var/lib/containers/storage/.+|var/lib/kubelet/(pods|plugins)/.+)($|/)",
            ),
            filesystem_types: Filter::without(
                r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
            ),
            filesystem_kubelet_volumes: false,
            hwmon_chips: Filter::default(),
            hwmon_sensors: Filter::default(),
            interrupts: Filter::default(),
            interrupts_zeros: true,
            mountstats_all_operations: false,
            netclass_devices: Filter::without("^(cali|veth|lxc|cni)"),
            netclass_ignore_invalid_speed: false,
            netdev_devices: Filter::default(),
            netstat_fields: pattern(
                r"^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
            ),
            stat_softirqs: false,
            systemd_units: Filter::without(r"^.+\.(automount|device|mount|scope|slice)$"),
            systemd_restarts: false,
            systemd_start_times: false,
            systemd_tasks: false,
            vmstat_fields: pattern("^(oom_kill|pgpg|pswp|pg.*fault)"),
            textfile_directories: Vec::new(),
            zfs_all: false,
        }
    }
}

/// Which names are given: all, but for those that are left out or are not among the wanted ones.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that are left out.
    pub exclude: Option<Regex>,
    /// The only ones that are given.
    pub include: Option<Regex>,
}

impl Filter {
    /// Whether a name is given.
    pub fn admits(&self, name: &str) -> bool {
        !self.exclude.as_ref().is_some_and(|pattern| pattern.is_match(name.as_bytes()))
            && self.include.as_ref().is_none_or(|pattern| pattern.is_match(name.as_bytes()))
    }

    fn without(text: &str) -> Self {
        Self { exclude: Some(pattern(text)), include: None }
    }
}

#[expect(clippy::expect_used, reason = "the patterns stand in this file, and a test makes the defaults")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_excluded_or_not_included_is_not_given() {
        let settings = Settings::default();
        for (name, is) in
            [("sda", true), ("sda1", false), ("nvme0n1", true), ("nvme0n1p2", false), ("dm-0", true), ("loop7", false)]
        {
            assert_eq!(settings.diskstats_devices.admits(name), is, "{name}");
        }
        for (name, is) in [("eth0", true), ("cali1234", false), ("veth0", false), ("lo", true)] {
            assert_eq!(settings.netclass_devices.admits(name), is, "{name}");
        }
        let only = Filter { include: Some(pattern("^lo$")), ..Filter::default() };
        assert!(only.admits("lo") && !only.admits("eth0"));
    }
}
