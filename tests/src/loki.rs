//! A scripted Loki on a port of its own: takes pushes, judges them as the real one does, misbehaves as told, and keeps the record.
//!
//! What it does with a request is a `Behaviour`, switchable at any moment. Whatever it does, the record says what was *stored*: an
//! answer may lie about that (or never come), which is what an agent has to live with. `judge` holds the rules for
//! entries, `http` the few lines of HTTP that a push needs; bodies are decoded by `proto`.

mod http;
mod judge;

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use judge::Judge;
pub use judge::{Delivery, Refusal};

use proto::loki::decode;

use crate::stamp;
use crate::wait::Stop;

/// `max_recv_msg_size`.
const BODY_BYTES_MAX: usize = 100 << 20;

/// What is done with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Stored, 204.
    Accept,
    /// Stored at once; 204 only so much later.
    AcceptAfter(Duration),
    /// Nothing stored.
    Answer(Answer),
    /// Stored, and then this is said.
    StoreThenAnswer(Answer),
    /// Stored, and then the connection is reset.
    StoreThenReset,
    /// Half of the body is read, then the connection is reset. Nothing stored.
    CutBody,
    /// The connection stays open and nothing is read any more, not even after the behaviour has changed.
    BlackHole,
    /// 400 for the whole request if one of its streams' labels contain this text: "couldn't parse labels", as Loki says it of a request of which it stores nothing.
    RefuseLabels(String),
    /// 400 for the entries whose line the function picks; the others of the request are stored.
    RefuseEntries(fn(&str) -> bool),
    /// 413 for a body (as sent) above so many bytes.
    BodyLimit(usize),
    /// 429 for streams whose labels contain this text; the others of the request are stored.
    StreamLimit(String),
}

/// A status with what may come with it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// Text of the answer.
    pub body: String,
}

impl Answer {
    /// An answer with the text that Loki (or a proxy before it) gives with this status.
    pub fn of(status: u16) -> Self {
        let body = match status {
            260 => "ingestion blocked for user fake until '2100-01-01T00:00:00Z' with status code '260'",
            401 => "no org id",
            403 => "forbidden",
            404 => "404 page not found",
            413 => "request body too large",
            429 => {
                "Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '1000' lines \
                 totaling '1048576' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased"
            }
            500 => "rpc error: code = Unavailable",
            503 => "no healthy upstream",
            _ => "",
        };
        Self { status, retry_after: None, body: body.to_owned() }
    }

    /// With a `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

/// A push request as it came in, and what was made of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was complete.
    pub at: Instant,
    /// The body as sent; half of it where the connection was cut.
    pub body: Arc<[u8]>,
    /// The status of the answer; `None` where none was given.
    pub status: Option<u16>,
    /// How many entries were stored.
    pub n_stored: usize,
    /// Value of `X-Scope-OrgID`.
    pub tenant: Option<String>,
}

/// The running server. Dropped, it closes every connection.
#[derive(Debug)]
pub struct Loki {
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Door,
}

/// Whether connections are let in.
#[derive(Debug)]
enum Door {
    Open {
        listener: TcpListener,
        thread: JoinHandle<()>,
    },
    /// The port is held, and whoever connects is refused.
    Closed {
        _guard: rustix::fd::OwnedFd,
    },
    Ajar,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    stop: Stop,
}

#[derive(Debug)]
struct State {
    behaviour: Behaviour,
    /// What the next requests get instead, first come first served.
    next: VecDeque<Behaviour>,
    judge: Judge,
    requests: Vec<Request>,
    /// Handles by which `close` cuts what is open, by the number of the connection.
    connections: HashMap<u64, TcpStream>,
}

impl Loki {
    /// A Loki that accepts.
    pub fn start() -> Self {
        let state = State {
            behaviour: Behaviour::Accept,
            next: VecDeque::new(),
            judge: Judge::default(),
            requests: Vec::new(),
            connections: HashMap::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), stop: Stop::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let door = let_in(listener, &shared);
        Self { address, shared, door }
    }

    /// A Loki at whose address nobody listens yet.
    pub fn start_closed() -> Self {
        let mut loki = Self::start();
        loki.close();
        loki
    }

    /// Base URL, as it stands in the agent's configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, all requests get this.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut state = self.state();
        state.next.clear();
        state.behaviour = behaviour;
    }

    /// The next `n_requests` get this, and later ones what they would have got.
    pub fn for_next(&self, n_requests: usize, behaviour: &Behaviour) {
        self.state().next.extend(std::iter::repeat_n(behaviour.clone(), n_requests));
    }

    /// How many of the requests announced by `for_next` have not come yet.
    pub fn n_next(&self) -> usize {
        self.state().next.len()
    }

    /// Refuse entries older than this, as `reject_old_samples_max_age` does (7 days by default there, off here).
    pub fn reject_older_than(&self, age: Duration) {
        self.state().judge.age_max = Some(age);
    }

    /// Refuses from now on what is further in the future (`creation_grace_period`).
    pub fn refuse_ahead_of(&self, ahead: Duration) {
        self.state().judge.ahead_max = Some(ahead);
    }

    /// Stops listening: connections are cut, and new ones refused.
    pub fn close(&mut self) {
        if let Door::Open { listener, thread } = std::mem::replace(&mut self.door, Door::Ajar) {
            // Wakes the thread out of `accept`.
            rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).expect("a listener can be shut");
            thread.join().expect("accepting does not panic");
            drop(listener);
            for (_, connection) in self.state().connections.drain() {
                connection.shutdown(Shutdown::Both).ok();
            }
            self.door = Door::Closed { _guard: hold_port(self.address) };
        }
    }

    /// Listens again, at the same address.
    pub fn open(&mut self) {
        if let Door::Closed { .. } = self.door {
            self.door = Door::Ajar;
            let listener = TcpListener::bind(self.address).expect("the port was held");
            self.door = let_in(listener, &self.shared);
        }
    }

    /// What was stored from the `from`-th entry on, in the order of arrival.
    pub fn stored_since(&self, from: usize) -> Vec<Arc<Delivery>> {
        self.state().judge.stored[from..].to_vec()
    }

    /// How many entries were stored, duplicates included.
    pub fn n_stored(&self) -> usize {
        self.state().judge.stored.len()
    }

    /// What was refused entry by entry, in the order of arrival: nobody gets a second chance.
    pub fn refused(&self) -> Vec<Refusal> {
        self.state().judge.refused.clone()
    }

    /// All requests whose body came in, and those that were cut inside it.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// How many requests there were.
    pub fn n_requests(&self) -> usize {
        self.state().requests.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for Loki {
    fn drop(&mut self) {
        self.shared.stop.set();
        self.close();
    }
}

fn let_in(listener: TcpListener, shared: &Arc<Shared>) -> Door {
    let (shared, ours) = (Arc::clone(shared), listener.try_clone().expect("a listener can be shared"));
    let thread = std::thread::spawn(move || {
        for number in 0.. {
            let Ok((connection, _)) = ours.accept() else {
                return;
            };
            let Ok(handle) = connection.try_clone() else {
                continue;
            };
            shared.state.lock().unwrap().connections.insert(number, handle);
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                // A connection that breaks is the client's affair; what was stored is on record.
                serve(&connection, &shared).ok();
                // The last handle to go closes the socket, and makes it a reset where that was asked for.
                shared.state.lock().unwrap().connections.remove(&number);
            });
        }
    });
    Door::Open { listener, thread }
}

/// A bound socket that does not listen: connections are refused, and the system gives the port to nobody else.
pub(crate) fn hold_port(address: SocketAddr) -> rustix::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket can be had");
    sockopt::set_socket_reuseaddr(&socket, true).expect("a socket takes options");
    bind(&socket, &address).expect("the port was free a moment ago");
    socket
}

fn serve(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        // The behaviour is chosen when a request begins to come in, and before any of it is read.
        if connection.peek(&mut [0])? == 0 {
            return Ok(());
        }
        let behaviour = {
            let mut state = shared.state.lock().unwrap();
            state.next.pop_front().unwrap_or_else(|| state.behaviour.clone())
        };
        if matches!(behaviour, Behaviour::BlackHole) {
            shared.stop.wait();
            return Ok(());
        }
        let head = http::read_head(&mut reader)?;
        if matches!(behaviour, Behaviour::CutBody) {
            let half = http::read_half(&mut reader, &head)?;
            record(shared, &head, half, None, 0);
            return reset(connection);
        }
        let body = http::read_body(&mut reader, &head)?;
        let (answer, n_stored) = if head.method == "POST" && head.path == "/loki/api/v1/push" {
            take(&behaviour, &head, &body, shared)
        } else {
            (Answer::of(404), 0)
        };
        let is_reset = matches!(behaviour, Behaviour::StoreThenReset);
        record(shared, &head, body, (!is_reset).then_some(answer.status), n_stored);
        if is_reset {
            return reset(connection);
        }
        if let Behaviour::AcceptAfter(delay) = behaviour
            && shared.stop.before(Instant::now() + delay)
        {
            return Ok(());
        }
        http::write_answer(connection, &answer)?;
    }
}

/// Stores what is to be stored; says what to answer, and how many entries were stored.
fn take(behaviour: &Behaviour, head: &http::Head, body: &[u8], shared: &Shared) -> (Answer, usize) {
    match behaviour {
        Behaviour::Answer(answer) => return (answer.clone(), 0),
        Behaviour::BodyLimit(limit) if body.len() > *limit => return (Answer::of(413), 0),
        _ => {}
    }
    let (kind, encoding) = (head.header("content-type"), head.header("content-encoding"));
    let streams = match decode::decode(kind, encoding, body, BODY_BYTES_MAX) {
        Ok(push) => push.streams,
        Err(why) => {
            return (Answer { status: 400, retry_after: None, body: why.to_string() }, 0);
        }
    };
    if let Behaviour::RefuseLabels(text) = behaviour
        && let Some(stream) = streams.iter().find(|stream| stream.labels.contains(text.as_str()))
    {
        let body = format!("couldn't parse labels: 1:1: parse error: unexpected character in {}", stream.labels);
        return (Answer { status: 400, retry_after: None, body }, 0);
    }
    let mut state = shared.state.lock().unwrap();
    let (n_stored, refusal) = state.judge.take(streams, behaviour, stamp::now_nanos());
    let answer = match (behaviour, refusal) {
        (Behaviour::StoreThenAnswer(answer), _) => answer.clone(),
        (_, Some(refusal)) => refusal,
        (_, None) => Answer { status: 204, ..Answer::default() },
    };
    (answer, n_stored)
}

fn record(shared: &Shared, head: &http::Head, body: Vec<u8>, status: Option<u16>, n_stored: usize) {
    let tenant = head.header("x-scope-orgid").map(str::to_owned);
    let request = Request { at: Instant::now(), body: body.into(), status, n_stored, tenant };
    shared.state.lock().unwrap().requests.push(request);
}

/// Makes the close that follows a reset instead of an end: what the client sends or has sent meets an error.
fn reset(connection: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(connection, Some(Duration::ZERO))?)
}

#[cfg(test)]
mod tests;
