//! What several pipelines ask of an entry first, answered for all of them together, so that most are never run.
//!
//! A [`Screen`] holds the label filters that stand before anything could change what they see: at the beginning of a pipeline,
//! and right behind a `json` with paths. Their tests are asked at most once a line, of fields that are read in one pass. What it
//! says is one-sided: a pipeline that it turns away would have dropped the entry; one that it lets pass must be run to know.
//! So whatever is not certain lets pass: errors, names with `_extracted`, lines that are no plain JSON.

use std::collections::HashMap;
use std::net::IpAddr;

use super::columns::{Columns, Row};
use super::json_index::PathPart;
use super::json_scan::{Kind, push_unescaped};
use super::label_filter::Filter;
use super::labels::{ERROR, ERROR_DETAILS};
use super::name::push_sanitized;
use super::{Pipeline, Step};
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::address::Addresses;
use crate::logql::ast::Comparison;
use crate::logql::matcher::TextMatcher;

/// The first filters of several pipelines.
#[derive(Debug)]
pub(crate) struct Screen {
    asked: Asked,
    /// Of each pipeline, all of which must hold: what says no most often comes to stand first.
    pipelines: Vec<Vec<Clause>>,
    /// Pipelines with clauses that read fields.
    readers: usize,
    line: LineState,
}

/// What there is to ask, without an entry.
#[derive(Debug, Default)]
struct Asked {
    columns: Columns,
    /// Labels that a stream or metadata may give, by name.
    names: HashMap<String, usize>,
    labels: Vec<Label>,
    tests: Vec<Test>,
    /// Numbers of the same by what they say.
    known: HashMap<(usize, String), usize>,
}

/// A label at some place of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Label {
    /// Its name, by number; an error's has none, for there is no error.
    name: Option<usize>,
    /// The field that it was made of.
    column: Option<usize>,
}

#[derive(Debug)]
struct Test {
    label: usize,
    kind: TestKind,
}

#[derive(Debug)]
enum TestKind {
    Text(TextMatcher),
    Address {
        negated: bool,
        addresses: Addresses,
    },
    /// A comparison of numbers.
    Measured(Filter),
}

/// A label filter, with its tests by number.
#[derive(Debug)]
struct Clause {
    what: Asking,
    reads_fields: bool,
}

#[derive(Debug)]
enum Asking {
    Test(usize),
    All(Vec<Asking>),
    Any(Vec<Asking>),
}

/// What is known of one line.
#[derive(Debug, Default)]
struct LineState {
    number: u64,
    /// Twice the number of the line of which an answer is, and the answer.
    answers: Vec<u64>,
    /// The address in a label, and of which line it is.
    addresses: Vec<(u64, Addressed)>,
    row: Row,
    /// The fields were read; true if that was clear.
    is_read: Option<bool>,
    /// By name: what the stream says.
    by_stream: Vec<Option<String>>,
    /// Of which stream that is.
    stream: Option<LabelSet>,
    /// By name: its place in the metadata.
    by_metadata: Vec<Option<usize>>,
    scratch: String,
}

/// What a label says as an address.
#[derive(Clone, Copy, Debug, Default)]
enum Addressed {
    /// There is no such label.
    #[default]
    Absent,
    /// It is none.
    No,
    Is(IpAddr),
}

/// Where labels come from, at a place of a pipeline.
type Paths<'p> = Option<&'p [(String, Vec<PathPart>)]>;

impl Screen {
    /// Of these pipelines, by their order.
    pub(crate) fn new<'p>(pipelines: impl IntoIterator<Item = &'p Pipeline>) -> Self {
        let mut asked = Asked::default();
        let pipelines: Vec<Vec<Clause>> = pipelines.into_iter().map(|pipeline| asked.clauses(pipeline)).collect();
        asked.columns.compile();
        let line = LineState {
            answers: vec![0; asked.tests.len()],
            addresses: vec![(0, Addressed::default()); asked.labels.len()],
            by_stream: vec![None; asked.names.len()],
            by_metadata: vec![None; asked.names.len()],
            ..LineState::default()
        };
        let readers = pipelines.iter().filter(|clauses| clauses.iter().any(|clause| clause.reads_fields)).count();
        Self { asked, pipelines, readers, line }
    }

    /// How many of the pipelines ask for fields of the line.
    pub(crate) fn readers(&self) -> usize {
        self.readers
    }

    /// A new entry.
    pub(crate) fn begin(&mut self, stream: &LabelSet, entry: Entry<'_>) {
        let line = &mut self.line;
        line.number += 1;
        line.is_read = None;
        if !line.stream.as_ref().is_some_and(|known| known.is_identical(stream)) {
            if line.stream.as_ref() != Some(stream) {
                for (name, number) in &self.asked.names {
                    if let Some(given) = line.by_stream.get_mut(*number) {
                        *given = stream.get(name).map(str::to_owned);
                    }
                }
            }
            line.stream = Some(stream.clone());
        }
        line.by_metadata.fill(None);
        for (place, (name, _)) in entry.metadata.iter().enumerate() {
            line.scratch.clear();
            push_sanitized(&mut line.scratch, name);
            if let Some(number) = self.asked.names.get(&line.scratch)
                && let Some(known) = line.by_metadata.get_mut(*number)
            {
                // The first of a name counts.
                known.get_or_insert(place);
            }
        }
    }

    /// Whether the pipeline of that number may let the entry through, which must be the one that was begun with.
    pub(crate) fn lets_pass(&mut self, pipeline: usize, entry: Entry<'_>) -> bool {
        let Some(clauses) = self.pipelines.get_mut(pipeline) else { return true };
        for place in 0..clauses.len() {
            let Some(clause) = clauses.get(place) else { return true };
            if clause.reads_fields {
                let Self { asked, line, .. } = self;
                if !*line.is_read.get_or_insert_with(|| asked.columns.read(entry.line, &mut line.row)) {
                    continue;
                }
            }
            if !self.asked.holds(&clause.what, entry, &mut self.line) {
                if place > 0 {
                    clauses.swap(place - 1, place);
                }
                return false;
            }
        }
        true
    }
}

impl Asked {
    /// What must hold for the pipeline to let an entry through, the cheapest first.
    fn clauses(&mut self, pipeline: &Pipeline) -> Vec<Clause> {
        let mut clauses: Vec<Clause> = Vec::new();
        let mut paths: Paths<'_> = None;
        for step in &pipeline.steps {
            match step {
                Step::LineFilter(_) => {}
                Step::JsonPaths(json) if paths.is_none() => paths = Some(json.labels()),
                Step::LabelFilter(filter) => {
                    if let Some(what) = self.asking(filter, paths) {
                        clauses.push(Clause { what, reads_fields: paths.is_some() });
                    }
                    // What is no number leaves an error, with which later filters hold.
                    if filter.may_fail() {
                        break;
                    }
                }
                _ => break,
            }
        }
        clauses.sort_by_key(|clause| (clause.reads_fields, self.cost(&clause.what)));
        clauses
    }

    /// Nothing where it is not certain.
    fn asking(&mut self, filter: &Filter, paths: Paths<'_>) -> Option<Asking> {
        let (label, kind) = match filter {
            Filter::And(filters) => {
                if filter.may_fail() {
                    return None;
                }
                return Some(Asking::All(filters.iter().filter_map(|filter| self.asking(filter, paths)).collect()));
            }
            Filter::Or(filters) => {
                if filter.may_fail() {
                    return None;
                }
                return filters.iter().map(|filter| self.asking(filter, paths)).collect::<Option<_>>().map(Asking::Any);
            }
            Filter::Text { label, matcher } => (label, TestKind::Text(matcher.clone())),
            Filter::Address { label, negated, addresses } => {
                // It holds where the parser left an error, and any of the parser's paths may: all of them have to be read.
                for (name, _) in paths.into_iter().flatten() {
                    self.label(name, paths)?;
                }
                (label, TestKind::Address { negated: *negated, addresses: addresses.clone() })
            }
            Filter::Number(Comparison { label, .. })
            | Filter::Duration(Comparison { label, .. })
            | Filter::Bytes(Comparison { label, .. }) => (label, TestKind::Measured(filter.clone())),
        };
        let label = self.label(label, paths)?;
        // Matchers are told apart by what they print, which is all that is in them.
        let key = (label, format!("{kind:?}"));
        if let Some(test) = self.known.get(&key) {
            return Some(Asking::Test(*test));
        }
        self.tests.push(Test { label, kind });
        self.known.insert(key, self.tests.len() - 1);
        Some(Asking::Test(self.tests.len() - 1))
    }

    /// The number of the label at a place behind these paths.
    fn label(&mut self, name: &str, paths: Paths<'_>) -> Option<usize> {
        if name.ends_with("_extracted") {
            return None;
        }
        let is_error = name == ERROR || name == ERROR_DETAILS;
        let mut of_name = paths.into_iter().flatten().filter(|(label, _)| label == name);
        let path = of_name.next().filter(|_| !is_error);
        if of_name.next().is_some() {
            return None;
        }
        let column = match path {
            Some((_, path)) => Some(self.columns.add(path)?),
            None => None,
        };
        let next = self.names.len();
        let name = (!is_error).then(|| *self.names.entry(name.to_owned()).or_insert(next));
        let label = Label { name, column };
        let known = self.labels.iter().position(|other| *other == label);
        Some(known.unwrap_or_else(|| {
            self.labels.push(label);
            self.labels.len() - 1
        }))
    }

    fn cost(&self, what: &Asking) -> u32 {
        match what {
            Asking::Test(test) => match self.tests.get(*test).map(|test| &test.kind) {
                Some(TestKind::Text(TextMatcher::Regex { .. })) => 10,
                Some(TestKind::Text(_)) | None => 1,
                Some(TestKind::Measured(_) | TestKind::Address { .. }) => 4,
            },
            Asking::All(parts) | Asking::Any(parts) => parts.iter().map(|part| self.cost(part)).sum(),
        }
    }

    fn holds(&self, what: &Asking, entry: Entry<'_>, line: &mut LineState) -> bool {
        match what {
            Asking::Test(test) => self.answer(*test, entry, line),
            Asking::All(parts) => parts.iter().all(|part| self.holds(part, entry, line)),
            Asking::Any(parts) => parts.iter().any(|part| self.holds(part, entry, line)),
        }
    }

    fn answer(&self, number: usize, entry: Entry<'_>, line: &mut LineState) -> bool {
        if let Some(known) = line.answers.get(number)
            && known >> 1 == line.number
        {
            return known & 1 == 1;
        }
        let Some(test) = self.tests.get(number) else { return true };
        let Some(label) = self.labels.get(test.label) else { return true };
        let answer = match &test.kind {
            TestKind::Text(matcher) => self.with_value(*label, entry, line, |value| matcher.matches(value.unwrap_or_default())),
            TestKind::Measured(filter) => self.with_value(*label, entry, line, |value| filter.measures(value).unwrap_or(true)),
            TestKind::Address { negated, addresses } => {
                let address = match line.addresses.get(test.label) {
                    Some((known, address)) if *known == line.number => *address,
                    _ => {
                        let read = |text: &str| Addresses::read(text).map_or(Addressed::No, Addressed::Is);
                        let address = self.with_value(*label, entry, line, |value| value.map_or(Addressed::Absent, read));
                        if let Some(place) = line.addresses.get_mut(test.label) {
                            *place = (line.number, address);
                        }
                        address
                    }
                };
                match address {
                    Addressed::Absent => false,
                    Addressed::No => *negated,
                    Addressed::Is(address) => addresses.contains(address) != *negated,
                }
            }
        };
        if let Some(place) = line.answers.get_mut(number) {
            *place = line.number << 1 | u64::from(answer);
        }
        answer
    }

    /// Gives `see` the value of a label, if it is there.
    fn with_value<T>(&self, label: Label, entry: Entry<'_>, line: &mut LineState, see: impl FnOnce(Option<&str>) -> T) -> T {
        let Some(name) = label.name else { return see(None) };
        if let Some(Some(given)) = line.by_stream.get(name) {
            return see(Some(given));
        }
        if let Some(Some(place)) = line.by_metadata.get(name) {
            return see(entry.metadata.get(*place).map(|(_, value)| value.as_str()));
        }
        let Some(column) = label.column else { return see(None) };
        let value = match self.columns.value(&line.row, column) {
            // A path that leads nowhere gives an empty label, and so does null.
            None => return see(Some("")),
            Some(value) if value.kind == Kind::Null => return see(Some("")),
            Some(value) => value,
        };
        let raw = entry.line.get(value.start as usize..value.end as usize).unwrap_or_default();
        if value.kind != Kind::Text || memchr::memchr(b'\\', raw.as_bytes()).is_none() {
            return see(Some(raw));
        }
        line.scratch.clear();
        push_unescaped(raw.as_bytes(), &mut line.scratch);
        see(Some(&line.scratch))
    }
}
