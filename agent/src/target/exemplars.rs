//! Which exemplars of a target are new: one is exposed until another takes its place, and is sent once, with its series.
//!
//! As Prometheus does it, one that is older than the series' last is left out, and one without a time gets that of the collection.

use std::collections::HashMap;

use proto::metric::{Families, UnixMillis};
use proto::remote_write::{Exemplar, SeriesSet};

/// The last exemplar of each series that has any, by the place of the series.
#[derive(Debug, Default)]
pub(super) struct KnownExemplars(HashMap<usize, Known>);

#[derive(Debug)]
struct Known {
    exemplar: Exemplar,
    has_own_time: bool,
}

impl KnownExemplars {
    /// The series stand in another set now; what is known of those that are no more is forgotten.
    pub(super) fn move_to(&mut self, new: &SeriesSet, old: &SeriesSet) {
        if self.0.is_empty() {
            return;
        }
        let mut known: HashMap<Vec<(&str, &str)>, Known> =
            self.0.drain().map(|(place, known)| (old.series(place).labels().collect(), known)).collect();
        for (place, series) in new.iter().enumerate() {
            if let Some(mut known) = known.remove(&series.labels().collect::<Vec<_>>()) {
                known.exemplar.place = place;
                self.0.insert(place, known);
            }
        }
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
