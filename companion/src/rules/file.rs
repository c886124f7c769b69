//! Rule files of Prometheus and Loki: text → groups of rules, or everything that is wrong with it, each with its place.
//!
//! `raw` is the file as it is written; here it is checked: names, what belongs to which kind of rule, templates, and the query.
//! Both forms are read, the list of `groups` and Loki's one group a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use settings::problem::{At, Problems, quote};
use settings::read::Spanned;
use settings::yaml;

use super::duration::RuleDuration;
use super::template::{Environment, Template};
use crate::logql::{self, MetricQuery, Query, SyntaxError};

pub(super) mod place;
mod raw;
#[cfg(test)]
mod tests;

use place::Source;
use raw::{RawGroup, RawRule};

/// The annotation that names the field whose values count once each.
pub const EVENT_ID: &str = "event_id";

/// A group of rules.
#[derive(Clone, Debug)]
pub struct Group {
    /// The file that it stands in.
    pub file: Arc<str>,
    /// Unique in its file.
    pub name: String,
    /// Where it begins.
    pub at: At,
    /// Time between two ticks; the engine's default where it is not said.
    pub interval: Option<RuleDuration>,
    /// Windows end so much before the tick.
    pub query_offset: RuleDuration,
    /// Most alerts or series of each rule; 0 for no limit.
    pub limit: usize,
    /// In their order.
    pub rules: Vec<Arc<Rule>>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Of the alert or of the series.
    pub name: String,
    /// Where it begins.
    pub at: At,
    /// The query as it is written.
    pub expr: String,
    /// Where the query is written.
    pub expr_at: At,
    /// The query.
    pub query: MetricQuery,
    /// Those of the group and its own.
    pub labels: Vec<(String, Template)>,
    /// What it makes.
    pub kind: Kind,
    /// Where else it is written.
    pub places: Places,
}

/// Where parts of a rule are written.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `for`
    pub wait: Option<At>,
    /// The texts of labels, by their names.
    pub labels: Vec<(String, At)>,
    /// Those of annotations, `event_id` too.
    pub annotations: Vec<(String, At)>,
}

/// What a rule makes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Alerts.
    Alerting(Alerting),
    /// A series.
    Recording,
}

/// What only alerting rules have.
#[derive(Clone, Debug, Default)]
pub struct Alerting {
    /// The condition must hold so long.
    pub wait: RuleDuration,
    /// A firing alert goes on so long without it.
    pub keep_firing: RuleDuration,
    /// Without `event_id`.
    pub annotations: Vec<(String, Template)>,
    /// The field whose values count once each.
    pub event_id: Option<String>,
}

/// Reads a rule file.
pub fn load(file: &Arc<str>, bytes: &[u8], environment: &Arc<Environment>) -> Result<Vec<Group>, Problems> {
    let root = yaml::parse(file, bytes).map_err(Problems::from)?;
    let mut problems = Problems::default();
    let raw_groups = raw::read(&root, &mut problems);
    let text = String::from_utf8_lossy(bytes);
    let mut check = Check { file, source: Source::new(&text), environment, problems };
    let mut groups: Vec<Group> = Vec::new();
    for raw in raw_groups {
        let Some(group) = check.group(raw) else { continue };
        if let Some(first) = groups.iter().find(|other| other.name == group.name) {
            let message = format!(
                "there are two groups {}, the first in line {}; give each its own name",
                quote(&group.name),
                first.at.line
            );
            check.problems.push(&group.at, message);
        }
        groups.push(group);
    }
    check.problems.or(groups)
}

struct Check<'a> {
    file: &'a Arc<str>,
    source: Source<'a>,
    environment: &'a Arc<Environment>,
    problems: Problems,
}

impl Check<'_> {
    fn group(&mut self, raw: Spanned<RawGroup>) -> Option<Group> {
        let name = match raw.value.name {
            Some(name) if !name.value.is_empty() => Some(name),
            Some(name) => self.no(&name.at, "`name` is empty; give the group a name"),
            None if raw.damaged => None,
            None => self.no(&raw.at, "the group has no `name`"),
        };
        let labels = self.labels(raw.value.labels.as_ref());
        let rules = raw.value.rules.into_iter().filter_map(|rule| self.rule(rule, &labels)).map(Arc::new).collect();
        let name = name?;
        Some(Group {
            file: Arc::clone(self.file),
            name: name.value,
            at: raw.at,
            interval: raw.value.interval.filter(|interval| *interval > RuleDuration::default()),
            query_offset: raw.value.query_offset.unwrap_or_default(),
            limit: raw.value.limit.unwrap_or_default(),
            rules,
        })
    }

    fn rule(&mut self, raw: Spanned<RawRule>, group_labels: &[(String, Template)]) -> Option<Rule> {
        let at = raw.at.clone();
        let is_damaged = raw.damaged;
        let raw = raw.value;
        let named = match (&raw.alert, &raw.record) {
            (Some(_), Some(record)) => self.no(&record.at, "`alert` and `record` stand in one rule; make it two"),
            (Some(alert), None) => Some((alert, true)),
            (None, Some(record)) => Some((record, false)),
            (None, None) if is_damaged => None,
            (None, None) => self.no(&at, "the rule has neither `alert` nor `record`"),
        };
        let own_labels = self.labels(raw.labels.as_ref());
        let mut annotations = self.templates(raw.annotations.as_ref());
        let query = match &raw.expr {
            Some(expr) => self.query(expr),
            None if is_damaged => None,
            None => self.no(&at, "the rule has no `expr`"),
        };
        let (name, is_alert) = named?;
        if name.value.is_empty() {
            self.problems.push(&name.at, "the rule's name is empty");
        }
        if !is_alert {
            self.recording(&raw, name);
        }
        let mut labels = group_labels.to_vec();
        labels.retain(|(group_label, _)| own_labels.iter().all(|(own, _)| own != group_label));
        labels.extend(own_labels);
        let event_id = annotations.iter().position(|(name, _)| name == EVENT_ID).map(|place| annotations.remove(place).1);
        if let Some(field) = event_id.as_ref().filter(|field| !field.text().split(',').all(|path| is_path(path.trim()))) {
            let message = format!(
                "`{EVENT_ID}` takes the name of a field (auditID, request_id) or its path (request.id), or several with commas, not {}",
                quote(field.text())
            );
            self.problems.push(raw.annotations.as_ref().map_or(&at, |annotations| &annotations.at), message);
        }
        let kind = if is_alert {
            Kind::Alerting(Alerting {
                wait: raw.wait.as_ref().map(|wait| wait.value).unwrap_or_default(),
                keep_firing: raw.keep_firing.map(|keep| keep.value).unwrap_or_default(),
                annotations,
                event_id: event_id.map(|field| field.text().to_owned()),
            })
        } else {
            Kind::Recording
        };
        let texts_at = |texts: Option<&Spanned<settings::read::Labels>>| {
            let texts = texts.iter().flat_map(|texts| &texts.value.0);
            texts.map(|(name, text)| (name.value.clone(), text.at.clone())).collect::<Vec<_>>()
        };
        let places = Places {
            wait: raw.wait.as_ref().map(|wait| wait.at.clone()),
            labels: texts_at(raw.labels.as_ref()),
            annotations: texts_at(raw.annotations.as_ref()),
        };
        let expr = raw.expr?;
        Some(Rule { name: name.value.clone(), at, expr: expr.value, expr_at: expr.at, query: query?, labels, kind, places })
    }

    /// What a recording rule must not have.
    fn recording(&mut self, raw: &RawRule, name: &Spanned<String>) {
        let alerting_only = [
            ("for", raw.wait.as_ref().map(|wait| &wait.at)),
            ("keep_firing_for", raw.keep_firing.as_ref().map(|keep| &keep.at)),
            ("annotations", raw.annotations.as_ref().map(|annotations| &annotations.at)),
        ];
        for (key, at) in alerting_only {
            if let Some(at) = at {
                self.problems.push(at, format!("`{key}` belongs to alerts; a recording rule has none"));
            }
        }
        if !is_metric_name(&name.value) {
            let message = format!("{} is no name of a series; write letters, digits, `_` and `:`", quote(&name.value));
            self.problems.push(&name.at, message);
        }
    }

    fn labels(&mut self, raw: Option<&Spanned<settings::read::Labels>>) -> Vec<(String, Template)> {
        for (name, _) in raw.iter().flat_map(|labels| &labels.value.0) {
            if name.value == "__name__" || !is_label_name(&name.value) {
                let message = format!("{} is no name of a label; write letters, digits and `_`", quote(&name.value));
                self.problems.push(&name.at, message);
            }
        }
        self.templates(raw)
    }

    fn templates(&mut self, raw: Option<&Spanned<settings::read::Labels>>) -> Vec<(String, Template)> {
        let mut templates = BTreeMap::new();
        for (name, text) in raw.iter().flat_map(|labels| &labels.value.0) {
            if templates.contains_key(&name.value) {
                self.problems.push(&name.at, format!("{} stands twice", quote(&name.value)));
                continue;
            }
            match Template::parse(&text.value, self.environment) {
                Ok(template) => drop(templates.insert(name.value.clone(), template)),
                Err(error) => {
                    let before: usize = text.value.split_inclusive('\n').take(error.line.saturating_sub(1)).map(str::len).sum();
                    let at = self.source.within(&text.at, &text.value, before).unwrap_or_else(|| text.at.clone());
                    self.problems.push(&at, format!("the template of {} is broken: {error}", quote(&name.value)));
                }
            }
        }
        templates.into_iter().collect()
    }

    fn query(&mut self, expr: &Spanned<String>) -> Option<MetricQuery> {
        match logql::parse(&expr.value) {
            Ok(Query::Metric(query)) => Some(query),
            Ok(Query::Log(_)) => self
                .no(&expr.at, "`expr` asks for lines, and a rule needs numbers; count them: sum(count_over_time({…} [5m])) > 0"),
            Err(SyntaxError { at, message, hint }) => {
                let place = self.source.within(&expr.at, &expr.value, at.start).unwrap_or_else(|| expr.at.clone());
                let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                self.no(&place, &format!("`expr`: {message}{hint}"))
            }
        }
    }

    fn no<T>(&mut self, at: &At, message: &str) -> Option<T> {
        self.problems.push(at, message);
        None
    }
}

fn is_label_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The name of a field, or several with dots between; or several such, with commas, that only together make an id.
fn is_path(text: &str) -> bool {
    text.split(',').all(|path| path.trim().split('.').all(is_label_name))
}

fn is_metric_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit()) && is_label_name(&name.replace(':', "_"))
}
