//! The one place of notification that reads the clock; everything below is given the time.

use std::time::{SystemTime, UNIX_EPOCH};

use proto::time::UnixNanos;

/// Now. Before 1970 it is 1970.
pub fn now() -> UnixNanos {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX))
}
