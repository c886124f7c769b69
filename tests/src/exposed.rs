//! A target in this process: exposes the text that it is given, as what it is told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// `Content-Type` of the text format 0.0.4.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// `Content-Type` of `OpenMetrics` 1.0.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A running target.
#[derive(Debug)]
pub struct Exposed {
    address: String,
    /// Content type and text; nothing while it is out of order.
    shown: Arc<Mutex<Option<(String, String)>>>,
}

impl Exposed {
    /// On a free port.
    pub fn start(kind: &str, text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shown = Arc::new(Mutex::new(Some((kind.to_owned(), text.to_owned()))));
        let kept = Arc::clone(&shown);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&connection, &kept));
            }
        });
        Self { address, shown }
    }

    /// Where its metrics are.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// From now on it exposes this; with nothing given, it is out of order.
    pub fn show(&self, text: Option<(&str, &str)>) {
        *self.shown.lock().unwrap() = text.map(|(kind, text)| (kind.to_owned(), text.to_owned()));
    }
}

fn serve(connection: &TcpStream, shown: &Mutex<Option<(String, String)>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut connection = connection;
    loop {
        let mut line = String::new();
        while line.trim_end() != "" || line.is_empty() {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
        }
        let (status, kind, text) = match shown.lock().unwrap().clone() {
            Some((kind, text)) => (200, kind, text),
            None => (503, "text/plain".to_owned(), "out of order".to_owned()),
        };
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        connection.write_all(answer.as_bytes()).ok()?;
    }
}
