//! Bodies in each form, read back; and splits, which must lose nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use proptest::prelude::*;

use super::*;

const JSON: &str = r#"{"streams":[
    {"stream":{"job":"a","app":"q\"x"},"values":[["1700000000000000001","hello\nworld"],["-5","",{"user":"u","b":""}], null]},
    {"stream":{},"values":null, "more": 1}]}"#;

fn entry(time: i64, line: &str, metadata: &[(&str, &str)]) -> PushEntry {
    let metadata = metadata.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    PushEntry { time: UnixNanos(time), line: line.to_owned(), metadata }
}

fn sample() -> Push {
    let entries = vec![entry(1_700_000_000_000_000_001, "hello\nworld", &[]), entry(-5, "", &[("b", ""), ("user", "u")])];
    let first = PushStream { labels: r#"{app="q\"x", job="a"}"#.to_owned(), entries };
    Push { streams: vec![first, PushStream { labels: "{}".to_owned(), entries: vec![] }] }
}

fn snappy_of(request: &wire::PushRequest) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
}

fn at(timestamp: Option<wire::Timestamp>) -> Vec<u8> {
    let entries = vec![wire::Entry { timestamp, ..Default::default() }];
    snappy_of(&wire::PushRequest { streams: vec![wire::Stream { entries, ..Default::default() }] })
}

#[test]
fn json_is_read_as_loki_reads_it() {
    assert_eq!(decode_json(JSON.as_bytes()).unwrap(), sample());
    assert_eq!(decode_json(b"{}").unwrap(), Push::default());
    for broken in [
        "",
        "[]",
        r#"{"streams":[{"stream":{"a":1},"values":[]}]}"#,
        r#"{"streams":[{"values":[[1,"number"]]}]}"#,
        r#"{"streams":[{"values":[["1","l",{"nested":{}}]]}]}"#,
    ] {
        assert!(matches!(decode_json(broken.as_bytes()), Err(DecodeError::Json(_))), "{broken}");
    }
    let time = r#"{"streams":[{"values":[["1.5","l"]]}]}"#;
    assert!(matches!(decode_json(time.as_bytes()), Err(DecodeError::Time(_))));
}

#[test]
fn what_is_no_utf8_is_replaced_and_takes_nothing_else_with_it() {
    let time = Some(wire::Timestamp { seconds: 1, nanos: 0 });
    let good = wire::Entry { timestamp: time, line: b"good".to_vec(), metadata: Vec::new() };
    let metadata = vec![wire::LabelPair { name: b"k".to_vec(), value: b"\xff".to_vec() }];
    let spoilt = wire::Entry { line: b"a\xff\xfeb".to_vec(), metadata, ..good.clone() };
    let stream = wire::Stream { labels: r#"{a="b"}"#.to_owned(), entries: vec![good, spoilt] };
    let push = decode_protobuf(&snappy_of(&wire::PushRequest { streams: vec![stream] }), 1000).unwrap();
    let at = 1_000_000_000;
    assert_eq!(push.streams[0].entries, [entry(at, "good", &[]), entry(at, "a\u{fffd}\u{fffd}b", &[("k", "\u{fffd}")])]);
    let json = b"{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1000000000\",\"a\xff\xfeb\"]]}]}";
    assert_eq!(decode_json(json).unwrap().streams[0].entries, [entry(at, "a\u{fffd}\u{fffd}b", &[])]);
}

#[test]
fn a_label_that_no_query_could_name_is_refused() {
    for name in ["a-b", "1a", ""] {
        let json = format!(r#"{{"streams":[{{"stream":{{"{name}":"x"}},"values":[]}}]}}"#);
        assert!(matches!(decode_json(json.as_bytes()), Err(DecodeError::LabelName(_))), "{name}");
    }
}

#[test]
fn headers_say_how_a_body_is_read() {
    let json = Some("application/json; charset=utf-8");
    let protobuf = Some("application/x-protobuf");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(JSON.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut body = Vec::new();
    let push = decode_json(JSON.as_bytes()).unwrap();
    encode_push(&push, &mut body);
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(&body).unwrap();
    let deflate = deflate.finish().unwrap();

    assert_eq!(decode(json, None, JSON.as_bytes(), 1000).unwrap(), push);
    assert_eq!(decode(json, Some("gzip"), &gzip, 1000).unwrap(), push);
    let sorted = decode(protobuf, Some("snappy"), &body, 1000).unwrap();
    assert_eq!(sorted.streams.len(), 1, "a stream without entries is not sent");
    assert_eq!(sorted.streams[0].entries[0].time, UnixNanos(-5), "entries are sent in the order of their times");
    assert_eq!(decode(protobuf, Some("deflate"), &deflate, 1000).unwrap(), sorted);

    assert!(matches!(decode(None, None, &body, 1000), Err(DecodeError::ContentType)));
    assert!(matches!(decode(Some("json"), None, &body, 1000), Err(DecodeError::ContentType)));
    assert!(matches!(decode(protobuf, Some("zstd"), &body, 1000), Err(DecodeError::ContentEncoding(_))));
    assert!(matches!(decode(protobuf, Some("gzip"), &body, 1000), Err(DecodeError::Compression(_))));
    assert!(matches!(
        decode(protobuf, None, JSON.as_bytes(), 1000),
        Err(DecodeError::TooLarge { .. } | DecodeError::Compression(_))
    ));
    for (content_type, encoding, body) in [
        (json, None, JSON.as_bytes()),
        (json, Some("gzip"), &gzip),
        (protobuf, None, &body),
        (protobuf, Some("deflate"), &deflate),
    ] {
        assert!(matches!(decode(content_type, encoding, body, 20), Err(DecodeError::TooLarge { limit: 20 })));
    }
}

#[test]
fn times_that_cannot_be_held_are_refused() {
    for (seconds, nanos, time) in [
        (0, 0, Some(0)),
        (-1, 999_999_999, Some(-1)),
        (i64::MAX / 1_000_000_000, 854_775_807, Some(i64::MAX)),
        (i64::MAX / 1_000_000_000, 854_775_808, None),
        (i64::MIN, 0, None),
        (0, -1, None),
        (0, 1_000_000_000, None),
    ] {
        let push = decode_protobuf(&at(Some(wire::Timestamp { seconds, nanos })), 1000);
        assert_eq!(push.ok().map(|push| push.streams[0].entries[0].time.0), time, "{seconds} {nanos}");
    }
    assert!(matches!(decode_protobuf(&at(None), 1000), Err(DecodeError::Time(_))));
}

fn pushes() -> impl Strategy<Value = Push> {
    let pair = ("[a-z]{1,3}", any::<String>());
    let entry = (any::<i64>(), any::<String>(), prop::collection::vec(pair, 0..3)).prop_map(|(time, line, metadata)| PushEntry {
        time: UnixNanos(time),
        line,
        metadata,
    });
    let stream =
        (any::<String>(), prop::collection::vec(entry, 0..5)).prop_map(|(labels, entries)| PushStream { labels, entries });
    prop::collection::vec(stream, 0..4).prop_map(|streams| Push { streams })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(push in pushes()) {
        let mut body = Vec::new();
        encode_push(&push, &mut body);
        let mut expected = push;
        expected.streams.retain(|stream| !stream.entries.is_empty());
        for stream in &mut expected.streams {
            stream.entries.sort_by_key(|entry| entry.time);
        }
        prop_assert_eq!(decode_protobuf(&body, usize::MAX).unwrap(), expected);
    }

    #[test]
    fn splits_lose_nothing(push in pushes()) {
        let streams: Vec<PushStream> = push.clone().split_by_stream().into_iter().flat_map(|push| push.streams).collect();
        prop_assert_eq!(&streams, &push.streams);

        let all: Vec<(String, PushEntry)> = entries_of(&push);
        match push.clone().halve() {
            Halved::Single(single) => {
                prop_assert!(push.entries() <= 1);
                prop_assert_eq!(single, push);
            }
            Halved::Two(first, second) => {
                prop_assert_eq!(first.entries(), push.entries() / 2);
                prop_assert_eq!([entries_of(&first), entries_of(&second)].concat(), all);
            }
        }
    }
}

fn entries_of(push: &Push) -> Vec<(String, PushEntry)> {
    push.streams.iter().flat_map(|s| s.entries.iter().map(|entry| (s.labels.clone(), entry.clone()))).collect()
}
