//! One log line as the rules see it, borrowed from whoever holds it.

use proto::time::UnixNanos;

/// A line, its own time, and its structured metadata. The labels of its stream come beside it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When it happened: the event's own time, never that of arrival.
    pub time: UnixNanos,
    /// The line, without its newline.
    pub line: &'a str,
    /// Names and values, in the order of the request.
    pub metadata: &'a [(String, String)],
}
