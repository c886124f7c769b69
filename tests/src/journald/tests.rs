//! What is on the stage is real, and does what its name says.

use super::*;

fn journald(test: &str, settings: Settings) -> Option<(tempfile::TempDir, Journald)> {
    let dir = tempfile::tempdir().unwrap();
    let journald = Journald::start(test, dir.path().join("node"), settings)?;
    Some((dir, journald))
}

/// (transport, identifier, message) of all but journald's own.
fn said(journald: &Journald) -> Vec<(String, String, String)> {
    journald.sync();
    let text = |entry: &Entry, name: &str| entry.text(name).unwrap_or_default();
    let entries = journald.entries();
    let others = entries.iter().filter(|entry| text(entry, "_TRANSPORT") != "driver");
    others.map(|entry| (text(entry, "_TRANSPORT"), text(entry, "SYSLOG_IDENTIFIER"), entry.message())).collect()
}

#[test]
fn every_way_to_write_arrives_with_what_journald_says_of_it() {
    let Some((_dir, journald)) = journald("every_way_to_write_arrives", Settings::of("")) else {
        return;
    };
    journald.native().send(&[("MESSAGE", b"two\nlines"), ("SYSLOG_IDENTIFIER", b"n"), ("A", b"1"), ("A", b"\xff\x00")]);
    journald.syslog().say("s", 4, "from syslog");
    journald.output("o", 6).say("from a service");
    let mut kernel = journald.kernel();
    kernel.say(5, "from the kernel");
    kernel.say(5, "and again");
    syslog_as(journald.node(), 4711, "u", "from a user");
    let mut said = said(&journald);
    said.sort();
    let expected = [
        ("journal", "n", "two\nlines"),
        ("kernel", "kernel", "and again"),
        ("kernel", "kernel", "from the kernel"),
        ("stdout", "o", "from a service"),
        ("syslog", "s", "from syslog"),
        ("syslog", "u", "from a user"),
    ];
    assert_eq!(said, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));

    let entries = journald.entries();
    let of = |message: &str| entries.iter().find(|entry| entry.message() == message).unwrap();
    let native = of("two\nlines");
    assert_eq!(native.fields["A"], [b"1".to_vec(), b"\xff\x00".to_vec()]);
    assert_eq!(native.text("_PID"), Some(std::process::id().to_string()));
    assert_eq!(native.text("_HOSTNAME").as_deref(), Some("test-node"));
    assert_eq!(of("from a user").text("_UID").as_deref(), Some("4711"));
    assert!(journald.files().iter().any(|path| path.ends_with("user-4711.journal")), "{:?}", journald.files());
}

#[test]
fn it_rotates_vacuums_restarts_and_dies() {
    let Some((_dir, mut journald)) = journald("it_rotates_vacuums_restarts_and_dies", Settings::of("SystemMaxFileSize=1M"))
    else {
        return;
    };
    for number in 0..4 {
        journald.native().say("n", 6, &number.to_string());
        journald.rotate();
    }
    assert_eq!(journald.files().len(), 5, "{:?}", journald.files());
    journald.vacuum(Keep::Files(2));
    assert!(journald.files().len() < 4, "{:?}", journald.files());
    journald.stop();
    journald.run();
    journald.native().say("n", 6, "before it is killed");
    // Not by `sync`, which would leave a file that is closed.
    let is_written = |journald: &Journald| journald.entries().iter().any(|entry| entry.message() == "before it is killed");
    wait::for_condition("journald to write", PATIENCE, || is_written(&journald));
    journald.kill();
    journald.run();
    assert!(journald.files().iter().any(|path| path.to_string_lossy().ends_with(".journal~")), "{:?}", journald.files());
    assert_eq!(said(&journald).last().unwrap().2, "before it is killed");
}

#[test]
fn it_is_volatile_until_the_flush() {
    let Some((_dir, journald)) = journald("it_is_volatile_until_the_flush", Settings::of("").volatile_at_first()) else {
        return;
    };
    journald.native().say("n", 6, "early");
    let early = said(&journald);
    assert!(journald.files().is_empty(), "{:?}", journald.files());
    journald.flush();
    assert!(!journald.files().is_empty());
    assert_eq!((early.len(), said(&journald)), (1, early));
}

#[test]
fn entries_of_any_making_can_be_put_into_a_file() {
    let test = "entries_of_any_making_can_be_put_into_a_file";
    let Some((_dir, journald)) = journald(test, Settings::of("")) else {
        return;
    };
    let boot = "00112233445566778899aabbccddeeff";
    let fields = [("_TRANSPORT", "kernel"), ("MESSAGE", "two\nlines"), ("_SYSTEMD_UNIT", "session-3.scope")];
    if journald.import(test, "other", &[Entry::made(&fields, 1_700_000_000_000_000, boot)]) {
        let entries = journald.entries();
        let first = &entries[0];
        assert_eq!(
            (first.realtime, first.boot_id.as_str(), first.message().as_str()),
            (1_700_000_000_000_000, boot, "two\nlines")
        );
        assert_eq!(first.text("_TRANSPORT").as_deref(), Some("kernel"));
    }
}
