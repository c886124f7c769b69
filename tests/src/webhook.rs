//! A receiver of alerts: answers 200 to everything, and keeps what was posted and when.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;

/// What was posted.
#[derive(Clone, Debug)]
pub struct Post {
    /// When it was whole.
    pub at: Instant,
    /// Where.
    pub path: String,
    /// Its body, if it is JSON.
    pub body: Value,
}

/// A running receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Webhook {
    /// On a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let kept = Arc::clone(&posts);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&connection, &kept));
            }
        });
        Self { address, posts }
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The alerts of all posts, in their order: an Alertmanager gets a list, a webhook an object with one.
    pub fn alerts(&self) -> Vec<(Instant, Value)> {
        let alerts = |post: Post| {
            let list = post.body.as_array().cloned().or_else(|| post.body.get("alerts")?.as_array().cloned());
            list.unwrap_or_default().into_iter().map(move |alert| (post.at, alert))
        };
        self.posts().into_iter().flat_map(alerts).collect()
    }

    /// Those of one name.
    pub fn named(&self, name: &str) -> Vec<(Instant, Value)> {
        self.alerts().into_iter().filter(|(_, alert)| alert["labels"]["alertname"] == name).collect()
    }
}

fn serve(connection: &TcpStream, kept: &Mutex<Vec<Post>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut request = String::new();
        read_line(&mut reader, &mut request).ok()?;
        let path = request.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            read_line(&mut reader, &mut header).ok()?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if request.starts_with("POST ") {
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            kept.lock().unwrap().push(Post { at: Instant::now(), path, body });
        }
        let mut connection = connection;
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

fn read_line(reader: &mut BufReader<&TcpStream>, line: &mut String) -> io::Result<()> {
    if reader.read_line(line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(())
}
