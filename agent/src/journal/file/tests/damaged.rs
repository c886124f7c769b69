//! Files that a crash, a disk or an enemy has spoilt.

use proptest::prelude::*;

use super::*;
use crate::journal::file::{Flaw, RealtimeMicros};

#[test]
fn a_damaged_entry_costs_itself_alone() {
    let mut writer = file_of(true, 100);
    writer.put_u64(writer.entries[41] + 8, u64::MAX);
    let others = || (1..=100).filter(|number| *number != 42);
    assert_eq!(read_all(&mut open(writer.bytes)), (numbered(others()), 1));
}

#[test]
fn a_damaged_field_costs_itself_alone_when_the_rest_is_asked_for() {
    let mut writer = file_of(true, 3);
    let unit = writer.bytes.windows(7).position(|bytes| bytes == b"_SYSTEM").unwrap() as u64 - 72;
    writer.put(unit, &[9]);
    let mut file = open(writer.bytes);
    assert!(matches!(file.read().err().unwrap().flaw, Flaw::Kind { expected: 1, found: 9 }));
    let entry = file.salvage().unwrap().unwrap();
    assert_eq!((entry.get(MESSAGE), entry.get(UNIT), entry.unreadable()), (Some(message(1).as_bytes()), None, 1));
    file.step();
    assert_eq!(file.read().unwrap().unwrap().unreadable(), 0);
}

/// What is wrong, and how it comes about.
type Harm = (&'static str, fn(&mut JournalWriter));

/// The third array of a hundred entries lists 13 to 36.
const BREAKS: [Harm; 4] = [
    ("it ends", |writer| writer.put_u64(writer.arrays[1] + 16, 0)),
    ("it goes back", |writer| writer.put_u64(writer.arrays[1] + 16, writer.arrays[0])),
    ("it goes nowhere", |writer| writer.put_u64(writer.arrays[1] + 16, 1 << 40)),
    ("it goes to something else", |writer| writer.put(writer.arrays[2], &[2])),
];

#[test]
fn where_the_list_breaks_off_entries_are_found_without_it() {
    for (what, harm) in BREAKS {
        let mut writer = file_of(true, 100);
        harm(&mut writer);
        let mut file = open(writer.bytes);
        assert_eq!(read_all(&mut file), (numbered(1..=100), 0), "{what}");
        assert_eq!((file.place(), file.searched()), (100, 88));
        // The list leads to entry 12 only, wherever it was sought.
        let place = file.find_realtime(RealtimeMicros(times(50).realtime)).unwrap();
        assert_eq!(place, 12, "{what}");
        file.go_to(place);
        assert_eq!(read_all(&mut file), (numbered(13..=100), 0), "{what}");
        file.go_to(50);
        assert_eq!(file.peek().unwrap_err().missing, 50, "{what}");
    }
}

#[test]
fn what_is_found_without_the_list_may_be_damaged_too() {
    let mut writer = file_of(true, 100);
    BREAKS[0].1(&mut writer);
    writer.put_u64(writer.entries[49] + 24, 0); // its time
    let message = writer.bytes.windows(10).position(|bytes| bytes == b"message 61").unwrap() as u64 - 8 - 72;
    writer.put(message, &[9]);
    let others = (1..=100).filter(|number| ![50, 61].contains(number));
    assert_eq!(read_all(&mut open(writer.bytes)), (numbered(others), 2));
}

#[test]
fn where_nothing_leads_further_it_is_said_how_many_entries_are_lost() {
    for (what, harm) in BREAKS {
        let mut writer = file_of(true, 100);
        harm(&mut writer);
        // Between entries 40 and 41, what is no object.
        writer.put_u64(writer.entries[39] + 8, 4);
        let mut file = open(writer.bytes);
        let (read, missing) = read_all(&mut file);
        assert_eq!((read, missing), (numbered(1..=39), 61), "{what}");
        assert_eq!(file.place(), 100);
    }
}

#[test]
fn an_entry_that_is_listed_twice_is_read_once() {
    let mut writer = file_of(false, 12);
    writer.put_u64(writer.arrays[1] + 24 + 8 * 3, writer.entries[2]);
    assert_eq!(read_all(&mut open(writer.bytes)), (numbered(1..=12), 0));
}

#[test]
fn zeroes_in_the_list_are_gone_around() {
    let mut writer = file_of(false, 100);
    writer.put(writer.arrays[2] + 24 + 8 * 2, &[0; 8 * 20]);
    let mut file = open(writer.bytes);
    assert_eq!(read_all(&mut file), (numbered(1..=100), 0));
    file.go_to(20);
    let damaged = file.peek().unwrap_err();
    assert_eq!((damaged.missing, damaged.place), (14, 20));
    file.step();
    assert_eq!(file.peek().unwrap().unwrap().seqnum, 35);
}

#[test]
fn a_header_that_claims_too_much_is_not_believed() {
    let mut writer = file_of(true, 5);
    writer.put_u64(152, u64::MAX);
    let claimed = open(writer.bytes.as_slice()).header().n_entries;
    assert!(claimed < writer.bytes.len() as u64);
    let (read, missing) = read_all(&mut open(writer.bytes.as_slice()));
    assert_eq!((read, missing), (numbered(1..=5), claimed - 5));
}

#[test]
fn a_file_cut_anywhere_gives_what_is_left_of_it() {
    let writer = file_of(true, 40);
    for len in (0..writer.bytes.len()).step_by(8) {
        let Ok(mut file) = JournalFile::open(&writer.bytes[..len], wanted()) else { continue };
        let (read, missing) = read_all(&mut file);
        assert_eq!(read, numbered(1..=read.len() as u64), "cut at {len}");
        assert_eq!(read.len() as u64 + missing, 40);
    }
}

#[test]
fn equal_items_do_not_multiply_what_is_held() {
    // A hundred times the same long value: together they get no more than all limits.
    let mut writer = JournalWriter::new(true, None, RUN);
    let fields: Vec<Payload> = (0..100).map(|number| Payload::plain("MESSAGE", format!("{number:0>9000}"))).collect();
    writer.entry(times(1), &fields);
    let mut file = open(writer.bytes);
    let entry = file.read().unwrap().unwrap();
    assert_eq!(entry.all(MESSAGE).count(), 100);
    assert_eq!(entry.all(MESSAGE).map(<[u8]>::len).sum::<usize>(), 4096 + 64);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall_over(
        compact: bool,
        packing in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        at: u64,
    ) {
        let packing = Packing::ALL.get(packing).copied();
        let mut writer = JournalWriter::new(compact, packing, RUN);
        for number in 1..8 {
            append(&mut writer, number);
            writer.entry(times(number), &packing.map_or_else(|| vec![Payload::plain("A", "b")], |packing| vec![packing.message()]));
        }
        for (index, byte) in changes {
            let index = index.index(writer.bytes.len());
            writer.bytes[index] = byte;
        }
        if let Ok(mut file) = JournalFile::open(writer.bytes, wanted()) {
            file.find_realtime(RealtimeMicros(at)).unwrap();
            read_all(&mut file);
            file.go_to(at);
            file.salvage().ok();
        }
    }
}
