//! Log files to be read from their beginning: audit events of about a kilobyte, and lines of a container runtime.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ::tests::line::{Mark, Shape};
use ::tests::stamp;

/// What stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Events of kube-apiserver's audit log, about 1 KB each.
    Audit,
    /// Lines of a container runtime, 174 bytes each with the newline.
    Cri,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
}

impl Input {
    /// Writes lines to `path` until it holds at least `bytes`. The times in them are of the last minutes, growing.
    pub fn write(self, path: &Path, bytes: u64) -> Written {
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).unwrap();
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
        let mut written = Written { bytes: 0, lines: 0 };
        let begin = stamp::now_nanos() - 600_000_000_000;
        let mut line = Vec::new();
        while written.bytes < bytes {
            line.clear();
            let nanos = begin + written.lines as i64 * 50_000;
            let mark = Mark { run: 1, writer: 1, seq: written.lines, nanos };
            match self {
                Self::Audit => Shape::Audit.append(mark, &mut line),
                Self::Cri => {
                    served(mark, &mut line);
                }
            }
            file.write_all(&line).unwrap();
            written.lines += 1;
            written.bytes += line.len() as u64;
        }
        file.flush().unwrap();
        // What a reader does must not include writing the file to the disk.
        file.get_ref().sync_all().unwrap();
        written
    }
}

/// Reads a file into the page cache, where a line that was just written stands too.
pub fn warm(path: &Path) {
    std::io::copy(&mut File::open(path).unwrap(), &mut std::io::sink()).unwrap();
}

/// What a service says of a request, behind the prefix of the runtime: 174 bytes with the newline.
fn served(mark: Mark, line: &mut Vec<u8>) {
    // Any function with some spread would do.
    let n = mark.seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    write!(
        line,
        "{} stdout F level=info caller=api.go:{:03} msg=\"req served\" method={} path=/api/v1/orders/{:07} status={} duration={:03}.{:03}ms peer=10.17.{:03}.{:03}\n",
        stamp::rfc3339_nanos(mark.nanos),
        n % 40,
        ["GET", "PUT"][(n % 2) as usize],
        n % 9_999_991,
        [200, 200, 200, 201, 404][(n % 5) as usize],
        n % 211,
        n % 997,
        n % 253,
        n % 251,
    )
    .unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_container_has_174_bytes() {
        for seq in [0, 1, 12_345_678] {
            let mut line = Vec::new();
            served(Mark { run: 1, writer: 1, seq, nanos: 1_764_000_000_000_000_007 }, &mut line);
            assert_eq!(line.len(), 174, "{}", String::from_utf8_lossy(&line));
        }
    }
}
