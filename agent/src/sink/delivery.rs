//! One batch on its way: which requests it takes, what each answer makes of them, and what became of every stream at the end.
//!
//! Pure: no socket, no clock. The usual batch is one request, sent as it was encoded. It is taken apart only when an answer,
//! or a stream that the server may not know yet, demands it; order within a stream is kept through all of that.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proto::loki::answer::{Answer, Count};
use proto::loki::attribution::{attribute, same_stream};
use proto::loki::decode::{Halved, Push, decode_protobuf, encode_push};

/// No limit that makes sense is below this size of a request in bytes: one entry in so small a body is not too large, whatever
/// the answer says, and is held instead of given up.
const SMALL: usize = 4096;
/// No body of ours is larger, uncompressed.
const UNCOMPRESSED_MAX: usize = 256 << 20;

/// A stream of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its labels, as text.
    pub labels: String,
    /// Its entries.
    pub entries: u64,
    /// The server took it lately, so that it need not stand last.
    pub known: bool,
}

/// What became of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Entries refused for good, by reason; if not exact, the least number, marked so.
    pub rejected: BTreeMap<String, Refused>,
    /// Bytes of all the stream's entries, with a line end each; known once some were refused.
    pub bytes: u64,
    /// Refused for now: the server has too many streams.
    pub parked: bool,
}

/// Entries that were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub entries: u64,
    /// Their bytes, with a line end each.
    pub bytes: u64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this.
    Send(Bytes),
    /// All is answered.
    Done,
}

/// What the caller has to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on at once.
    Onward,
    /// The same bytes again, after a wait.
    Again {
        /// The server's own wish.
        after: Option<std::time::Duration>,
        /// For people.
        reason: String,
    },
    /// The same bytes again, slowly: only a person can mend it.
    Hold {
        /// For people.
        reason: String,
    },
}

#[derive(Debug)]
struct Request {
    body: Bytes,
    /// Present once it had to be taken apart.
    push: Option<Push>,
}

/// A batch on its way.
#[derive(Debug)]
pub struct Delivery {
    streams: Vec<Stream>,
    fates: Vec<Fate>,
    requests: VecDeque<Request>,
    /// The batch as it was encoded.
    body: Bytes,
}

impl Delivery {
    /// Begins with a batch as it was encoded. Streams in `left_out` (by labels) are refused for now and are not sent.
    pub fn new(body: Bytes, streams: Vec<Stream>, left_out: impl Fn(&str) -> bool) -> Self {
        let fates: Vec<Fate> =
            streams.iter().map(|stream| Fate { parked: left_out(&stream.labels), ..Fate::default() }).collect();
        let mut delivery = Self { streams, fates, requests: VecDeque::new(), body: body.clone() };
        if body.is_empty() {
            return delivery;
        }
        // The server tells only of the last stream whether it could be made: a new one stands last, and alone of its kind.
        let new: Vec<usize> = (0..delivery.streams.len()).filter(|place| !delivery.streams[*place].known).collect();
        let as_it_is = new.is_empty() || (new.len() == 1 && new[0] + 1 == delivery.streams.len());
        if as_it_is && delivery.fates.iter().all(|fate| !fate.parked) {
            delivery.requests.push_back(Request { body, push: None });
            return delivery;
        }
        let Ok(push) = decode_protobuf(&body, UNCOMPRESSED_MAX) else {
            // What we encoded ourselves always decodes; if not, the server may still understand it.
            delivery.requests.push_back(Request { body, push: None });
            return delivery;
        };
        let parked = |labels: &str| delivery.place(labels).is_some_and(|place| delivery.fates[place].parked);
        let is_known = |labels: &str| delivery.place(labels).is_some_and(|place| delivery.streams[place].known);
        let (sent, _): (Vec<_>, Vec<_>) = push.streams.into_iter().partition(|stream| !parked(&stream.labels));
        let (known, mut new): (Vec<_>, VecDeque<_>) = sent.into_iter().partition_map(|stream| is_known(&stream.labels));
        let mut first = known;
        first.extend(new.pop_front());
        let mut requests = VecDeque::new();
        for streams in std::iter::once(first).chain(new.into_iter().map(|stream| vec![stream])) {
            if !streams.is_empty() {
                requests.push_back(Request::of(Push { streams }));
            }
        }
        delivery.requests = requests;
        delivery
    }

    fn place(&self, labels: &str) -> Option<usize> {
        self.streams.iter().position(|stream| stream.labels == labels)
    }

    /// The request to send now.
    pub fn next(&self) -> Next {
        self.requests.front().map_or(Next::Done, |request| Next::Send(request.body.clone()))
    }

    /// Takes in the answer to the request that was sent.
    pub fn answered(&mut self, answer: Answer) -> Verdict {
        match answer {
            Answer::Stored => {
                self.requests.pop_front();
                Verdict::Onward
            }
            Answer::Partly { rejected } => {
                if let Some(push) = self.take_apart() {
                    let attribution = attribute(&rejected, &push);
                    for refused in &attribution.refused {
                        let inexact =
                            if attribution.complete && matches!(refused.count, Count::Exact(_)) { "" } else { "_at_least" };
                        let stream = &push.streams[refused.stream];
                        let named = refused.entries.iter().filter_map(|place| stream.entries.get(*place));
                        let (mut bytes, mut entries) = (0, 0);
                        for entry in named {
                            bytes += size(entry);
                            entries += 1;
                        }
                        // Those that are not named are taken to be as long as the others are on average.
                        let count = refused.count.known();
                        let all: u64 = stream.entries.iter().map(size).sum();
                        bytes += count.saturating_sub(entries) * all / (stream.entries.len() as u64).max(1);
                        let labels = stream.labels.clone();
                        self.reject(&labels, &format!("{}{inexact}", refused.reason.as_str()), Refused { entries: count, bytes });
                    }
                    for unmatched in &attribution.unmatched {
                        let labels = push.streams.first().map(|stream| stream.labels.clone()).unwrap_or_default();
                        let refused = Refused { entries: unmatched.count.known(), bytes: 0 };
                        self.reject(&labels, &format!("{}_at_least", unmatched.reason.as_str()), refused);
                    }
                }
                Verdict::Onward
            }
            Answer::RefusedWhole { reason } => {
                self.isolate(&reason);
                Verdict::Onward
            }
            Answer::TooLarge => self.halve(),
            Answer::StreamLimit { streams } => {
                self.park(&streams);
                Verdict::Onward
            }
            Answer::Later { after, reason } | Answer::Unknown { after, reason } => Verdict::Again { after, reason },
            Answer::Held { reason } => Verdict::Hold { reason },
        }
    }

    /// What became of the streams, in their order, once all is answered.
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    fn reject(&mut self, labels: &str, reason: &str, refused: Refused) {
        let Some(place) = self.place(labels) else { return };
        if self.fates[place].bytes == 0 {
            self.weigh();
        }
        let fate = &mut self.fates[place];
        let counted: u64 = fate.rejected.values().map(|refused| refused.entries).sum();
        let known = fate.rejected.entry(reason.to_owned()).or_default();
        // However odd an answer: no more can be refused than there are.
        known.entries += refused.entries.min(self.streams[place].entries.saturating_sub(counted));
        known.bytes += refused.bytes;
    }

    /// Adds up the streams' bytes, against which those of refused entries are held.
    fn weigh(&mut self) {
        let Ok(push) = decode_protobuf(&self.body, UNCOMPRESSED_MAX) else { return };
        for stream in &push.streams {
            if let Some(place) = self.place(&stream.labels) {
                self.fates[place].bytes = stream.entries.iter().map(size).sum();
            }
        }
    }

    /// The request is refused whole over something in it: stream by stream, then by halves, down to the one that is at fault.
    fn isolate(&mut self, reason: &str) {
        let Some(push) = self.take_apart() else { return };
        if push.streams.len() > 1 {
            for push in push.split_by_stream().into_iter().rev() {
                self.requests.push_front(Request::of(push));
            }
            return;
        }
        // Labels are the same for all of a stream's entries: no part of it would fare better.
        if reason.contains("labels") {
            self.refuse(&push, "labels");
            return;
        }
        match push.halve() {
            Halved::Two(first, second) => {
                self.requests.push_front(Request::of(second));
                self.requests.push_front(Request::of(first));
            }
            Halved::Single(push) => self.refuse(&push, "refused"),
        }
    }

    /// The request is too large for the server: in two parts, down to the entry that is too large by itself.
    fn halve(&mut self) -> Verdict {
        let size = self.requests.front().map_or(0, |request| request.body.len());
        let Some(push) = self.take_apart() else { return Verdict::Onward };
        match push.halve() {
            Halved::Two(first, second) => {
                self.requests.push_front(Request::of(second));
                self.requests.push_front(Request::of(first));
            }
            Halved::Single(push) if size <= SMALL => {
                self.requests.push_front(Request::of(push));
                let reason = format!(
                    "even a request of {size} bytes is too large for the server, which is no fault of what is in it: raise the limit, \
                     of a proxy as a rule (nginx: client_max_body_size)"
                );
                return Verdict::Hold { reason };
            }
            Halved::Single(push) => self.refuse(&push, "too_large"),
        }
        Verdict::Onward
    }

    /// The request under way, as its streams and entries.
    fn take_apart(&mut self) -> Option<Push> {
        let request = self.requests.pop_front()?;
        let push = request.push.or_else(|| decode_protobuf(&request.body, UNCOMPRESSED_MAX).ok());
        if push.is_none() {
            // What we encoded ourselves always decodes, unless memory or disk broke it: then it is counted, never dropped unsaid.
            for place in 0..self.streams.len() {
                let (labels, entries) = (self.streams[place].labels.clone(), self.streams[place].entries);
                self.reject(&labels, "unreadable", Refused { entries, bytes: 0 });
            }
        }
        push
    }

    fn refuse(&mut self, push: &Push, reason: &str) {
        for stream in &push.streams {
            let refused = Refused { entries: stream.entries.len() as u64, bytes: stream.entries.iter().map(size).sum() };
            self.reject(&stream.labels, reason, refused);
        }
    }

    /// The streams named are refused for now; where the others stand is not told, so each is asked for by itself.
    fn park(&mut self, named: &[String]) {
        let Some(push) = self.take_apart() else { return };
        if let [stream] = push.streams.as_slice() {
            let labels = stream.labels.clone();
            self.park_stream(&labels);
            return;
        }
        for push in push.split_by_stream().into_iter().rev() {
            let labels = push.streams.first().map(|stream| stream.labels.clone()).unwrap_or_default();
            if named.iter().any(|named| same_stream(&labels, named)) {
                self.park_stream(&labels);
            } else {
                self.requests.push_front(Request::of(push));
            }
        }
    }

    /// Nothing more of the stream is sent with this batch.
    fn park_stream(&mut self, labels: &str) {
        if let Some(place) = self.place(labels) {
            self.fates[place].parked = true;
        }
        let belongs = |request: &Request| {
            request.push.as_ref().is_some_and(|push| push.streams.iter().all(|stream| stream.labels == labels))
        };
        self.requests.retain(|request| !belongs(request));
    }
}

/// An entry's part of the source, as far as the entry tells: its line and a line end.
fn size(entry: &proto::loki::decode::PushEntry) -> u64 {
    entry.line.len() as u64 + 1
}

impl Request {
    fn of(push: Push) -> Self {
        let mut body = Vec::new();
        encode_push(&push, &mut body);
        Self { body: Bytes::from(body), push: Some(push) }
    }
}

/// Splits an iterator in two by a question about each element, into collections of different kinds.
trait PartitionMap: Iterator + Sized {
    fn partition_map<A: Default + Extend<Self::Item>, B: Default + Extend<Self::Item>>(
        self,
        yes: impl Fn(&Self::Item) -> bool,
    ) -> (A, B) {
        let (mut a, mut b) = (A::default(), B::default());
        for item in self {
            if yes(&item) { a.extend(Some(item)) } else { b.extend(Some(item)) }
        }
        (a, b)
    }
}

impl<I: Iterator> PartitionMap for I {}

#[cfg(test)]
mod tests {
    use proto::loki::decode::{PushEntry, PushStream};

    use super::*;

    fn delivery(line: &str, entries: usize) -> Delivery {
        let entry =
            |time: usize| PushEntry { time: proto::time::UnixNanos(time as i64), line: line.to_owned(), metadata: Vec::new() };
        let labels = "{job=\"a\"}".to_owned();
        let push = Push { streams: vec![PushStream { labels: labels.clone(), entries: (0..entries).map(entry).collect() }] };
        let stream = Stream { labels, entries: entries as u64, known: true };
        Delivery::new(Request::of(push).body, vec![stream], |_| false)
    }

    /// Letters that do not compress.
    fn noise(bytes: usize) -> String {
        let mut state = 7_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + (state >> 33) as u8 % 90)
        };
        (0..bytes).map(|_| letter()).collect()
    }

    #[test]
    fn what_is_too_large_is_halved_down_to_the_entry_that_is_too_large_by_itself() {
        let mut delivery = delivery(&noise(10_000), 2);
        assert_eq!(delivery.answered(Answer::TooLarge), Verdict::Onward);
        assert_eq!(delivery.answered(Answer::TooLarge), Verdict::Onward);
        assert_eq!(delivery.answered(Answer::Stored), Verdict::Onward);
        assert_eq!(delivery.next(), Next::Done);
        assert_eq!(delivery.fates()[0].rejected["too_large"].entries, 1);
    }

    #[test]
    fn an_entry_that_no_sensible_limit_refuses_is_held() {
        let mut delivery = delivery("short", 2);
        assert_eq!(delivery.answered(Answer::TooLarge), Verdict::Onward);
        for _ in 0..2 {
            assert!(matches!(delivery.answered(Answer::TooLarge), Verdict::Hold { .. }));
        }
        for _ in 0..2 {
            assert!(matches!(delivery.next(), Next::Send(_)));
            delivery.answered(Answer::Stored);
        }
        assert_eq!(delivery.next(), Next::Done);
        assert!(delivery.fates()[0].rejected.is_empty());
    }
}
