//! A journal file: no bytes make reading it fall over, go on for ever, or give more than was asked for. The bytes are a file, or changes
//! to one that was whole.
#![no_main]

use std::sync::Arc;

use agent::journal::file::fixtures::{JournalWriter, Packing, Payload, Times};
use agent::journal::file::{FieldId, Id128, JournalFile, RealtimeMicros, Wanted};
use libfuzzer_sys::fuzz_target;

const LIMITS: [(&str, usize); 3] = [("MESSAGE", 700), ("_SYSTEMD_UNIT", 8), ("PRIORITY", 0)];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind & 0x80 == 0 {
        read(rest);
    } else {
        let packing = Packing::ALL.get(usize::from(kind >> 1 & 3)).copied();
        let mut file = whole(kind & 1 != 0, packing);
        for change in rest.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
            match file.get_mut(at) {
                Some(byte) => *byte = change[2],
                // Beyond the end: cut.
                None => file.truncate(file.len() - usize::from(change[2]).min(file.len())),
            }
        }
        read(&file);
    }
});

fn whole(compact: bool, packing: Option<Packing>) -> Vec<u8> {
    let mut writer = JournalWriter::new(compact, packing, Id128([7; 16]));
    for number in 1..=6 {
        let times = Times { realtime: number * 1000, monotonic: number, boot: Id128([9; 16]) };
        let message = packing.map_or_else(|| Payload::plain("MESSAGE", number.to_string()), Packing::message);
        writer.entry(times, &[message, Payload::plain("PRIORITY", "6"), Payload::plain("_SYSTEMD_UNIT", "a.service")]);
    }
    writer.bytes
}

fn read(bytes: &[u8]) {
    let Ok(mut file) = JournalFile::open(bytes, Arc::new(Wanted::new(&LIMITS))) else { return };
    let entries = file.header().n_entries;
    let found = file.find_realtime(RealtimeMicros(3000)).expect("memory can always be read");
    assert!(found <= entries);
    // Twice: as it comes, and with what was remembered of it.
    for round in 0..2 {
        let mut steps = 0;
        loop {
            let place = file.place();
            let head = file.peek().ok().flatten();
            let read = if round == 0 { file.read() } else { file.salvage() };
            match read {
                Ok(None) => break,
                Ok(Some(entry)) => {
                    assert_eq!(head, Some(*entry.head()));
                    for (number, (_, limit)) in LIMITS.iter().enumerate() {
                        assert!(entry.all(FieldId(number as u16)).all(|value| value.len() <= *limit));
                    }
                }
                Err(damaged) => assert!(damaged.missing >= 1 && damaged.place == place),
            }
            assert!(file.held() < 2 << 20);
            file.step();
            assert!(file.place() > place);
            steps += 1;
            assert!(steps <= entries);
        }
        assert_eq!(file.place(), entries);
        file.go_to(0);
        file.refresh().expect("the bytes are the same");
    }
}
