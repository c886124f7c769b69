//! `/metrics`: what the companion says of itself in Prometheus' text format 0.0.4. Names begin with `picket_companion_`.

use std::fmt::Write;

/// Text exposition, metric by metric.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    last: String,
}

impl Exposition {
    /// One sample. Samples of one metric are given one after the other.
    pub fn sample(&mut self, name: &str, kind: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        // Writing into a String cannot fail.
        if self.last != name {
            let _ = writeln!(self.text, "# HELP picket_companion_{name} {help}\n# TYPE picket_companion_{name} {kind}");
            name.clone_into(&mut self.last);
        }
        let _ = write!(self.text, "picket_companion_{name}");
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
        self.sample(name, "counter", help, &[], value);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, "gauge", help, &[], value);
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Resident memory of this process, bytes (proc(5), statm).
pub fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
