//! LogQL: no text makes reading it fall over, a query that is printed is read as the same, and no line makes one fall over.
#![no_main]

use companion::entry::Entry;
use companion::labels::LabelSet;
use companion::logql::{Extractor, LineCache, Query, parse};
use libfuzzer_sys::fuzz_target;
use proto::time::UnixNanos;

fuzz_target!(|input: (&str, &str)| {
    let (text, line) = input;
    let Ok(query) = parse(text) else { return };
    let printed = query.to_string();
    assert_eq!(parse(&printed).map(|again| again.to_string()), Ok(printed));
    let stream: LabelSet = [("job", "a"), ("app", "b")].into_iter().collect();
    let metadata = [("verb".to_owned(), "get".to_owned())];
    let entry = Entry { time: UnixNanos(1_779_458_400_000_000_000), line, metadata: &metadata };
    let mut cache = LineCache::default();
    cache.begin();
    match &query {
        Query::Log(query) => drop(query.line(&stream, entry, &mut cache)),
        Query::Metric(query) => {
            for leaf in 0..query.leaves().len() {
                drop(Extractor::new(query, leaf).extract(&stream, entry, &mut cache));
            }
        }
    }
});
