//! `| keep` and `| drop`.
//!
//! With a matcher they act only where it matches. Errors are not labels to `keep`; `drop __error__` forgets that there was one
//! and leaves its details.

use super::labels::{ERROR, ERROR_DETAILS, Labels};
use crate::logql::ast::Pick;
use crate::logql::matcher::TextMatcher;

#[derive(Clone, Debug)]
pub(super) struct Picks(Vec<(String, Option<TextMatcher>)>);

impl Picks {
    pub(super) fn new(picks: &[Pick]) -> Result<Self, String> {
        let picks = picks.iter().map(|pick| {
            Ok(match pick {
                Pick::Name(name) => (name.clone(), None),
                Pick::Match(matcher) => (matcher.name.clone(), Some(TextMatcher::of_filter(matcher.op, &matcher.value)?)),
            })
        });
        Ok(Self(picks.collect::<Result<_, String>>()?))
    }

    fn picks(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(picked, matcher)| picked == name && matcher.as_ref().is_none_or(|matcher| matcher.matches(value)))
    }

    pub(super) fn keep(&self, labels: &mut Labels<'_>) {
        labels.retain(|name, value| self.picks(name, value));
    }

    pub(super) fn drop_from(&self, labels: &mut Labels<'_>) {
        if labels.error().is_some_and(|error| self.picks(ERROR, error)) {
            labels.forget_error();
        }
        if labels.details().is_some_and(|details| self.picks(ERROR_DETAILS, details)) {
            labels.forget_details();
        }
        for (name, matcher) in &self.0 {
            let drops = match (matcher, labels.get(name)) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(matcher), Some(value)) => matcher.matches(value),
            };
            if drops {
                labels.remove(name);
            }
        }
    }
}
