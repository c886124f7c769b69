//! The scripted Loki, behaviour by behaviour, over real connections.

use std::io::{Read as _, Write as _};

use proto::loki::decode::{Push, PushEntry, PushStream, encode_push};
use proto::time::UnixNanos;

use super::*;

const NOW: i64 = 1_709_210_096_000_000_000;

fn entry(nanos: i64, line: &str) -> PushEntry {
    PushEntry { time: UnixNanos(nanos), line: line.to_owned(), metadata: Vec::new() }
}

fn stream(labels: &str, entries: Vec<PushEntry>) -> PushStream {
    PushStream { labels: labels.to_owned(), entries }
}

fn encode(streams: Vec<PushStream>) -> Vec<u8> {
    let mut body = Vec::new();
    encode_push(&Push { streams }, &mut body);
    body
}

/// Pushes over a connection of its own; the status and the whole answer, or how the connection broke.
fn push(loki: &Loki, streams: Vec<PushStream>) -> Result<(u16, String), io::ErrorKind> {
    attempt(loki, streams).map_err(|error| error.kind())
}

fn attempt(loki: &Loki, streams: Vec<PushStream>) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect(loki.address)?;
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let body = encode(streams);
    write!(
        connection,
        "POST /loki/api/v1/push HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\nX-Scope-OrgID: one\r\n\r\n",
        body.len()
    )?;
    connection.write_all(&body)?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap();
    let length = head.split_once("Content-Length: ").map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut text = vec![0; length];
    connection.read_exact(&mut text)?;
    Ok((head[9..12].parse().unwrap(), head + &String::from_utf8(text).unwrap()))
}

fn status(loki: &Loki, nanos: i64, line: &str) -> Result<u16, io::ErrorKind> {
    push(loki, vec![stream("{a=\"b\"}", vec![entry(nanos, line)])]).map(|(status, _)| status)
}

#[test]
fn what_is_accepted_is_stored_and_on_record() {
    let loki = Loki::start();
    let mut with_metadata = entry(NOW, "one");
    with_metadata.metadata = vec![("k".to_owned(), "v".to_owned())];
    assert_eq!(push(&loki, vec![stream("{a=\"b\"}", vec![with_metadata.clone()])]).unwrap().0, 204);
    let stored = loki.stored_since(0);
    assert_eq!((stored[0].time, stored[0].line.as_str(), &*stored[0].stream), (NOW, "one", "{a=\"b\"}"));
    assert_eq!(stored[0].metadata, [("k".to_owned(), "v".to_owned())]);
    let request = &loki.requests()[0];
    assert_eq!((request.status, request.n_stored, request.tenant.as_deref()), (Some(204), 1, Some("one")));
    assert_eq!(*request.body, *encode(vec![stream("{a=\"b\"}", vec![with_metadata])]));
}

#[test]
fn an_entry_is_a_duplicate_only_with_the_same_time_text_and_metadata() {
    let loki = Loki::start();
    let mut other = entry(NOW, "one");
    other.metadata = vec![("k".to_owned(), "v".to_owned())];
    let entries = vec![entry(NOW, "one"), entry(NOW, "one"), entry(NOW + 1, "one"), entry(NOW, "two"), other];
    push(&loki, vec![stream("{a=\"b\"}", entries)]).unwrap();
    let ignored: Vec<bool> = loki.stored_since(0).iter().map(|delivery| delivery.is_ignored).collect();
    assert_eq!(ignored, [false, true, false, false, false]);
}

#[test]
fn a_duplicate_is_forgotten_when_the_head_block_is_cut() {
    let loki = Loki::start();
    let large = "x".repeat(200 << 10);
    for nanos in [NOW, NOW, NOW + 1, NOW] {
        assert_eq!(status(&loki, nanos, &large), Ok(204));
    }
    let ignored: Vec<bool> = loki.stored_since(0).iter().map(|delivery| delivery.is_ignored).collect();
    assert_eq!(ignored, [false, true, false, false]);
}

#[test]
fn what_is_too_far_behind_or_too_old_is_refused_and_the_rest_stored() {
    let loki = Loki::start();
    let hour = 3_600_000_000_000;
    assert_eq!(status(&loki, NOW, "new"), Ok(204));
    let entries = vec![entry(NOW - hour, "just in time"), entry(NOW - hour - 1, "late")];
    let (code, text) = push(&loki, vec![stream("{a=\"b\"}", entries)]).unwrap();
    assert_eq!(code, 400);
    assert!(text.contains("entry too far behind, entry timestamp is: 2024-02-29T11:34:55.999999999Z"), "{text}");
    assert!(text.ends_with("total ignored: 1 out of 2 for stream: {a=\"b\"}"), "{text}");
    assert_eq!((loki.n_stored(), loki.refused()[0].line.as_str()), (2, "late"));
    // Another stream has its own window, but age is everyone's.
    assert_eq!(push(&loki, vec![stream("{c=\"d\"}", vec![entry(NOW - 2 * hour, "x")])]).unwrap().0, 204);
    loki.reject_older_than(Duration::from_hours(7 * 24));
    let (code, text) = push(&loki, vec![stream("{e=\"f\"}", vec![entry(NOW, "x")])]).unwrap();
    assert!(code == 400 && text.contains("has timestamp too old"), "{text}");
}

#[test]
fn answers_are_given_as_told_and_store_nothing() {
    let loki = Loki::start();
    for code in [260, 401, 403, 404, 429, 500, 503] {
        loki.for_next(1, &Behaviour::Answer(Answer::of(code)));
        assert_eq!(status(&loki, NOW, "x"), Ok(code));
    }
    loki.for_next(1, &Behaviour::Answer(Answer::of(429).retry_after(3)));
    let (_, text) = push(&loki, vec![]).unwrap();
    assert!(text.contains("Retry-After: 3\r\n"), "{text}");
    assert_eq!(loki.n_stored(), 0);
    assert_eq!(status(&loki, NOW, "x"), Ok(204));
}

#[test]
fn an_answer_may_lie_about_what_was_stored() {
    let loki = Loki::start();
    loki.for_next(1, &Behaviour::StoreThenAnswer(Answer::of(500)));
    loki.for_next(1, &Behaviour::StoreThenReset);
    assert_eq!(status(&loki, NOW, "x"), Ok(500));
    assert_eq!(status(&loki, NOW + 1, "y"), Err(io::ErrorKind::ConnectionReset));
    assert_eq!(loki.n_stored(), 2);
    let statuses: Vec<Option<u16>> = loki.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(500), None]);
}

#[test]
fn a_body_may_be_cut_and_nothing_of_it_is_stored() {
    let loki = Loki::start();
    loki.for_next(1, &Behaviour::CutBody);
    let long: String = (0..1_000_000).map(|n: u32| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    // The client sees it while it writes or while it waits for the answer.
    let broken = status(&loki, NOW, &long);
    assert!(matches!(broken, Err(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)), "{broken:?}");
    assert_eq!(loki.n_stored(), 0);
    assert_eq!(loki.requests()[0].status, None);
    assert_eq!(status(&loki, NOW, "x"), Ok(204));
}

#[test]
fn a_slow_one_stores_before_it_answers() {
    let loki = Loki::start();
    loki.behave(Behaviour::AcceptAfter(Duration::from_millis(200)));
    let begin = Instant::now();
    assert_eq!(status(&loki, NOW, "x"), Ok(204));
    assert!(begin.elapsed() >= Duration::from_millis(200));
    assert!(loki.stored_since(0)[0].arrived < stamp::now_nanos() - 150_000_000);
}

#[test]
fn a_request_may_be_refused_whole_or_in_part() {
    let loki = Loki::start();
    let both = || vec![stream("{job=\"good\"}", vec![entry(NOW, "g")]), stream("{job=\"bad\"}", vec![entry(NOW, "b")])];
    loki.behave(Behaviour::RefuseLabels("bad".to_owned()));
    let (status, text) = push(&loki, both()).unwrap();
    assert!(status == 400 && text.contains("couldn't parse labels: "), "{text}");
    assert_eq!(loki.n_stored(), 0);
    loki.behave(Behaviour::RefuseEntries(|line| line == "b"));
    assert_eq!(push(&loki, both()).unwrap().0, 400);
    assert_eq!(loki.n_stored(), 1);
    loki.behave(Behaviour::StreamLimit("bad".to_owned()));
    let (status, text) = push(&loki, both()).unwrap();
    assert!(status == 429 && text.contains("Maximum active stream limit") && text.contains("bad"), "{text}");
    assert_eq!((loki.n_stored(), loki.refused().len()), (2, 1));
    loki.behave(Behaviour::BodyLimit(20));
    assert_eq!(push(&loki, both()).unwrap().0, 413);
    assert_eq!(push(&loki, vec![]).unwrap().0, 204);
}

#[test]
fn nobody_listens_and_then_somebody_does_at_the_same_address() {
    let mut loki = Loki::start_closed();
    let refused = TcpStream::connect(loki.address).map_err(|error| error.kind());
    assert_eq!(refused.map(drop), Err(io::ErrorKind::ConnectionRefused));
    loki.open();
    assert_eq!(status(&loki, NOW, "x"), Ok(204));
    loki.close();
    assert!(TcpStream::connect(loki.address).is_err());
}

#[test]
fn a_black_hole_takes_the_connection_and_reads_nothing() {
    let loki = Loki::start();
    loki.for_next(1, &Behaviour::BlackHole);
    let mut connection = TcpStream::connect(loki.address).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    connection.write_all(b"POST /loki/api/v1/push HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(connection.read(&mut [0]).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    assert_eq!(status(&loki, NOW, "x"), Ok(204));
    assert_eq!(loki.n_requests(), 1);
}

#[test]
fn what_is_no_push_is_refused() {
    let loki = Loki::start();
    let mut connection = TcpStream::connect(loki.address).unwrap();
    connection.write_all(b"POST /loki/api/v1/push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
}
