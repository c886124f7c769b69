//! The catalogue, which rules are checked against: whatever an agent exposes stands in it, with its type and labels.

use std::collections::BTreeSet;

use proto::exposition::read::{Format, Reading, read};
use proto::metric::Families;
use tests::agent::{self, Launch};
use tests::metrics::get;
use tests::receiver::{Receiver, Speaks};
use tests::skip::skipped;
use tests::wait;

use crate::stage::{PATIENCE, Stage};

/// A line of the catalogue.
struct Line {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
}

impl Line {
    fn is_of(&self, name: &str) -> bool {
        let mut parts = self.name.splitn(2, '*');
        let (begin, end) = (parts.next().unwrap_or_default(), parts.next());
        end.map_or(name == begin, |end| name.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)))
    }
}

fn catalogue() -> Vec<Line> {
    let args = ["check", "--metrics"].map(Into::into).into();
    let logs = tempfile::tempdir().unwrap();
    let launch = Launch { program: None, through: Vec::new(), args, env: Vec::new(), logs: logs.path().to_owned() };
    let (status, output, errors) = launch.run(PATIENCE);
    assert!(status.success(), "{errors}");
    let line = |text: &str| {
        let mut words = text.split(' ');
        let (name, kind) = (words.next()?.to_owned(), words.next()?.to_owned());
        let labels = words.next()?.split(',').filter(|label| *label != "-").map(str::to_owned).collect();
        Some(Line { name, kind, labels })
    };
    output.lines().filter(|text| !text.is_empty() && !text.starts_with('#')).filter_map(line).collect()
}

#[test]
fn whatever_is_exposed_stands_in_the_catalogue() {
    let name = "whatever_is_exposed_stands_in_the_catalogue";
    if agent::binary().is_none() {
        return skipped(name, "no agent was built");
    }
    let Some(stage) = Stage::new(name) else { return };
    let receiver = Receiver::start(Speaks::Both);
    // The machine's own trees too: whatever it has.
    let running = stage.start_on_this_machine(&receiver.url());
    wait::for_condition("samples to be written", PATIENCE, || receiver.received().one("node_load1", "node").is_some());
    let text = get(running.address().unwrap(), "/metrics").unwrap();
    running.terminate();
    let mut families = Families::new();
    read(text.as_bytes(), &Reading::of(Format::Text), &mut families).unwrap();
    let catalogue = catalogue();
    let (mut seen, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for sample in families.samples() {
        let family = sample.family();
        let labels: Vec<&str> =
            sample.labels().map(|(name, _)| name).filter(|name| *name != "le" && *name != "quantile").collect();
        let kind = family.kind.to_string();
        let known = catalogue
            .iter()
            .any(|line| line.is_of(family.name) && line.kind == kind && labels.iter().all(|label| line.labels.contains(*label)));
        seen.insert(family.name.to_owned());
        if !known {
            missing.insert(format!("{} {kind} {}", family.name, labels.join(",")));
        }
    }
    assert_eq!(missing, BTreeSet::new());
    let own = seen.iter().filter(|name| name.starts_with("picket_agent_")).count();
    assert!(own > 20 && seen.len() > 150, "{own} {}", seen.len());
}
