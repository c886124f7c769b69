//! The oracle is prost: the same request, encoded by the generated types, must be the same bytes.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::loki::wire;
use crate::snappy;

/// An entry to push: stream, time, line, metadata.
type Given = (usize, i64, String, Vec<(String, String)>);

fn push_all(builder: &mut PushBuilder, labels: &[String], entries: &[Given]) {
    let slots: Vec<StreamSlot> = labels.iter().map(|labels| builder.stream(labels)).collect();
    for (stream, time, line, metadata) in entries {
        builder.push(slots[*stream], UnixNanos(*time), line, &structured(metadata));
    }
}

fn structured(pairs: &[(String, String)]) -> StructuredMetadata {
    let mut metadata = StructuredMetadata::default();
    for (name, value) in pairs {
        metadata.push(name, value);
    }
    metadata
}

fn expected(labels: &[String], entries: &[Given]) -> Vec<u8> {
    let mut streams: Vec<wire::Stream> =
        labels.iter().map(|labels| wire::Stream { labels: labels.clone(), entries: Vec::new() }).collect();
    let mut entries = entries.to_vec();
    entries.sort_by_key(|(_, time, ..)| *time);
    for (stream, time, line, metadata) in entries {
        let timestamp = wire::Timestamp { seconds: time.div_euclid(1_000_000_000), nanos: time.rem_euclid(1_000_000_000) as i32 };
        let metadata =
            metadata.into_iter().map(|(name, value)| wire::LabelPair { name: name.into(), value: value.into() }).collect();
        streams[stream].entries.push(wire::Entry { timestamp: Some(timestamp), line: line.into(), metadata });
    }
    streams.retain(|stream| !stream.entries.is_empty());
    wire::PushRequest { streams }.encode_to_vec()
}

fn check(builder: &mut PushBuilder, labels: &[String], entries: &[Given]) {
    let expected = expected(labels, entries);
    push_all(builder, labels, entries);
    let mut body = Vec::new();
    builder.encode(&mut body);
    assert_eq!(snappy::decompress(&body, usize::MAX).unwrap(), expected);

    let n_streams = labels.iter().enumerate().filter(|(i, _)| entries.iter().any(|(stream, ..)| stream == i)).count();
    assert!((expected.len()..=expected.len() + 22 * n_streams).contains(&builder.len_bytes()));
    assert_eq!(builder.entries(), entries.len());
    assert_eq!(builder.is_empty(), entries.is_empty());

    let mut again = Vec::new();
    builder.encode(&mut again);
    assert_eq!(again, body, "encoding does not change the request");
}

fn given(n_streams: usize) -> impl Strategy<Value = Given> {
    let time = prop_oneof![any::<i64>(), Just(0), Just(-1), Just(i64::MIN), 0..5i64, Just(1_700_000_000_000_000_000)];
    let metadata = prop::collection::vec(("[a-z_.]{0,6}[a-z0-9]", any::<String>()), 0..3);
    (0..n_streams, time, any::<String>(), metadata)
}

fn request() -> impl Strategy<Value = (Vec<String>, Vec<Given>)> {
    (1..4usize).prop_flat_map(|n_streams| {
        (prop::collection::vec(any::<String>(), n_streams), prop::collection::vec(given(n_streams), 0..20))
    })
}

proptest! {
    #[test]
    fn a_request_equals_prosts(requests in prop::collection::vec((request(), any::<bool>()), 1..4)) {
        let mut builder = PushBuilder::new();
        for ((labels, entries), shrink) in requests {
            check(&mut builder, &labels, &entries);
            builder.clear();
            if shrink {
                builder.shrink(0);
            }
        }
    }
}

#[test]
fn a_request_of_many_blocks_equals_prosts() {
    const BASE: i64 = 1_700_000_000_000_000_000;
    let labels: Vec<String> = (0..50).map(|i| format!("{{pod=\"{i}\"}}")).collect();
    let entries: Vec<Given> = (0..20_000usize)
        .map(|i| (i * i % 50, BASE - i64::try_from(i * 7919 % 997).unwrap(), format!("line {i}"), vec![]))
        .collect();
    check(&mut PushBuilder::new(), &labels, &entries);
}

#[test]
fn equal_times_keep_their_order() {
    let entries: Vec<Given> = [5, 3, 5, 3, 4, 3].iter().enumerate().map(|(i, time)| (0, *time, i.to_string(), vec![])).collect();
    check(&mut PushBuilder::new(), &["{a=\"b\"}".to_owned()], &entries);
}

#[test]
fn nothing_is_allocated_once_the_buffers_are_warm() {
    let labels = ["{a=\"b\"}".to_owned(), "{a=\"c\"}".to_owned()];
    let entries: Vec<Given> =
        (0..1000).zip((0..1000).rev()).map(|(i, time)| (i % 2, time, "some line".to_owned(), vec![])).collect();
    let mut builder = PushBuilder::new();
    let capacities = |builder: &PushBuilder| -> Vec<usize> {
        let streams = builder.streams.iter().flat_map(|s| [s.labels.capacity(), s.entries.capacity()]);
        streams.chain([builder.in_order.capacity(), builder.compressor.capacity()]).collect()
    };
    let mut body = Vec::new();
    push_all(&mut builder, &labels, &entries);
    builder.encode(&mut body);
    let (warm, body_capacity) = (capacities(&builder), body.capacity());
    for _ in 0..3 {
        builder.clear();
        push_all(&mut builder, &labels, &entries);
        builder.encode(&mut body);
        assert_eq!(capacities(&builder), warm);
        assert_eq!(body.capacity(), body_capacity);
    }
}

#[test]
fn memory_of_a_burst_is_given_back_and_the_request_under_way_stays() {
    let mut builder = PushBuilder::new();
    let labels: Vec<String> = (0..100).map(|i| format!("{{pod=\"{i}\"}}")).collect();
    let entries: Vec<Given> = (0..10_000).map(|i| (i % 100, 1, "x".repeat(100), vec![])).collect();
    push_all(&mut builder, &labels, &entries);
    builder.clear();
    check(&mut builder, &labels[..2], &entries[..2]);
    builder.shrink(10_000);
    let held: usize = builder.streams.iter().map(|s| s.labels.capacity() + s.entries.capacity()).sum();
    assert!(held < 10_500, "{held}");
    let mut body = Vec::new();
    builder.encode(&mut body);
    assert_eq!(snappy::decompress(&body, usize::MAX).unwrap(), expected(&labels[..2], &entries[..2]));
}
