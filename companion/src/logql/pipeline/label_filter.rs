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

    /// A value that is none of its kind makes an error.
    pub(super) fn may_fail(&self) -> bool {
        match self {
            Self::Number(_) | Self::Duration(_) | Self::Bytes(_) => true,
            Self::Text { .. } | Self::Address { .. } => false,
            Self::And(filters) | Self::Or(filters) => filters.iter().any(Self::may_fail),
        }
    }

    /// Whether a comparison of numbers holds for a value, where there was no error before; nothing if the value is none, and of
    /// other filters.
    pub(super) fn measures(&self, value: Option<&str>) -> Option<bool> {
        match (self, value) {
            (Self::Number(_) | Self::Duration(_) | Self::Bytes(_), None) => Some(false),
            (Self::Number(comparison), Some(value)) => compare(value, comparison, quantity::float).ok(),
            (Self::Duration(comparison), Some(value)) => compare(value, comparison, quantity::duration).ok(),
            (Self::Bytes(comparison), Some(value)) => compare(value, comparison, quantity::bytes).ok(),
            _ => None,
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
            // All are asked where one may leave an error that an `or` around them keeps.
            Self::And(filters) if filters.iter().any(Self::may_fail) => {
                filters.iter().filter(|filter| !filter.stays(labels)).count() == 0
            }
            Self::And(filters) => filters.iter().all(|filter| filter.stays(labels)),
            Self::Or(filters) => filters.iter().any(|filter| filter.stays(labels)),
        }
    }
}

/// Whether the label's value compares so; one that is no number is an error, and the line stays.
fn measured<T: PartialOrd>(labels: &mut Labels<'_>, comparison: &Comparison<T>, read: fn(&str) -> Result<T, String>) -> bool {
    let Some(value) = labels.get(&comparison.label) else { return false };
    if labels.error().is_some() {
        return true;
    }
    compare(value, comparison, read).unwrap_or_else(|why| {
        labels.fail(LABEL_FILTER_ERROR, Some(why));
        true
    })
}

fn compare<T: PartialOrd>(value: &str, comparison: &Comparison<T>, read: fn(&str) -> Result<T, String>) -> Result<bool, String> {
    Ok(comparison.op.holds(&read(value)?, &comparison.value))
}
