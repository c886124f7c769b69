//! A pipeline, compiled: an entry goes in, and comes out with its line and labels changed, or not at all.
//!
//! Nothing is thrown: what goes wrong stands in the labels `__error__` and `__error_details__`, and is for whoever asks to
//! judge. Labels live in [`Labels`], which is used again for each line; a line that no stage changes is never copied.

mod columns;
mod decolorize;
mod fields;
mod format;
mod json;
mod json_index;
mod json_path;
mod json_scan;
mod keep_drop;
mod label_filter;
mod labels;
mod line_filter;
mod logfmt;
mod name;
mod pattern;
mod regexp;
mod screen;
mod unpack;
mod unwrap;

use std::collections::BTreeSet;
use std::ops::Bound;

use proto::time::UnixNanos;

use super::ast::{Stage, StageKind};

pub(crate) use json_index::JsonIndex;
pub(crate) use labels::{ERROR, LabelBuffers, Labels};
use line_filter::LineFilter;
pub(crate) use line_filter::Searched;
pub(crate) use screen::Screen;
pub(crate) use unwrap::{Unwrap, Unwrapped};

/// A compiled stage.
#[derive(Clone, Debug)]
enum Step {
    LineFilter(LineFilter),
    Json,
    JsonPaths(json_path::JsonPaths),
    Logfmt(logfmt::Logfmt),
    Pattern(pattern::Pattern),
    Regexp(regexp::Regexp),
    Unpack,
    LabelFilter(label_filter::Filter),
    LineFormat(format::LineFormat),
    LabelFormat(format::LabelFormats),
    Keep(keep_drop::Picks),
    Drop(keep_drop::Picks),
    Decolorize,
    Unwrap(Unwrap),
}

/// Whether a stage can be compiled; what is wrong is said in words.
pub(crate) fn check(stage: &StageKind) -> Result<(), String> {
    Step::compile(stage).map(drop)
}

impl Step {
    fn compile(stage: &StageKind) -> Result<Self, String> {
        Ok(match stage {
            StageKind::LineFilter { op, needles } => Self::LineFilter(LineFilter::new(*op, needles)?),
            StageKind::Json(fields) if fields.is_empty() => Self::Json,
            StageKind::Json(fields) => Self::JsonPaths(json_path::JsonPaths::new(fields)?),
            StageKind::Logfmt { strict, keep_empty, fields } => Self::Logfmt(logfmt::Logfmt::new(*strict, *keep_empty, fields)?),
            StageKind::Pattern(pattern) => Self::Pattern(pattern::Pattern::new(pattern)?),
            StageKind::Regexp(regex) => Self::Regexp(regexp::Regexp::new(regex)?),
            StageKind::Unpack => Self::Unpack,
            StageKind::LabelFilter(filter) => Self::LabelFilter(label_filter::Filter::new(filter)?),
            StageKind::LineFormat(template) => Self::LineFormat(format::LineFormat::new(template)?),
            StageKind::LabelFormat(formats) => Self::LabelFormat(format::LabelFormats::new(formats)?),
            StageKind::Keep(picks) => Self::Keep(keep_drop::Picks::new(picks)?),
            StageKind::Drop(picks) => Self::Drop(keep_drop::Picks::new(picks)?),
            StageKind::Decolorize => Self::Decolorize,
            StageKind::Unwrap { conversion, label } => Self::Unwrap(Unwrap { conversion: *conversion, label: label.clone() }),
        })
    }

    /// The labels whose values it reads.
    fn reads(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::LabelFilter(filter) => filter.reads(names),
            Self::LineFormat(format) => format.reads(names),
            Self::LabelFormat(formats) => formats.reads(names),
            Self::Unwrap(unwrap) => {
                names.insert(unwrap.label.clone());
            }
            _ => {}
        }
    }
}

/// Which labels the asker can tell apart, so that a parser need not make others.
///
/// This is Loki's own rule and can be seen: a parser that has all it was asked for stops, and what is wrong further on in the
/// line is not noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All that a line has.
    All,
    /// Only these, which are not none.
    Only(BTreeSet<String>),
    /// No label at all is looked at.
    None,
}

impl Wanted {
    fn wants(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
            Self::None => false,
        }
    }

    /// A label whose name begins so is wanted.
    fn wants_below(&self, prefix: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names
                .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
                .next()
                .is_some_and(|name| name.starts_with(prefix)),
            Self::None => false,
        }
    }
}

/// The text of an entry on its way.
#[derive(Debug)]
pub(crate) enum Line<'e> {
    /// As it came.
    Original(&'e str),
    /// As a stage made it.
    Made(String),
}

impl Line<'_> {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Original(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// An entry on its way through a pipeline.
#[derive(Debug)]
pub(crate) struct Passage<'p, 'e> {
    pub(crate) time: UnixNanos,
    pub(crate) line: Line<'e>,
    pub(crate) labels: &'p mut Labels<'e>,
    /// What is known of the original line's JSON, for all who ask.
    pub(crate) json: &'p mut JsonIndex,
}

/// The stages of a query, compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipeline {
    /// Line filters before anything else: they need no labels.
    first: Vec<LineFilter>,
    steps: Vec<Step>,
}

impl Pipeline {
    /// Of stages that were read before, and so are known to compile.
    pub(crate) fn new(stages: &[Stage]) -> Result<Self, String> {
        let mut first = Vec::new();
        let mut steps = Vec::new();
        // As in Loki, a line filter is asked as early as can be: before all stages after the last `line_format` above it, even
        // those that change the line in other ways.
        let mut earliest = 0;
        for stage in stages {
            match Step::compile(&stage.kind)? {
                Step::LineFilter(filter) if earliest == 0 => first.push(filter),
                Step::LineFilter(filter) => {
                    steps.insert(earliest, Step::LineFilter(filter));
                    earliest += 1;
                }
                step => {
                    steps.push(step);
                    if let StageKind::LineFormat(_) = stage.kind {
                        earliest = steps.len();
                    }
                }
            }
        }
        Ok(Self { first, steps })
    }

    /// The labels whose values its stages read.
    pub(crate) fn reads(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.steps.iter().for_each(|step| step.reads(&mut names));
        names
    }

    /// Whether there are filters that come before everything else.
    pub(crate) fn has_line_filters(&self) -> bool {
        !self.first.is_empty()
    }

    /// Whether the line passes the filters that come before everything else.
    pub(crate) fn admits(&self, line: &str, searched: &mut Searched) -> bool {
        self.first.iter().all(|filter| filter.matches_original(line, searched))
    }

    /// The stage that makes a number of a label.
    pub(crate) fn unwraps(&self) -> Option<&Unwrap> {
        self.steps.iter().find_map(|step| match step {
            Step::Unwrap(unwrap) => Some(unwrap),
            _ => None,
        })
    }

    /// Sends an entry that was admitted through the stages. Nothing if a filter drops it; else what was unwrapped, or 1.
    pub(crate) fn run(&self, passage: &mut Passage<'_, '_>, wanted: &Wanted) -> Option<f64> {
        let mut number = 1.0;
        for step in &self.steps {
            let stays = match step {
                Step::LineFilter(filter) => filter.matches(passage.line.text()),
                Step::Json => {
                    json::run(passage, wanted);
                    true
                }
                Step::JsonPaths(paths) => {
                    paths.run(passage, wanted);
                    true
                }
                Step::Logfmt(logfmt) => {
                    logfmt.run(passage);
                    true
                }
                Step::Pattern(pattern) => {
                    pattern.run(passage);
                    true
                }
                Step::Regexp(regexp) => {
                    regexp.run(passage);
                    true
                }
                Step::Unpack => {
                    unpack::run(passage, wanted);
                    true
                }
                Step::LabelFilter(filter) => filter.stays(passage.labels),
                Step::LineFormat(format) => {
                    format.run(passage);
                    true
                }
                Step::LabelFormat(formats) => {
                    formats.run(passage);
                    true
                }
                Step::Keep(picks) => {
                    picks.keep(passage.labels);
                    true
                }
                Step::Drop(picks) => {
                    picks.drop_from(passage.labels);
                    true
                }
                Step::Decolorize => {
                    decolorize::run(passage);
                    true
                }
                Step::Unwrap(unwrap) => match unwrap.run(passage.labels) {
                    Unwrapped::Absent => false,
                    Unwrapped::Number(found) => {
                        number = found;
                        true
                    }
                },
            };
            if !stays {
                return None;
            }
        }
        Some(number)
    }
}
