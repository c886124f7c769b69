//! An exemplar on its way: an example of what a sample has counted, which mostly says in which trace. Only scraped targets have some,
//! and each is sent once, so they own what they are made of.

use crate::metric::UnixMillis;

/// An exemplar of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// The sample's place in its collection.
    pub place: usize,
    /// By name, each once, none empty.
    pub labels: Vec<(String, String)>,
    /// The value that was counted.
    pub value: f64,
    /// When; that of the collection if nobody has said.
    pub time: UnixMillis,
}

impl Exemplar {
    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let label = |(name, value): &(String, String)| size_of::<(String, String)>() + name.len() + value.len();
        size_of::<Self>() + self.labels.iter().map(label).sum::<usize>()
    }
}
