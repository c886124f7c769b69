//! A kubelet in this process: lists pods for whoever has the token, in the form of `v1.PodList`.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it wants to see.
pub const TOKEN: &str = "node-token";

/// A pod: its id, and the label `app`.
pub type Named = (&'static str, &'static str);

/// A running kubelet.
#[derive(Debug)]
pub struct Kubelet {
    address: String,
    /// None while it is out of order.
    pods: Arc<Mutex<Option<Vec<Named>>>>,
}

impl Kubelet {
    /// On a free port, with these pods.
    pub fn start(pods: &[Named]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let pods = Arc::new(Mutex::new(Some(pods.to_vec())));
        let listed = Arc::clone(&pods);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let listed = Arc::clone(&listed);
                std::thread::spawn(move || serve(&connection, &listed));
            }
        });
        Self { address, pods }
    }

    /// Where its list is.
    pub fn url(&self) -> String {
        format!("http://{}/pods", self.address)
    }

    /// From now on it has these pods; with none given, it is out of order.
    pub fn list(&self, pods: Option<&[Named]>) {
        *self.pods.lock().unwrap() = pods.map(<[Named]>::to_vec);
    }
}

fn serve(connection: &TcpStream, pods: &Mutex<Option<Vec<Named>>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut head = String::new();
        loop {
            let before = head.len();
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if head[before..].trim().is_empty() {
                break;
            }
        }
        let is_known = head.to_lowercase().contains(&format!("authorization: bearer {TOKEN}\r\n"));
        let list = pods.lock().unwrap().as_deref().map(body);
        let (status, body) = match list {
            _ if !is_known => ("401 Unauthorized", "Unauthorized".to_owned()),
            None => ("500 Internal Server Error", "Internal Error".to_owned()),
            Some(list) => ("200 OK", list),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut connection = connection;
        connection.write_all(answer.as_bytes()).ok()?;
    }
}

fn body(pods: &[Named]) -> String {
    let mut items = String::new();
    for (place, (uid, app)) in pods.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let labels = format!(r#"{{"app":"{app}","pod-template-hash":"7d9"}}"#);
        write!(items, r#"{comma}{{"metadata":{{"name":"pod-{place}","namespace":"payments","uid":"{uid}","labels":{labels}}}}}"#)
            .unwrap();
    }
    format!(r#"{{"kind":"PodList","apiVersion":"v1","items":[{items}]}}"#)
}
