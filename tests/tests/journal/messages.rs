//! Messages of every shape, from every user.

use tests::journald::{Settings, syslog_as};
use tests::wait;

use crate::scene::scale;
use crate::stage::{ALL, Stage};

const LONG: usize = 1 << 20;

#[test]
fn lines_bytes_and_a_mebibyte_arrive_as_they_were_written() {
    let name = "lines_bytes_and_a_mebibyte_arrive_as_they_were_written";
    let Some(stage) = Stage::set(name, Settings::of(""), ALL) else {
        return;
    };
    let native = stage.journald.native();
    let say = |message: &[u8]| native.send(&[("SYSLOG_IDENTIFIER", b"shapes"), ("MESSAGE", message)]);
    // 200 KiB are compressed by journald, and short enough for Loki.
    let compressed = "all work and no play ".repeat(10_000);
    let messages = ["first\nsecond\n  third", "a\ttab, \u{1b}[31mred\u{1b}[0m, Grüße, 漢字", " blanks around ", &compressed];
    for message in &messages {
        say(message.as_bytes());
    }
    let long: String = (0..LONG).map(|place| char::from(b'a' + (place * place / 7 % 26) as u8)).collect();
    say(long.as_bytes());
    say(b"not \xff\xfe text");
    say(b"nul \0 inside");
    // An entry without a message has nothing to ship.
    native.send(&[("SYSLOG_IDENTIFIER", b"shapes"), ("NOTHING", b"to say")]);
    say(b"the last one");
    stage.journald.sync();
    let entries = stage.journald.entries();
    let kept = entries.iter().find(|entry| entry.message() == long);
    assert!(kept.is_some(), "journald itself keeps all of it");

    let agent = stage.start();
    let is_here = |line: &str| stage.arrived().iter().any(|delivery| delivery.line == line);
    wait::for_condition("the last one", scale().deliver_max, || is_here("the last one"));
    for message in messages {
        assert!(is_here(message), "{:?}", &message[..message.len().min(40)]);
    }
    assert!(is_here("not \u{fffd}\u{fffd} text"));
    assert!(is_here("nul \0 inside") || is_here("nul  inside"), "{:?}", stage.arrived());
    let cut = stage.arrived().into_iter().find(|delivery| delivery.line.starts_with(&long[..1000]));
    let cut = cut.expect("what is too long for Loki is cut");
    assert!(cut.line.len() <= 256 << 10 && cut.line.len() > 200 << 10, "{}", cut.line.len());
    let n_left_out = cut.metadata.iter().find(|(name, _)| name == "truncated_bytes").map(|(_, value)| value.clone());
    let n_kept = cut.line.bytes().zip(long.bytes()).take_while(|(one, other)| one == other).count();
    assert_eq!(n_left_out, Some((LONG - n_kept).to_string()), "what is left out is said");
    assert!(!stage.arrived().iter().any(|delivery| delivery.line.contains("to say")));
    stage.finish(agent);
}

#[test]
fn users_own_files_are_read_in_one_order_with_the_systems() {
    let name = "users_own_files_are_read_in_one_order_with_the_systems";
    let Some(stage) = Stage::set(name, Settings::of("SplitMode=uid"), ALL) else {
        return;
    };
    let agent = stage.start();
    let syslog = stage.journald.syslog();
    for round in 0..30 {
        // All of one level, so that they are one stream.
        syslog.say("root", 5, &format!("of root {round}"));
        syslog_as(stage.journald.node(), 4711, "one", &format!("of one {round}"));
        syslog_as(stage.journald.node(), 4712, "other", &format!("of other {round}"));
    }
    let written = stage.written();
    let users = stage.journald.files().iter().filter(|path| path.to_string_lossy().contains("user-")).count();
    assert_eq!(users, 2, "{:?}", stage.journald.files());
    // None of a stream comes after a later one: that is part of it.
    stage.assert_arrives(&written, 0);
    let streams: std::collections::BTreeSet<_> = stage
        .arrived()
        .iter()
        .filter(|delivery| delivery.line.starts_with("of "))
        .map(|delivery| delivery.stream.clone())
        .collect();
    assert_eq!(streams.len(), 1, "{streams:?}");
    agent.terminate();

    // And so if all of it is there already.
    let (stage, agent) = stage.again();
    stage.assert_arrives(&written, 0);
    stage.finish(agent);
}
