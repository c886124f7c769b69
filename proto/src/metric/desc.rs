//! What a family is, said once in the program: what it gives, and what the catalogue of all metrics lists.

use super::Kind;

/// A family that the program can give.
#[derive(Debug, PartialEq, Eq)]
pub struct Desc {
    /// Its name; a `*` in it stands for a part that is known only when it is given.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// One sentence.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

impl Desc {
    /// A counter.
    pub const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, kind: Kind::Counter, help, labels }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, kind: Kind::Gauge, help, labels }
    }

    /// Of no type.
    pub const fn untyped(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, kind: Kind::Unknown, help, labels }
    }

    /// Whether a family of that name is one of these.
    pub fn describes(&self, name: &str) -> bool {
        let mut parts = self.name.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_part_of_a_name() {
        for (name, given, is) in [
            ("node_load1", "node_load1", true),
            ("node_load1", "node_load15", false),
            ("node_memory_*_bytes", "node_memory_Active_anon_bytes", true),
            ("node_memory_*_bytes", "node_memory_HugePages_Free", false),
            ("node_vmstat_*", "node_vmstat_pgfault", true),
            ("*", "anything", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
        ] {
            assert_eq!(Desc::gauge(name, "", &[]).describes(given), is, "{name} {given}");
        }
    }
}
