//! The labels of one series: sorted by name, each name once, none without a value. `__name__` is one of them.

use proto::metric::Sample;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSet(Vec<(String, String)>);

impl LabelSet {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a sample, its name among them, in place of those that are here.
    pub fn take_from(&mut self, sample: &Sample<'_>) {
        self.0.clear();
        self.set(METRIC_NAME, sample.name());
        for (name, value) in sample.labels() {
            self.set(name, value);
        }
    }

    /// The value of a label; empty if there is no such label, which is the same.
    pub fn get(&self, name: &str) -> &str {
        self.place(name).ok().and_then(|place| self.0.get(place)).map_or("", |(_, value)| value)
    }

    /// Sets a label, or takes it away with an empty value.
    pub fn set(&mut self, name: &str, value: &str) {
        match (self.place(name), value.is_empty()) {
            (Ok(place), true) => {
                self.0.remove(place);
            }
            (Ok(place), false) => {
                if let Some((_, old)) = self.0.get_mut(place) {
                    value.clone_into(old);
                }
            }
            (Err(_), true) => {}
            (Err(place), false) => self.0.insert(place, (name.to_owned(), value.to_owned())),
        }
    }

    /// Keeps the labels of which that is true.
    pub fn retain(&mut self, mut keeps: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keeps(name));
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut set = Self::new();
        for (name, value) in pairs {
            set.set(name.as_ref(), value.as_ref());
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proto::metric::Families;

    use super::*;

    #[test]
    fn a_set_is_sorted_and_an_empty_value_takes_a_label_away() {
        let mut set: LabelSet = [("b", "1"), ("a", "2"), ("c", ""), ("b", "3")].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        set.set("a", "");
        set.set("d", "");
        assert_eq!((set.get("a"), set.get("b"), set.len()), ("", "3", 1));
    }

    #[test]
    fn the_name_of_a_metric_is_a_label() {
        let mut families = Families::new();
        families.read_sample("up", 1.0, None);
        families.label("job", "a");
        families.empty_label("instance");
        let mut set = LabelSet::new();
        set.take_from(&families.sample_at(0).unwrap());
        assert_eq!(set.iter().collect::<Vec<_>>(), [("__name__", "up"), ("job", "a")]);
    }
}
