//! Requests, the texts that Loki answers them with, and, where recorded, what was really lost.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use expect_test::expect_file;

use super::*;
use crate::loki::answer::{Answer, read_answer};
use crate::loki::decode::decode_json;
use crate::time::UnixNanos;

/// 2026-11-16T00:30:15Z.
const T: i64 = 1_794_789_015 * SECOND;

fn stream(labels: &str, entries: &[(i64, usize)]) -> PushStream {
    let entry = |(time, len): &(i64, usize)| PushEntry { time: UnixNanos(*time), line: "x".repeat(*len), metadata: Vec::new() };
    PushStream { labels: labels.to_owned(), entries: entries.iter().map(entry).collect() }
}

fn check(push: &[PushStream], body: &str, refused: &[(usize, Reason, Count, &[usize])], complete: bool) {
    let Answer::Partly { rejected } = read_answer(400, None, body, UnixNanos(0)) else { panic!("not about entries: {body}") };
    let attribution = attribute(&rejected, &Push { streams: push.to_vec() });
    let found: Vec<(usize, Reason, Count, &[usize])> =
        attribution.refused.iter().map(|r| (r.stream, r.reason, r.count, r.entries.as_slice())).collect();
    assert_eq!(found, refused, "{body}");
    assert_eq!(attribution.complete, complete);
}

fn too_old(stream: &str, time: &str) -> String {
    format!("entry for stream '{stream}' has timestamp too old: {time}, oldest acceptable timestamp is: 2026-11-16T00:30:16Z")
}

#[test]
fn entries_at_the_limit_are_told_apart_within_their_second() {
    let push = [
        stream(r#"{job="a"}"#, &[(T, 1), (T + SECOND + 1, 1), (T + SECOND + 2, 1), (T + SECOND + 3, 1)]),
        stream(r#"{job="b"}"#, &[(T, 1)]),
    ];
    let named = r#"{job="a", service_name="a"}"#;
    let body = format!(
        "2 errors like: {}; 1 errors like: {}\n",
        too_old(named, "2026-11-16T01:30:16+01:00"),
        too_old(named, "2026-11-16T00:30:15Z")
    );
    let expected: [(usize, Reason, Count, &[usize]); 2] =
        [(0, Reason::TooOld, Count::Exact(2), &[1, 2]), (0, Reason::TooOld, Count::Exact(1), &[0])];
    check(&push, &body, &expected, true);
}

#[test]
fn an_entry_that_breaks_two_rules_is_counted_for_the_first() {
    let push = [stream(r#"{job="a"}"#, &[(T, 9), (T + 9 * SECOND, 9), (T + 9 * SECOND, 8)])];
    let named = r#"{job="a", service_name="a"}"#;
    let body = format!(
        "1 errors like: max entry size '7' bytes exceeded for stream '{named}' while adding an entry with length '9' bytes; \
         1 errors like: {}\n",
        too_old(named, "2026-11-16T00:30:15Z")
    );
    let expected: [(usize, Reason, Count, &[usize]); 2] =
        [(0, Reason::TooOld, Count::Exact(1), &[0]), (0, Reason::LineTooLong, Count::Exact(1), &[1])];
    check(&push, &body, &expected, true);
}

#[test]
fn a_stream_that_is_refused_loses_all_its_entries() {
    let push = [stream(r#"{job="a"}"#, &[(T, 1)]), stream(r#"{b="", job="b"}"#, &[(T, 1), (T, 2)])];
    let body = "entry for stream '{job=\"b\", service_name=\"b\"}' has 16 label names; limit 15\n";
    check(&push, body, &[(1, Reason::Labels, Count::Exact(2), &[0, 1])], true);
}

fn listed(n: usize, total: usize, of: usize, stream: &str) -> String {
    let line = |i| {
        format!(
            "entry with timestamp 2026-11-16 00:30:15.{i:09} +0000 UTC ignored, reason: 'entry too far behind, entry \
             timestamp is: 2026-11-16T00:30:15Z, oldest acceptable timestamp is: 2026-11-16T01:30:15Z',\n"
        )
    };
    let lines: String = (0..n).map(line).collect();
    format!("{lines}user 'fake', total ignored: {total} out of {of} for stream: {stream}\n")
}

#[test]
fn a_list_of_ten_goes_on_in_the_order_of_times() {
    // Sent in any order here; on the wire they are sorted.
    let times: Vec<(i64, usize)> = [T + 9999].into_iter().chain((0..13).rev().map(|i| T + i)).map(|t| (t, 1)).collect();
    let push = [stream(r#"{job="z"}"#, &[(T, 1)]), stream(r#"{job="a"}"#, &times)];
    let named = r#"{job="a", service_name="a"}"#;
    let all_but_the_first: Vec<usize> = (1..14).collect();
    check(&push, &listed(10, 13, 14, named), &[(1, Reason::TooFarBehind, Count::Exact(13), &all_but_the_first)], false);

    // Nine of the stream's entries did not even reach the ingester.
    let expected: [(usize, Reason, Count, &[usize]); 2] =
        [(1, Reason::TooFarBehind, Count::Exact(3), &[11, 12, 13]), (1, Reason::Other, Count::Exact(9), &[])];
    check(&push, &listed(3, 3, 5, named), &expected, false);

    // A shard of the stream: others may have lost entries, too.
    let shard = r#"{__stream_shard__="1", job="a", service_name="a"}"#;
    check(&push, &listed(3, 3, 5, shard), &[(1, Reason::TooFarBehind, Count::AtLeast(3), &[11, 12, 13])], false);
}

#[test]
fn streams_that_were_not_sent_are_kept_apart() {
    let push = Push { streams: vec![stream(r#"{job="a"}"#, &[(T, 1)]), stream("no labels", &[(T, 1)])] };
    let body = too_old(r#"{job="other"}"#, "2026-11-16T00:30:15Z");
    let Answer::Partly { rejected } = read_answer(400, None, &body, UnixNanos(0)) else { panic!() };
    let attribution = attribute(&rejected, &push);
    assert_eq!((attribution.refused.len(), attribution.unmatched.len(), attribution.complete), (0, 1, false));
    assert_eq!(attribution.count(), Count::AtLeast(1));
}

#[test]
fn labels_that_loki_adds_do_not_make_another_stream() {
    for (sent, named, same) in [
        (r#"{job="a"}"#, r#"{job="a", service_name="a"}"#, true),
        (r#"{job="a"}"#, r#"{__stream_shard__="3", job="a", service_name="a"}"#, true),
        (r#"{job="a", x=""}"#, r#"{job="a"}"#, true),
        (r#"{job="a", service_name="x"}"#, r#"{job="a", service_name="a"}"#, false),
        (r#"{job="a"}"#, r#"{job="a", pod="b"}"#, false),
        (r#"{job="a", pod="b"}"#, r#"{job="a"}"#, false),
        ("{", "{", false),
    ] {
        assert_eq!(same_stream(sent, named), same, "{sent} {named}");
    }
}

/// Walks `fixtures/proto/loki-attribution`.
#[test]
fn nothing_that_was_stored_is_said_to_be_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/proto/loki-attribution");
    let mut n_cases = 0;
    for case in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        n_cases += 1;
        let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap();
        let sent = decode_json(read("sent.json").as_bytes()).unwrap();
        let lost: BTreeSet<(usize, usize)> = read("lost.txt")
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(stream, entry)| (stream.parse().unwrap(), entry.parse().unwrap()))
            .collect();
        let Answer::Partly { rejected } = read_answer(400, None, &read("body.txt"), UnixNanos(0)) else { panic!() };
        let attribution = attribute(&rejected, &sent);

        let told: BTreeSet<(usize, usize)> =
            attribution.refused.iter().flat_map(|r| r.entries.iter().map(|entry| (r.stream, *entry))).collect();
        assert!(told.is_subset(&lost), "{}: stored: {:?}", case.display(), told.difference(&lost));
        let mut text = format!("complete: {}, {:?} of {} lost\n", attribution.complete, attribution.count(), lost.len());
        for Refused { stream, reason, count, entries } in &attribution.refused {
            writeln!(text, "stream {stream}: {reason}, {count:?}: {entries:?}").unwrap();
        }
        writeln!(text, "lost and not told which: {:?}", lost.difference(&told).collect::<Vec<_>>()).unwrap();
        expect_file![case.join("expected.txt")].assert_eq(&text);
    }
    assert!(n_cases >= 4, "{n_cases} cases");
}
