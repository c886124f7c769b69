//! Families as text, each once with its help and type, its samples below it in the order in which they were given.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::metric::{Families, Family, Sample};

/// Appends all families. A name that several collectors give stands once.
pub fn write_families(families: &Families, out: &mut String) {
    let mut order: Vec<(Family<'_>, Vec<Sample<'_>>)> = Vec::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let heads: Vec<Family<'_>> = families.families().collect();
    let places: Vec<usize> = heads
        .iter()
        .map(|family| {
            *by_name.entry(family.name).or_insert_with(|| {
                order.push((*family, Vec::new()));
                order.len() - 1
            })
        })
        .collect();
    for sample in families.samples() {
        order[places[sample.family_place()]].1.push(sample);
    }
    for (family, samples) in order {
        if samples.is_empty() {
            continue;
        }
        // Writing into a String cannot fail.
        if !family.help.is_empty() {
            out.push_str("# HELP ");
            write_name(family.name, is_metric_name, out);
            out.push(' ');
            escape(family.help, false, out);
            out.push('\n');
        }
        out.push_str("# TYPE ");
        write_name(family.name, is_metric_name, out);
        let _ = writeln!(out, " {}", family.kind);
        for sample in samples {
            write_sample(&sample, out);
        }
    }
}

fn write_sample(sample: &Sample<'_>, out: &mut String) {
    let mut open = '{';
    if !is_metric_name(sample.name()) {
        out.push(open);
        open = ',';
    }
    write_name(sample.name(), is_metric_name, out);
    for (name, value) in sample.labels() {
        out.push(open);
        open = ',';
        write_name(name, is_label_name, out);
        out.push_str("=\"");
        escape(value, true, out);
        out.push('"');
    }
    if open == ',' {
        out.push('}');
    }
    out.push(' ');
    number(sample.value(), out);
    if let Some(time) = sample.time() {
        let _ = write!(out, " {}", time.0);
    }
    out.push('\n');
}

/// A name, in quotes if it is not as names always were.
fn write_name(name: &str, is_plain: impl Fn(&str) -> bool, out: &mut String) {
    if is_plain(name) {
        out.push_str(name);
    } else {
        out.push('"');
        escape(name, true, out);
        out.push('"');
    }
}

/// A value as Prometheus reads it: the shortest decimal that gives the same number again.
pub fn number(value: f64, out: &mut String) {
    let _ = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value != 0.0 && !(1e-6..1e17).contains(&value.abs()) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

fn is_metric_name(name: &str) -> bool {
    is_name(name, |byte| byte == b'_' || byte == b':')
}

fn is_label_name(name: &str) -> bool {
    is_name(name, |byte| byte == b'_')
}

fn is_name(name: &str, also: impl Fn(u8) -> bool) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || also(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Desc, Kind, UnixMillis};

    static READS: Desc = Desc::counter("disk_reads_total", "Reads.", &["device"]);
    static NOW: Desc = Desc::gauge("disk_now", "Under\nway.", &["device"]);

    #[test]
    fn every_family_stands_once_with_all_its_samples() {
        let mut families = Families::new();
        families.sample(&READS, &["a\"b\\c\nd"], 3.0);
        families.sample(&NOW, &["sda"], f64::NAN);
        families.sample(&READS, &[""], 1e18);
        families.read_family("disk_now", Kind::Gauge, "Again.", "");
        families.read_sample("disk_now", f64::INFINITY, Some(UnixMillis(5)));
        families.read_family("none", Kind::Gauge, "", "");
        families.read_family("a.b", Kind::Unknown, "", "");
        families.read_sample("a.b", 0.25, None);
        families.label("c.d", "e");
        let mut text = String::new();
        write_families(&families, &mut text);
        let expected = r#"# HELP disk_reads_total Reads.
# TYPE disk_reads_total counter
disk_reads_total{device="a\"b\\c\nd"} 3
disk_reads_total 1e18
# HELP disk_now Under\nway.
# TYPE disk_now gauge
disk_now{device="sda"} NaN
disk_now +Inf 5
# TYPE "a.b" untyped
{"a.b","c.d"="e"} 0.25
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_number_is_the_shortest_that_is_the_same() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (1_700_000_000.123, "1700000000.123"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (9.22e18, "9.22e18"),
            (1e-9, "1e-9"),
        ] {
            let mut out = String::new();
            number(value, &mut out);
            assert_eq!(out, text);
        }
    }
}
