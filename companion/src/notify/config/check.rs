//! `raw` → what runs: the tree of routes, inhibitions and time intervals. All that is wrong is noted.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use settings::problem::{At, Problems, quote};
use settings::read::{Labels, Spanned, nearest};

use super::raw::{Raw, RawInhibitRule, RawInterval, RawPeriod, RawRoute, Span, Words};
use super::{Config, read_templates, receivers};
use crate::notify::inhibit::InhibitRule;
use crate::notify::matcher::{self, MatchOp, Matcher, Matchers};
use crate::notify::mute::{self, Period, TimeInterval};
use crate::notify::route::{GroupBy, Route, RouteId, Routes};

/// The most routes of a tree.
const ROUTES_MAX: usize = 10_000;

/// Checks everything, and adds the templates.
pub(super) fn check(raw: &Raw, at: &At, directory: &Path) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let globs = raw.templates.as_ref().map(|words| words.value.0.as_slice()).unwrap_or_default();
    let templates = read_templates(globs, directory, &mut problems);
    let global = raw.global.as_ref().map(|global| global.value.clone()).unwrap_or_default();
    let receivers = receivers::check(raw, &global, at, directory, &templates, &mut problems);
    let intervals = intervals(raw, &mut problems);
    let mut tree = Tree {
        names: receivers.iter().map(|receiver| receiver.name.as_str()).collect(),
        intervals: intervals.keys().map(String::as_str).collect(),
        routes: Vec::new(),
    };
    match &raw.route {
        Some(root) => tree.root(root, &mut problems),
        None => problems.push(at, "`route` is needed: it says who is told"),
    }
    let routes = Routes(tree.routes);
    let inhibit_rules = raw.inhibit_rules.iter().flat_map(|rules| &rules.value);
    let inhibit_rules = inhibit_rules.map(|rule| inhibit_rule(&rule.value, &rule.at, &mut problems)).collect();
    let resolve_timeout = duration(global.resolve_timeout.as_ref(), Duration::from_mins(5), &mut problems);
    problems.or(Config { resolve_timeout, routes, receivers, inhibit_rules, intervals })
}

/// A duration that is longer than nothing.
fn duration(span: Option<&Spanned<Span>>, default: Duration, problems: &mut Problems) -> Duration {
    match span {
        Some(span) if span.value.0.is_zero() => {
            problems.push(&span.at, "must be longer than 0");
            default
        }
        Some(span) => span.value.0,
        None => default,
    }
}

struct Tree<'a> {
    names: Vec<&'a str>,
    intervals: Vec<&'a str>,
    routes: Vec<Route>,
}

impl Tree<'_> {
    fn root(&mut self, raw: &Spanned<RawRoute>, problems: &mut Problems) {
        let at = &raw.at;
        let root = &raw.value;
        if root.receiver.is_none() && !raw.damaged {
            problems.push(at, "`route` needs a `receiver`: it takes what no other route does");
        }
        let matches =
            root.equal.is_some() || root.regex.is_some() || root.matchers.as_ref().is_some_and(|words| !words.value.0.is_empty());
        if matches {
            problems.push(at, "the root route takes every alert: it must not have matchers; move them into `routes`");
        }
        if root.goes_on.as_ref().is_some_and(|goes_on| goes_on.value) {
            problems.push(at, "the root route must not have `continue`");
        }
        for words in [&root.mute, &root.active].into_iter().flatten() {
            problems.push(&words.at, "the root route must not have time intervals: it takes what no other does");
        }
        let defaults = Route {
            matchers: Matchers::default(),
            goes_on: false,
            receiver: String::new(),
            group_by: GroupBy::Labels(Vec::new()),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
            mute: Vec::new(),
            active: Vec::new(),
            children: Vec::new(),
            key: String::new(),
            path: String::new(),
        };
        self.add(raw, &defaults, 0, problems);
    }

    /// A node and all below it. The reader of the file bounds the depth.
    fn add(&mut self, raw: &Spanned<RawRoute>, parent: &Route, place: usize, problems: &mut Problems) -> Option<RouteId> {
        if self.routes.len() >= ROUTES_MAX {
            problems.push(&raw.at, format!("more than {ROUTES_MAX} routes"));
            return None;
        }
        let node = &raw.value;
        let mut matchers = matchers(node.equal.as_ref(), node.regex.as_ref(), node.matchers.as_ref(), problems);
        matchers.sort();
        let slash = |text: &str| if self.routes.is_empty() { String::new() } else { format!("{text}/") };
        let key = format!("{}{matchers}", slash(&parent.key));
        let path = format!(
            "{}{matchers}{}",
            slash(&parent.path),
            if self.routes.is_empty() { String::new() } else { format!("/{place}") }
        );
        let route = Route {
            goes_on: node.goes_on.as_ref().is_some_and(|goes_on| goes_on.value),
            receiver: node.receiver.as_ref().map_or_else(|| parent.receiver.clone(), |receiver| receiver.value.clone()),
            group_by: node.group_by.as_ref().map_or_else(|| parent.group_by.clone(), |words| group_by(words, problems)),
            // The only one that may be 0.
            group_wait: node.group_wait.as_ref().map_or(parent.group_wait, |span| span.value.0),
            group_interval: duration(node.group_interval.as_ref(), parent.group_interval, problems),
            repeat_interval: duration(node.repeat_interval.as_ref(), parent.repeat_interval, problems),
            mute: self.named_intervals(node.mute.as_ref(), problems),
            active: self.named_intervals(node.active.as_ref(), problems),
            children: Vec::new(),
            matchers,
            key,
            path,
        };
        if let Some(receiver) = &node.receiver {
            known(receiver, "receiver", &self.names, problems);
        }
        let id = RouteId(self.routes.len());
        self.routes.push(route.clone());
        let below = node.routes.iter().flat_map(|routes| &routes.value).enumerate();
        let children: Vec<RouteId> = below.filter_map(|(place, child)| self.add(child, &route, place, problems)).collect();
        if let Some(route) = self.routes.get_mut(id.0) {
            route.children = children;
        }
        Some(id)
    }

    fn named_intervals(&self, words: Option<&Spanned<Words>>, problems: &mut Problems) -> Vec<String> {
        let words = words.map(|words| words.value.0.as_slice()).unwrap_or_default();
        for word in words {
            known(word, "time interval", &self.intervals, problems);
        }
        words.iter().map(|word| word.value.clone()).collect()
    }
}

fn known(word: &Spanned<String>, what: &str, names: &[&str], problems: &mut Problems) {
    if names.contains(&word.value.as_str()) {
        return;
    }
    let hint = match nearest(&word.value, names) {
        Some(name) => format!(", did you mean `{name}`?"),
        None => String::new(),
    };
    problems.push(&word.at, format!("no {what} is called {}{hint}", quote(&word.value)));
}

fn group_by(words: &Spanned<Words>, problems: &mut Problems) -> GroupBy {
    let names = &words.value.0;
    let all = names.iter().any(|name| name.value == "...");
    for (place, name) in names.iter().enumerate() {
        if all && names.len() > 1 {
            problems.push(&name.at, "`...` groups by all labels; name no other beside it");
            break;
        }
        if !all && !matcher::is_label_name(&name.value) {
            problems.push(&name.at, format!("`group_by`: {} is no label name", quote(&name.value)));
        }
        if names.iter().take(place).any(|other| other.value == name.value) {
            problems.push(&name.at, format!("`group_by` has {} twice", quote(&name.value)));
        }
    }
    if all { GroupBy::All } else { GroupBy::Labels(names.iter().map(|name| name.value.clone()).collect()) }
}

/// Of the two legacy forms and the new one together.
fn matchers(
    equal: Option<&Spanned<Labels>>,
    regex: Option<&Spanned<Labels>>,
    words: Option<&Spanned<Words>>,
    problems: &mut Problems,
) -> Matchers {
    let mut found = Vec::new();
    for (labels, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Matches)] {
        for (name, value) in labels.iter().flat_map(|labels| &labels.value.0) {
            let matcher = Matcher::new(&name.value, op, &value.value).and_then(|matcher| match op {
                // The legacy form is printed in group keys with its anchors.
                MatchOp::Matches => Matcher::new(&name.value, op, &format!("^(?:{})$", value.value)),
                _ => Ok(matcher),
            });
            match matcher {
                Ok(matcher) => found.push(matcher),
                Err(error) => problems.push(&value.at, error),
            }
        }
    }
    for word in words.iter().flat_map(|words| &words.value.0) {
        match matcher::parse(&word.value) {
            Ok(matchers) => found.extend(matchers),
            Err(error) => problems.push(&word.at, error),
        }
    }
    Matchers(found)
}

fn inhibit_rule(raw: &RawInhibitRule, at: &At, problems: &mut Problems) -> InhibitRule {
    let before = problems.count();
    let source = matchers(raw.source_equal.as_ref(), raw.source_regex.as_ref(), raw.source_matchers.as_ref(), problems);
    let target = matchers(raw.target_equal.as_ref(), raw.target_regex.as_ref(), raw.target_matchers.as_ref(), problems);
    if problems.count() == before {
        for (matchers, what) in [(&source, "source_matchers"), (&target, "target_matchers")] {
            if matchers.0.is_empty() {
                problems.push(at, format!("an inhibition without `{what}` is about every alert; write what it is about"));
            }
        }
    }
    let equal = raw.equal.iter().flat_map(|words| &words.value.0);
    for name in equal.clone().filter(|name| !matcher::is_label_name(&name.value)) {
        problems.push(&name.at, format!("`equal`: {} is no label name", quote(&name.value)));
    }
    InhibitRule { source, target, equal: equal.map(|name| name.value.clone()).collect() }
}

fn intervals(raw: &Raw, problems: &mut Problems) -> BTreeMap<String, TimeInterval> {
    let mut found = BTreeMap::new();
    let all = [&raw.time_intervals, &raw.mute_time_intervals];
    for interval in all.into_iter().flatten().flat_map(|intervals: &Spanned<Vec<Spanned<RawInterval>>>| &intervals.value) {
        let Some(name) = &interval.value.name else {
            problems.push(&interval.at, "a time interval needs a `name`");
            continue;
        };
        let periods = interval.value.periods.iter().flat_map(|periods| &periods.value);
        let periods = periods.map(|raw| period(&raw.value, problems)).collect();
        if found.insert(name.value.clone(), TimeInterval(periods)).is_some() {
            problems.push(&name.at, format!("two time intervals are called {}", quote(&name.value)));
        }
    }
    found
}

fn period(raw: &RawPeriod, problems: &mut Problems) -> Period {
    fn read<T>(
        words: Option<&Spanned<Words>>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
        problems: &mut Problems,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for word in words.iter().flat_map(|words| &words.value.0) {
            match read(&word.value) {
                Ok(range) => found.push(range),
                Err(error) => problems.push(&word.at, format!("`{key}`: {error}")),
            }
        }
        found
    }
    let mut times = Vec::new();
    for range in raw.times.iter().flat_map(|times| &times.value) {
        let mut minute = |text: &Option<Spanned<String>>, key: &str| match text {
            None => {
                if !range.damaged {
                    problems.push(&range.at, format!("`times` needs `{key}`"));
                }
                None
            }
            Some(text) => mute::minute(&text.value).map_err(|error| problems.push(&text.at, format!("`{key}`: {error}"))).ok(),
        };
        let (from, to) = (minute(&range.value.start_time, "start_time"), minute(&range.value.end_time, "end_time"));
        match (from, to) {
            (Some(from), Some(to)) if from < to => times.push((from, to)),
            (Some(_), Some(_)) => {
                problems
                    .push(&range.at, "`end_time` must be after `start_time`; a night is two ranges, up to 24:00 and from 00:00");
            }
            _ => {}
        }
    }
    let location = match &raw.location {
        None => TimeZone::UTC,
        Some(name) => mute::location(&name.value).unwrap_or_else(|error| {
            problems.push(&name.at, format!("`location`: {error}"));
            TimeZone::UTC
        }),
    };
    Period {
        times,
        weekdays: read(raw.weekdays.as_ref(), "weekdays", mute::weekdays, problems),
        days_of_month: read(raw.days_of_month.as_ref(), "days_of_month", mute::days_of_month, problems),
        months: read(raw.months.as_ref(), "months", mute::months, problems),
        years: read(raw.years.as_ref(), "years", mute::years, problems),
        location,
    }
}
