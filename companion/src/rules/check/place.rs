//! Where in a query something stands that its tree has no place for: a label of a filter, what a grouping names, how far back it
//! looks. Each answer is a byte of the query, and the beginning of what was given where nothing is found.

use crate::logql::ast::{Expression, ExpressionKind, Matcher, RangeAggregation, Span};
use crate::rules::duration;

/// A name within a part of the query.
pub(super) fn name(query: &str, span: &Span, name: &str) -> usize {
    words(query, span, name).next().unwrap_or(span.start)
}

/// What a matcher compares with, quotes and all.
pub(super) fn value(query: &str, matcher: &Matcher) -> usize {
    let text = query.get(matcher.span.clone()).unwrap_or_default();
    let sign = text.find(['=', '!']).unwrap_or_default();
    let value = text.get(sign..).unwrap_or_default().trim_start_matches(['=', '!', '~']).trim_start();
    matcher.span.end - value.len()
}

/// A label that a `by` names.
pub(super) fn grouping(query: &str, span: &Span, label: &str) -> usize {
    let by = words(query, span, "by").find_map(|by| {
        let begin = by + query.get(by..)?.find('(')?;
        let list = begin..begin + query.get(begin..)?.find(')')?;
        words(query, &list, label).next()
    });
    by.unwrap_or(span.start)
}

/// How far a range aggregation looks back.
pub(super) fn range(query: &str, span: &Span) -> usize {
    let text = query.get(span.clone()).unwrap_or_default();
    let brackets = text.rmatch_indices('[').map(|(open, _)| open + 1);
    let mut durations = brackets.filter(|begin| {
        let inner = text.get(*begin..).and_then(|rest| rest.split_once(']'));
        inner.is_some_and(|(inner, _)| duration::parse(inner.trim()).is_ok())
    });
    durations.next().map_or(span.start, |begin| span.start + begin)
}

/// The place of a leaf.
pub(super) fn leaf(query: &Expression, leaf: &RangeAggregation) -> Span {
    let mut found = query.span.clone();
    query.walk(&mut |part| {
        if matches!(&part.kind, ExpressionKind::Range(range) if range.leaf == leaf.leaf) {
            found = part.span.clone();
        }
    });
    found
}

/// Where a name stands by itself.
fn words<'q>(query: &'q str, span: &Span, name: &'q str) -> impl Iterator<Item = usize> + 'q {
    let (start, text) = (span.start, query.get(span.clone()).unwrap_or_default());
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let found = text
        .match_indices(name)
        .filter(move |(at, _)| !text[..*at].ends_with(is_of_name) && !text[at + name.len()..].starts_with(is_of_name));
    found.map(move |(at, _)| start + at)
}
