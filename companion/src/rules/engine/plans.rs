//! Which leaves of which rules are asked of a stream's entries. Decided once a stream; streams that the same leaves select share
//! one plan, so that neither time nor memory grows with their number.

use std::collections::HashMap;

use super::GroupState;
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{Extracted, Extractors, LineCache};

/// Most streams that are remembered; beyond that their plans are found anew.
const STREAMS_MAX: usize = 50_000;

/// A leaf of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: usize,
    pub(super) rule: usize,
    pub(super) leaf: usize,
}

/// What is asked of the entries of some streams.
#[derive(Debug)]
pub(super) struct Plan {
    targets: Vec<Target>,
    extractors: Extractors,
}

/// The plans of all streams that were seen.
#[derive(Debug, Default)]
pub(super) struct Plans {
    streams: HashMap<LabelSet, usize>,
    plans: Vec<Plan>,
}

impl Plans {
    /// That of a stream.
    pub(super) fn of(&mut self, stream: &LabelSet, groups: &[GroupState]) -> &mut Plan {
        let place = match self.streams.get(stream) {
            Some(place) => *place,
            None => self.find(stream, groups),
        };
        &mut self.plans[place]
    }

    fn find(&mut self, stream: &LabelSet, groups: &[GroupState]) -> usize {
        let mut targets = Vec::new();
        for (group, state) in groups.iter().enumerate() {
            for (rule, state) in state.rules.iter().enumerate() {
                targets.extend(state.selecting(stream).map(|leaf| Target { group, rule, leaf }));
            }
        }
        if self.streams.len() >= STREAMS_MAX {
            self.streams.clear();
            self.plans.clear();
        }
        let known = self.plans.iter().position(|plan| plan.targets == targets);
        let place = known.unwrap_or_else(|| {
            let of = |target: &Target| groups[target.group].rules[target.rule].extractor(target.leaf).clone();
            let extractors = Extractors::new(targets.iter().map(of).collect());
            self.plans.push(Plan { targets, extractors });
            self.plans.len() - 1
        });
        self.streams.insert(stream.clone(), place);
        place
    }
}

impl Plan {
    /// Calls `each` with what the entry is to a leaf, where that is not [`Extracted::Nothing`].
    pub(super) fn extract(
        &mut self,
        stream: &LabelSet,
        entry: Entry<'_>,
        cache: &mut LineCache,
        mut each: impl FnMut(Target, Extracted, &mut LineCache),
    ) {
        let Self { targets, extractors } = self;
        if !targets.is_empty() {
            extractors.extract(stream, entry, cache, |place, extracted, cache| each(targets[place], extracted, cache));
        }
    }
}
