//! The position log: no bytes make reading it fall over, and what is read is written again as it was.
#![no_main]

use agent::checkpoint::{Positions, decode, encode, encode_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut log = Vec::new();
    encode_header(&mut log);
    log.extend_from_slice(bytes);
    for log in [bytes, &log] {
        let (records, _) = decode(log);
        let mut again = Vec::new();
        encode_header(&mut again);
        for record in &records {
            encode(record, &mut again);
        }
        assert_eq!(decode(&again), (records.clone(), None));
        let mut positions = Positions::default();
        for record in records {
            positions.apply(record);
        }
        positions.prune();
        assert_eq!(
            decode(&{
                let mut compacted = Vec::new();
                encode_header(&mut compacted);
                for record in positions.records() {
                    encode(&record, &mut compacted);
                }
                compacted
            })
            .1,
            None
        );
    }
});
