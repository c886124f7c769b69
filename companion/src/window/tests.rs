//! The window over time: order, duplicates, bounds, and what an entry costs.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;
const HOUR: Duration = Duration::from_hours(1);

fn stream(job: &str) -> LabelSet {
    [("job", job)].into_iter().collect()
}

fn push(window: &mut Window, job: &str, time: i64, line: &str) -> Kept {
    let entry = Entry { time: UnixNanos(time), line, metadata: &[] };
    window.push(&stream(job), entry, UnixNanos(time))
}

fn lines(selection: &Selection) -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    selection.visit(|_, entry| {
        lines.push((entry.time.0, entry.line.to_owned()));
        ControlFlow::Continue(())
    });
    lines
}

fn all(window: &Window) -> Vec<(i64, String)> {
    lines(&window.select(|_| true, UnixNanos(i64::MIN), UnixNanos(i64::MAX)))
}

#[test]
fn entries_go_to_their_place_and_the_same_one_is_kept_once() {
    let mut window = Window::new(HOUR, 1 << 20);
    assert_eq!(push(&mut window, "a", 3, "three"), Kept::New);
    assert_eq!(push(&mut window, "a", 1, "one"), Kept::New);
    assert_eq!(push(&mut window, "a", 3, "three"), Kept::Known);
    assert_eq!(push(&mut window, "a", 3, "also three"), Kept::New);
    assert_eq!(push(&mut window, "b", 3, "three"), Kept::New);
    let metadata = [("verb".to_owned(), "get".to_owned())];
    let entry = Entry { time: UnixNanos(3), line: "three", metadata: &metadata };
    assert_eq!(window.push(&stream("a"), entry, UnixNanos(3)), Kept::New, "other metadata, another entry");
    let found = lines(&window.select(|labels| labels.get("job") == Some("a"), UnixNanos(2), UnixNanos(3)));
    let words: Vec<&str> = found.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(words, ["three", "also three", "three"]);
    assert_eq!((window.measure().entries, window.measure().known, window.measure().streams), (5, 1, 2));
}

#[test]
fn a_late_entry_is_known_again_after_its_block_was_closed() {
    let mut window = Window::new(HOUR, 64 << 20);
    for second in 0..4000 {
        push(&mut window, "a", 2 * second * SECOND, &format!("{second} {}", "x".repeat(100)));
    }
    assert_eq!(push(&mut window, "a", 101 * SECOND, "late"), Kept::New);
    for second in [0, 50, 3999] {
        assert_eq!(push(&mut window, "a", 2 * second * SECOND, &format!("{second} {}", "x".repeat(100))), Kept::Known);
    }
    let found = lines(&window.select(|_| true, UnixNanos(100 * SECOND), UnixNanos(102 * SECOND)));
    assert_eq!(found.iter().map(|(_, line)| line.len()).collect::<Vec<_>>(), [103, 4, 103]);
}

#[test]
fn what_is_older_than_the_span_goes_and_does_not_come_back() {
    let mut window = Window::new(HOUR, 1 << 20);
    push(&mut window, "old", 0, "gone");
    push(&mut window, "new", 3000 * SECOND, "here");
    window.advance(UnixNanos(3700 * SECOND));
    assert_eq!(all(&window), [(3000 * SECOND, "here".to_owned())]);
    assert_eq!(window.measure().streams, 1, "a stream goes with its last block");
    assert_eq!(push(&mut window, "old", 0, "gone"), Kept::TooOld);
    assert_eq!((window.measure().too_old, window.measure().given_up), (1, 0));
}

#[test]
fn above_the_limit_the_oldest_go_first_and_are_counted() {
    let limit = 256 << 10;
    let mut window = Window::new(HOUR, limit);
    let mut state = 1_u64;
    for second in 0..4000 {
        // What does not compress.
        let line = (0..32).fold(String::new(), |line, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            line + &format!("{:016x}", state ^ (state >> 29))
        });
        push(&mut window, if second % 2 == 0 { "even" } else { "odd" }, second * SECOND, &line);
        assert!(window.measure().bytes <= limit, "{:?}", window.measure());
    }
    let measure = window.measure();
    let kept = all(&window);
    assert_eq!(measure.given_up + measure.entries, 4000);
    assert_eq!(measure.entries as usize, kept.len());
    let oldest = kept.iter().map(|(time, _)| *time).min().expect("some");
    // Up to a block of each stream.
    assert!(oldest >= (measure.given_up as i64 - 300) * SECOND, "{oldest} {measure:?}");
}

#[test]
fn many_small_streams_stay_within_the_limit_too() {
    let limit = 1 << 20;
    let mut window = Window::new(HOUR, limit);
    for number in 0..5000 {
        push(&mut window, &format!("job-{number}"), number, &"y".repeat(500));
        assert!(window.measure().bytes <= limit, "{:?}", window.measure());
    }
    assert!(window.measure().streams > 500, "{:?}", window.measure());
}

#[test]
fn a_selection_is_not_touched_by_what_comes_later() {
    let mut window = Window::new(HOUR, 1 << 20);
    push(&mut window, "a", 1, "one");
    let selection = window.select(|_| true, UnixNanos(0), UnixNanos(10));
    push(&mut window, "a", 2, "two");
    window.advance(UnixNanos(i64::MAX));
    assert_eq!(lines(&selection), [(1, "one".to_owned())]);
    assert_eq!(all(&window), []);
}

/// The figure of the module's documentation: real events, an hour of 50 a second.
#[test]
fn an_hour_of_audit_events_takes_a_fraction_of_its_lines() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/kube-audit/synthesized");
    let Ok(folder) = std::fs::read_dir(&data) else {
        eprintln!("SKIPPED an_hour_of_audit_events_takes_a_fraction_of_its_lines: no {}", data.display());
        return;
    };
    let logs =
        folder.filter_map(|file| Some(file.ok()?.path())).filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    let text: String = logs.map(|path| std::fs::read_to_string(path).expect("UTF-8")).collect();
    let events: Vec<&str> = text.lines().filter(|line| line.len() > 400).collect();
    let mut window = Window::new(HOUR, 512 << 20);
    let count: i64 = 20_000;
    for number in 0..count {
        let event = events[usize::try_from(number).expect("a count") % events.len()];
        // No two events have the same identity.
        let id = format!("\"auditID\":\"{:08x}-{:04x}", (number * 0x9e37_79b9) & 0xffff_ffff, number & 0xffff);
        let line = event.replacen("\"auditID\":\"", &id, 1);
        assert_eq!(push(&mut window, "kubernetes-audit", number * SECOND / 50, &line), Kept::New);
    }
    let measure = window.measure();
    let (line, held) = (measure.line_bytes / measure.entries, measure.bytes as u64 / measure.entries);
    eprintln!("{line} bytes a line, {held} bytes held: {} MB for 180,000 lines", held * 180_000 / 1_000_000);
    assert!(held * 3 < line, "{held} of {line} bytes");
}

proptest! {
    #[test]
    fn whatever_the_order_reading_gives_each_once_and_sorted(
        entries in prop::collection::vec((0_i64..200, "[a-c]{0,3}", prop::collection::vec(("[a-b]", "[a-b]{0,2}"), 0..3)), 0..300),
        closed_after in prop::collection::vec(0_usize..300, 0..4),
        from in 0_i64..200,
        to in 0_i64..200,
    ) {
        let mut window = Window::new(HOUR, 64 << 20);
        let mut expected = Vec::new();
        for (place, (time, line, metadata)) in entries.iter().enumerate() {
            let is_new = !expected.contains(&(*time, line.clone(), metadata.clone()));
            let kept = window.push(&stream("a"), Entry { time: UnixNanos(*time), line, metadata }, UnixNanos(0));
            prop_assert_eq!(kept == Kept::New, is_new);
            if is_new {
                expected.push((*time, line.clone(), metadata.clone()));
            }
            if closed_after.contains(&place) {
                window.close(&stream("a"));
            }
        }
        expected.retain(|(time, _, _)| (from..=to).contains(time));
        expected.sort_by_key(|(time, _, _)| *time);
        let selection = window.select(|_| true, UnixNanos(from), UnixNanos(to));
        let mut found = Vec::new();
        selection.visit(|_, entry| {
            found.push((entry.time.0, entry.line.to_owned(), entry.metadata.to_vec()));
            ControlFlow::Continue(())
        });
        let mut backward = Vec::new();
        selection.visit_stream(0, Order::Backward, |entry| {
            backward.push((entry.time.0, entry.line.to_owned(), entry.metadata.to_vec()));
            ControlFlow::Continue(())
        });
        backward.reverse();
        prop_assert_eq!(&backward, &found);
        let times: Vec<i64> = found.iter().map(|(time, _, _)| *time).collect();
        prop_assert!(times.is_sorted());
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}
