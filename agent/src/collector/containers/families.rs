//! What is given of a container, under cAdvisor's names and with kubelet's labels.

use proto::metric::Desc;

/// Whose a sample is: the values of `LABELS`.
pub(super) type Whose<'w> = [&'w str; 6];

const LABELS: &[&str] = &["id", "name", "image", "container", "pod", "namespace"];
const WITH_CPU: &[&str] = &["id", "name", "image", "container", "pod", "namespace", "cpu"];
const WITH_DEVICE: &[&str] = &["id", "name", "image", "container", "pod", "namespace", "device"];
const WITH_INTERFACE: &[&str] = &["id", "name", "image", "container", "pod", "namespace", "interface"];
const WITH_FAILURE: &[&str] = &["id", "name", "image", "container", "pod", "namespace", "failure_type", "scope"];

macro_rules! families {
    ($($name:ident $kind:ident $metric:literal $labels:ident $help:literal;)*) => {
        $(pub(super) static $name: Desc = Desc::$kind($metric, $help, $labels);)*
        /// Every family that containers give.
        pub const FAMILIES: &[&Desc] = &[$(&$name),*];
    };
}

const POD: &[&str] = &["namespace", "pod", "uid", "app"];
const NONE: &[&str] = &[];

families! {
    CPU_USAGE counter "container_cpu_usage_seconds_total" WITH_CPU "Seconds of processors.";
    CPU_USER counter "container_cpu_user_seconds_total" LABELS "Seconds of processors in programs.";
    CPU_SYSTEM counter "container_cpu_system_seconds_total" LABELS "Seconds of processors in the kernel.";
    CFS_PERIODS counter "container_cpu_cfs_periods_total" LABELS "Periods of the quota in which something ran.";
    CFS_THROTTLED counter "container_cpu_cfs_throttled_periods_total" LABELS "Periods in which the quota was used up.";
    CFS_SECONDS counter "container_cpu_cfs_throttled_seconds_total" LABELS "Seconds in which the quota kept it from running.";
    MEMORY_USAGE gauge "container_memory_usage_bytes" LABELS "Bytes in use, cache included.";
    MEMORY_WORKING_SET gauge "container_memory_working_set_bytes" LABELS "Bytes in use but for files not used lately: what counts for eviction.";
    MEMORY_RSS gauge "container_memory_rss" LABELS "Bytes of anonymous memory.";
    MEMORY_CACHE gauge "container_memory_cache" LABELS "Bytes of files in memory.";
    MEMORY_SWAP gauge "container_memory_swap" LABELS "Bytes in swap.";
    MEMORY_MAPPED gauge "container_memory_mapped_file" LABELS "Bytes of mapped files.";
    MEMORY_FAILURES counter "container_memory_failures_total" WITH_FAILURE "Page faults.";
    OOM counter "container_oom_events_total" LABELS "Processes killed for want of memory since the pod was first seen; without container, those of which nobody knows whose they were.";
    LIMIT_MEMORY gauge "container_spec_memory_limit_bytes" LABELS "Limit of memory in bytes; 0 if there is none.";
    SPEC_QUOTA gauge "container_spec_cpu_quota" LABELS "Microseconds of processors in a period.";
    SPEC_PERIOD gauge "container_spec_cpu_period" LABELS "Microseconds of a period.";
    SPEC_SHARES gauge "container_spec_cpu_shares" LABELS "Weight among others, as cgroup v1 counts it.";
    START_TIME gauge "container_start_time_seconds" LABELS "When it was made, in seconds since 1970.";
    LAST_SEEN gauge "container_last_seen" LABELS "When it was seen last, in seconds since 1970.";
    PROCESSES gauge "container_processes" LABELS "Processes.";
    THREADS gauge "container_threads" LABELS "Threads.";
    FS_READ_BYTES counter "container_fs_reads_bytes_total" WITH_DEVICE "Bytes read.";
    FS_WRITE_BYTES counter "container_fs_writes_bytes_total" WITH_DEVICE "Bytes written.";
    FS_READS counter "container_fs_reads_total" WITH_DEVICE "Reads.";
    FS_WRITES counter "container_fs_writes_total" WITH_DEVICE "Writes.";
    CPU_WAITING counter "container_pressure_cpu_waiting_seconds_total" LABELS "Seconds in which threads waited for a CPU.";
    CPU_STALLED counter "container_pressure_cpu_stalled_seconds_total" LABELS "Seconds in which all threads waited for a CPU.";
    MEMORY_WAITING counter "container_pressure_memory_waiting_seconds_total" LABELS "Seconds in which threads waited for memory.";
    MEMORY_STALLED counter "container_pressure_memory_stalled_seconds_total" LABELS "Seconds in which all threads waited for memory.";
    IO_WAITING counter "container_pressure_io_waiting_seconds_total" LABELS "Seconds in which threads waited for I/O.";
    IO_STALLED counter "container_pressure_io_stalled_seconds_total" LABELS "Seconds in which all threads waited for I/O.";
    RX_BYTES counter "container_network_receive_bytes_total" WITH_INTERFACE "Bytes received by the pod.";
    RX_PACKETS counter "container_network_receive_packets_total" WITH_INTERFACE "Packets received by the pod.";
    RX_ERRORS counter "container_network_receive_errors_total" WITH_INTERFACE "Packets received with an error.";
    RX_DROPPED counter "container_network_receive_packets_dropped_total" WITH_INTERFACE "Packets dropped on arrival.";
    TX_BYTES counter "container_network_transmit_bytes_total" WITH_INTERFACE "Bytes sent by the pod.";
    TX_PACKETS counter "container_network_transmit_packets_total" WITH_INTERFACE "Packets sent by the pod.";
    TX_ERRORS counter "container_network_transmit_errors_total" WITH_INTERFACE "Packets that could not be sent for an error.";
    TX_DROPPED counter "container_network_transmit_packets_dropped_total" WITH_INTERFACE "Packets dropped before they were sent.";
    POD_APP gauge "picket_pod_app_info" POD "1, with what the kubelet calls the pod: what its lines carry as `app`.";
    MACHINE_CORES gauge "machine_cpu_cores" NONE "Processors of the node that are on line.";
    MACHINE_MEMORY gauge "machine_memory_bytes" NONE "Memory of the node in bytes.";
}

/// The values with one more behind.
pub(super) fn with_one<'w>(whose: &Whose<'w>, more: &'w str) -> [&'w str; 7] {
    let [id, name, image, container, pod, namespace] = *whose;
    [id, name, image, container, pod, namespace, more]
}
