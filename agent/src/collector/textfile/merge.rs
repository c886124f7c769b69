//! Families of several files become one set: each name once, with one help and one type.

use std::collections::HashMap;

use proto::metric::{Families, Family};

/// What the files say of one name.
struct Said<'p> {
    first: Family<'p>,
    files: Vec<&'p str>,
    /// Its place in what they are merged into.
    place: Option<usize>,
}

/// Puts the samples of all files into one, and tells which families are left out.
pub(super) fn merge(parts: &[(String, Families)], out: &mut Families, mut problem: impl FnMut(String)) {
    let mut said: HashMap<&str, Said<'_>> = HashMap::new();
    // Families of each file that count.
    let mut counting: Vec<Vec<bool>> = Vec::with_capacity(parts.len());
    for (file, part) in parts {
        let counts = part.families().map(|family| {
            let known = said.entry(family.name).or_insert_with(|| Said { first: family, files: Vec::new(), place: None });
            if known.first.help.is_empty() {
                known.first.help = family.help;
            }
            let what = if known.first.kind != family.kind {
                "type"
            } else if !family.help.is_empty() && family.help != known.first.help {
                "help"
            } else {
                known.files.push(file);
                return true;
            };
            let others = known.files.join(", ");
            problem(format!("{file}: {} has another {what} than in {others}: it is left out", family.name));
            false
        });
        counting.push(counts.collect());
    }
    for ((_, part), counts) in parts.iter().zip(&counting) {
        let mut names = part.families().map(|family| family.name).collect::<Vec<_>>().into_iter();
        let places: Vec<Option<usize>> = counts
            .iter()
            .map(|counts| {
                let known = said.get_mut(names.next()?)?;
                counts.then(|| *known.place.get_or_insert_with(|| begin(&known.first, &known.files, out)))
            })
            .collect();
        for sample in part.samples() {
            let Some(place) = places.get(sample.family_place()).copied().flatten() else { continue };
            out.read_sample_of(place, sample.name(), sample.value(), None);
            for (name, value) in sample.labels() {
                out.label(name, value);
            }
        }
    }
}

fn begin(family: &Family<'_>, files: &[&str], out: &mut Families) -> usize {
    if family.help.is_empty() {
        let help = format!("Metric read from {}", files.join(", "));
        out.read_family(family.name, family.kind, &help, family.unit)
    } else {
        out.read_family(family.name, family.kind, family.help, family.unit)
    }
}
