//! Prometheus' text exposition formats: samples in, the text of `/metrics` out, and back.
//!
//! `Exposition` is for what a program says of itself, name by name, all with its prefix; `write_families` for what was collected;
//! `read` for what others say.

pub mod read;
mod write;

use std::fmt::Write as _;

pub use crate::metric::Kind;
pub use write::{number, write_families};

/// The text while it grows, metric by metric.
#[derive(Debug)]
pub struct Exposition {
    prefix: &'static str,
    text: String,
    last: String,
}

impl Exposition {
    /// Nothing yet. `prefix` stands before every name.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new(), last: String::new() }
    }

    /// One sample. Samples of one metric are given one after the other.
    pub fn sample(&mut self, name: &str, kind: Kind, help: &str, labels: &[(&str, &str)], value: f64) {
        let prefix = self.prefix;
        // Writing into a String cannot fail.
        if self.last != name {
            let _ = writeln!(self.text, "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {kind}");
            name.clone_into(&mut self.last);
        }
        let _ = write!(self.text, "{prefix}{name}");
        for (place, (label, value)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{open}{label}=\"{value}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, Kind::Counter, help, &[], value);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, Kind::Gauge, help, &[], value);
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_described_once_and_its_labels_are_escaped() {
        let mut out = Exposition::new("picket_");
        out.sample("reads_total", Kind::Counter, "Reads.", &[("file", "a\\b\"c\nd"), ("job", "")], 2.0);
        out.sample("reads_total", Kind::Counter, "Reads.", &[("file", "e"), ("job", "x")], 3.0);
        out.gauge("age_seconds", "Age.", 0.25);
        let text = r#"# HELP picket_reads_total Reads.
# TYPE picket_reads_total counter
picket_reads_total{file="a\\b\"c\nd",job=""} 2
picket_reads_total{file="e",job="x"} 3
# HELP picket_age_seconds Age.
# TYPE picket_age_seconds gauge
picket_age_seconds 0.25
"#;
        assert_eq!(out.finish(), text);
    }
}
