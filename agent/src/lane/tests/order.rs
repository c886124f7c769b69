//! What is further behind its stream's newest entry than the destination takes: counted, not sent, and alike after a restart.

use std::time::Duration;

use super::by_hand::{ByHand, Read};
use crate::ledger::Fate;

const HOUR: Duration = Duration::from_hours(1);
const TIMED: &str = ", format: json, max_age: all";

/// A line whose time is so many minutes after noon.
fn line(minutes: i64) -> String {
    let mut time = String::new();
    record::time::format_rfc3339(proto::time::UnixNanos(1_795_521_600_000_000_000 + minutes * 60_000_000_000), &mut time);
    format!("{{\"time\":\"{time}\",\"n\":{minutes}}}\n")
}

fn lines(minutes: &[i64]) -> String {
    minutes.iter().map(|minutes| line(*minutes)).collect()
}

/// The minutes of what is sent; a request has them in order of time.
fn sent(read: &Read) -> Vec<i64> {
    let minutes = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_i64().unwrap();
    read.lines().iter().map(minutes).collect()
}

/// Lines and bytes that are rejected for their order.
fn refused(read: &Read) -> (u64, u64) {
    let mut counts = (0, 0);
    for withheld in &read.sealed.withheld {
        assert_eq!((withheld.fate, &*withheld.reason), (Fate::Rejected, "too_far_behind"));
        counts = (counts.0 + withheld.lines, counts.1 + withheld.bytes);
    }
    counts
}

#[test]
fn what_is_further_behind_than_the_window_is_counted_and_the_rest_arrives() {
    let mut file = ByHand::new(TIMED, Some(HOUR));
    file.append(&lines(&[0, -60, -61, -30, 10, -51, -50, 11]));
    let read = file.read();
    assert_eq!(sent(&read), [-60, -50, -30, 0, 10, 11], "exactly an hour is still taken");
    assert_eq!(refused(&read), (2, (line(-61).len() + line(-51).len()) as u64));
}

#[test]
fn what_is_refused_does_not_become_the_newest() {
    let mut file = ByHand::new(TIMED, Some(HOUR));
    file.append(&lines(&[0, -120, -90, -59]));
    assert_eq!(sent(&file.read()), [-59, 0]);
}

#[test]
fn without_a_window_everything_is_sent() {
    let mut file = ByHand::new(TIMED, None);
    file.append(&lines(&[0, -6000]));
    assert_eq!(sent(&file.read()), [-6000, 0]);
}

#[test]
fn the_newest_entry_is_known_after_a_restart() {
    let mut file = ByHand::new(TIMED, Some(HOUR));
    file.append(&lines(&[0, -30]));
    let first = file.read();
    file.settle(&first);
    // The newest is in the settled batch; that the last one before the restart is older must not widen the window.
    file.append(&lines(&[-80, 5, -40]));
    let announced = file.read();
    assert_eq!((sent(&announced), refused(&announced).0), (vec![-40, 5], 1));
    let repeated = file.killed_and_repeated(&announced);
    assert_eq!(repeated.sealed.body, announced.sealed.body, "byte for byte");
    assert_eq!(repeated.sealed.withheld, announced.sealed.withheld);
    assert_eq!(repeated.step.cursors, announced.step.cursors);
    assert_eq!(repeated.step.newest, announced.step.newest);
    file.settle(&repeated);
    file.append(&lines(&[-56, 6]));
    assert_eq!(sent(&file.read()), [6]);
}

#[test]
fn a_batch_that_was_never_answered_leaves_no_newest_behind() {
    let mut file = ByHand::new(TIMED, Some(HOUR));
    file.append(&lines(&[-90, 0]));
    let announced = file.read();
    assert_eq!(sent(&announced), [-90, 0]);
    let repeated = file.killed_and_repeated(&announced);
    assert_eq!(repeated.sealed.body, announced.sealed.body, "what came before the newest still comes before it");
}
