//! What a control group says, whichever version it is of, in the units of the metrics. What it does not say is nothing.

/// Of processors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    /// Seconds of processors.
    pub(super) usage: Option<f64>,
    /// Of them in programs.
    pub(super) user: Option<f64>,
    /// Of them in the kernel.
    pub(super) system: Option<f64>,
    /// Microseconds of processors in a period; nothing if there is no limit.
    pub(super) quota: Option<u64>,
    /// Microseconds of a period.
    pub(super) period: Option<u64>,
    /// Weight among others, as version 1 counts it.
    pub(super) shares: Option<u64>,
    /// Periods in which something ran.
    pub(super) periods: Option<u64>,
    /// Periods in which the quota was used up.
    pub(super) throttled_periods: Option<u64>,
    /// Seconds in which the quota kept it from running.
    pub(super) throttled: Option<f64>,
}

/// Of memory, in bytes, with all groups below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// In use, cache included.
    pub(super) usage: Option<u64>,
    /// The limit; 0 if there is none.
    pub(super) limit: Option<u64>,
    /// In swap.
    pub(super) swap: Option<u64>,
    /// Anonymous.
    pub(super) rss: Option<u64>,
    /// Files.
    pub(super) cache: Option<u64>,
    /// Files that are mapped.
    pub(super) mapped: Option<u64>,
    /// Files not used lately.
    pub(super) inactive_file: Option<u64>,
    /// Page faults.
    pub(super) faults: Faults,
    /// Page faults that had to be read from a disk.
    pub(super) major_faults: Faults,
}

/// A count of page faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Of the group itself.
    pub(super) own: Option<u64>,
    /// With all below.
    pub(super) all: Option<u64>,
}

/// Of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Io {
    ReadBytes,
    WrittenBytes,
    Reads,
    Writes,
}
