//! A receiver of remote write that keeps what it is sent, judges it as strictly as the specification allows, and answers as it is told.
//!
//! It speaks 1.0 and 2.0. Like Prometheus it refuses a sample that is older than its series' newest, or of the same time with another
//! value; of a request of 1.0 nothing is stored then, of one of 2.0 the rest is. What no sender may do is a violation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message as _;
use proto::metric::STALE_BITS;
use proto::remote_write::{wire_1, wire_2};
use proto::snappy::decompress;

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
}

/// What was received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// By labels, `{__name__="up",…}`.
    pub series: BTreeMap<String, Series>,
    /// Families' help, by name, and how often it was told.
    pub help: BTreeMap<String, (String, usize)>,
    /// Samples that came again, unchanged.
    pub repeated: u64,
    /// Requests by version.
    pub requests: BTreeMap<String, u64>,
    /// The largest number of samples in a request.
    pub largest: usize,
    /// What no sender may do.
    pub violations: Vec<String>,
}

/// How requests are answered.
#[derive(Default)]
struct Script {
    speaks: Speaks,
    /// Instead of anything else: this status and these words.
    status: Option<(u16, String)>,
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
        lock(&self.state).script.status = status.map(|(status, words)| (status, words.to_owned()));
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

/// The headers of a request, by name in lower case.
type Headers = BTreeMap<String, String>;

fn serve(connection: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(connection);
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
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let (status, more, words) = take(&headers, &body, state);
        let mut connection = connection;
        // In one piece, or the other side's kernel waits for more.
        let answer = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\n\r\n{words}", words.len());
        connection.write_all(answer.as_bytes()).ok()?;
    }
}

/// Judges a request and stores what is good: status, further headers, words.
fn take(headers: &Headers, body: &[u8], state: &Mutex<State>) -> (u16, String, String) {
    let state = &mut *lock(state);
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let plain = |status: u16, words: &str| (status, String::new(), words.to_owned());
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
    if let Some((status, words)) = &state.script.status {
        return plain(*status, words);
    }
    if state.script.token.as_ref().is_some_and(|token| header("authorization") != format!("Bearer {token}")) {
        return plain(401, "who are you");
    }
    if is_new && state.script.speaks == Speaks::OnlyOld {
        return plain(415, "prometheus.WriteRequest only");
    }
    if is_new && state.script.speaks == Speaks::OldAndDeaf {
        return plain(204, "");
    }
    let message = match decompress(body, 64 << 20) {
        Ok(message) => message,
        Err(error) => return plain(400, &error.to_string()),
    };
    let decoded = if is_new { decode_new(&message, &mut state.received) } else { decode_old(&message, &mut state.received) };
    let Some(decoded) = decoded else { return plain(400, "not protobuf") };
    let count: usize = decoded.iter().map(|series| series.samples.len()).sum();
    state.received.largest = state.received.largest.max(count);
    if state.script.most.is_some_and(|most| count > most) {
        return plain(413, "too large");
    }
    let mut refused = Vec::new();
    let mut good: Vec<(String, Sent)> = Vec::new();
    for series in decoded {
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
    let mut written = 0;
    for (labels, sent) in good {
        written += sent.samples.len();
        store(&mut state.received, labels, sent);
    }
    let more = if is_new { format!("X-Prometheus-Remote-Write-Samples-Written: {written}\r\n") } else { String::new() };
    match words {
        Some(words) => (400, more, words),
        None => (if is_new { 200 } else { 204 }, more, String::new()),
    }
}

fn store(received: &mut Received, labels: String, sent: Sent) {
    let series = received.series.entry(labels).or_default();
    series.kind = sent.kind;
    series.started = sent.started;
    for sample in sent.samples {
        if series.samples.contains(&sample) {
            received.repeated += 1;
        } else {
            series.samples.push(sample);
        }
    }
}

/// A series of a request.
struct Sent {
    labels: Vec<(String, String)>,
    samples: Vec<Sample>,
    kind: i32,
    started: i64,
}

impl Sent {
    /// Its labels as text; what is wrong with it is a violation.
    fn check(&self, violations: &mut Vec<String>) -> String {
        let mut text = String::from("{");
        for (name, value) in &self.labels {
            write!(text, "{}{name}={value:?}", if text.len() > 1 { "," } else { "" }).unwrap();
        }
        text.push('}');
        let names: Vec<&String> = self.labels.iter().map(|(name, _)| name).collect();
        if !names.is_sorted() || names.windows(2).any(|pair| pair[0] == pair[1]) {
            violations.push(format!("labels out of order or twice: {text}"));
        }
        if self.labels.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
            violations.push(format!("an empty label: {text}"));
        }
        if !names.iter().any(|name| *name == "__name__") {
            violations.push(format!("no name: {text}"));
        }
        if self.samples.is_empty() || self.samples.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            violations.push(format!("no samples, or times that do not rise: {text}"));
        }
        text
    }

    /// Why its samples cannot stand behind the newest that is known.
    fn refusal(&self, known: Option<Sample>) -> Option<&'static str> {
        let (time, value) = known?;
        let first = self.samples.first()?;
        match first.0.cmp(&time) {
            std::cmp::Ordering::Less => Some("out of order sample"),
            std::cmp::Ordering::Equal if first.1 != value => Some("duplicate sample for timestamp"),
            _ => None,
        }
    }
}

fn decode_old(message: &[u8], received: &mut Received) -> Option<Vec<Sent>> {
    let decoded = wire_1::WriteRequest::decode(message).ok()?;
    for metadata in &decoded.metadata {
        told(received, &metadata.family, &metadata.help);
    }
    let series = decoded.series.into_iter().map(|series| Sent {
        labels: series.labels.into_iter().map(|label| (label.name, label.value)).collect(),
        samples: series.samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())).collect(),
        kind: 0,
        started: 0,
    });
    Some(series.collect())
}

fn decode_new(message: &[u8], received: &mut Received) -> Option<Vec<Sent>> {
    let decoded = wire_2::Request::decode(message).ok()?;
    let symbols = &decoded.symbols;
    let mut sorted = symbols.clone();
    sorted.sort();
    if symbols.first().is_none_or(|first| !first.is_empty()) || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        received.violations.push("the first symbol is not empty, or one stands twice".to_owned());
    }
    let symbol = |place: u32| symbols.get(place as usize).cloned();
    let mut all = Vec::new();
    for series in &decoded.series {
        let pairs = series.labels.chunks(2).map(|pair| Some((symbol(*pair.first()?)?, symbol(*pair.get(1)?)?)));
        let labels = pairs.collect::<Option<Vec<_>>>()?;
        let metadata = series.metadata.unwrap_or_default();
        let help = symbol(metadata.help)?;
        let name = labels.iter().find(|(name, _)| name == "__name__").map_or(String::new(), |(_, value)| value.clone());
        if !help.is_empty() {
            told(received, &name, &help);
        }
        all.push(Sent {
            labels,
            samples: series.samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())).collect(),
            kind: metadata.r#type,
            started: series.samples.first().map_or(0, |sample| sample.start),
        });
    }
    Some(all)
}

fn told(received: &mut Received, family: &str, help: &str) {
    let known = received.help.entry(family.to_owned()).or_default();
    help.clone_into(&mut known.0);
    known.1 += 1;
}
