//! What is read of files that are whole, live, cut, zeroed, or made to harm; and of those that systemd itself wrote.

mod damaged;
mod live;
mod real;
mod whole;

use std::sync::Arc;

use super::fixtures::{JournalWriter, Packing, Payload, Times};
use super::{FieldId, Id128, JournalFile, ReadAt, Wanted};

const MESSAGE: FieldId = FieldId(0);
const UNIT: FieldId = FieldId(1);
const RUN: Id128 = Id128([7; 16]);
const BOOT: Id128 = Id128([9; 16]);

fn wanted() -> Arc<Wanted> {
    Arc::new(Wanted::new(&[("MESSAGE", 4096), ("_SYSTEMD_UNIT", 64)]))
}

fn open<S: ReadAt>(source: S) -> JournalFile<S> {
    JournalFile::open(source, wanted()).expect("it is a journal file")
}

fn times(number: u64) -> Times {
    Times { realtime: 1_700_000_000_000_000 + number * 1000, monotonic: number * 1000, boot: BOOT }
}

/// A file with so many entries: each has its own message, and a unit that it shares with others.
fn file_of(compact: bool, entries: u64) -> JournalWriter {
    let mut writer = JournalWriter::new(compact, None, RUN);
    for number in 1..=entries {
        append(&mut writer, number);
    }
    writer
}

fn append(writer: &mut JournalWriter, number: u64) {
    let fields = [
        Payload::plain("MESSAGE", message(number)),
        Payload::plain("_SYSTEMD_UNIT", format!("unit-{}.service", number % 3)),
        Payload::plain("_HOSTNAME", "node"),
    ];
    writer.entry(times(number), &fields);
}

fn message(number: u64) -> String {
    format!("message {number}")
}

/// Reads on to the end, going over what is damaged: numbers and messages, and how many entries were said to be missing.
fn read_all<S: ReadAt>(file: &mut JournalFile<S>) -> (Vec<(u64, String)>, u64) {
    let (mut read, mut missing) = (Vec::new(), 0);
    for _ in 0..=file.header().n_entries {
        match file.read() {
            Ok(Some(entry)) => {
                read.push((entry.head().seqnum, String::from_utf8_lossy(entry.get(MESSAGE).unwrap_or_default()).into_owned()));
            }
            Ok(None) => return (read, missing),
            Err(damaged) => missing += damaged.missing,
        }
        file.step();
    }
    panic!("more entries than the file has");
}

fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, String)> {
    numbers.into_iter().map(|number| (number, message(number))).collect()
}
