//! Any bytes as a push request and as an answer to one: nothing panics, what is read can be sent again and is the same,
//! and no entry is said to be refused twice.
//!
//! The first two bytes choose how the rest is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::labels::Labels;
use proto::loki::answer::{Answer, Count, read_answer};
use proto::loki::attribution::attribute;
use proto::loki::decode::{Halved, Push, PushEntry, PushStream, decode, decode_protobuf, encode_push};
use proto::time::UnixNanos;

const MAX: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let [form, encoding, data @ ..] = data else { return };
    match form % 4 {
        0 => request(Some("application/json"), *encoding, data),
        1 => request(Some("application/x-protobuf"), *encoding, data),
        2 => {
            // Most damaged snappy goes no further than its header, so the protobuf inside is also fuzzed by itself.
            let body = snappy(data);
            request(Some("application/x-protobuf"), 0, &body);
        }
        _ => answer(*encoding, &String::from_utf8_lossy(data)),
    }
});

fn snappy(data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut compressor = proto::snappy::Compressor::new();
    let mut writing = compressor.begin(data.len(), &mut body);
    writing.write(data);
    writing.finish();
    body
}

fn request(content_type: Option<&str>, encoding: u8, body: &[u8]) {
    let encoding = [None, Some("snappy"), Some("gzip"), Some("deflate")][usize::from(encoding % 4)];
    let Ok(push) = decode(content_type, encoding, body, MAX) else { return };
    for stream in &push.streams {
        if let Ok(labels) = Labels::parse(&stream.labels) {
            assert_eq!(Labels::parse(&labels.to_string()), Ok(labels));
        }
    }

    let mut body = Vec::new();
    encode_push(&push, &mut body);
    let again = decode_protobuf(&body, usize::MAX).expect("what was encoded is decoded");
    assert_eq!(again.entries(), push.entries());
    if let Halved::Two(first, second) = again.clone().halve() {
        assert_eq!(first.entries() + second.entries(), again.entries());
    }
    let mut twice = Vec::new();
    encode_push(&again, &mut twice);
    assert_eq!(twice, body, "a request that was read is sent again byte for byte");
}

fn answer(status: u8, body: &str) {
    let status = [204, 260, 400, 400, 400, 413, 429, 500][usize::from(status % 8)];
    let Answer::Partly { rejected } = read_answer(status, Some(body), body, UnixNanos(0)) else { return };

    // A request that has what the answer speaks of.
    let mut sent = Push::default();
    for group in &rejected.groups {
        let Some(labels) = &group.stream else { continue };
        let entry = |i| PushEntry { time: UnixNanos(i), line: "x".repeat(i as usize), metadata: Vec::new() };
        sent.streams.push(PushStream { labels: labels.to_string(), entries: (0..12).map(entry).collect() });
    }
    let attribution = attribute(&rejected, &sent);
    let mut seen = std::collections::BTreeSet::new();
    for refused in &attribution.refused {
        assert!(refused.entries.len() as u64 <= refused.count.known());
        for entry in &refused.entries {
            assert!(seen.insert((refused.stream, *entry)), "refused twice");
            assert!(*entry < sent.streams[refused.stream].entries.len());
        }
    }
    let _: Count = attribution.count();
}
