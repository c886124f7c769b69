//! A spool's record: no bytes make reading it fall over, and what is read is written again as it was.
#![no_main]

use agent::checkpoint::{read_spooled, write_spooled};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(batch) = read_spooled(bytes) {
        let mut again = Vec::new();
        write_spooled(&batch, &mut again);
        assert_eq!(read_spooled(&again), Some(batch));
    }
});
