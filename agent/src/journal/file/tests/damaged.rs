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

#[test]
fn a_list_that_breaks_off_says_how_many_entries_are_lost() {
    let whole = file_of(true, 100);
    // The third array lists entries 13 to 36.
    let changes: [(&str, &dyn Fn(&mut JournalWriter)); 4] = [
        ("it ends", &|writer| writer.put_u64(writer.arrays[1] + 16, 0)),
        ("it goes back", &|writer| writer.put_u64(writer.arrays[1] + 16, writer.arrays[0])),
        ("it goes nowhere", &|writer| writer.put_u64(writer.arrays[1] + 16, 1 << 40)),
        ("it goes to something else", &|writer| writer.put(writer.arrays[2], &[3])),
    ];
    for (what, change) in changes {
        let mut writer = whole.clone();
        change(&mut writer);
        let mut file = open(writer.bytes);
        assert_eq!(read_all(&mut file), (numbered(1..=12), 88), "{what}");
        assert_eq!(file.place(), 100);
        assert_eq!(file.find_realtime(RealtimeMicros(times(50).realtime)).unwrap(), 12, "{what}");
    }
}

#[test]
fn zeroes_in_the_list_are_lost_together() {
    let mut writer = file_of(false, 100);
    writer.put(writer.arrays[2] + 24 + 8 * 2, &[0; 8 * 20]);
    let mut file = open(writer.bytes);
    file.go_to(14);
    assert_eq!(file.peek().unwrap_err().missing, 20);
    file.go_to(0);
    assert_eq!(read_all(&mut file), (numbered((1..=14).chain(35..=100)), 20));
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
