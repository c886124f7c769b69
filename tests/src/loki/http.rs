//! As much of HTTP/1.1 as a push needs: one request after another on a connection, bodies with a length or in chunks.
//!
//! By hand, since no library reads half a body and then resets the connection.

use std::io::{self, BufRead, Read, Write as _};
use std::net::TcpStream;

use super::Answer;

pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// A header's value; the name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn length(&self) -> io::Result<Option<usize>> {
        self.header("content-length").map(|text| text.parse().map_err(|_| bad("content length"))).transpose()
    }
}

pub(super) fn read_head(reader: &mut impl BufRead) -> io::Result<Head> {
    let request_line = read_line(reader)?;
    let mut words = request_line.split(' ');
    let mut word = || words.next().map(str::to_owned).ok_or_else(|| bad("request line"));
    let (method, path) = (word()?, word()?);
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(Head { method, path, headers });
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

pub(super) fn read_body(reader: &mut impl BufRead, head: &Head) -> io::Result<Vec<u8>> {
    if let Some(length) = head.length()? {
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        return Ok(body);
    }
    let mut body = Vec::new();
    if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).map_err(|_| bad("chunk size"))?;
            let begin = body.len();
            body.resize(begin + size, 0);
            reader.read_exact(&mut body[begin..])?;
            read_line(reader)?;
            if size == 0 {
                break;
            }
        }
    }
    Ok(body)
}

/// The first half of a body with a length; of one in chunks, what has come first.
pub(super) fn read_half(reader: &mut impl BufRead, head: &Head) -> io::Result<Vec<u8>> {
    let half = head.length()?.map_or(1, |length| length / 2);
    let mut body = Vec::new();
    reader.take(half as u64).read_to_end(&mut body)?;
    Ok(body)
}

pub(super) fn write_answer(mut connection: &TcpStream, answer: &Answer) -> io::Result<()> {
    let Answer { status, retry_after, body } = answer;
    let mut text = Vec::new();
    write!(text, "HTTP/1.1 {status} {}\r\n", reason(*status))?;
    if let Some(seconds) = retry_after {
        write!(text, "Retry-After: {seconds}\r\n")?;
    }
    if *status == 204 {
        write!(text, "\r\n")?;
    } else {
        write!(text, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    }
    connection.write_all(&text)
}

fn reason(status: u16) -> &'static str {
    match status {
        204 => "No Content",
        400 => "Bad Request",
        429 => "Too Many Requests",
        _ => "Scripted",
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is not HTTP"))
}
