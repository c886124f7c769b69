//! What is wrong with rules that parse: what can never fire, what fires for more than its author thinks, and where another ruler
//! would answer otherwise. Pure but for reading samples.
//!
//! `fields` knows what the lines of a job have, from samples or from the formats themselves; `networks` what an expression over
//! addresses really allows; `texts` looks at labels and annotations; `place` finds what is wrong within the query. Each finding is one
//! line that points at it: `file:line:column: message`.

mod fields;
mod networks;
mod place;
mod texts;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use regex::Regex;
use settings::problem::{At, quote};

use super::audit_policy::{self, Sight};
use super::file::place::Source as Written;
use super::file::{self, Group, Kind, Rule};
use super::generated::range_aggregations;
use crate::logql::ast::{
    Expression, ExpressionKind, FormatSource, Grouping, LabelFilter, MatchOp, Matcher, RangeAggregation, Span, Stage, StageKind,
};
use crate::rulebook::Source;
use fields::Known;
pub use fields::Sample;

/// Where a group says none.
const INTERVAL: i64 = 60 * 1_000_000_000;

/// One thing to mend, or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub at: At,
    /// What, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.at.file, self.at.line, self.at.column, self.message)
    }
}

/// Checks rule files, with what lines of the past have.
pub fn files(sources: &[Source], samples: &[Sample]) -> Vec<Finding> {
    let mut all = Vec::new();
    for source in sources {
        let mut findings = Vec::new();
        match file::load(&source.name, source.text.as_bytes(), &Arc::default()) {
            Ok(groups) => {
                let written = Written::new(&source.text);
                for group in &groups {
                    self::group(group, &written, samples, &mut findings);
                }
            }
            Err(problems) => findings.extend(problems.iter().map(|problem| Finding {
                at: At { file: Arc::clone(&problem.file), line: problem.line, column: problem.column },
                message: problem.message.clone(),
            })),
        }
        // As one reads the file.
        findings.sort_by_key(|finding| (finding.at.line, finding.at.column));
        all.append(&mut findings);
    }
    all
}

/// Rules that an audit policy blinds.
pub fn blind(under_policy: &[audit_policy::Finding]) -> Vec<Finding> {
    let blind = under_policy.iter().filter(|finding| finding.sight != Sight::All);
    blind.map(|finding| Finding { at: finding.at.clone(), message: finding.to_string().replace('\n', "; ") }).collect()
}

fn group(group: &Group, source: &Written<'_>, samples: &[Sample], findings: &mut Vec<Finding>) {
    let interval = group.interval.map_or(INTERVAL, super::duration::RuleDuration::nanos);
    for rule in &group.rules {
        let mut check = Check { rule, source, samples, findings };
        check.durations(interval);
        check.templates();
        for leaf in range_aggregations(rule.query.expression()) {
            check.leaf(leaf, rule.query.expression());
        }
    }
}

struct Check<'a> {
    rule: &'a Rule,
    source: &'a Written<'a>,
    samples: &'a [Sample],
    findings: &'a mut Vec<Finding>,
}

impl Check<'_> {
    /// Of a byte of the query.
    fn say(&mut self, offset: usize, message: &str) {
        let at = self.source.within(&self.rule.expr_at, &self.rule.expr, offset);
        self.say_at(at.unwrap_or_else(|| self.rule.expr_at.clone()), message);
    }

    fn say_at(&mut self, at: At, message: &str) {
        let finding = Finding { at, message: format!("{}: {message}", self.rule.name) };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn durations(&mut self, interval: i64) {
        let shown = |nanos: i64| {
            settings::quantity::show_duration(std::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or_default()))
        };
        if let Kind::Alerting(alerting) = &self.rule.kind {
            let wait = alerting.wait.nanos();
            if wait > 0 && wait < interval {
                let message = format!(
                    "`for: {}` is shorter than the interval of {}: a ruler that looks at ticks waits for the next one all the same; make the interval shorter, or `for` 0",
                    shown(wait),
                    shown(interval),
                );
                self.say_at(self.rule.places.wait.clone().unwrap_or_else(|| self.rule.at.clone()), &message);
            }
        }
        let query = self.rule.query.expression();
        let aggregations = range_aggregations(query);
        for (leaf, aggregation) in self.rule.query.leaves().into_iter().zip(aggregations) {
            if leaf.range < interval && !leaf.is_absence {
                let message = format!(
                    "the window of {} is shorter than the interval of {}: a ruler that looks at ticks misses what happens between; make the window longer, or the interval shorter",
                    shown(leaf.range),
                    shown(interval),
                );
                self.say(place::range(&self.rule.expr, &place::leaf(query, aggregation)), &message);
            }
        }
    }

    fn leaf(&mut self, leaf: &RangeAggregation, query: &Expression) {
        let jobs: Vec<&Matcher> = leaf.selector.matchers.iter().filter(|matcher| matcher.name == "job").collect();
        let is_of = |job: &str| jobs.iter().all(|matcher| matches(matcher, job));
        let samples: Vec<&Sample> = self.samples.iter().filter(|sample| is_of(&sample.job)).collect();
        if !self.samples.is_empty() && samples.is_empty() && !jobs.is_empty() {
            let known: Vec<&str> = self.samples.iter().map(|sample| sample.job.as_str()).collect();
            let message = format!("no sample has a stream that {} selects; there are {}", leaf.selector, known.join(", "));
            self.say(leaf.selector.span.start, &message);
        }
        // A sample need not show everything that a format can have.
        let known = match (Known::of_jobs(&is_of), samples.is_empty()) {
            (of_formats, true) => of_formats,
            (of_formats, false) => Some(Known::of_samples(&samples).and(of_formats)),
        };
        self.event_id(known.as_ref());
        let labels = self.stages(&leaf.stages, known.as_ref());
        if let Some(labels) = labels {
            self.groupings(leaf, query, &labels);
        }
        self.errors(&leaf.stages, query);
    }

    /// Goes through the pipeline; the labels that there may be at its end, if that can be known.
    fn stages(&mut self, stages: &[Stage], known: Option<&Known>) -> Option<BTreeSet<String>> {
        let mut labels = known.map(Known::before_parsers);
        for stage in stages {
            match &stage.kind {
                StageKind::Json(fields) if fields.is_empty() => {
                    if let (Some(labels), Some(known)) = (&mut labels, known) {
                        labels.extend(known.flattened());
                    }
                }
                StageKind::Json(fields) => {
                    for field in fields {
                        let path = field.expression.as_deref().unwrap_or(&field.name);
                        if let Some(false) = known.map(|known| known.has_path(path)) {
                            let message = format!(
                                "no line has anything at the path {}{}",
                                quote(path),
                                known.map(|known| known.near_path(path)).unwrap_or_default()
                            );
                            let path_at = self.rule.expr.get(field.span.clone()).and_then(|text| text.find(['"', '`']));
                            self.say(field.span.start + path_at.unwrap_or_default(), &message);
                        }
                        if let Some(labels) = &mut labels {
                            labels.insert(field.name.clone());
                        }
                    }
                }
                StageKind::Logfmt { fields, .. } if !fields.is_empty() => {
                    if let Some(labels) = &mut labels {
                        labels.extend(fields.iter().map(|field| field.name.clone()));
                    }
                }
                // What lines have that are not JSON is not known.
                StageKind::Logfmt { .. } | StageKind::Unpack => labels = None,
                StageKind::Pattern(pattern) => {
                    if let Some(labels) = &mut labels {
                        let captures = pattern.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
                        labels.extend(captures.map(|(name, _)| name.to_owned()));
                    }
                }
                StageKind::Regexp(pattern) => {
                    if let (Some(labels), Ok(regex)) = (&mut labels, Regex::new(pattern)) {
                        labels.extend(regex.capture_names().flatten().map(str::to_owned));
                    }
                }
                StageKind::LabelFormat(formats) => {
                    for format in formats {
                        if let (FormatSource::Rename(from), Some(known), Some(labels)) = (&format.from, known, &labels) {
                            self.label(from, &stage.span, labels, known);
                        }
                        if let Some(labels) = &mut labels {
                            labels.insert(format.name.clone());
                        }
                    }
                }
                StageKind::LabelFilter(filter) => self.filter(filter, &stage.span, labels.as_ref(), known),
                StageKind::Unwrap { label, .. } => {
                    if let (Some(labels), Some(known)) = (&labels, known) {
                        self.label(label, &stage.span, labels, known);
                    }
                }
                StageKind::LineFilter { .. }
                | StageKind::LineFormat(_)
                | StageKind::Keep(_)
                | StageKind::Drop(_)
                | StageKind::Decolorize => {}
            }
        }
        labels
    }

    fn filter(&mut self, filter: &LabelFilter, span: &Span, labels: Option<&BTreeSet<String>>, known: Option<&Known>) {
        let mut span = span;
        let label = match filter {
            LabelFilter::And(filters) | LabelFilter::Or(filters) => {
                for filter in filters {
                    self.filter(filter, span, labels, known);
                }
                return;
            }
            LabelFilter::Text(matcher) => {
                self.expression(matcher);
                span = &matcher.span;
                &matcher.name
            }
            LabelFilter::Number(comparison) => &comparison.label,
            LabelFilter::Duration(comparison) => &comparison.label,
            LabelFilter::Bytes(comparison) => &comparison.label,
            LabelFilter::Ip { label, .. } => label,
        };
        if let (Some(labels), Some(known)) = (labels, known) {
            self.label(label, span, labels, known);
        }
    }

    /// A label that something asks for must be there in some line.
    fn label(&mut self, name: &str, span: &Span, labels: &BTreeSet<String>, known: &Known) {
        if labels.contains(name) || name.starts_with("__error") || known.is_open(name, labels) {
            return;
        }
        let message = format!("no line has a label {}{}", quote(name), known.near(name, labels));
        self.say(place::name(&self.rule.expr, span, name), &message);
    }

    /// What a regular expression means elsewhere, and which addresses it allows.
    fn expression(&mut self, matcher: &Matcher) {
        if !matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex) {
            return;
        }
        let value = place::value(&self.rule.expr, matcher);
        if let Some(literal) = contained_elsewhere(&matcher.value) {
            let message = format!(
                "Loki's own ruler takes {} for \"contains {literal}\", not \"begins or ends with\": whoever can choose the name can pass; write `^{}` there, which both take alike",
                quote(&matcher.to_string()),
                matcher.value,
            );
            self.say(value, &message);
        }
        if let Some(excess) = networks::excess(&matcher.value) {
            let message = format!(
                "{} allows {} too, which is beyond {}; write {}=ip(\"{}\")",
                quote(&matcher.value),
                excess.address,
                excess.network,
                matcher.name,
                excess.network,
            );
            self.say(value, &message);
        }
    }

    /// `by` a label that is never there is one series with nothing in it.
    fn groupings(&mut self, leaf: &RangeAggregation, query: &Expression, labels: &BTreeSet<String>) {
        let mut groupings: Vec<&Grouping> = leaf.grouping.iter().collect();
        enclosing(query, leaf, &mut groupings);
        let missing: BTreeSet<&String> = groupings
            .iter()
            .filter(|grouping| !grouping.without)
            .flat_map(|grouping| &grouping.labels)
            .filter(|label| !labels.contains(*label) && !fields::is_stream_label(label))
            .collect();
        for label in missing {
            let message =
                format!("`by ({label})`: no line has that label, so everything is one series; parse it first, or remove it");
            self.say(place::grouping(&self.rule.expr, &query.span, label), &message);
        }
    }

    /// A filter that lets lines without the label through lets those through that are no JSON.
    fn errors(&mut self, stages: &[Stage], query: &Expression) {
        let Some(parser) = stages.iter().position(|stage| matches!(stage.kind, StageKind::Json(_))) else { return };
        let filters: Vec<&LabelFilter> = stages
            .iter()
            .skip(parser)
            .filter_map(|stage| match &stage.kind {
                StageKind::LabelFilter(filter) => Some(filter),
                _ => None,
            })
            .collect();
        let is_summed = matches!(&query.kind, ExpressionKind::Aggregation(_)) && filters.is_empty();
        if is_summed || filters.iter().any(|filter| drops_errors(filter)) {
            return;
        }
        let parser = stages.get(parser).map_or(query.span.start, |stage| stage.span.start);
        self.say(
            parser,
            "a line that is not JSON passes all filters, and then Loki's own ruler fails the whole rule; add `| __error__=\"\"` after `json` (here only the line is left out, and counted)",
        );
    }
}

/// Whether a line whose parser failed, and that has no labels therefore, does not pass.
fn drops_errors(filter: &LabelFilter) -> bool {
    match filter {
        LabelFilter::And(filters) => filters.iter().any(drops_errors),
        LabelFilter::Or(filters) => filters.iter().all(drops_errors),
        LabelFilter::Text(matcher) if matcher.name == "__error__" => matcher.op == MatchOp::Equal && matcher.value.is_empty(),
        LabelFilter::Text(matcher) => !matches(matcher, ""),
        LabelFilter::Number(_) | LabelFilter::Duration(_) | LabelFilter::Bytes(_) => true,
        // A line that has an error passes every `ip()`.
        LabelFilter::Ip { .. } => false,
    }
}

/// The groupings around a leaf.
fn enclosing<'a>(expression: &'a Expression, leaf: &RangeAggregation, groupings: &mut Vec<&'a Grouping>) {
    match &expression.kind {
        ExpressionKind::Aggregation(aggregation) => {
            if range_aggregations(&aggregation.inner).iter().any(|inner| inner.leaf == leaf.leaf) {
                groupings.extend(&aggregation.grouping);
                enclosing(&aggregation.inner, leaf, groupings);
            }
        }
        ExpressionKind::LabelReplace(replace) => enclosing(&replace.inner, leaf, groupings),
        ExpressionKind::Binary(binary) => {
            enclosing(&binary.left, leaf, groupings);
            enclosing(&binary.right, leaf, groupings);
        }
        ExpressionKind::Range(_) | ExpressionKind::Number(_) | ExpressionKind::Vector(_) => {}
    }
}

/// The literal of an expression that Loki simplifies: text with `.*` before or after it, and no anchor.
fn contained_elsewhere(pattern: &str) -> Option<String> {
    let is_literal =
        |text: &str| !text.is_empty() && !text.contains(['^', '$', '[', ']', '(', ')', '{', '}', '|', '?', '+', '*', '.']);
    let plain = |text: &str| text.replace('\\', "");
    // One branch is enough, and the group around all branches changes nothing.
    let body = pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(pattern);
    body.split('|').find_map(|branch| {
        let unescaped = branch.replace("\\.", "");
        let literal = unescaped.strip_suffix(".*").or_else(|| unescaped.strip_prefix(".*"))?;
        // With both it says itself that it means "contains".
        let both = branch.starts_with(".*") && branch.ends_with(".*");
        (is_literal(&literal.replace('\\', "")) && !both)
            .then(|| quote(&plain(branch.trim_start_matches(".*").trim_end_matches(".*"))))
    })
}

/// Whether a matcher holds for a value. Regular expressions match the whole text.
fn matches(matcher: &Matcher, value: &str) -> bool {
    let regex = || Regex::new(&format!("^(?:{})$", matcher.value)).is_ok_and(|regex| regex.is_match(value));
    match matcher.op {
        MatchOp::Equal => matcher.value == value,
        MatchOp::NotEqual => matcher.value != value,
        MatchOp::Regex => regex(),
        MatchOp::NotRegex => !regex(),
    }
}
