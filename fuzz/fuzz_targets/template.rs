//! Templates of labels and annotations: no text makes reading or filling one fall over.
#![no_main]

use std::sync::Arc;

use companion::labels::LabelSet;
use companion::rules::template::{Environment, Template};
use libfuzzer_sys::fuzz_target;
use proto::time::UnixNanos;

fuzz_target!(|input: (&str, &str, f64)| {
    let (text, label, value) = input;
    let Ok(template) = Template::parse(text, &Arc::new(Environment::default())) else { return };
    let labels: LabelSet = [("instance", label), ("user", "alice")].into_iter().collect();
    let _ = template.render(&labels, value, UnixNanos(1_779_458_400_000_000_000));
});
