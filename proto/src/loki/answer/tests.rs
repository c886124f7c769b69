//! Walks `fixtures/proto/loki-answers`: a status, a body as Loki sent it, and how it is understood.

use std::path::Path;

use expect_test::expect_file;

use super::*;

/// 2026-11-24T00:30:15Z.
const NOW: UnixNanos = UnixNanos(1_795_480_215_000_000_000);

#[test]
fn answers_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/proto/loki-answers");
    let mut cases: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() > 20, "found only {} cases in {}", cases.len(), folder.display());
    for case in cases {
        let status = std::fs::read_to_string(case.join("status")).unwrap().trim().parse().unwrap();
        let body = std::fs::read_to_string(case.join("body.txt")).unwrap();
        expect_file![case.join("expected.txt")].assert_eq(&describe(&read_answer(status, None, &body, NOW)));
    }
}

/// One fact a line.
fn describe(answer: &Answer) -> String {
    let Answer::Partly { rejected } = answer else { return format!("{answer:?}\n") };
    let first = format!("Partly, {}\n", if rejected.complete { "complete" } else { "more may be refused" });
    let groups = rejected.groups.iter().map(|Rejection { reason, stream, count, which }| {
        let stream = stream.as_ref().map_or("no stream named".to_owned(), ToString::to_string);
        format!("{reason}: {count:?} of {stream}: {which:?}\n")
    });
    std::iter::once(first).chain(groups).collect()
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    for (value, seconds) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("Tue, 24 Nov 2026 00:31:15 GMT", Some(60)),
        ("Tue, 24 Nov 2026 00:29:15 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
        ("", None),
    ] {
        let after = seconds.map(Duration::from_secs);
        let answer = read_answer(429, Some(value), "", NOW);
        assert_eq!(answer, Answer::Later { after, reason: "429: ".to_owned() }, "{value}");
        let answer = read_answer(503, Some(value), "", NOW);
        assert_eq!(answer, Answer::Unknown { after, reason: "503: ".to_owned() }, "{value}");
    }
}

#[test]
fn statuses_without_a_telling_body_have_a_meaning() {
    let held = |status: u16| matches!(read_answer(status, None, "", NOW), Answer::Held { .. });
    for status in [0, 100, 201, 206, 260, 301, 302, 400, 401, 403, 404, 405, 407, 410, 418, 451, 499, 501] {
        assert!(held(status), "{status}");
    }
    for status in [408, 500, 502, 503, 504, 520, 599, 999] {
        assert!(matches!(read_answer(status, None, "", NOW), Answer::Unknown { .. }), "{status}");
    }
    assert_eq!(read_answer(204, None, "", NOW), Answer::Stored);
    assert_eq!(read_answer(413, None, "<html>", NOW), Answer::TooLarge);
}

#[test]
fn a_reason_is_one_short_line() {
    let Answer::Held { reason } = read_answer(404, None, &format!("a\nb\t{}", "ä".repeat(1000)), NOW) else { panic!() };
    assert!(reason.starts_with("404: a b ä"));
    assert!(reason.len() < 530 && reason.ends_with("ä…"));
}

#[test]
fn a_page_of_a_proxy_never_costs_an_entry() {
    let page = |title: &str| format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<hr>nginx\r\n</body></html>");
    let read = |status: u16| read_answer(status, None, &page(&format!("{status} A Page")), NOW);
    for status in (200..600).filter(|status| ![204, 413].contains(status)) {
        match (status, read(status)) {
            (429, Answer::Later { reason, .. })
            | (408 | 500 | 502.., Answer::Unknown { reason, .. })
            | (_, Answer::Held { reason }) => {
                assert_eq!(reason, format!("{status}: A Page (an HTML page: of a proxy, or of something that is no Loki)"));
            }
            (_, other) => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!(read(413), Answer::TooLarge);
    assert_eq!(
        read_answer(422, None, "{\"error\": \"unprocessable\"}", NOW),
        Answer::Held { reason: "422: {\"error\": \"unprocessable\"}".to_owned() }
    );
}
