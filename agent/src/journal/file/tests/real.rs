//! Files that systemd's own programs write, and what its own program reads in files: entry by entry, field by field.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tests::program::Program;
use tests::skip::skipped;
use tests::wait;

use super::super::fixtures::long_message;
use super::*;
use crate::journal::file::State;

/// Until a program must have done what it does at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// An entry by its cursor, with all its fields.
type Whole = (String, BTreeMap<String, Vec<Vec<u8>>>);

#[test]
fn files_made_by_hand_are_read_as_journalctl_reads_them() {
    let Some(journalctl) = program("files_made_by_hand_are_read_as_journalctl_reads_them", "journalctl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.journal");
    for compact in [false, true] {
        for packing in [None, Some(Packing::Xz), Some(Packing::Lz4), Some(Packing::Zstd)] {
            let mut writer = JournalWriter::new(compact, packing, RUN);
            for number in 1..=50 {
                append(&mut writer, number);
            }
            let long = packing.map_or_else(|| Payload::plain("MESSAGE", long_message()), Packing::message);
            writer.entry(times(51), &[long.clone(), Payload::plain("BINARY", [0, 1, 0xff, b'\n', b'='])]);
            writer.entry(
                times(52),
                &[long, Payload::plain("TWICE", "b"), Payload::plain("TWICE", "a"), Payload::plain("EMPTY", "")],
            );
            writer.archive();
            std::fs::write(&path, &writer.bytes).unwrap();
            assert_eq!(compare(&journalctl, &path), 52, "{compact} {packing:?}");
        }
    }
}

#[test]
fn files_of_every_format_are_read_as_journalctl_reads_them() {
    let name = "files_of_every_format_are_read_as_journalctl_reads_them";
    let Some(journalctl) = program(name, "journalctl") else { return };
    let Some(remote) = program(name, "systemd-journal-remote") else { return };
    let directory = tempfile::tempdir().unwrap();
    let export = directory.path().join("export");
    std::fs::write(&export, exported(3000)).unwrap();
    for (compact, keyed) in [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")] {
        let path = directory.path().join(format!("{compact}{keyed}.journal"));
        let env = [("SYSTEMD_JOURNAL_COMPACT", OsStr::new(compact)), ("SYSTEMD_JOURNAL_KEYED_HASH", OsStr::new(keyed))];
        let (code, _, errors) = remote.outcome_with([OsStr::new("-o"), path.as_os_str(), export.as_os_str()], &env);
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(compare(&journalctl, &path), 3000, "{compact}{keyed}");
    }
}

#[test]
fn a_recorded_journal_is_read_as_journalctl_reads_it() {
    let name = "a_recorded_journal_is_read_as_journalctl_reads_it";
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/sshd/system.journal.xz");
    if !recorded.is_file() {
        return skipped(name, &format!("{} is not there", recorded.display()));
    }
    let (Some(journalctl), Some(xz)) = (program(name, "journalctl"), program(name, "xz")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("system.journal");
    std::fs::copy(&recorded, path.with_extension("journal.xz")).unwrap();
    xz.run([OsStr::new("--decompress"), path.with_extension("journal.xz").as_os_str()]);
    assert!(compare(&journalctl, &path) > 100);
}

#[test]
fn a_journal_is_followed_while_journald_writes_it() {
    let name = "a_journal_is_followed_while_journald_writes_it";
    let Some(journalctl) = program(name, "journalctl") else { return };
    let daemon = Path::new("/usr/lib/systemd/systemd-journald");
    let (Some(unshare), true) = (program(name, "unshare"), daemon.is_file()) else {
        return skipped(name, "no systemd-journald is installed");
    };
    if unshare.outcome_with(["-m", "true"], &[]).0 != Some(0) {
        return skipped(name, "mount namespaces are not allowed");
    }
    let directory = tempfile::tempdir().unwrap();
    let (run, log) = (directory.path().join("run"), directory.path().join("log"));
    std::fs::create_dir(&run).unwrap();
    std::fs::create_dir(&log).unwrap();
    // A journald of its own, which sees directories of this test in place of the machine's.
    let script = "mount --make-rprivate / && mkdir -p /run/systemd/journal /run/log/journal && mount --bind \"$1\" /run/systemd/journal \
                  && mount --bind \"$2\" /run/log/journal && mount -t tmpfs none /var/log && exec \"$3\"";
    let args = [
        "-m".as_ref(),
        "sh".as_ref(),
        "-c".as_ref(),
        script.as_ref(),
        "sh".as_ref(),
        run.as_os_str(),
        log.as_os_str(),
        daemon.as_os_str(),
    ];
    let running = unshare.start(args);
    let Some(path) = wait::until(PATIENCE, || journal_below(&log)) else { return skipped(name, "journald does not run here") };
    let socket = UnixDatagram::unbound().unwrap();
    wait::for_condition("journald's socket", PATIENCE, || socket.connect(run.join("socket")).is_ok());

    let fields = [("MESSAGE", 1 << 20), ("NUMBER", 32)];
    let mut file = JournalFile::open(File::open(&path).unwrap(), Arc::new(Wanted::new(&fields))).unwrap();
    let mut seen = Vec::new();
    for number in 0..400_u32 {
        let message = if number.is_multiple_of(7) { long_message() } else { format!("message {}", number % 50) };
        wait::for_condition("room in journald's queue", PATIENCE, || {
            socket.send(format!("MESSAGE={message}\nNUMBER={number}\nFILLER={number}\n").as_bytes()).is_ok()
        });
        follow(&mut file, &mut seen);
    }
    wait::for_condition("the last entry", PATIENCE, || {
        follow(&mut file, &mut seen);
        seen.last() == Some(&399)
    });
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
    assert_eq!(file.header().state, State::Online);
    drop(running);
    assert!(compare(&journalctl, &path) >= 400);
}

/// Reads what is new; the numbers in it. What is being written is tried again the next time.
fn follow(file: &mut JournalFile<File>, seen: &mut Vec<u32>) {
    file.refresh().unwrap();
    while let Ok(Some(entry)) = file.read() {
        if let Some(number) = entry.get(FieldId(1)) {
            let number: u32 = String::from_utf8_lossy(number).parse().unwrap();
            let message = if number.is_multiple_of(7) { long_message() } else { format!("message {}", number % 50) };
            assert_eq!(entry.get(MESSAGE), Some(message.as_bytes()));
            seen.push(number);
        }
        file.step();
    }
}

fn journal_below(log: &Path) -> Option<PathBuf> {
    let machine = std::fs::read_dir(log).ok()?.next()?.ok()?.path().join("system.journal");
    // It is made under its name, and then filled.
    File::open(&machine).ok().filter(|file| JournalFile::open(file.try_clone().unwrap(), wanted()).is_ok()).map(|_| machine)
}

fn program(test: &str, name: &str) -> Option<Program> {
    let beside = Path::new("/usr/lib/systemd").join(name);
    let found = Program::find(name).or_else(|| Program::find(&beside.to_string_lossy()));
    if found.is_none() {
        skipped(test, &format!("{name} is not installed"));
    }
    found
}

/// Reads a file both ways, and compares; how many entries there are.
fn compare(journalctl: &Program, path: &Path) -> usize {
    let args = [OsStr::new("--file"), path.as_os_str(), OsStr::new("--all"), OsStr::new("-o"), OsStr::new("json")];
    let expected: Vec<Whole> = journalctl.run(args).lines().map(|line| told(&serde_json::from_str(line).unwrap())).collect();
    let mut names: Vec<&str> = expected.iter().flat_map(|(_, fields)| fields.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    let wanted = names.iter().map(|name| (*name, 1 << 20)).collect::<Vec<_>>();
    let mut file = JournalFile::open(File::open(path).unwrap(), Arc::new(Wanted::new(&wanted))).unwrap();
    for (place, expected) in expected.iter().enumerate() {
        let entry = file.read().unwrap().unwrap();
        let head = entry.head();
        let cursor = format!(
            "s={};i={:x};b={};m={:x};t={:x};x={:x}",
            head.seqnum_id, head.seqnum, head.boot_id, head.monotonic.0, head.realtime.0, head.xor_hash
        );
        let values = |id: usize| entry.all(FieldId(id as u16)).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let fields = names.iter().enumerate().map(|(id, name)| ((*name).to_owned(), values(id)));
        let fields = fields.filter(|(_, values)| !values.is_empty()).collect();
        assert_eq!((cursor, fields), *expected, "entry {place} of {}", path.display());
        file.step();
    }
    assert!(file.read().unwrap().is_none());
    expected.len()
}

/// What journalctl says of an entry.
fn told(entry: &Value) -> Whole {
    let mut fields = BTreeMap::new();
    for (name, value) in entry.as_object().unwrap() {
        // The boot is a part of the cursor; journalctl tells it where no field does.
        if !name.starts_with("__") && name != "_BOOT_ID" {
            let values = match value {
                Value::Array(values) if !values.iter().all(Value::is_u64) => values.iter().map(bytes).collect(),
                value => vec![bytes(value)],
            };
            fields.insert(name.clone(), values);
        }
    }
    (entry["__CURSOR"].as_str().unwrap().to_owned(), fields)
}

/// Text, or numbers of bytes where it is none.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(bytes) => bytes.iter().map(|byte| byte.as_u64().unwrap() as u8).collect(),
        other => panic!("{other}"),
    }
}

/// Entries as `journalctl -o export` writes them: short and long, with fields that occur twice or are no text.
fn exported(entries: u64) -> Vec<u8> {
    let mut export = Vec::new();
    for number in 1..=entries {
        let Times { realtime, monotonic, .. } = times(number);
        let message = if number.is_multiple_of(20) { long_message() } else { format!("message {}", number % 700) };
        let text = format!(
            "__REALTIME_TIMESTAMP={realtime}\n__MONOTONIC_TIMESTAMP={monotonic}\n_BOOT_ID={BOOT}\n_HOSTNAME=node\n_PID={}\n\
             _SYSTEMD_UNIT=unit-{}.service\nPRIORITY=6\nMESSAGE={message}\nTWICE=a\nTWICE={number}\nBINARY\n",
            number % 90,
            number % 5
        );
        export.extend(text.into_bytes());
        export.extend(4_u64.to_le_bytes());
        export.extend([0xff, b'\n', 0, number as u8, b'\n', b'\n']);
    }
    export
}
