//! Points in time as the wire has them: nanoseconds since the Unix epoch.

/// Nanoseconds since 1970-01-01T00:00:00Z, as Loki counts them. Covers the years 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);
