//! Files as they should be.

use super::super::fixtures::long_message;
use super::*;
use crate::journal::file::{OpenError, RealtimeMicros, State};

#[test]
fn every_entry_is_read_in_both_layouts() {
    for compact in [false, true] {
        let mut file = open(file_of(compact, 1000).bytes);
        assert_eq!(read_all(&mut file), (numbered(1..=1000), 0));
        assert!(file.peek().unwrap().is_none());
        assert_eq!(file.place(), 1000);
    }
}

#[test]
fn an_entry_says_when_and_where_it_was_written() {
    let mut file = open(file_of(true, 3).bytes);
    file.go_to(1);
    let head = file.peek().unwrap().unwrap();
    assert_eq!((head.seqnum, head.seqnum_id, head.boot_id, head.xor_hash), (2, RUN, BOOT, 2 << 32));
    assert_eq!((head.realtime.0, head.monotonic.0), (times(2).realtime, times(2).monotonic));
    assert_eq!(head.boot_id.to_string(), "09090909090909090909090909090909");
    let header = file.header();
    assert_eq!((header.head_entry_seqnum, header.tail_entry_seqnum, header.state), (1, 3, State::Online));
    assert_eq!((header.tail_entry_boot_id, header.tail_entry_realtime.0), (BOOT, times(3).realtime));
}

#[test]
fn values_that_occur_again_have_the_same_key() {
    let mut file = open(file_of(false, 30).bytes);
    let mut keys = Vec::new();
    while let Some(entry) = file.read().unwrap() {
        assert_eq!(entry.get(UNIT).unwrap(), format!("unit-{}.service", entry.head().seqnum % 3).as_bytes());
        assert_eq!(entry.stored_size(UNIT), 14);
        keys.push(entry.key(UNIT));
        file.step();
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(*key, keys[number % 3]);
        assert_ne!(*key, keys[(number + 1) % 3]);
    }
}

#[test]
fn a_field_may_occur_several_times_be_binary_empty_or_not_there() {
    let mut writer = JournalWriter::new(true, None, RUN);
    writer.entry(times(1), &["one", "two", "three"].map(|value| Payload::plain("MESSAGE", value)));
    writer.entry(times(2), &[Payload::plain("MESSAGE", [0, b'=', 0xff, b'\n']), Payload::plain("_SYSTEMD_UNIT", "")]);
    writer.entry(times(3), &[Payload::plain("OTHER", "MESSAGE=no")]);
    let mut file = open(writer.bytes);
    let entry = file.read().unwrap().unwrap();
    assert_eq!(entry.all(MESSAGE).collect::<Vec<_>>(), [&b"one"[..], b"two", b"three"]);
    assert_eq!(entry.get(MESSAGE), Some(&b"one"[..]));
    assert_eq!((entry.get(UNIT), entry.key(UNIT), entry.all(UNIT).count()), (None, 0, 0));
    file.step();
    let entry = file.read().unwrap().unwrap();
    assert_eq!((entry.get(MESSAGE), entry.get(UNIT)), (Some(&[0, b'=', 0xff, b'\n'][..]), Some(&b""[..])));
    file.step();
    assert_eq!(file.read().unwrap().unwrap().get(MESSAGE), None);
}

#[test]
fn all_compressions_are_read_and_cut_where_they_should() {
    let text = long_message();
    for packing in Packing::ALL {
        for limit in [0, 1, 57, 1000, text.len() - 1, text.len(), 1 << 20] {
            let mut writer = JournalWriter::new(true, Some(packing), RUN);
            writer.entry(times(1), &[packing.message()]);
            writer.entry(times(2), &[packing.message()]);
            let mut file = JournalFile::open(writer.bytes, Arc::new(Wanted::new(&[("MESSAGE", limit)]))).unwrap();
            for _ in 0..2 {
                let entry = file.read().unwrap().unwrap();
                let expected = &text.as_bytes()[..text.len().min(limit)];
                assert_eq!(entry.get(MESSAGE), Some(expected), "{packing:?} {limit}");
                let left_out = entry.left_out(MESSAGE);
                match packing {
                    // `xz` on a pipe does not say how long it is.
                    Packing::Xz => assert_eq!(left_out > 0, limit < text.len(), "{limit}"),
                    _ => assert_eq!(left_out, (text.len() - expected.len()) as u64, "{packing:?} {limit}"),
                }
                assert_eq!(entry.stored_size(MESSAGE), packing.message().stored.len() as u64);
                file.step();
            }
        }
        let mut writer = JournalWriter::new(false, Some(packing), RUN);
        writer.entry(times(1), &[packing.message(), Payload::plain("_SYSTEMD_UNIT", "a.service")]);
        let mut file = JournalFile::open(writer.bytes, Arc::new(Wanted::new(&[("_SYSTEMD_UNIT", 64)]))).unwrap();
        assert_eq!(file.read().unwrap().unwrap().get(FieldId(0)), Some(&b"a.service"[..]));
    }
}

#[test]
fn a_long_value_is_cut_and_nothing_of_it_stays() {
    let long = vec![b'x'; 5 << 20];
    let mut writer = JournalWriter::new(false, None, RUN);
    writer.entry(times(1), &[Payload::plain("MESSAGE", &long), Payload::plain("UNWANTED", &long)]);
    append(&mut writer, 2);
    let bytes = writer.bytes;
    for (limit, expected) in [(100, 100), (3 << 20, 3 << 20), (64 << 20, 5 << 20)] {
        let mut file = JournalFile::open(bytes.as_slice(), Arc::new(Wanted::new(&[("MESSAGE", limit)]))).unwrap();
        let entry = file.read().unwrap().unwrap();
        assert_eq!((entry.get(MESSAGE).unwrap().len(), entry.left_out(MESSAGE)), (expected, (long.len() - expected) as u64));
        assert_eq!(entry.stored_size(MESSAGE), long.len() as u64);
        file.step();
        assert_eq!(file.read().unwrap().unwrap().get(MESSAGE), Some(message(2).as_bytes()));
        assert!(file.held() < 1 << 20, "{}", file.held());
        file.shrink();
        assert!(file.held() < 1 << 10, "{}", file.held());
        assert_eq!(file.read().unwrap().unwrap().get(MESSAGE), Some(message(2).as_bytes()));
    }
}

#[test]
fn what_is_known_of_a_file_is_bounded() {
    let mut writer = JournalWriter::new(true, None, RUN);
    for number in 0..40_000 {
        // Every value occurs twice, far apart.
        let unit = format!("{:0>60}", number % 20_000);
        writer.entry(
            times(number + 1),
            &[Payload::plain("_SYSTEMD_UNIT", unit), Payload::plain("OTHER", (number % 20_000).to_string())],
        );
    }
    let mut file = open(writer.bytes);
    let mut most = 0;
    while let Some(entry) = file.read().unwrap() {
        assert_eq!(entry.get(UNIT).unwrap(), format!("{:0>60}", (entry.head().seqnum - 1) % 20_000).as_bytes());
        file.step();
        most = most.max(file.held());
    }
    assert!((100 << 10..1 << 20).contains(&most), "{most}");
}

#[test]
fn a_time_is_found_where_it_begins() {
    for compact in [false, true] {
        let mut file = open(file_of(compact, 777).bytes);
        for number in [1, 2, 4, 5, 12, 13, 400, 777] {
            let at = times(number).realtime;
            for (asked, place) in [(at, number - 1), (at - 1, number - 1), (at + 1, number)] {
                assert_eq!(file.find_realtime(RealtimeMicros(asked)).unwrap(), place);
            }
        }
        assert_eq!(
            (file.find_realtime(RealtimeMicros(0)).unwrap(), file.find_realtime(RealtimeMicros(u64::MAX)).unwrap()),
            (0, 777)
        );
    }
    assert_eq!(open(file_of(true, 0).bytes).find_realtime(RealtimeMicros(5)).unwrap(), 0);
}

#[test]
fn a_clock_that_was_set_back_hides_nothing_that_ends_the_file() {
    let mut writer = JournalWriter::new(true, None, RUN);
    for (number, seconds) in [10, 20, 30, 5, 6, 40, 41, 42].into_iter().enumerate() {
        let realtime = seconds * 1_000_000;
        writer.entry(Times { realtime, monotonic: number as u64 + 1, boot: BOOT }, &[Payload::plain("MESSAGE", "m")]);
    }
    let mut file = open(writer.bytes);
    assert!(file.find_realtime(RealtimeMicros(25_000_000)).unwrap() <= 5);
}

#[test]
fn places_are_gone_to_forth_and_back() {
    let mut file = open(file_of(true, 500).bytes);
    for place in [499, 0, 250, 251, 3, 4, 498] {
        file.go_to(place);
        assert_eq!(file.peek().unwrap().unwrap().seqnum, place + 1);
        assert_eq!(file.read().unwrap().unwrap().get(MESSAGE), Some(message(place + 1).as_bytes()));
    }
    file.go_to(500);
    assert!(file.peek().unwrap().is_none());
    file.step();
    assert_eq!(file.place(), 500);
}

#[test]
fn a_file_that_is_none_is_not_opened() {
    let bytes = file_of(true, 1).bytes;
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        JournalFile::open(bytes, wanted()).err()
    };
    assert!(matches!(refused(&|bytes| bytes.truncate(207)), Some(OpenError::TooShort)));
    assert!(matches!(refused(&|bytes| bytes.clear()), Some(OpenError::TooShort)));
    assert!(matches!(refused(&|bytes| bytes[0] = b'l'), Some(OpenError::NotAJournal(_))));
    assert!(matches!(refused(&|bytes| bytes[16] = 3), Some(OpenError::NotAJournal(_))));
    assert!(matches!(refused(&|bytes| bytes[88] |= 1), Some(OpenError::NotAJournal(_))));
    assert!(matches!(refused(&|bytes| bytes[12] |= 0x60), Some(OpenError::UnknownFlags(0x60))));
    assert!(refused(&|bytes| bytes[8] = 0xff).is_none(), "compatible flags need not be known");
}
