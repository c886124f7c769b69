//! Proof that the book finds what it is for: a perfect shipper leaves it clean, and each way to fail shows up by name.

use std::fs;

use super::*;
use crate::log_file::LogFile;

const RUN: u32 = 5;
const SHAPE: Shape = Shape::Audit;
const N_LINES: u64 = 20;

/// Reads the file and delivers every line once, with the time that it states.
fn shipped() -> Vec<Delivery> {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogFile::create(&dir.path().join("audit.log"), SHAPE, RUN, 1);
    log.append(N_LINES);
    let text = fs::read_to_string(log.path()).unwrap();
    let delivery = |line: &str| {
        let time = line::parse(line).unwrap().nanos;
        let metadata = vec![("verb".to_owned(), "get".to_owned())];
        let line = line.to_owned();
        Delivery { stream: "{job=\"a\"}".into(), time, line, metadata, arrived: time + 5_000_000, is_ignored: false }
    };
    text.lines().map(delivery).collect()
}

fn judge(deliveries: Vec<Delivery>) -> Verdict {
    let mut book = Book::new(RUN);
    book.expect_shape(1, SHAPE);
    for delivery in deliveries {
        book.take(Arc::new(delivery));
    }
    book.verdict(&[(1, N_LINES)])
}

/// Makes one thing wrong, and says what the book finds.
fn found(spoil: impl FnOnce(&mut Vec<Delivery>)) -> String {
    let mut deliveries = shipped();
    spoil(&mut deliveries);
    let verdict = judge(deliveries);
    assert!(!verdict.is_whole(1), "nothing was found: {verdict:#}");
    format!("{verdict:#}")
}

#[test]
fn a_perfect_shipper_leaves_the_book_clean() {
    let verdict = judge(shipped());
    verdict.assert_whole(0);
    assert_eq!(verdict.to_string(), "0 lost, 20 stored, 0 repeats (0 visible), 0 violations");
}

#[test]
fn equal_repeats_are_counted_and_no_violation() {
    let mut deliveries = shipped();
    let again: Vec<Delivery> = deliveries[5..8].iter().cloned().map(|d| Delivery { is_ignored: true, ..d }).collect();
    deliveries.splice(10..10, again);
    let verdict = judge(deliveries);
    verdict.assert_whole(3);
    assert_eq!((verdict.n_repeats, verdict.n_visible_repeats), (3, 0));
    assert!(!verdict.is_whole(2));
}

#[test]
fn lost_lines_are_found_at_the_begin_inside_and_at_the_end() {
    let text = found(|deliveries| {
        deliveries.remove(0);
        deliveries.drain(4..7);
        deliveries.pop();
    });
    assert!(text.starts_with("5 lost, 15 stored"), "{text}");
    for range in ["0 to 0", "5 to 7", "19 to 19"] {
        assert!(text.contains(&format!("lost: writer 1, {range}")), "{text}");
    }
    assert!(found(Vec::clear).starts_with("20 lost, 0 stored"));
}

#[test]
fn a_fresh_line_before_a_backlog_is_found() {
    let text = found(|deliveries| deliveries.swap(5, 12));
    assert!(text.contains("order") && text.contains("writer 1 line 6 came after 12"), "{text}");
}

#[test]
fn a_time_that_goes_back_or_is_not_the_record_s_is_found() {
    assert!(found(|deliveries| deliveries[5].time -= 60_000_000_000).contains("wrong time"));
    // A raw line states no time; there, going back is what can be seen.
    let mut book = Book::new(RUN);
    for (idx, mut delivery) in shipped().into_iter().enumerate() {
        delivery.time = if idx == 5 { 1 } else { 2 };
        book.take(Arc::new(delivery));
    }
    assert!(format!("{:#}", book.verdict(&[(1, N_LINES)])).contains("line 5: time 1 came after 2"));
}

#[test]
fn a_repeat_that_differs_in_anything_is_found() {
    let again = |change: fn(&mut Delivery)| {
        found(move |deliveries| {
            let mut repeat = deliveries[3].clone();
            change(&mut repeat);
            deliveries.push(repeat);
        })
    };
    // 1 ns is within the microsecond that the event states, and still another entry to Loki.
    assert!(again(|repeat| repeat.time += 1).contains("changed repeat"));
    assert!(again(|repeat| repeat.stream = "{job=\"b\"}".into()).contains("changed repeat"));
    assert!(again(|repeat| repeat.metadata.clear()).contains("changed repeat"));
    assert!(again(|repeat| repeat.line = repeat.line.replace("payments", "pavments")).contains("changed text"));
}

#[test]
fn changed_and_invented_lines_are_found() {
    let text = found(|deliveries| deliveries[3].line = deliveries[3].line.replace("payments", "pavments"));
    assert!(text.starts_with("1 lost, 19 stored") && text.contains("changed text"), "{text}");
    assert!(found(|deliveries| deliveries[3].line.truncate(30)).contains("nobody wrote"));
    let text = found(|deliveries| {
        let mut out = Vec::new();
        SHAPE.append(Mark { run: RUN, writer: 1, seq: N_LINES, nanos: deliveries[19].time + 1000 }, &mut out);
        let line = String::from_utf8(out).unwrap().trim_end().to_owned();
        deliveries.push(Delivery { line, time: deliveries[19].time + 1000, ..deliveries[19].clone() });
    });
    assert!(text.contains("writer 1 wrote 20 lines and 21 are here"), "{text}");
}

#[test]
fn a_line_of_another_run_is_nobody_s() {
    let deliveries = shipped();
    let mut book = Book::new(RUN + 1);
    book.take(Arc::new(deliveries[0].clone()));
    assert!(format!("{:#}", book.verdict(&[])).contains("nobody wrote"));
}

#[test]
fn a_writer_that_changes_its_stream_is_found() {
    assert!(found(|deliveries| deliveries[9].stream = "{job=\"b\"}".into()).contains("other stream"));
}

#[test]
fn delays_are_from_the_writing_to_the_first_arrival() {
    let mut book = Book::new(RUN);
    for delivery in shipped() {
        book.take(Arc::new(delivery));
    }
    assert_eq!(book.delay_ms(), (5, 5));
}
