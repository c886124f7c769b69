//! Lines of containers, as CRI runtimes and as Docker write them: no input panics, and times are written back as read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::{cri, docker, time};

fuzz_target!(|line: &[u8]| {
    if let Some(read) = cri::parse(line) {
        assert!(line.ends_with(read.message));
        let mut text = String::new();
        time::format_rfc3339(read.time, &mut text);
        assert_eq!(time::parse_rfc3339(text.as_bytes()), Some(read.time));
    }
    let mut scratch = Vec::new();
    if let Some(read) = docker::parse(line, &mut scratch) {
        // A broken escape is one byte and becomes the three of U+FFFD.
        assert!(read.message.len() <= 3 * line.len());
    }
    let _ = time::parse_number(line);
});
