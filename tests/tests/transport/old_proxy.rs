//! A proxy of an older time than nginx: hands each request on to Loki over a connection of its own, and answers in ways that HTTP
//! allows and today's servers hardly use.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// In HTTP/1.0 without a length: the end of the connection is the end of the answer.
    Ended,
    /// After interim answers that nobody asked for, in chunks, with a trailer.
    Chunked,
    /// Compressed, though nothing but plain text was asked for.
    Compressed,
}

/// Dropped, it takes no more connections.
pub(crate) struct OldProxy {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl OldProxy {
    /// Before the Loki at this address (`host:port`).
    pub(crate) fn start(style: Style, loki: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ours = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            while let Ok((connection, _)) = ours.accept() {
                // A connection that breaks is the agent's affair.
                serve(&connection, style, &loki).ok();
            }
        });
        Self { listener, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}

impl Drop for OldProxy {
    fn drop(&mut self) {
        // Wakes the thread out of `accept`.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

/// One request and the end of the connection.
fn serve(mut connection: &TcpStream, style: Style, loki: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let begin = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
        if let Some(text) = head[begin..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
    }
    if let Style::Chunked = style {
        connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")?;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    let mut behind = TcpStream::connect(loki)?;
    behind.write_all(head.as_bytes())?;
    behind.write_all(&body)?;
    behind.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    behind.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("502");
    match style {
        Style::Ended => write!(connection, "HTTP/1.0 {status} Old\r\n\r\n{body}")?,
        _ if status == "204" => write!(connection, "HTTP/1.1 204 Old\r\n\r\n")?,
        Style::Chunked => {
            write!(connection, "HTTP/1.1 {status} Old\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n")?;
            for chunk in body.as_bytes().chunks(7) {
                write!(connection, "{:x};ext=1\r\n", chunk.len())?;
                connection.write_all(chunk)?;
                connection.write_all(b"\r\n")?;
            }
            connection.write_all(b"0\r\nSum: 1\r\n\r\n")?;
        }
        Style::Compressed => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(body.as_bytes())?;
            let bytes = packer.finish()?;
            write!(connection, "HTTP/1.1 {status} Old\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
            connection.write_all(&bytes)?;
        }
    }
    connection.shutdown(Shutdown::Write)
}
