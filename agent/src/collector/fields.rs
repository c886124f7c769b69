//! Names of fields that the kernel lists in the same order each time: whether one is wanted, and the name of its family, is worked
//! out once, and only compared from then on. Patterns cost more than reading the file.

use regex::Regex;

/// More fields than any file has.
const MOST: usize = 4096;

/// Those that were seen.
pub struct Fields {
    /// What stands before the field in the family's name.
    prefix: &'static str,
    wanted: Regex,
    known: Vec<Known>,
    next: usize,
}

struct Known {
    /// The group and the field.
    key: (Vec<u8>, Vec<u8>),
    family: Option<String>,
}

impl Fields {
    /// Those that match a pattern.
    pub fn new(prefix: &'static str, wanted: &Regex) -> Self {
        Self { prefix, wanted: wanted.clone(), known: Vec::new(), next: 0 }
    }

    /// From now on the fields come from their beginning again.
    pub fn again(&mut self) {
        self.next = 0;
    }

    /// The family of the next field, if it is wanted. A field of a group is known as `group_field`.
    pub fn family(&mut self, group: &[u8], field: &[u8]) -> Option<&str> {
        let place = self.next.min(MOST);
        self.next += 1;
        if self.known.get(place).is_none_or(|known| known.key.0 != group || known.key.1 != field) {
            // A line more or less, and all that follow are others.
            self.known.truncate(place);
            self.known.push(Known { key: (group.to_vec(), field.to_vec()), family: self.work_out(group, field) });
        }
        self.known.get(place)?.family.as_deref()
    }

    fn work_out(&self, group: &[u8], field: &[u8]) -> Option<String> {
        let (group, field) = (std::str::from_utf8(group).ok()?, std::str::from_utf8(field).ok()?);
        let name = if group.is_empty() { field.to_owned() } else { format!("{group}_{field}") };
        self.wanted.is_match(&name).then(|| format!("{}{name}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_by_their_names_whatever_their_places_were() {
        let mut fields = Fields::new("node_netstat_", &Regex::new("^Tcp_In|^oom").unwrap());
        let mut families = |all: &[(&str, &str)]| -> Vec<Option<String>> {
            fields.again();
            all.iter().map(|(group, field)| fields.family(group.as_bytes(), field.as_bytes()).map(str::to_owned)).collect()
        };
        let segments = Some("node_netstat_Tcp_InSegs".to_owned());
        for _ in 0..2 {
            assert_eq!(
                families(&[("Tcp", "InSegs"), ("Udp", "InSegs"), ("", "oom_kill")]),
                [segments.clone(), None, Some("node_netstat_oom_kill".to_owned())]
            );
        }
        assert_eq!(families(&[("Udp", "InSegs"), ("Tcp", "InSegs")]), [None, segments]);
        let many: Vec<(&str, &str)> = (0..2 * MOST).map(|_| ("Tcp", "InSegs")).collect();
        assert!(families(&many).iter().all(Option::is_some));
    }
}
