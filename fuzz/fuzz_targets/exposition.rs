//! Any bytes as the text of `/metrics`, in both formats: nothing panics, and what is read can be written and read again, with the same
//! samples.
//!
//! The first byte chooses the format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::exposition::read::{Format, Reading, read};
use proto::exposition::write_families;
use proto::metric::Families;

fuzz_target!(|data: &[u8]| {
    let [form, text @ ..] = data else { return };
    let format = if form % 2 == 0 { Format::Text } else { Format::OpenMetrics };
    let mut families = Families::new();
    if read(text, &Reading::of(format), &mut families).is_err() {
        // What came before the mistake stands there too.
        let _ = samples(&families);
        return;
    }
    let mut written = String::new();
    write_families(&families, &mut written);
    let mut again = Families::new();
    // Escapes may make a label longer than it was.
    let reading = Reading { label_bytes_max: usize::MAX, ..Reading::of(Format::Text) };
    read(written.as_bytes(), &reading, &mut again).expect("what is written is read");
    assert_eq!(samples(&again), samples(&families), "{written}");
});

fn samples(families: &Families) -> Vec<String> {
    let show = |sample: proto::metric::Sample<'_>| {
        let labels: Vec<_> = sample.labels().collect();
        format!("{} {labels:?} {:x} {:?}", sample.name(), sample.value().to_bits(), sample.time())
    };
    let mut shown: Vec<String> = families.samples().map(show).collect();
    // Families are written one after the other.
    shown.sort_unstable();
    shown
}
