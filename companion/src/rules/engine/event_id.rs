//! The value of the field that a rule names by `event_id`: a label of the stream, metadata, or a field of the line.
//!
//! A line is read as JSON, and as logfmt if it is none. A name is as `json` flattens it (`request_id`), or a path (`request.id`).
//! Several, with commas, are paths that only together make an id: where a client may choose the first, the server gives the second.

use twox_hash::XxHash3_64;

use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{self, Extractor, LineCache, Query};

/// Finds the values of one field.
#[derive(Debug)]
pub(super) struct EventId {
    /// Queries whose only series label is the field, the first that finds one counts.
    ways: Vec<Extractor>,
    /// The same for all rules that name the field so.
    key: u64,
}

impl EventId {
    /// Of a field, or of several; nothing if they cannot be asked for.
    pub(super) fn new(field: &str) -> Self {
        let fields: Vec<&str> = field.split(',').map(str::trim).collect();
        let (labels, parsers) = match fields[..] {
            [name] if !name.contains('.') => (name.to_owned(), vec!["json".to_owned(), "logfmt".to_owned()]),
            _ => {
                let labels: Vec<String> = (0..fields.len()).map(|place| format!("event_id_{place}")).collect();
                let paths: Vec<String> = labels.iter().zip(&fields).map(|(label, path)| format!("{label}=\"{path}\"")).collect();
                (labels.join(", "), vec![format!("json {}", paths.join(", "))])
            }
        };
        let ways = parsers.into_iter().filter_map(|parser| {
            let text = format!("sum by ({labels}) (count_over_time({{event=\"id\"}} | {parser} [1s]))");
            match logql::parse(&text) {
                Ok(Query::Metric(query)) => Some(Extractor::new(&query, 0)),
                _ => None,
            }
        });
        Self { ways: ways.collect(), key: XxHash3_64::oneshot(field.as_bytes()) }
    }

    /// A hash of the value, if the entry has one: of several rules that ask for it only the first reads the line.
    pub(super) fn hash(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Option<u64> {
        cache.hash_once(self.key, |cache| {
            let mut values = String::new();
            let is_there = self.ways.iter().any(|way| {
                values.clear();
                way.values(stream, entry, cache, &mut values)
            });
            is_there.then(|| XxHash3_64::oneshot(values.as_bytes()))
        })
    }
}
