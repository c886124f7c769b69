//! Prometheus' text exposition formats: samples in, the text of `/metrics` out, and back.
//!
//! `Exposition` is for what a program says of itself, name by name, all with its prefix; `write_families` for what was collected;
//! `read` for what others say.

pub mod read;
mod write;

use crate::metric::Families;

pub use crate::metric::Kind;
pub use write::{number, write_families};

/// What a program says of itself, metric by metric.
#[derive(Debug)]
pub struct Exposition {
    prefix: &'static str,
    families: Families,
    last: String,
    name: String,
}

impl Exposition {
    /// Nothing yet. `prefix` stands before every name.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, families: Families::new(), last: String::new(), name: String::new() }
    }

    /// One sample. Samples of one metric are given one after the other. A label with an empty value is one that is not there.
    pub fn sample(&mut self, name: &str, kind: Kind, help: &str, labels: &[(&str, &str)], value: f64) {
        if self.last != name {
            name.clone_into(&mut self.last);
            self.prefix.clone_into(&mut self.name);
            self.name.push_str(name);
            self.families.read_family(&self.name, kind, help, "");
        }
        self.families.read_sample(&self.name, value, None);
        for (label, value) in labels {
            self.families.label(label, value);
        }
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, Kind::Counter, help, &[], value);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, Kind::Gauge, help, &[], value);
    }

    /// All of it as text.
    pub fn finish(self) -> String {
        let mut text = String::new();
        write_families(&self.families, &mut text);
        text
    }

    /// All of it as families.
    pub fn families(self) -> Families {
        self.families
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
picket_reads_total{file="a\\b\"c\nd"} 2
picket_reads_total{file="e",job="x"} 3
# HELP picket_age_seconds Age.
# TYPE picket_age_seconds gauge
picket_age_seconds 0.25
"#;
        assert_eq!(out.finish(), text);
    }
}
