//! A wall clock that jumps: times given to lines without one go on strictly, and a repeat gives the same.

use std::time::Duration;

use super::by_hand::{ByHand, Read};

const HOUR: i64 = 3600 * 1_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

fn times(read: &Read) -> Vec<i64> {
    read.entries().into_iter().map(|(time, _)| time).collect()
}

fn assert_strict(reads: &[&Read]) {
    let times: Vec<i64> = reads.iter().flat_map(|read| times(read)).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn lines_have_the_time_of_reading() {
    let mut file = ByHand::new("", None);
    file.append("one\ntwo\n");
    let first = file.read();
    assert_eq!(times(&first), [file.wall, file.wall + 1]);
    file.pass(SECOND, 1_000_000_000);
    file.append("three\n");
    assert_eq!(times(&file.read()), [file.wall]);
}

#[test]
fn an_hour_back_and_the_order_holds() {
    let mut file = ByHand::new("", Some(Duration::from_mins(30)));
    file.append("one\ntwo\n");
    let first = file.read();
    file.pass(SECOND, -HOUR);
    file.append("three\nfour\n");
    let second = file.read();
    // The clock says less than what was given out: the next nanoseconds are taken until it has caught up.
    assert_eq!(times(&second), [times(&first)[1] + 1, times(&first)[1] + 2]);
    file.pass(SECOND, HOUR + 1_000_000_000);
    file.append("five\n");
    let third = file.read();
    assert_eq!(times(&third), [file.wall]);
    assert_strict(&[&first, &second, &third]);
    assert!([first, second, third].iter().all(|read| read.sealed.withheld.is_empty()), "no window refuses what was stamped here");
}

#[test]
fn an_hour_forward_and_back_again_and_the_order_holds() {
    let mut file = ByHand::new("", Some(Duration::from_mins(30)));
    file.append("one\n");
    let first = file.read();
    file.pass(SECOND, HOUR);
    file.append("two\n");
    let second = file.read();
    assert_eq!(times(&second), [file.wall]);
    file.pass(SECOND, -HOUR);
    file.append("three\n");
    let third = file.read();
    assert_strict(&[&first, &second, &third]);
    assert!([first, second, third].iter().all(|read| read.sealed.withheld.is_empty()));
}

#[test]
fn a_repeat_is_the_same_whatever_the_clock_says_by_then() {
    for jump in [-HOUR, HOUR] {
        let mut file = ByHand::new("", None);
        file.append("one\n");
        let first = file.read();
        file.settle(&first);
        file.pass(SECOND, jump);
        file.append("two\nthree\n");
        let announced = file.read();
        file.pass(SECOND, -2 * jump);
        let repeated = file.killed_and_repeated(&announced);
        assert_eq!(repeated.sealed.body, announced.sealed.body, "jump of {jump}");
        assert_eq!(repeated.step.cursors, announced.step.cursors);
        file.append("four\n");
        assert_strict(&[&first, &repeated, &file.read()]);
    }
}

#[test]
fn lines_with_a_time_do_not_care() {
    let mut file = ByHand::new(", format: json, max_age: all", None);
    file.append("{\"time\":\"2026-11-24T10:00:00Z\"}\n");
    let first = file.read();
    file.pass(SECOND, -HOUR);
    file.append("{\"time\":\"2026-11-24T10:00:00Z\"}\n");
    assert_eq!(times(&file.read()), [times(&first)[0] + 1], "told apart by a nanosecond, not by the clock");
}

#[test]
fn a_group_of_lines_waits_by_the_clock_that_never_jumps() {
    let mut file = ByHand::new(", multiline: {first: \"^start\", timeout: 3s}", None);
    file.append("start\n  more\n");
    file.pass(Duration::ZERO, HOUR);
    assert_eq!(file.read().lines(), [""; 0], "an hour on the wall is no reason to call it complete");
    file.pass(SECOND * 2, -HOUR);
    assert_eq!(file.read().lines(), [""; 0]);
    file.pass(SECOND, 0);
    assert_eq!(file.read().lines(), ["start\n  more"]);
}
