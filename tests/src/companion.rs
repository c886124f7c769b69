//! The companion under test, and how a test asks it: one request a connection, by hand, so that any status and any body can be sent.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::{Launch, built};
use crate::skip::skipped;

/// The binary: `PICKET_COMPANION`, or what was built beside this test. `None`, said aloud, if it is not there.
pub fn binary(test: &str) -> Option<PathBuf> {
    let found = built("PICKET_COMPANION", "companion");
    if found.is_none() {
        skipped(test, "no companion binary: build it or set PICKET_COMPANION");
    }
    found
}

/// How it is started: with its state and logs in this directory, and its configuration if there is one.
pub fn launch(program: PathBuf, directory: &Path, args: &[&str]) -> Launch {
    let mut all: Vec<OsString> = vec!["--state-dir".into(), directory.join("companion-state").into()];
    let configuration = directory.join("companion.yaml");
    if configuration.exists() {
        all.extend(["--config".into(), configuration.into()]);
    }
    all.extend(args.iter().map(OsString::from));
    Launch { program: Some(program), through: Vec::new(), args: all, env: Vec::new(), logs: directory.to_owned() }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, as they came.
    pub head: String,
    /// Its body.
    pub body: String,
}

/// Asks once. `headers` are whole lines.
pub fn ask(address: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> io::Result<Answer> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        head += header;
        head += "\r\n";
    }
    connection.write_all(format!("{head}\r\n").as_bytes())?;
    // It may answer, and close, before it has everything.
    let _ = connection.write_all(body);
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    };
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Pushes lines of one stream as JSON, each at its time in nanoseconds.
pub fn push(address: &str, job: &str, lines: &[(i64, String)], headers: &[&str]) -> io::Result<Answer> {
    let values: Vec<_> = lines.iter().map(|(time, line)| serde_json::json!([time.to_string(), line])).collect();
    let body = serde_json::json!({"streams": [{"stream": {"job": job, "node": "node-1"}, "values": values}]}).to_string();
    let headers: Vec<&str> = ["Content-Type: application/json"].iter().chain(headers).copied().collect();
    ask(address, "POST", "/loki/api/v1/push", &headers, body.as_bytes())
}
