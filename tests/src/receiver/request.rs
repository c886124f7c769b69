//! What a request says, in either version, and what is wrong about it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost::Message as _;
use proto::remote_write::{wire_1, wire_2};

use super::{Exemplar, Family, Sample};

/// A request.
pub(super) struct Decoded {
    pub(super) series: Vec<Sent>,
    /// What it tells of families.
    pub(super) families: BTreeMap<String, Family>,
    /// What is wrong about it as a whole.
    pub(super) violations: Vec<String>,
}

impl Decoded {
    /// Of a message; nothing if it is none.
    pub(super) fn of(message: &[u8], is_new: bool) -> Option<Self> {
        if is_new { new(wire_2::Request::decode(message).ok()?) } else { Some(old(wire_1::WriteRequest::decode(message).ok()?)) }
    }
}

/// A series of a request.
pub(super) struct Sent {
    labels: Vec<(String, String)>,
    pub(super) samples: Vec<Sample>,
    pub(super) kind: i32,
    pub(super) started: i64,
    pub(super) exemplars: Vec<Exemplar>,
}

impl Sent {
    /// Its labels as text; what is wrong with it is a violation.
    pub(super) fn check(&self, violations: &mut Vec<String>) -> String {
        let mut text = String::from("{");
        for (name, value) in &self.labels {
            write!(text, "{}{name}={value:?}", if text.len() > 1 { "," } else { "" }).unwrap();
        }
        text.push('}');
        let names: Vec<&String> = self.labels.iter().map(|(name, _)| name).collect();
        if !names.is_sorted() || names.windows(2).any(|pair| pair[0] == pair[1]) {
            violations.push(format!("labels out of order or twice: {text}"));
        }
        if self.labels.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
            violations.push(format!("an empty label: {text}"));
        }
        if !names.iter().any(|name| *name == "__name__") {
            violations.push(format!("no name: {text}"));
        }
        if names.iter().any(|name| *name != "__name__" && name.starts_with("__")) {
            violations.push(format!("a label that is reserved: {text}"));
        }
        if self.samples.is_empty() || self.samples.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            violations.push(format!("no samples, or times that do not rise: {text}"));
        }
        for Exemplar { labels, time, .. } in &self.exemplars {
            let is_sorted = labels.windows(2).all(|pair| pair[0].0 < pair[1].0);
            if *time <= 0 || !is_sorted || labels.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
                violations.push(format!("an exemplar without time, or with labels out of order or empty: {text}"));
            }
        }
        if self.started != 0 && self.samples.iter().any(|(time, _)| self.started > *time) {
            violations.push(format!("it began after its samples: {text}"));
        }
        text
    }

    /// Why its samples cannot stand behind the newest that is known.
    pub(super) fn refusal(&self, known: Option<Sample>) -> Option<&'static str> {
        let (time, value) = known?;
        let first = self.samples.first()?;
        match first.0.cmp(&time) {
            std::cmp::Ordering::Less => Some("out of order sample"),
            std::cmp::Ordering::Equal if first.1 != value => Some("duplicate sample for timestamp"),
            _ => None,
        }
    }

    fn name(&self) -> &str {
        self.labels.iter().find(|(name, _)| name == "__name__").map_or("", |(_, value)| value)
    }
}

fn old(decoded: wire_1::WriteRequest) -> Decoded {
    let told = |told: wire_1::Metadata| (told.family, Family { kind: told.r#type, help: told.help, unit: told.unit, helped: 0 });
    let families = decoded.metadata.into_iter().map(told).collect();
    let series = decoded.series.into_iter().map(|series| Sent {
        labels: series.labels.into_iter().map(|label| (label.name, label.value)).collect(),
        samples: series.samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())).collect(),
        kind: 0,
        started: 0,
        exemplars: series
            .exemplars
            .into_iter()
            .map(|exemplar| Exemplar {
                labels: exemplar.labels.into_iter().map(|label| (label.name, label.value)).collect(),
                value: exemplar.value,
                time: exemplar.timestamp,
            })
            .collect(),
    });
    Decoded { series: series.collect(), families, violations: Vec::new() }
}

fn new(decoded: wire_2::Request) -> Option<Decoded> {
    let symbols = &decoded.symbols;
    let mut all = Decoded { series: Vec::new(), families: BTreeMap::new(), violations: Vec::new() };
    let mut sorted = symbols.clone();
    sorted.sort();
    if symbols.first().is_none_or(|first| !first.is_empty()) || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        all.violations.push("the first symbol is not empty, or one stands twice".to_owned());
    }
    let symbol = |place: u32| symbols.get(place as usize).cloned();
    let pairs = |references: &[u32]| -> Option<Vec<(String, String)>> {
        references.chunks(2).map(|pair| Some((symbol(*pair.first()?)?, symbol(*pair.get(1)?)?))).collect()
    };
    let mut targets: BTreeMap<Vec<(String, String)>, Family> = BTreeMap::new();
    for series in decoded.series {
        let exemplar = |exemplar: &wire_2::Exemplar| {
            let labels = pairs(&exemplar.labels)?;
            Some(Exemplar { labels, value: exemplar.value, time: exemplar.timestamp })
        };
        let metadata = series.metadata.unwrap_or_default();
        let sent = Sent {
            labels: pairs(&series.labels)?,
            samples: series.samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())).collect(),
            kind: metadata.r#type,
            started: series.samples.first().map_or(0, |sample| sample.start),
            exemplars: series.exemplars.iter().map(exemplar).collect::<Option<_>>()?,
        };
        let told = Family { kind: metadata.r#type, help: symbol(metadata.help)?, unit: symbol(metadata.unit)?, helped: 0 };
        // Targets may differ over a metric, but none with itself.
        let of_target = sent.labels.iter().filter(|(name, _)| matches!(name.as_str(), "job" | "instance" | "__name__"));
        let known = targets.entry(of_target.cloned().collect::<Vec<_>>()).or_insert_with(|| told.clone());
        if *known != told {
            all.violations.push(format!("series of one metric are described differently: {known:?}, {told:?}"));
        }
        all.families.insert(sent.name().to_owned(), told);
        all.series.push(sent);
    }
    Some(all)
}
