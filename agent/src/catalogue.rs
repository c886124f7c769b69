//! Every metric that the agent can give, as text: what rules are checked against.
//!
//! A line a family: name, type, and its labels, separated by commas, or `-`. A `*` in a name is a part that is known only when it is
//! given. What text files and scraped targets hold is not known here. Comments say whose they are, and what all have in common.

use std::fmt::Write as _;

use proto::metric::Desc;

use crate::collector::registry::COLLECTORS;
use crate::collector::{containers, gpu, rounds, ups};
use crate::scrape::report;
use crate::status;
use crate::target::UP;

/// The text.
pub fn text() -> String {
    let mut text = String::from(
        "# Metrics that this agent can give: name, type, labels. `*` is a part that is known only when it is given.\n\
         # All have the labels instance, job, node and those of `labels` in the configuration.\n",
    );
    families("every job", std::iter::once(&UP), &mut text);
    families("every scraped job", report::FAMILIES.iter().copied(), &mut text);
    families("job node", rounds::FAMILIES.iter().copied(), &mut text);
    for entry in COLLECTORS {
        let default = if entry.default { "" } else { ", off unless enabled" };
        families(&format!("job node, collector {}{default}", entry.name), entry.families.iter().copied(), &mut text);
    }
    families("job dcgm-exporter", gpu::families(), &mut text);
    families("job cadvisor", containers::FAMILIES.iter().copied(), &mut text);
    families("job ups", ups::families(), &mut text);
    families("job picket-agent", status::families(), &mut text);
    text
}

fn families(whose: &str, families: impl Iterator<Item = &'static Desc>, text: &mut String) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "\n# {whose}");
    for desc in families {
        let labels = if desc.labels.is_empty() { "-".to_owned() } else { desc.labels.join(",") };
        let _ = writeln!(text, "{} {} {labels}", desc.name, desc.kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_stands_on_a_line_of_three_words() {
        let text = text();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split(' ').collect())
            .collect();
        assert!(lines.len() > 100 && lines.iter().all(|words| words.len() == 3), "{}", lines.len());
        assert!(text.contains("\nnode_load1 gauge -\n") && text.contains("\nnode_memory_*_bytes gauge -\n"));
    }
}
