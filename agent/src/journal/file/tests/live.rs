//! Files to which others write while they are read.

use std::cell::RefCell;
use std::io;

use super::*;
use crate::journal::file::{Flaw, OpenError, State};

/// A file in memory that can change.
struct Shared(RefCell<Vec<u8>>);

impl ReadAt for Shared {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        ReadAt::read_at(&*self.0.borrow(), buffer, at)
    }
}

#[test]
fn what_is_added_is_seen_after_a_refresh() {
    let mut writer = file_of(true, 2);
    let shared = Shared(RefCell::new(writer.bytes.clone()));
    let mut file = open(&shared);
    assert_eq!(read_all(&mut file), (numbered(1..=2), 0));
    // Arrays are added too, at 4, 12, 36 entries.
    for number in 3..=60 {
        append(&mut writer, number);
        shared.0.replace(writer.bytes.clone());
        assert!(file.peek().unwrap().is_none());
        file.refresh().unwrap();
        assert_eq!(read_all(&mut file), (numbered([number]), 0));
    }
    writer.archive();
    shared.0.replace(writer.bytes.clone());
    file.refresh().unwrap();
    assert_eq!((file.header().state, file.header().n_entries), (State::Archived, 60));
}

#[test]
fn an_entry_that_is_half_written_is_waited_for() {
    let writer = file_of(false, 6);
    let entry = writer.entries[4] as usize;
    let message = writer.bytes.windows(9).position(|bytes| bytes == b"message 5").unwrap() - 8 - 64;
    // The entry's object, or its data's: each may come last. (That the list leads there is not needed.)
    for (from, len) in [(entry, 16), (entry + 24, 8), (message, 16)] {
        let mut half = writer.bytes.clone();
        half[from..from + len].fill(0);
        let shared = Shared(RefCell::new(half));
        let mut file = open(&shared);
        file.go_to(4);
        for _ in 0..3 {
            let damaged = file.read().err().unwrap();
            assert_eq!((damaged.place, damaged.missing, file.place()), (4, 1, 4), "{damaged}");
        }
        shared.0.replace(writer.bytes.clone());
        assert_eq!(read_all(&mut file), (numbered(5..=6), 0));
    }
}

#[test]
fn a_file_that_is_cut_under_us_is_a_short_read() {
    let writer = file_of(true, 5000);
    let shared = Shared(RefCell::new(writer.bytes.clone()));
    let mut file = open(&shared);
    for _ in 0..10 {
        assert!(file.read().unwrap().is_some());
        file.step();
    }
    shared.0.borrow_mut().truncate(300);
    file.shrink();
    let damaged = file.read().err().unwrap();
    assert!(matches!(damaged.flaw, Flaw::Short), "{damaged}");
    shared.0.borrow_mut().clear();
    assert!(matches!(file.refresh(), Err(OpenError::TooShort)));
}

#[test]
fn another_file_in_the_same_place_is_not_taken_for_the_same() {
    let shared = Shared(RefCell::new(file_of(true, 3).bytes));
    let mut file = open(&shared);
    shared.0.replace(JournalWriter::new(true, None, Id128([8; 16])).bytes);
    assert!(matches!(file.refresh(), Err(OpenError::Replaced)));
}
