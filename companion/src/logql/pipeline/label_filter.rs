//! Label filters: which lines stay, by their labels.
//!
//! A label that is not there is the empty text to a text's test, and drops the line in all others. A value that is there but
//! is no number (duration, size) keeps the line, with an error; and a line that has an error already passes those.

use std::collections::BTreeSet;

use super::labels::Labels;
use crate::logql::address::Addresses;
use crate::logql::ast::{CompareOp, Comparison, LabelFilter};
use crate::logql::matcher::TextMatcher;
use crate::logql::quantity;

const LABEL_FILTER_ERROR: &str = "LabelFilterErr";

#[derive(Clone, Debug)]
pub(super) enum Filter {
    Text { label: String, matcher: TextMatcher },
    Number(Comparison<f64>),
    Duration(Comparison<i64>),
    Bytes(Comparison<u64>),
    Address { label: String, negated: bool, addresses: Addresses },
    And(Vec<Filter>),
    Or(Vec<Filter>),
}

impl CompareOp {
    pub(crate) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

impl Filter {
    pub(super) fn new(filter: &LabelFilter) -> Result<Self, String> {
        Ok(match filter {
            LabelFilter::Text(matcher) => {
                Self::Text { label: matcher.name.clone(), matcher: TextMatcher::of_filter(matcher.op, &matcher.value)? }
            }
            LabelFilter::Number(comparison) => Self::Number(comparison.clone()),
            LabelFilter::Duration(comparison) => Self::Duration(comparison.clone()),
            LabelFilter::Bytes(comparison) => Self::Bytes(comparison.clone()),
            LabelFilter::Ip { label, negated, addresses } => {
                Self::Address { label: label.clone(), negated: *negated, addresses: Addresses::new(addresses)? }
            }
            LabelFilter::And(filters) => Self::And(filters.iter().map(Self::new).collect::<Result<_, _>>()?),
            LabelFilter::Or(filters) => Self::Or(filters.iter().map(Self::new).collect::<Result<_, _>>()?),
        })
    }

    pub(super) fn reads(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Text { label, .. }
            | Self::Address { label, .. }
            | Self::Number(Comparison { label, .. })
            | Self::Duration(Comparison { label, .. })
            | Self::Bytes(Comparison { label, .. }) => {
                names.insert(label.clone());
            }
            Self::And(filters) | Self::Or(filters) => filters.iter().for_each(|filter| filter.reads(names)),
        }
    }

    pub(super) fn stays(&self, labels: &mut Labels<'_>) -> bool {
        match self {
            Self::Text { label, matcher } => matcher.matches(labels.get(label).unwrap_or_default()),
            Self::Number(comparison) => measured(labels, comparison, quantity::float),
            Self::Duration(comparison) => measured(labels, comparison, quantity::duration),
            Self::Bytes(comparison) => measured(labels, comparison, quantity::bytes),
            Self::Address { label, negated, addresses } => {
                labels.error().is_some() || labels.get(label).is_some_and(|address| addresses.contains_text(address) != *negated)
            }
            // All are asked: one may leave an error that an `or` around them keeps.
            Self::And(filters) => filters.iter().filter(|filter| !filter.stays(labels)).count() == 0,
            Self::Or(filters) => filters.iter().any(|filter| filter.stays(labels)),
        }
    }
}

fn measured<T: PartialOrd>(labels: &mut Labels<'_>, comparison: &Comparison<T>, read: fn(&str) -> Result<T, String>) -> bool {
    let Some(value) = labels.get(&comparison.label) else { return false };
    if labels.error().is_some() {
        return true;
    }
    match read(value) {
        Ok(value) => comparison.op.holds(&value, &comparison.value),
        Err(why) => {
            labels.fail(LABEL_FILTER_ERROR, Some(why));
            true
        }
    }
}
