//! The journal under a lane: files written entry by entry, on a host in a directory, with the test as the destination.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::stage::Stage;
use crate::config::checked::{JournalInput, Start};
use crate::config::{self};
use crate::host_root::HostRoot;
use crate::journal::file::Id128;
use crate::journal::file::fixtures::{JournalWriter, Payload, Times};
use crate::tail::inputs::Inputs;

const MACHINE: &str = "abababababababababababababababab";
const BOOT: Id128 = Id128([7; 16]);
/// 2026-11-23, in microseconds since 1970.
const DAY: u64 = 1_795_392_000_000_000;

/// A host with a journal, and where positions are kept.
struct Host {
    root: tempfile::TempDir,
    state: tempfile::TempDir,
}

/// A journal file that is written.
struct Journal {
    writer: JournalWriter,
    path: PathBuf,
}

impl Host {
    fn new() -> Self {
        let host = Self { root: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        for directory in ["var/log/journal", "run/log/journal"] {
            fs::create_dir_all(host.root.path().join(directory).join(MACHINE)).unwrap();
        }
        host
    }

    /// A new file below `var` or `run`; `file` tells it from others of the same `sequence`.
    fn journal(&self, root: &str, name: &str, sequence: u8, file: u8) -> Journal {
        let mut writer = JournalWriter::new(true, None, Id128([sequence; 16]));
        writer.put(24, &[file; 16]);
        let path = self.root.path().join(root).join("log/journal").join(MACHINE).join(name);
        Journal { writer, path }
    }

    fn stage(&self, selections: &str, entries: usize) -> Stage {
        let input = input(selections);
        let inputs = Inputs { journal: Some(Arc::new(input)), ..Inputs::default() };
        Stage::set_on(HostRoot::new(self.root.path()), self.state.path(), inputs, u64::MAX, entries)
    }
}

/// The journal as a configuration file has it.
fn input(selections: &str) -> JournalInput {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("node: n\nlogs: {{journal: {selections}}}\n")).unwrap();
    let arguments = ["agent".as_ref(), "--config".as_ref(), file.path().as_os_str()];
    let cli = crate::cli::Cli::try_from_arguments(arguments).unwrap();
    let loaded = config::load(&cli.settings, &config::Environment::of_host()).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.config.logs.journal.unwrap()
}

const ALL: &str = "[{job: all, max_age: all}]";

impl Journal {
    /// Appends an entry, so many microseconds after the boot.
    fn entry(&mut self, monotonic: u64, fields: &[(&str, &str)]) {
        let times = Times { realtime: DAY + monotonic, monotonic, boot: BOOT };
        let fields: Vec<Payload> = fields.iter().map(|(name, value)| Payload::plain(name, value)).collect();
        self.writer.entry(times, &fields);
    }

    fn message(&mut self, monotonic: u64, message: &str) {
        self.entry(monotonic, &[("MESSAGE", message), ("_TRANSPORT", "syslog")]);
    }

    /// Puts it on the disk as it is, in place, as a writer would.
    fn write(&self) {
        use std::os::unix::fs::FileExt as _;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.path).unwrap();
        file.write_all_at(&self.writer.bytes, 0).unwrap();
    }

    fn archive(&mut self, name: &str) {
        self.writer.archive();
        self.write();
        let archived = self.path.with_file_name(name);
        fs::rename(&self.path, &archived).unwrap();
        self.path = archived;
    }
}

fn lines(stage: &Stage) -> Vec<String> {
    stage.received.iter().map(|(_, entry)| entry.line.clone()).collect()
}

/// What was not shipped: reason and lines.
fn withheld(stage: &Stage) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = Vec::new();
    for withheld in &stage.withheld {
        match all.iter_mut().find(|(reason, _)| *reason == *withheld.reason) {
            Some((_, lines)) => *lines += withheld.lines,
            None => all.push((withheld.reason.to_string(), withheld.lines)),
        }
    }
    all
}

#[test]
fn files_are_read_at_once_in_the_order_in_which_their_entries_were_written() {
    let host = Host::new();
    let (mut system, mut user) = (host.journal("var", "system.journal", 1, 1), host.journal("var", "user-1000.journal", 1, 2));
    for number in 1..=9 {
        let file = if number % 3 == 0 { &mut user } else { &mut system };
        file.writer.seqnum = number - 1;
        file.message(number, &number.to_string());
    }
    system.write();
    user.write();
    let mut stage = host.stage(ALL, 4);
    stage.deliver(9);
    assert_eq!(lines(&stage), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let (labels, entry) = &stage.received[2];
    assert_eq!(labels, "{job=\"all\", level=\"info\", node=\"node\", transport=\"syslog\"}");
    assert_eq!(entry.time.0.cast_unsigned(), (DAY + 3) * 1000 + 3, "the number tells equal messages of one microsecond apart");
    // What comes later, comes.
    user.writer.seqnum = 9;
    user.message(10, "10");
    user.write();
    stage.deliver(1);
    assert_eq!(withheld(&stage), []);
    stage.end();
}

#[test]
fn a_file_that_is_archived_and_read_is_known_as_such_by_the_next_run_and_the_next_file_goes_on() {
    let host = Host::new();
    let mut first = host.journal("var", "system.journal", 1, 1);
    (1..=3).for_each(|number| first.message(number, &number.to_string()));
    first.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(3);
    first.message(4, "4");
    first.archive("system@1.journal");
    let mut second = host.journal("var", "system.journal", 1, 2);
    second.writer.seqnum = 4;
    second.message(5, "5");
    second.write();
    stage.deliver(2);
    stage.until("the archived file to be closed", |stage| {
        stage.answer();
        stage.catalog.chains().iter().all(|chain| chain.segments().len() == 1)
    });
    stage.end();

    second.message(6, "6");
    second.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(1);
    assert_eq!((lines(&stage), withheld(&stage)), (vec!["6".to_owned()], vec![]));
    stage.until("the archived file to be closed again", |stage| {
        stage.answer();
        stage.catalog.chains()[0].segments().len() == 1
    });
    second.message(7, "7");
    second.write();
    stage.deliver(1);
    stage.end();
    let mut stage = host.stage(ALL, 700);
    stage.until("the file to be found", |stage| !stage.catalog.chains().is_empty());
    assert_eq!(stage.catalog.chains()[0].segments().len(), 1, "the archived file is known, and not opened");
    stage.answer();
    assert_eq!(lines(&stage), Vec::<String>::new());
    stage.end();
}

#[test]
fn what_was_vacuumed_while_nobody_looked_is_counted_exactly_and_once() {
    let host = Host::new();
    let mut first = host.journal("var", "system.journal", 1, 1);
    (1..=3).for_each(|number| first.message(number, &number.to_string()));
    first.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(3);
    stage.end();
    // Seven more, of which nobody will ever know more than their number.
    fs::remove_file(&first.path).unwrap();
    let mut second = host.journal("var", "system.journal", 1, 2);
    second.writer.seqnum = 10;
    second.message(11, "11");
    second.write();
    let mut stage = host.stage(ALL, 700);
    assert_eq!(stage.announce(), 1);
    assert_eq!(withheld(&stage), [("journal sequence".to_owned(), 7)]);
    stage.end();
    // That batch had no answer: it is repeated, gap and all, and what the ledger has of it is that of the repetition.
    let mut stage = host.stage(ALL, 700);
    stage.deliver(1);
    assert_eq!(withheld(&stage), [("journal sequence".to_owned(), 7)]);
    second.message(12, "12");
    second.write();
    stage.deliver(1);
    assert_eq!(withheld(&stage), [("journal sequence".to_owned(), 7)]);
    stage.end();
}

#[test]
fn what_was_vacuumed_behind_a_file_that_was_finished_is_counted_too() {
    let host = Host::new();
    let mut first = host.journal("var", "system.journal", 1, 1);
    (1..=3).for_each(|number| first.message(number, &number.to_string()));
    first.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(3);
    // Archived, and nothing is written to the new file yet.
    first.archive("system@1.journal");
    let second = host.journal("var", "system.journal", 1, 2);
    second.write();
    stage.until("the archived file to be closed", |stage| {
        stage.answer();
        stage.catalog.chains()[0].numbers().len() == 2 && stage.catalog.chains()[0].segments().len() == 1
    });
    let mut other = host.journal("var", "user-1000.journal", 9, 5);
    other.message(4, "of another counter");
    other.write();
    stage.deliver(1);
    stage.end();
    fs::remove_file(&first.path).unwrap();
    fs::remove_file(&second.path).unwrap();
    let mut third = host.journal("var", "system.journal", 1, 3);
    third.writer.seqnum = 10;
    third.message(11, "11");
    third.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(1);
    assert_eq!(withheld(&stage), [("journal sequence".to_owned(), 7)]);
    stage.end();
}

#[test]
fn what_journald_copies_from_memory_to_the_disk_is_shipped_once_also_over_a_restart() {
    for restarts in [false, true] {
        let host = Host::new();
        let mut memory = host.journal("run", "system.journal", 1, 1);
        (1..=3).for_each(|number| memory.message(number, &number.to_string()));
        memory.write();
        let mut first = Some(host.stage(ALL, 700));
        first.as_mut().unwrap().deliver(3);
        if restarts {
            first.take().unwrap().end();
        }
        let mut disk = host.journal("var", "system.journal", 2, 2);
        // The fourth was never read from memory.
        for number in 1..=4 {
            disk.writer.seqnum = 3 + number;
            disk.message(number, &number.to_string());
        }
        disk.write();
        fs::remove_file(&memory.path).unwrap();
        let mut stage = first.unwrap_or_else(|| host.stage(ALL, 700));
        let before = stage.received.len();
        stage.deliver(1);
        assert_eq!(lines(&stage)[before..], ["4".to_owned()], "restarts: {restarts}");
        assert_eq!(withheld(&stage), [("copied from memory".to_owned(), 3)]);
        disk.message(5, "5");
        disk.write();
        stage.deliver(1);
        stage.end();
    }
}

#[test]
fn a_batch_without_an_answer_is_repeated_byte_for_byte() {
    let host = Host::new();
    let (mut system, mut user) = (host.journal("var", "system.journal", 1, 1), host.journal("var", "user-1000.journal", 1, 2));
    for number in 1..=20 {
        let file = if number % 2 == 0 { &mut user } else { &mut system };
        file.writer.seqnum = number - 1;
        file.message(number, &number.to_string());
    }
    system.write();
    user.write();
    let mut stage = host.stage(ALL, 7);
    assert_eq!(stage.announce(), 7);
    let announced = std::mem::take(&mut stage.received);
    stage.end();
    // More has been written meanwhile, and it does not become part of that batch.
    system.message(21, "21");
    system.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(21);
    assert_eq!(stage.received[..7], announced[..]);
    assert_eq!(lines(&stage), (1..=21).map(|number| number.to_string()).collect::<Vec<_>>());
    stage.end();
}

#[test]
fn of_two_destinations_one_does_not_pass_over_what_the_other_has_finished() {
    let host = Host::new();
    let mut first = host.journal("var", "system@1.journal", 1, 1);
    (1..=3).for_each(|number| first.message(number, &number.to_string()));
    first.writer.archive();
    first.write();
    let mut live = host.journal("var", "system.journal", 1, 2);
    live.writer.seqnum = 3;
    live.message(4, "4");
    live.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(4);
    // Another one has met a third file, which this one has not.
    let mut user = host.journal("var", "user-1000.journal", 1, 3);
    user.writer.seqnum = 4;
    user.message(5, "5");
    {
        let mut log = super::super::lock(&stage.log);
        let (other, chain) = (log.destination("other"), log.chain("journal"));
        let number = crate::tail::segment::SegmentNumber(2);
        let fingerprint = crate::tail::identity::Fingerprint::of(&[3; 16]);
        let identity = crate::checkpoint::SegmentIdentity { fingerprint, ..Default::default() };
        log.define(crate::checkpoint::Record::Segment { chain, number, identity });
        let cursors = vec![crate::checkpoint::Cursor { segment: number, at: 1, ..Default::default() }];
        let moves = vec![crate::checkpoint::Move { chain, cursors, ..Default::default() }];
        log.append(&[crate::checkpoint::Record::Moved { destination: other, seen: 1, moves, ledger: vec![] }]);
    }
    stage.end();
    user.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(1);
    assert_eq!(lines(&stage), ["5"]);
    stage.end();
}

#[test]
fn what_is_damaged_is_counted_and_the_rest_is_read() {
    let host = Host::new();
    let mut archived = host.journal("var", "system@1.journal", 1, 1);
    (1..=5).for_each(|number| archived.message(number, &number.to_string()));
    archived.writer.archive();
    let third = archived.writer.entries[2];
    archived.writer.put(third, &[0; 16]);
    archived.write();
    let garbage = archived.path.with_file_name("garbage.journal");
    fs::write(&garbage, [b'x'; 5000]).unwrap();
    let mut live = host.journal("var", "system.journal", 1, 2);
    live.writer.seqnum = 5;
    live.message(6, "6");
    live.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(5);
    assert_eq!(lines(&stage), ["1", "2", "4", "5", "6"]);
    let mut counted = withheld(&stage);
    counted.sort();
    assert_eq!(counted, [("damaged".to_owned(), 1), ("not a journal that can be read".to_owned(), 1)]);
    stage.end();
    let mut stage = host.stage(ALL, 700);
    live.message(7, "7");
    live.write();
    stage.deliver(1);
    assert_eq!(withheld(&stage), [], "counted once");
    stage.end();
}

#[test]
fn a_number_that_cannot_be_makes_no_gap_and_stays_in_its_place() {
    let host = Host::new();
    let mut archived = host.journal("var", "system@1.journal", 1, 1);
    (1..=4).for_each(|number| archived.message(number, &number.to_string()));
    let third = archived.writer.entries[2];
    archived.writer.put_u64(third + 16, 1 << 40);
    archived.writer.archive();
    archived.write();
    let mut live = host.journal("var", "system.journal", 1, 2);
    live.writer.seqnum = 4;
    live.message(5, "5");
    live.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(5);
    // The fourth seems to come after a gap of one.
    assert_eq!(
        (lines(&stage), withheld(&stage)),
        (["1", "2", "3", "4", "5"].map(str::to_owned).to_vec(), vec![("journal sequence".to_owned(), 1)])
    );
    stage.end();
}

#[test]
fn an_entry_that_is_being_written_is_waited_for() {
    let host = Host::new();
    let mut live = host.journal("var", "system.journal", 1, 1);
    (1..=3).for_each(|number| live.message(number, &number.to_string()));
    let second = live.writer.entries[1];
    let whole = live.writer.bytes.clone();
    live.writer.put(second, &[0; 16]);
    live.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(1);
    live.writer.bytes = whole;
    live.write();
    stage.deliver(2);
    assert_eq!((lines(&stage).len(), withheld(&stage)), (3, vec![]));
    stage.end();
}

#[test]
fn selections_take_what_they_are_for_and_nobody_pretends_to_be_sshd() {
    let host = Host::new();
    let mut system = host.journal("var", "system.journal", 1, 1);
    let accepted = "Accepted publickey for root from 203.0.113.7 port 50911 ssh2: ED25519 SHA256:x";
    let sshd = |fields: &[(&'static str, &'static str)]| {
        [&[("MESSAGE", accepted), ("SYSLOG_IDENTIFIER", "sshd-session"), ("_TRANSPORT", "syslog")], fields].concat()
    };
    system.entry(1, &sshd(&[("_UID", "0"), ("_EXE", "/usr/lib/openssh/sshd-session")]));
    system.entry(2, &sshd(&[("_UID", "0")]));
    system.entry(3, &sshd(&[("_UID", "1000"), ("_EXE", "/usr/sbin/sshd")]));
    system.entry(4, &sshd(&[("_UID", "0"), ("_EXE", "/usr/bin/logger")]));
    system.entry(5, &sshd(&[("UID", "0"), ("_UID", "1000")]));
    let packet = "calico-packet: IN=cali1 OUT=ens18 SRC=10.10.3.17 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=59934 DPT=4444 SYN ";
    system.entry(6, &[("MESSAGE", packet), ("_TRANSPORT", "kernel"), ("PRIORITY", "6")]);
    system.entry(7, &[("MESSAGE", packet), ("_TRANSPORT", "syslog"), ("PRIORITY", "6")]);
    system.entry(8, &[("MESSAGE", "eth0: link up"), ("_TRANSPORT", "kernel"), ("PRIORITY", "6")]);
    let unit = [("_SYSTEMD_UNIT", "getty@tty1.service"), ("_TRANSPORT", "stdout")];
    system.entry(9, &[&[("MESSAGE", "bad"), ("PRIORITY", "3"), ("SYSLOG_IDENTIFIER", "agetty")][..], &unit].concat());
    system.entry(10, &[&[("MESSAGE", "fine"), ("PRIORITY", "6")][..], &unit].concat());
    let about = [("UNIT", "nginx.service"), ("_SYSTEMD_UNIT", "init.scope"), ("PRIORITY", "4"), ("_TRANSPORT", "journal")];
    system.entry(11, &[&[("MESSAGE", "nginx.service: failed"), ("_PID", "1")][..], &about].concat());
    system.entry(12, &[&[("MESSAGE", "not systemd"), ("_PID", "2")][..], &about].concat());
    system.entry(13, &[("_TRANSPORT", "journal"), ("COREDUMP", "x")]);
    system.write();
    let presets = "[{preset: sshd, max_age: all}, {preset: calico-flow, max_age: all}, {preset: node-journal, max_age: all}]";
    let mut stage = host.stage(presets, 700);
    stage.deliver(10);
    let of = |time: u64| {
        let at = |(_, entry): &&(String, _)| {
            let entry: &proto::loki::decode::PushEntry = entry;
            entry.time.0.cast_unsigned() == (DAY + time) * 1000 + time
        };
        stage.received.iter().find(at).map(|(labels, entry)| (labels.replace(", node=\"node\"", ""), &entry.metadata))
    };
    for (time, labels) in [
        (1, r#"{identifier="sshd-session", job="sshd-pve", level="info", transport="syslog"}"#),
        (2, r#"{identifier="sshd-session", job="sshd-pve", level="info", transport="syslog"}"#),
        (3, r#"{identifier="sshd-session", job="sshd-untrusted", level="info", transport="syslog"}"#),
        (4, r#"{identifier="sshd-session", job="sshd-untrusted", level="info", transport="syslog"}"#),
        (5, r#"{identifier="sshd-session", job="sshd-untrusted", level="info", transport="syslog"}"#),
        (6, r#"{job="calico-flow", level="info", transport="kernel"}"#),
        (8, r#"{job="node-journal", level="info", transport="kernel"}"#),
        (9, r#"{job="node-journal", level="error", transport="stdout", unit="getty@*.service"}"#),
        (11, r#"{job="node-journal", level="warning", transport="journal", unit="nginx.service"}"#),
        (12, r#"{job="node-journal", level="warning", transport="journal", unit="init.scope"}"#),
    ] {
        assert_eq!(of(time).map(|(labels, _)| labels).as_deref(), Some(labels), "{time}");
    }
    let metadata = |time, name: &str| of(time)?.1.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    assert_eq!(metadata(1, "src_ip").as_deref(), Some("203.0.113.7"));
    assert_eq!(metadata(6, "dst").as_deref(), Some("203.0.113.9"));
    assert_eq!(metadata(9, "identifier").as_deref(), Some("agetty"));
    assert_eq!(metadata(9, "systemd_unit").as_deref(), Some("getty@tty1.service"));
    assert_eq!(withheld(&stage), [("no selection takes it".to_owned(), 2), ("no message".to_owned(), 1)]);
    stage.end();
}

#[test]
fn a_first_start_begins_where_it_is_told_to_and_counts_what_is_older() {
    let host = Host::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    let mut system = host.journal("var", "system.journal", 1, 1);
    for hours in [50, 30, 20, 1] {
        let times = Times { realtime: now - hours * 3_600_000_000, monotonic: 1000 - hours, boot: BOOT };
        system.writer.entry(times, &[Payload::plain("MESSAGE", format!("{hours}h"))]);
    }
    system.write();
    let cases = [("24h", vec!["20h", "1h"]), ("all", vec!["50h", "30h", "20h", "1h"]), ("now", vec![]), ("boot", vec![])];
    for (start, expected) in cases {
        let host = Host { root: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        let directory = host.root.path().join("var/log/journal").join(MACHINE);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(&system.path, directory.join("system.journal")).unwrap();
        let mut stage = host.stage(&format!("[{{job: all, max_age: {start}}}]"), 700);
        stage.until("what is old to be counted", |stage| {
            stage.answer();
            stage.received.len() + withheld(stage).iter().map(|(_, lines)| *lines as usize).sum::<usize>() == 4
        });
        assert_eq!(lines(&stage), expected, "{start}");
        let mut later = Journal { writer: system.writer.clone(), path: directory.join("system.journal") };
        let times = Times { realtime: now - 60 * 3_600_000_000, monotonic: 2000, boot: BOOT };
        later.writer.entry(times, &[Payload::plain("MESSAGE", "a clock that was set back")]);
        later.write();
        stage.deliver(1);
        stage.end();
    }
    assert_eq!(input("[{job: a, max_age: boot}]").selections[0].start, Start::Boot);
}

#[test]
fn entries_of_another_host_are_told_by_its_name() {
    let host = Host::new();
    let mut system = host.journal("var", "system.journal", 1, 1);
    let here = [("MESSAGE", "here"), ("_HOSTNAME", "near"), ("_MACHINE_ID", MACHINE)];
    let there = [("MESSAGE", "there"), ("_HOSTNAME", "far"), ("_MACHINE_ID", "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd")];
    system.entry(1, &here);
    system.entry(2, &there);
    system.write();
    let mut stage = host.stage(ALL, 700);
    stage.deliver(2);
    let labels: Vec<&str> = stage.received.iter().map(|(labels, _)| labels.as_str()).collect();
    assert_eq!(labels, [r#"{job="all", level="info", node="node"}"#, r#"{host="far", job="all", level="info", node="node"}"#]);
    stage.end();
}

#[test]
fn a_value_beside_another_one_decides_for_its_own_entry_alone() {
    let host = Host::new();
    let mut system = host.journal("var", "system.journal", 1, 1);
    system.entry(1, &[("MESSAGE", "both"), ("SYSLOG_IDENTIFIER", "one"), ("SYSLOG_IDENTIFIER", "two")]);
    system.entry(2, &[("MESSAGE", "one"), ("SYSLOG_IDENTIFIER", "one")]);
    system.write();
    let mut stage = host.stage("[{job: two, match: {SYSLOG_IDENTIFIER: [two]}, max_age: all}, {job: rest, max_age: all}]", 700);
    stage.deliver(2);
    let jobs: Vec<bool> = stage.received.iter().map(|(labels, _)| labels.contains(r#"job="two""#)).collect();
    assert_eq!(jobs, [true, false]);
    stage.end();
}
