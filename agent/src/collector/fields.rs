//! Names of fields that the kernel lists in the same order each time: whether one is wanted, and the name of its family, is worked
//! out once, and only compared from then on. Patterns cost more than reading the file.

use regex::bytes::Regex;

/// More fields than any file has.
const MOST: usize = 4096;

/// Those that were seen, one behind the other in memory: they are all gone through each time.
pub struct Fields {
    /// What stands before the field in the family's name.
    prefix: &'static str,
    wanted: Regex,
    keys: Vec<u8>,
    known: Vec<Known>,
    next: usize,
}

struct Known {
    /// Where its group and, behind that, its field stand in `keys`.
    group: usize,
    field: usize,
    end: usize,
    family: Option<String>,
}

impl Fields {
    /// Those that match a pattern.
    pub fn new(prefix: &'static str, wanted: &Regex) -> Self {
        Self { prefix, wanted: wanted.clone(), keys: Vec::new(), known: Vec::new(), next: 0 }
    }

    /// From now on the fields come from their beginning again.
    pub fn again(&mut self) {
        self.next = 0;
    }

    /// The family of the next field, if it is wanted. A field of a group is known as `group_field`.
    pub fn family(&mut self, group: &[u8], field: &[u8]) -> Option<&str> {
        let place = self.next.min(MOST);
        self.next += 1;
        if !self.known.get(place).is_some_and(|known| known.is(group, field, &self.keys)) {
            // A line more or less, and all that follow are others.
            self.known.truncate(place);
            self.keys.truncate(self.known.last().map_or(0, |known| known.end));
            let start = self.keys.len();
            self.keys.extend_from_slice(group);
            self.keys.extend_from_slice(field);
            let family = self.work_out(group, field);
            self.known.push(Known { group: start, field: start + group.len(), end: self.keys.len(), family });
        }
        self.known.get(place)?.family.as_deref()
    }

    fn work_out(&self, group: &[u8], field: &[u8]) -> Option<String> {
        let (group, field) = (std::str::from_utf8(group).ok()?, std::str::from_utf8(field).ok()?);
        let name = if group.is_empty() { field.to_owned() } else { format!("{group}_{field}") };
        self.wanted.is_match(name.as_bytes()).then(|| format!("{}{name}", self.prefix))
    }
}

impl Known {
    fn is(&self, group: &[u8], field: &[u8], keys: &[u8]) -> bool {
        keys.get(self.field..self.end) == Some(field) && keys.get(self.group..self.field) == Some(group)
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
