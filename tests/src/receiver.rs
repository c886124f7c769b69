//! A receiver of remote write that keeps what it is sent, judges it as strictly as the specification allows, and answers as it is told.
//!
//! It speaks 1.0 and 2.0. Like Prometheus it refuses a sample that is older than its series' newest, or of the same time with another
//! value; of a request of 1.0 nothing is stored then, of one of 2.0 the rest is. What no sender may do is a violation.

mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::metric::STALE_BITS;
use proto::snappy::decompress;

use crate::wait;
use request::{Decoded, Sent};

/// What a receiver knows of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Both versions.
    #[default]
    Both,
    /// 1.0; to another it answers 415.
    OnlyOld,
    /// 1.0; another it takes for that, stores nothing and answers 204, as Prometheus 2.42 does.
    OldAndDeaf,
}

/// How it treats whoever connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// It answers.
    #[default]
    Proper,
    /// It reads, and says nothing.
    Silent,
    /// It reads, says this, whatever it is, and hangs up.
    Rude(String),
}

/// What an answer takes: status, further headers (each with its end of line), words.
type Said = (u16, String, String);

/// A sample: time in milliseconds, bits of the value.
pub type Sample = (i64, u64);

/// One series.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// What was stored, in the order in which it came; what came again unchanged is not in it.
    pub samples: Vec<Sample>,
    /// Its type (2.0).
    pub kind: i32,
    /// When its counter began (2.0).
    pub started: i64,
    /// Exemplars, each as often as it came.
    pub exemplars: Vec<Exemplar>,
}

/// An exemplar of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// What was counted.
    pub value: f64,
    /// When, in milliseconds.
    pub time: i64,
}

/// What was received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// By labels, `{__name__="up",…}`.
    pub series: BTreeMap<String, Series>,
    /// What was told of families, by name: of metrics (2.0), or of families (1.0).
    pub families: BTreeMap<String, Family>,
    /// Samples that came again, unchanged.
    pub repeated: u64,
    /// Requests by version.
    pub requests: BTreeMap<String, u64>,
    /// Requests that got no proper answer.
    pub snubbed: u64,
    /// The largest number of samples in a request.
    pub largest: usize,
    /// Every request that held samples, in order.
    pub log: Vec<Taken>,
    /// What no sender may do.
    pub violations: Vec<String>,
}

/// What was told of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// Its type.
    pub kind: i32,
    /// Its help.
    pub help: String,
    /// Its unit.
    pub unit: String,
    /// In how many requests there was help.
    pub helped: usize,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Taken {
    /// When it came.
    pub at: Instant,
    /// Its version.
    pub version: String,
    /// Its content type.
    pub kind: String,
    /// How many samples it held.
    pub samples: usize,
    /// Their times.
    pub times: BTreeSet<i64>,
    /// The answer.
    pub status: u16,
}

/// How requests are answered.
#[derive(Default)]
struct Script {
    speaks: Speaks,
    manners: Manners,
    /// Instead of anything else.
    said: Option<Said>,
    /// Samples of series with this in their labels are refused.
    bad: Option<String>,
    /// Requests with more samples are refused as too large.
    most: Option<usize>,
    /// The token that is asked for.
    token: Option<String>,
}

#[derive(Default)]
struct State {
    received: Received,
    script: Script,
}

/// A running receiver.
#[derive(Clone)]
pub struct Receiver {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// On a free port.
    pub fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state: Arc<Mutex<State>> = Arc::default();
        lock(&state).script.speaks = speaks;
        let kept = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&connection, &kept));
            }
        });
        Self { address, state }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub fn received(&self) -> Received {
        lock(&self.state).received.clone()
    }

    /// Answers with this status from now on; `None`: as it should.
    pub fn answer(&self, status: Option<(u16, &str)>) {
        lock(&self.state).script.said = status.map(|(status, words)| (status, String::new(), words.to_owned()));
    }

    /// The same with further headers.
    pub fn answer_with(&self, status: u16, headers: &[(&str, &str)], words: &str) {
        let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        lock(&self.state).script.said = Some((status, lines.concat(), words.to_owned()));
    }

    /// Has these manners from now on.
    pub fn behave(&self, manners: Manners) {
        lock(&self.state).script.manners = manners;
    }

    /// Refuses samples of series with this in their labels.
    pub fn refuse(&self, labels: &str) {
        lock(&self.state).script.bad = Some(labels.to_owned());
    }

    /// Refuses requests with more samples.
    pub fn take_at_most(&self, samples: usize) {
        lock(&self.state).script.most = Some(samples);
    }

    /// Asks for a bearer token.
    pub fn ask_for(&self, token: &str) {
        lock(&self.state).script.token = Some(token.to_owned());
    }
}

impl Received {
    /// The series of one name.
    pub fn named<'r>(&'r self, name: &str) -> impl Iterator<Item = (&'r str, &'r Series)> {
        let begin = format!("{{__name__={name:?}");
        self.series.iter().filter(move |(labels, _)| labels.starts_with(&begin)).map(|(labels, series)| (labels.as_str(), series))
    }

    /// The only series of a name and a job.
    pub fn one(&self, name: &str, job: &str) -> Option<&Series> {
        let job = format!("job={job:?}");
        self.named(name).find(|(labels, _)| labels.contains(&job)).map(|(_, series)| series)
    }
}

impl Series {
    /// The times of its samples.
    pub fn times(&self) -> Vec<i64> {
        self.samples.iter().map(|(time, _)| *time).collect()
    }

    /// Whether its last sample is the marker that ends it.
    pub fn has_ended(&self) -> bool {
        self.samples.last().is_some_and(|(_, bits)| *bits == STALE_BITS)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody waits longer for somebody who says nothing.
const SILENT_MAX: Duration = Duration::from_mins(2);

/// The headers of a request, by name in lower case.
type Headers = BTreeMap<String, String>;

fn serve(connection: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut connection = connection;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let mut headers = Headers::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        if !request.starts_with("POST ") {
            lock(state).received.violations.push(format!("no POST: {request}"));
        }
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let manners = || lock(state).script.manners.clone();
        let manner = manners();
        if manner != Manners::Proper {
            lock(state).received.snubbed += 1;
        }
        match manner {
            Manners::Proper => {}
            Manners::Silent => {
                wait::until(SILENT_MAX, || (manners() != Manners::Silent).then_some(()));
                return None;
            }
            Manners::Rude(words) => return connection.write_all(words.as_bytes()).ok(),
        }
        let (status, more, words) = take(&headers, &body, state);
        // What has no body has no length either. In one piece, or the other side's kernel waits for more.
        let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", words.len()) };
        let words = if status == 204 { "" } else { &words };
        connection.write_all(format!("HTTP/1.1 {status} X\r\n{more}{length}\r\n{words}").as_bytes()).ok()?;
    }
}

/// Judges a request and stores what is good: status, further headers, words.
fn take(headers: &Headers, body: &[u8], state: &Mutex<State>) -> Said {
    let state = &mut *lock(state);
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let kind = header("content-type");
    let is_new = kind == "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    let version = header("x-prometheus-remote-write-version");
    let expected = if is_new { "2.0.0" } else { "0.1.0" };
    *state.received.requests.entry(version.to_owned()).or_default() += 1;
    for (what, is, should) in [
        ("version", version, expected),
        ("content type", kind, if is_new { kind } else { "application/x-protobuf" }),
        ("encoding", header("content-encoding"), "snappy"),
        ("user agent", header("user-agent").split('/').next().unwrap_or_default(), "picket-agent"),
    ] {
        if is != should {
            state.received.violations.push(format!("{what} is {is:?}, not {should:?}"));
        }
    }
    let at = Instant::now();
    let decoded = decompress(body, 64 << 20).ok().and_then(|message| Decoded::of(&message, is_new));
    let Some(decoded) = decoded else {
        state.received.violations.push("neither snappy nor protobuf".to_owned());
        return plain(400, "neither snappy nor protobuf");
    };
    let samples: usize = decoded.series.iter().map(|series| series.samples.len()).sum();
    let times = decoded.series.iter().flat_map(|series| series.samples.iter().map(|(time, _)| *time)).collect();
    let said = answer(decoded, samples, is_new, header("authorization"), state);
    if samples > 0 {
        let taken = Taken { at, version: version.to_owned(), kind: kind.to_owned(), samples, times, status: said.0 };
        state.received.log.push(taken);
    }
    said
}

fn plain(status: u16, words: &str) -> Said {
    (status, String::new(), words.to_owned())
}

fn answer(decoded: Decoded, samples: usize, is_new: bool, authorization: &str, state: &mut State) -> Said {
    if let Some(said) = &state.script.said {
        return said.clone();
    }
    if state.script.token.as_ref().is_some_and(|token| authorization != format!("Bearer {token}")) {
        return plain(401, "who are you");
    }
    if is_new && state.script.speaks == Speaks::OnlyOld {
        return plain(415, "prometheus.WriteRequest only");
    }
    if is_new && state.script.speaks == Speaks::OldAndDeaf {
        return plain(204, "");
    }
    state.received.largest = state.received.largest.max(samples);
    if state.script.most.is_some_and(|most| samples > most) {
        return plain(413, "too large");
    }
    state.received.violations.extend(decoded.violations);
    for (name, told) in decoded.families {
        let known = state.received.families.entry(name).or_default();
        known.kind = told.kind;
        // Types come with every request, the rest once in a while.
        if !(told.help.is_empty() && told.unit.is_empty()) {
            let helped = known.helped + usize::from(!told.help.is_empty());
            *known = Family { helped, ..told };
        }
    }
    let mut refused = Vec::new();
    let mut good: Vec<(String, Sent)> = Vec::new();
    for series in decoded.series {
        let labels = series.check(&mut state.received.violations);
        let known = state.received.series.get(&labels).and_then(|known| known.samples.last()).copied();
        let reason = if state.script.bad.as_ref().is_some_and(|bad| labels.contains(bad.as_str())) {
            Some("out of bounds")
        } else {
            series.refusal(known)
        };
        match reason {
            Some(reason) => refused.push((format!("{reason}: {labels}"), series.samples.len())),
            None => good.push((labels, series)),
        }
    }
    let words = refused.first().map(|(words, _)| words.clone());
    if !is_new && let Some(words) = words {
        return plain(400, &words);
    }
    let (mut written, mut exemplars) = (0, 0);
    for (labels, sent) in good {
        written += sent.samples.len();
        exemplars += sent.exemplars.len();
        store(&mut state.received, labels, sent);
    }
    let counts = [("Samples", written), ("Histograms", 0), ("Exemplars", exemplars)];
    let counts = counts.map(|(what, count)| format!("X-Prometheus-Remote-Write-{what}-Written: {count}\r\n"));
    let more = if is_new { counts.concat() } else { String::new() };
    match words {
        Some(words) => (400, more, words),
        None => (if is_new { 200 } else { 204 }, more, String::new()),
    }
}

fn store(received: &mut Received, labels: String, sent: Sent) {
    let series = received.series.entry(labels).or_default();
    series.kind = sent.kind;
    series.started = sent.started;
    series.exemplars.extend(sent.exemplars);
    for sample in sent.samples {
        if series.samples.contains(&sample) {
            received.repeated += 1;
        } else {
            series.samples.push(sample);
        }
    }
}
