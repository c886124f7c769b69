//! Lines of containers as Docker's `json-file` driver writes them: `{"log":"text\n","stream":"stdout","time":"…"}`.
//!
//! One line in, without its newline; its time, output and message out. Docker splits long lines too: a line of the
//! container is complete when its `log` ends with a newline. Other members (`attrs`) are ignored.

use crate::cri::Output;
use crate::json::{Raw, Scanner, unescape};
use crate::time;
use proto::time::UnixNanos;

#[cfg(test)]
mod tests;

/// One line of a container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DockerLine<'a> {
    /// When Docker read it.
    pub time: UnixNanos,
    /// Where the container wrote it.
    pub output: Output,
    /// Whether the container's line ends here. If not, the next line of this output continues it.
    pub complete: bool,
    /// What the container wrote, without the newline that made it complete.
    pub message: &'a [u8],
}

/// Reads one line; its message is written to `scratch`, whose content is replaced. `None` if it is no such line.
pub fn parse<'a>(line: &[u8], scratch: &'a mut Vec<u8>) -> Option<DockerLine<'a>> {
    let (mut log, mut stream, mut time) = (None, None, None);
    let mut scanner = Scanner::new(line);
    scanner
        .object(|scanner, key| {
            let value = scanner.value()?;
            if key.is("log") {
                log = Some(value);
            } else if key.is("stream") {
                stream = Some(value);
            } else if key.is("time") {
                time = Some(value);
            }
            Ok(())
        })
        .ok()?;
    scanner.finish().ok()?;
    let stream: Raw<'_> = stream?;
    let output = [Output::Stdout, Output::Stderr].into_iter().find(|output| stream.is(output.as_str()))?;
    let time = time::parse_rfc3339(time?.string()?)?;
    scratch.clear();
    unescape(log?.string()?, scratch);
    let complete = scratch.last() == Some(&b'\n');
    if complete {
        scratch.pop();
    }
    Some(DockerLine { time, output, complete, message: scratch })
}
