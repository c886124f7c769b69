//! The labels of a stream, a series or an alert: sorted by name, cheap to copy and to compare.
//!
//! Unlike a stream's labels on the wire a label may be empty here: to LogQL `{a=""}` and `{}` are two series.

use std::fmt;
use std::sync::Arc;

/// Sorted pairs of name and value; a name stands once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSet(Arc<[(Arc<str>, Arc<str>)]>);

impl LabelSet {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a label; an empty one is there too.
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether it is the very same set, not only an equal one. Costs nothing.
    pub fn is_identical(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same without the labels that `drop` says yes to.
    #[must_use]
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> Self {
        if !self.0.iter().any(|(name, _)| drop(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| !drop(name)).cloned().collect())
    }

    /// The same with further labels, which replace those of the same name.
    #[must_use]
    pub fn with<N: AsRef<str>, V: AsRef<str>>(&self, others: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> = self.0.to_vec();
        pairs.extend(others.into_iter().map(|(name, value)| (name.as_ref().into(), value.as_ref().into())));
        Self::of(pairs)
    }

    /// Sorts; of a name that stands twice the last counts.
    fn of(mut pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        pairs.reverse();
        pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
        pairs.dedup_by(|(left, _), (right, _)| left == right);
        Self(pairs.into())
    }
}

/// Of a name that stands twice the last counts.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::of(pairs.into_iter().map(|(name, value)| (name.as_ref().into(), value.as_ref().into())).collect())
    }
}

/// `{name="value", …}`, as Loki and Prometheus print it.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if place > 0 { ", " } else { "" })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_counts_and_empty_values_stay() {
        let labels: LabelSet = [("b", "1"), ("a", ""), ("b", "2")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{a="", b="2"}"#);
        assert_eq!((labels.get("a"), labels.get("b"), labels.get("c")), (Some(""), Some("2"), None));
        assert_eq!(labels.with([("a", "x"), ("c", "y")]).to_string(), r#"{a="x", b="2", c="y"}"#);
        assert_eq!(labels.without(|name| name == "b").to_string(), r#"{a=""}"#);
    }
}
