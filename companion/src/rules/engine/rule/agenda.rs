//! When events have changed a rule, and which part of it, until that is evaluated. Bounded: of too many the oldest are left to the
//! ticks.

use std::collections::BTreeMap;

use proto::time::UnixNanos;

use crate::labels::LabelSet;

/// Most events that wait to be evaluated: only where sources catch up while a rule waits for them are there so many.
const WAITING_MAX: usize = 100_000;

/// What an instant is to be evaluated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rules::engine) enum Touched {
    /// All there is.
    Whole,
    /// These parts; a part may be named twice.
    Parts(Vec<LabelSet>),
}

impl Touched {
    /// The parts, each once; none means the whole.
    pub(in crate::rules::engine) fn scopes(self) -> Vec<Option<LabelSet>> {
        match self {
            Self::Whole => vec![None],
            Self::Parts(mut parts) => {
                parts.sort_unstable();
                parts.dedup();
                parts.into_iter().map(Some).collect()
            }
        }
    }
}

/// Times at which events have changed a rule.
#[derive(Clone, Debug, Default)]
pub(in crate::rules::engine) struct Agenda {
    times: BTreeMap<UnixNanos, Touched>,
    /// Parts that wait, and times.
    waiting: usize,
}

impl Agenda {
    /// An event at that time has changed a part. Gives the latest time that there was no room for.
    pub(super) fn add(&mut self, at: UnixNanos, part: LabelSet) -> Option<UnixNanos> {
        match self.times.get_mut(&at) {
            Some(Touched::Whole) => return None,
            Some(Touched::Parts(parts)) if parts.last() == Some(&part) => return None,
            Some(Touched::Parts(parts)) => parts.push(part),
            None => drop(self.times.insert(at, Touched::Parts(vec![part]))),
        }
        self.waiting += 1;
        let mut dropped = None;
        while self.waiting > WAITING_MAX
            && let Some((at, touched)) = self.times.pop_first()
        {
            self.done(&touched);
            dropped = Some(at);
        }
        dropped
    }

    /// Something is to be evaluated at these times; of what is not known any more.
    pub(super) fn restore(times: Vec<UnixNanos>) -> Self {
        let waiting = times.len();
        Self { times: times.into_iter().map(|at| (at, Touched::Whole)).collect(), waiting }
    }

    /// The first time.
    pub(super) fn first(&self) -> Option<UnixNanos> {
        self.times.first_key_value().map(|(at, _)| *at)
    }

    /// What is to be done at that time, which is done now.
    pub(super) fn take(&mut self, at: UnixNanos) -> Option<Touched> {
        let touched = self.times.remove(&at)?;
        self.done(&touched);
        Some(touched)
    }

    /// All before that time, which is done now.
    pub(super) fn take_before(&mut self, at: UnixNanos) -> BTreeMap<UnixNanos, Touched> {
        let later = self.times.split_off(&at);
        let before = std::mem::replace(&mut self.times, later);
        for touched in before.values() {
            self.waiting -= size(touched);
        }
        before
    }

    /// All times.
    pub(super) fn times(&self) -> impl Iterator<Item = UnixNanos> {
        self.times.keys().copied()
    }

    fn done(&mut self, touched: &Touched) {
        self.waiting -= size(touched);
    }
}

fn size(touched: &Touched) -> usize {
    match touched {
        Touched::Whole => 1,
        Touched::Parts(parts) => parts.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_oldest_are_given_back() {
        let mut agenda = Agenda::default();
        let part = LabelSet::new();
        for time in 0..WAITING_MAX as i64 {
            assert_eq!(agenda.add(UnixNanos(time), part.clone()), None);
        }
        assert_eq!(agenda.add(UnixNanos(1_000_000), part.clone()), Some(UnixNanos(0)));
        assert_eq!(agenda.add(UnixNanos(-1), part), Some(UnixNanos(-1)));
        assert_eq!((agenda.first(), agenda.waiting), (Some(UnixNanos(1)), WAITING_MAX));
        assert_eq!(agenda.take_before(UnixNanos(10)).len(), 9);
        assert_eq!(agenda.waiting, WAITING_MAX - 9);
    }
}
