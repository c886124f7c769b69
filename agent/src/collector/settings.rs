//! What can be said to collectors; the defaults are node_exporter's, with what a Kubernetes node adds.

use regex::Regex;

/// What collectors leave out, and what they give besides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// netstat: fields that are given, as `Tcp_InSegs`.
    pub netstat_fields: Regex,
    /// filesystem: mount points that are left out.
    pub filesystem_mount_points_exclude: Regex,
    /// filesystem: types that are left out.
    pub filesystem_types_exclude: Regex,
    /// filesystem: pods' volumes are given though their mount points are left out; tokens, secrets and configuration are not.
    pub filesystem_kubelet_volumes: bool,
    /// mountstats: operations that were never used are given too, as `node_exporter` does.
    pub mountstats_all_operations: bool,
    /// hwmon: chips that are left out, as `platform_coretemp_0`.
    pub hwmon_chip_exclude: Option<Regex>,
    /// hwmon: sensors that are left out, as `platform_coretemp_0;temp3`.
    pub hwmon_sensor_exclude: Option<Regex>,
    /// zfs: all statistics of the module, not only those of the ARC, of pools and of data sets.
    pub zfs_all: bool,
    /// systemd: what a unit's whole name has to be.
    pub systemd_units: Regex,
    /// systemd: units that are left out, by their whole name.
    pub systemd_units_exclude: Regex,
    /// systemd: how often services were restarted.
    pub systemd_restarts: bool,
    /// systemd: when units were started.
    pub systemd_start_times: bool,
    /// systemd: tasks of services.
    pub systemd_tasks: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            netstat_fields: pattern(
                r"^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
            ),
            // Those of node_exporter and of the charts that install it on Kubernetes.
            filesystem_mount_points_exclude: pattern(
                r"^/(dev|proc|sys|run/credentials/.+|run/k3s/containerd/.+|run/containerd/.+|var/lib/docker/.+|var/lib/containers/storage/.+|var/lib/kubelet/(pods|plugins)/.+)($|/)",
            ),
            filesystem_types_exclude: pattern(
                r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
            ),
            filesystem_kubelet_volumes: false,
            mountstats_all_operations: false,
            hwmon_chip_exclude: None,
            hwmon_sensor_exclude: None,
            zfs_all: false,
            systemd_units: pattern(r"^(?:.+)$"),
            systemd_units_exclude: pattern(r"^(?:.+\.(automount|device|mount|scope|slice))$"),
            systemd_restarts: false,
            systemd_start_times: false,
            systemd_tasks: false,
        }
    }
}

#[expect(clippy::expect_used, reason = "the patterns stand in this file, and a test makes the defaults")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file is one")
}
