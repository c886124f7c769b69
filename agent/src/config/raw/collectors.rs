//! `metrics.collectors`: which run, and what they give. Keys are called as `node_exporter` calls its flags.

use super::elsewhere;
use settings::read::Spanned;
use settings::section;

section! {
    elsewhere;
    /// `metrics.collectors`
    RawCollectors {
        /// Collectors that do not run by default. Default: none.
        enable: Vec<Spanned<String>>,
        /// Collectors that run by default and are not to. Default: none.
        disable: Vec<Spanned<String>>,
        /// Neighbours.
        arp: RawDevices,
        /// Processors.
        cpu: RawCpu,
        /// Disks.
        diskstats: RawDevices,
        /// File systems.
        filesystem: RawFilesystem,
        /// Sensors.
        hwmon: RawHwmon,
        /// Interrupts.
        interrupts: RawInterrupts,
        /// NFS mounts.
        mountstats: RawMountstats,
        /// Network devices, as they are set up.
        netclass: RawNetclass,
        /// Network devices, what goes through them.
        netdev: RawDevices,
        /// Counters of protocols.
        netstat: RawFields,
        /// /proc/stat.
        stat: RawStat,
        /// Units.
        systemd: RawSystemd,
        /// Counters of memory.
        vmstat: RawFields,
        /// ZFS.
        zfs: RawZfs,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.{arp,diskstats,netdev}`
    RawDevices {
        /// The only devices that are given. Default: all.
        device_include: String,
        /// Devices that are left out.
        device_exclude: String,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.cpu`
    RawCpu {
        /// Time spent for guests, apart. Default true.
        guest: bool,
        /// What /proc/cpuinfo says. Default false.
        info: bool,
        /// Flags of the processor that are given. Default: none.
        info_flags_include: String,
        /// Bugs of the processor that are given. Default: none.
        info_bugs_include: String,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.filesystem`
    RawFilesystem {
        /// The only mount points that are given. Default: all.
        mount_points_include: String,
        /// Mount points that are left out.
        mount_points_exclude: String,
        /// The only types that are given. Default: all.
        fs_types_include: String,
        /// Types that are left out.
        fs_types_exclude: String,
        /// Pods' volumes too, though their mount points are left out. Default false.
        kubelet_volumes: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.hwmon`
    RawHwmon {
        /// The only chips that are given. Default: all.
        chip_include: String,
        /// Chips that are left out.
        chip_exclude: String,
        /// The only sensors that are given. Default: all.
        sensor_include: String,
        /// Sensors that are left out.
        sensor_exclude: String,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.interrupts`
    RawInterrupts {
        /// The only interrupts that are given. Default: all.
        name_include: String,
        /// Interrupts that are left out.
        name_exclude: String,
        /// Those too that never came on a processor. Default true.
        include_zeros: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.mountstats`
    RawMountstats {
        /// Operations too that were never used. Default false.
        all_operations: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.netclass`
    RawNetclass {
        /// The only devices that are given. Default: all.
        device_include: String,
        /// Devices that are left out.
        device_exclude: String,
        /// An unknown speed is left out. Default false.
        ignore_invalid_speed: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.{netstat,vmstat}`
    RawFields {
        /// Fields that are given.
        fields: String,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.stat`
    RawStat {
        /// Soft interrupts by kind. Default false.
        softirq: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.systemd`
    RawSystemd {
        /// The only units that are given. Default: all.
        unit_include: String,
        /// Units that are left out.
        unit_exclude: String,
        /// How often services were restarted. Default false.
        enable_restarts_metrics: bool,
        /// When units were started. Default false.
        enable_start_time_metrics: bool,
        /// Tasks of services. Default false.
        enable_task_metrics: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.collectors.zfs`
    RawZfs {
        /// All statistics of the module. Default false.
        all: bool,
    }
}
