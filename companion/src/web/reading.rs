//! What rules read: each selector once, when its last event was, and whether it has been quiet for longer than its rule of silence
//! allows. Of what is older than the window the alert of that rule knows alone.

use std::collections::BTreeMap;

use proto::time::UnixNanos;

use super::page::SelectorView;
use crate::logql::ast::RangeFunction;
use crate::logql::{Extractor, MetricQuery};
use crate::rules::alert::Phase;
use crate::rules::engine::Engine;
use crate::rules::generated::range_aggregations;
use crate::window::Window;

struct Read<'e> {
    query: &'e MetricQuery,
    leaf: usize,
    silent_after: Option<i64>,
    is_silent: bool,
}

/// Selectors, quiet ones first.
pub fn selectors(engine: &Engine, window: &Window, now: UnixNanos) -> Vec<SelectorView> {
    let mut read: BTreeMap<String, Read<'_>> = BTreeMap::new();
    for rule in engine.rules() {
        let query = rule.query_ast();
        for range in range_aggregations(query.expression()) {
            let known = read.entry(range.selector.to_string()).or_insert(Read {
                query,
                leaf: range.leaf,
                silent_after: None,
                is_silent: false,
            });
            if range.function == RangeFunction::Absent {
                known.silent_after = Some(known.silent_after.map_or(range.range, |after| after.min(range.range)));
                known.is_silent |= rule.alerts().phase() == Phase::Firing;
            }
        }
    }
    let mut views: Vec<SelectorView> = read.into_iter().map(|(selector, read)| view(selector, &read, window, now)).collect();
    views.sort_by_key(|view| !view.is_quiet);
    views
}

fn view(selector: String, read: &Read<'_>, window: &Window, now: UnixNanos) -> SelectorView {
    let extractor = Extractor::new(read.query, read.leaf);
    let newest = window.newest().filter(|(stream, _)| extractor.selects(stream)).map(|(_, newest)| newest).max();
    let is_late = match (newest, read.silent_after) {
        (Some(newest), Some(after)) => now.0.saturating_sub(newest.0) > after,
        // The companion may not have run for as long: then the rule knows.
        (None, _) | (_, None) => false,
    };
    SelectorView { selector, newest, silent_after: read.silent_after, is_quiet: is_late || read.is_silent }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::entry::Entry;
    use crate::labels::LabelSet;
    use crate::rules::engine::Options;
    use crate::rules::file;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn each_selector_says_when_its_last_event_was_and_whether_that_is_too_long_ago() {
        let text = r#"
groups:
- name: g
  rules:
  - {alert: A, expr: 'sum(count_over_time({job="loud"} |= "a" [5m])) > 1 or sum(count_over_time({job="late"}[5m])) > 1'}
  - {alert: B, expr: 'sum(count_over_time({job="gone"}[5m])) > 1 or sum(count_over_time({job="flow"}[5m])) > 1'}
  - {alert: SourceSilent, expr: 'absent_over_time({job="loud"}[10m])'}
  - {alert: SourceSilent, expr: 'absent_over_time({job="late"}[5m])'}
  - {alert: SourceSilent, expr: 'absent_over_time({job="gone"}[5m])'}
"#;
        let start = UnixNanos(1_795_392_000 * SECOND);
        let at = |minutes: i64| UnixNanos(start.0 + 60 * minutes * SECOND);
        let groups = file::load(&"r.yaml".into(), text.as_bytes(), &Arc::default()).unwrap();
        let mut engine = Engine::new(groups, Options { ticks_from: Some(start), ..Options::default() }, start);
        let mut window = Window::new(Duration::from_hours(1), 1 << 20);
        for minute in 0..16 {
            for (job, _) in [("loud", 14), ("late", 4), ("gone", 0), ("else", 14)].iter().filter(|(_, at)| *at == minute) {
                let stream: LabelSet = [("job", *job)].into_iter().collect();
                let entry = Entry { time: at(minute), line: "x", metadata: &[] };
                // What the window no longer has, the rule still knows of.
                if *job != "gone" {
                    window.push(&stream, entry, at(minute));
                }
                engine.offer(&stream, entry, at(minute));
            }
            engine.advance(at(minute));
            // What nobody was told of does not end.
            engine.notifications();
        }
        let shown: Vec<String> = selectors(&engine, &window, at(15))
            .iter()
            .map(|view| {
                let newest =
                    view.newest.map_or_else(|| "unknown".to_owned(), |time| ((time.0 - start.0) / SECOND / 60).to_string());
                let after = view.silent_after.map(|after| after / SECOND / 60);
                format!("{} {newest} {after:?} {}", view.selector, view.is_quiet)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "{job=\"gone\"} unknown Some(5) true",
                "{job=\"late\"} 4 Some(5) true",
                "{job=\"flow\"} unknown None false",
                "{job=\"loud\"} 14 Some(10) false",
            ],
        );
    }
}
