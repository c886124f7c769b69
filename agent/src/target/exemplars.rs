//! Which exemplars of a target are new: one is exposed until another takes its place, and is sent once, with its series.
//!
//! As Prometheus does it, one that is older than the series' last is left out, and one without a time gets that of the collection. When
//! the series become others all are sent again, which changes nothing where they are known.

use std::collections::HashMap;

use proto::metric::{Families, UnixMillis};
use proto::remote_write::Exemplar;

/// The last exemplar of each series that has any.
#[derive(Debug, Default)]
pub(super) struct KnownExemplars(HashMap<usize, Known>);

#[derive(Debug)]
struct Known {
    exemplar: Exemplar,
    has_own_time: bool,
}

impl KnownExemplars {
    /// The series are others now.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Exemplars that are new, by the places of their series. `shipped` says which samples have a place.
    pub(super) fn fresh(&mut self, collected: &Families, shipped: &[bool], time: UnixMillis) -> Vec<Exemplar> {
        let mut fresh = Vec::new();
        // Places are counted as far as samples have exemplars.
        let (mut sample, mut place) = (0, 0);
        for exposed in collected.exemplars() {
            let before = shipped.get(sample..exposed.sample_place()).unwrap_or_default();
            place += before.iter().filter(|shipped| **shipped).count();
            sample = exposed.sample_place();
            if shipped.get(sample) != Some(&true) {
                continue;
            }
            let mut labels: Vec<(String, String)> =
                exposed.labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            labels.sort();
            let exemplar = Exemplar { place, labels, value: exposed.value(), time: exposed.time().unwrap_or(time) };
            let known = Known { exemplar, has_own_time: exposed.time().is_some() };
            if self.0.get(&place).is_none_or(|last| known.follows(last)) {
                fresh.push(known.exemplar.clone());
                self.0.insert(place, known);
            }
        }
        fresh
    }
}

impl Known {
    fn follows(&self, last: &Self) -> bool {
        let (new, old) = (&self.exemplar, &last.exemplar);
        let is_alike = new.labels == old.labels && new.value.to_bits() == old.value.to_bits();
        let is_same = is_alike && self.has_own_time == last.has_own_time && (!self.has_own_time || new.time == old.time);
        !is_same && new.time >= old.time
    }
}
