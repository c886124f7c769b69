//! Lines of containers as the container runtime writes them (CRI): `2026-11-23T09:10:00.021Z stdout F message`.
//!
//! One line in, without its newline; its time, output and message out. Joining the parts of a long line is not done
//! here: it needs memory between lines. The format is Kubernetes' `design-proposals-archive`,
//! `node/kubelet-cri-logging.md`; exactly one blank stands between fields, as the kubelet and the runtimes have it.

use crate::time;
use proto::time::UnixNanos;

#[cfg(test)]
mod tests;

/// Which of its outputs a container wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

impl Output {
    /// `stdout` or `stderr`, the value of the label `stream`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line of a container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CriLine<'a> {
    /// When the runtime read it.
    pub time: UnixNanos,
    /// Where the container wrote it.
    pub output: Output,
    /// Whether the runtime split a longer line here, so that the next line of this output continues it.
    pub partial: bool,
    /// What the container wrote: any bytes, perhaps none.
    pub message: &'a [u8],
}

/// Reads one line. `None` if it is no CRI line.
///
/// Tags are a list separated by `:`, of which the first counts: `P` (partial) or `F` (full). A line that ends after
/// its tags, without the blank before the message, is refused, as the kubelet refuses it.
pub fn parse(line: &[u8]) -> Option<CriLine<'_>> {
    let (time, rest) = time::split_rfc3339(line)?;
    // A blank is no `T` here, since it separates the fields.
    if line[10] == b' ' {
        return None;
    }
    let (output, rest) = match rest.split_first_chunk::<8>()? {
        (b" stdout ", rest) => (Output::Stdout, rest),
        (b" stderr ", rest) => (Output::Stderr, rest),
        _ => return None,
    };
    let (partial, message) = match rest {
        [b'F', b' ', message @ ..] => (false, message),
        [b'P', b' ', message @ ..] => (true, message),
        [tag @ (b'F' | b'P'), b':', more @ ..] => (*tag == b'P', &more[memchr::memchr(b' ', more)? + 1..]),
        _ => return None,
    };
    Some(CriLine { time, output, partial, message })
}
