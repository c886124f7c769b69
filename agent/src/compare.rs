//! What a running exporter gives and this agent does not, and the other way round: so that moving over is a fact.
//!
//! In: the families of both. Out: what is missing here, extra here, or different, family by family. A label with an empty value is one
//! that is not there, and values are compared as numbers. Pure.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use proto::metric::{Families, Kind, Sample};

/// So many series of a family are shown.
const SHOWN: usize = 3;
/// Values are different if they are further apart, relative to the larger one: what moves between two looks is not.
const APART: f64 = 0.1;

/// The differences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Series there.
    pub theirs: usize,
    /// Series here.
    pub ours: usize,
    /// Series there that are not here, by family.
    pub missing: BTreeMap<String, Vec<String>>,
    /// Series here that are not there, by family.
    pub extra: BTreeMap<String, Vec<String>>,
    /// Families whose types differ: there, here.
    pub types: BTreeMap<String, (Kind, Kind)>,
    /// Series with different values: there, here.
    pub values: BTreeMap<String, (f64, f64)>,
}

/// A family's type and its series.
type ByName<'f> = BTreeMap<&'f str, (Kind, BTreeMap<String, f64>)>;

/// Compares what is there with what is here.
pub fn compare(theirs: &Families, ours: &Families) -> Comparison {
    let (there, here) = (by_name(theirs), by_name(ours));
    let mut comparison = Comparison { theirs: theirs.len(), ours: ours.len(), ..Comparison::default() };
    for (name, (kind, series)) in &there {
        let Some((our_kind, our_series)) = here.get(name) else {
            comparison.missing.insert((*name).to_owned(), series.keys().cloned().collect());
            continue;
        };
        if kind != our_kind {
            comparison.types.insert((*name).to_owned(), (*kind, *our_kind));
        }
        for (labels, value) in series {
            match our_series.get(labels) {
                None => comparison.missing.entry((*name).to_owned()).or_default().push(labels.clone()),
                Some(ours) if are_apart(*value, *ours) => {
                    comparison.values.insert(labels.clone(), (*value, *ours));
                }
                Some(_) => {}
            }
        }
    }
    for (name, (_, series)) in &here {
        let there = there.get(name).map(|(_, series)| series);
        let extra: Vec<String> =
            series.keys().filter(|labels| there.is_none_or(|there| !there.contains_key(*labels))).cloned().collect();
        if !extra.is_empty() {
            comparison.extra.insert((*name).to_owned(), extra);
        }
    }
    comparison
}

fn by_name(families: &Families) -> ByName<'_> {
    let mut by_name = ByName::new();
    for sample in families.samples() {
        let family = sample.family();
        let (_, series) = by_name.entry(family.name).or_insert_with(|| (family.kind, BTreeMap::new()));
        series.insert(show(&sample), sample.value());
    }
    by_name
}

/// `name{a="b",…}`, by label.
fn show(sample: &Sample<'_>) -> String {
    let mut labels: Vec<(&str, &str)> = sample.labels().filter(|(_, value)| !value.is_empty()).collect();
    labels.sort_unstable();
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { sample.name().to_owned() } else { format!("{}{{{}}}", sample.name(), labels.join(",")) }
}

fn are_apart(one: f64, other: f64) -> bool {
    if one.is_nan() || other.is_nan() {
        return one.is_nan() != other.is_nan();
    }
    (one - other).abs() > APART * one.abs().max(other.abs())
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} series there, {} here", self.theirs, self.ours)?;
        for (what, families) in [("missing here", &self.missing), ("extra here", &self.extra)] {
            let count: usize = families.values().map(Vec::len).sum();
            writeln!(f, "{what}: {count} series of {} families", families.len())?;
            for (name, series) in families {
                writeln!(f, "  {name} ({})", series.len())?;
                for series in series.iter().take(SHOWN) {
                    writeln!(f, "    {series}")?;
                }
            }
        }
        writeln!(f, "of another type here: {}", self.types.len())?;
        for (name, (there, here)) in &self.types {
            writeln!(f, "  {name}: {there} there, {here} here")?;
        }
        writeln!(f, "of another value here, by more than {} %: {}", APART * 100.0, self.values.len())?;
        for (series, (there, here)) in &self.values {
            writeln!(f, "  {series}: {there} there, {here} here")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, type, labels and value.
    type Series<'s> = (&'s str, Kind, &'s [(&'s str, &'s str)], f64);

    fn families(series: &[Series<'_>]) -> Families {
        let mut families = Families::new();
        for (name, kind, labels, value) in series {
            families.read_family(name, *kind, "", "");
            families.read_sample(name, *value, None);
            for (name, value) in *labels {
                families.label(name, value);
            }
        }
        families
    }

    #[test]
    fn every_difference_is_told_once() {
        let there = families(&[
            ("up", Kind::Gauge, &[("b", "1"), ("a", "2")], 1.0),
            ("gone", Kind::Gauge, &[], 1.0),
            ("reads", Kind::Counter, &[("device", "a")], 100.0),
            ("reads", Kind::Counter, &[("device", "b")], 100.0),
        ]);
        let here = families(&[
            ("up", Kind::Gauge, &[("a", "2"), ("b", "1"), ("c", "")], 1.05),
            ("reads", Kind::Gauge, &[("device", "a")], 120.0),
            ("reads", Kind::Gauge, &[("device", "c")], 1.0),
        ]);
        let comparison = compare(&there, &here);
        let text = "4 series there, 3 here\n\
                    missing here: 2 series of 2 families\n  gone (1)\n    gone\n  reads (1)\n    reads{device=\"b\"}\n\
                    extra here: 1 series of 1 families\n  reads (1)\n    reads{device=\"c\"}\n\
                    of another type here: 1\n  reads: counter there, gauge here\n\
                    of another value here, by more than 10 %: 1\n  reads{device=\"a\"}: 100 there, 120 here\n";
        assert_eq!(comparison.to_string(), text);
        let alike = compare(&there, &there);
        assert!(alike.missing.is_empty() && alike.extra.is_empty() && alike.types.is_empty() && alike.values.is_empty());
    }
}
