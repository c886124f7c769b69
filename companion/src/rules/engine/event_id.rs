//! The value of the field that a rule names by `event_id`: a label of the stream, metadata, or a field of the line.
//!
//! A line is read as JSON, and as logfmt if it is none. A name is as `json` flattens it (`request_id`), or a path (`request.id`).

use twox_hash::XxHash3_64;

use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{self, Extracted, Extractor, LineCache, Query};

/// Finds the values of one field.
#[derive(Debug)]
pub(super) struct EventId {
    /// Queries whose only series label is the field, the first that finds one counts.
    ways: Vec<Extractor>,
}

impl EventId {
    /// Of a field; nothing if the field cannot be asked for, which `file` has refused.
    pub(super) fn new(field: &str) -> Self {
        let label = if field.contains('.') { "event_id" } else { field };
        let json = if field.contains('.') { format!("json event_id=\"{field}\"") } else { "json".to_owned() };
        let ways = [json.as_str(), "logfmt"].into_iter().filter_map(|parser| {
            let text = format!("sum by ({label}) (count_over_time({{event=\"id\"}} | {parser} [1s]))");
            match logql::parse(&text) {
                Ok(Query::Metric(query)) => Some(Extractor::new(&query, 0)),
                _ => None,
            }
        });
        Self { ways: ways.collect() }
    }

    /// A hash of the value, if the entry has one.
    pub(super) fn hash(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Option<u64> {
        self.ways.iter().find_map(|way| match way.extract(stream, entry, cache) {
            Extracted::Point(labels, _) => {
                let (_, value) = labels.iter().next().filter(|(_, value)| !value.is_empty())?;
                Some(XxHash3_64::oneshot(value.as_bytes()))
            }
            _ => None,
        })
    }
}
