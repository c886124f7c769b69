//! `|=`, `!=`, `|~`, `!~`, `|>`, `!>`: which lines stay.

use memchr::memmem::Finder;
use regex::Regex;
use settings::re2;
use twox_hash::XxHash3_64;

use super::pattern::LinePattern;
use crate::logql::address::Addresses;
use crate::logql::ast::{LineOp, Needle};

/// Lines in which any of the needles is found; negated, in which none is.
#[derive(Clone, Debug)]
pub(crate) struct LineFilter {
    needles: Vec<Search>,
    negated: bool,
}

#[derive(Clone, Debug)]
enum Search {
    Text(Needled),
    Regex(Regex),
    Pattern(LinePattern),
    Address(Addresses),
}

/// A text to look for.
#[derive(Clone, Debug)]
struct Needled {
    finder: Box<Finder<'static>>,
    hash: u64,
}

impl Needled {
    fn new(text: &str) -> Self {
        Self { finder: Box::new(Finder::new(text).into_owned()), hash: XxHash3_64::oneshot(text.as_bytes()) }
    }

    fn is_in(&self, line: &str) -> bool {
        self.finder.find(line.as_bytes()).is_some()
    }
}

/// What was looked for in one line, and whether it is there, so that rules that look for the same do it once. Texts are told
/// apart by 64 bits of their hash.
#[derive(Debug)]
pub(crate) struct Searched {
    line: u64,
    /// The line of which an answer is, the text's hash, the answer. A later text takes the place of an earlier one.
    answers: Box<[(u64, u64, bool)]>,
}

impl Default for Searched {
    fn default() -> Self {
        Self { line: 1, answers: vec![(0, 0, false); 256].into() }
    }
}

impl Searched {
    /// Forgets the line.
    pub(crate) fn clear(&mut self) {
        self.line += 1;
    }

    fn answer(&mut self, hash: u64, search: impl FnOnce() -> bool) -> bool {
        let line = self.line;
        match self.answers.get_mut(hash as usize % 256) {
            Some((known_line, known_hash, answer)) if *known_line == line && *known_hash == hash => *answer,
            Some(place) => {
                *place = (line, hash, search());
                place.2
            }
            None => search(),
        }
    }
}

impl LineFilter {
    pub(super) fn new(op: LineOp, needles: &[Needle]) -> Result<Self, String> {
        let search = |needle: &Needle| {
            Ok(match (needle, op) {
                (Needle::Ip(addresses), _) => Search::Address(Addresses::new(addresses)?),
                (Needle::Text(text), LineOp::Contains | LineOp::NotContains) => Search::Text(Needled::new(text)),
                (Needle::Text(text), LineOp::Regex | LineOp::NotRegex) => Search::Regex(re2::compile(text)?),
                (Needle::Text(text), LineOp::Pattern | LineOp::NotPattern) => Search::Pattern(LinePattern::new(text)?),
            })
        };
        let needles = needles.iter().map(search).collect::<Result<_, String>>()?;
        Ok(Self { needles, negated: matches!(op, LineOp::NotContains | LineOp::NotRegex | LineOp::NotPattern) })
    }

    pub(super) fn matches(&self, line: &str) -> bool {
        self.found(line, |needle| needle.is_in(line))
    }

    /// The same of a line as it came, about which others have asked too.
    pub(super) fn matches_original(&self, line: &str, searched: &mut Searched) -> bool {
        self.found(line, |needle| searched.answer(needle.hash, || needle.is_in(line)))
    }

    fn found(&self, line: &str, mut text: impl FnMut(&Needled) -> bool) -> bool {
        let found = self.needles.iter().any(|needle| match needle {
            Search::Text(needle) => text(needle),
            Search::Regex(regex) => regex.is_match(line),
            Search::Pattern(pattern) => pattern.matches(line),
            Search::Address(addresses) => addresses.found_in(line),
        });
        found != self.negated
    }
}
