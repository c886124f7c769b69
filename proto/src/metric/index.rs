//! Where described families stand, so that a new one is not compared with all that are there: collections have hundreds of them.

use std::collections::HashMap;

use super::Desc;

/// Names that were given in earlier collections are kept up to so many, for the memory that they hold.
const NAMES_MAX: usize = 4096;

/// Places of families, by description or by the name that was given for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_desc: HashMap<usize, usize>,
    by_name: HashMap<String, Place>,
    /// What was noted in an earlier one is no longer so.
    collection: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    collection: u64,
    family: usize,
}

impl Index {
    /// Forgets the places.
    pub(super) fn clear(&mut self) {
        self.by_desc.clear();
        self.collection += 1;
        if self.by_name.len() > NAMES_MAX {
            self.by_name.clear();
        }
    }

    /// The family of a description with a whole name.
    pub(super) fn of_desc(&self, desc: &'static Desc) -> Option<usize> {
        self.by_desc.get(&address(desc)).copied()
    }

    /// The family that was given that name.
    pub(super) fn of_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).filter(|place| place.collection == self.collection).map(|place| place.family)
    }

    /// Notes a family. The first of several is the one.
    pub(super) fn note(&mut self, desc: &'static Desc, name: &str, family: usize) {
        if !desc.name.contains('*') {
            self.by_desc.entry(address(desc)).or_insert(family);
            return;
        }
        let place = Place { collection: self.collection, family };
        match self.by_name.get_mut(name) {
            Some(known) if known.collection == self.collection => {}
            Some(known) => *known = place,
            None => {
                self.by_name.insert(name.to_owned(), place);
            }
        }
    }
}

/// Descriptions are statics: each has an address of its own.
fn address(desc: &'static Desc) -> usize {
    std::ptr::from_ref(desc).addr()
}
