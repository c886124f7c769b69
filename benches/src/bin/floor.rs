//! The bare floor: reads a file, splits it into lines, puts them into push requests, compresses and posts them, and nothing else.
//!
//! `floor FILE URL [ENTRIES]`: no positions, no accounts, no time of the line's own, no retry. What an agent costs beyond this
//! is what it does for the line. Batches are of 1 MiB or ENTRIES (default 700) lines, whichever comes first.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use proto::loki::metadata::StructuredMetadata;
use proto::loki::push::PushBuilder;
use proto::time::UnixNanos;

const BATCH_BYTES: usize = 1 << 20;
const LABELS: &str = r#"{cluster="default", job="floor", node="bench"}"#;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err(std::io::Error::other("usage: floor FILE URL [ENTRIES]"));
    };
    let entries = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(700);
    let mut file = std::fs::File::open(path)?;
    let stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let (mut buffer, mut begin, mut end) = (vec![0; 128 << 10], 0, 0);
    let (mut push, mut body, mut n_lines) = (PushBuilder::new(), Vec::new(), 0);
    let metadata = StructuredMetadata::default();
    let mut slot = push.stream(LABELS);
    loop {
        buffer.copy_within(begin..end, 0);
        (begin, end) = (0, end - begin);
        let read = file.read(&mut buffer[end..])?;
        end += read;
        while let Some(len) = memchr::memchr(b'\n', &buffer[begin..end]) {
            let line = std::str::from_utf8(&buffer[begin..begin + len]).unwrap_or_default();
            push.push(slot, UnixNanos(n_lines), line, &metadata);
            n_lines += 1;
            begin += len + 1;
            if push.entries() >= entries || push.len_bytes() >= BATCH_BYTES {
                post(&stream, &mut answers, &mut push, &mut body)?;
                slot = push.stream(LABELS);
            }
        }
        if read == 0 {
            return post(&stream, &mut answers, &mut push, &mut body);
        }
    }
}

fn post(
    mut stream: &TcpStream,
    answers: &mut BufReader<TcpStream>,
    push: &mut PushBuilder,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    push.encode(body);
    push.clear();
    let head = format!(
        "POST /loki/api/v1/push HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut line = String::new();
    while line.trim_end() != "" || line.is_empty() {
        line.clear();
        answers.read_line(&mut line)?;
    }
    Ok(())
}
