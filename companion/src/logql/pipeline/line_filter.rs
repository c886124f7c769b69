//! `|=`, `!=`, `|~`, `!~`, `|>`, `!>`: which lines stay.

use memchr::memmem::Finder;
use regex::Regex;

use super::pattern::LinePattern;
use crate::logql::address::Addresses;
use crate::logql::ast::{LineOp, Needle};
use crate::logql::re2;

/// Lines in which any of the needles is found; negated, in which none is.
#[derive(Clone, Debug)]
pub(crate) struct LineFilter {
    needles: Vec<Search>,
    negated: bool,
}

#[derive(Clone, Debug)]
enum Search {
    Text(Box<Finder<'static>>),
    Regex(Regex),
    Pattern(LinePattern),
    Address(Addresses),
}

impl LineFilter {
    pub(super) fn new(op: LineOp, needles: &[Needle]) -> Result<Self, String> {
        let search = |needle: &Needle| {
            Ok(match (needle, op) {
                (Needle::Ip(addresses), _) => Search::Address(Addresses::new(addresses)?),
                (Needle::Text(text), LineOp::Contains | LineOp::NotContains) => {
                    Search::Text(Box::new(Finder::new(text).into_owned()))
                }
                (Needle::Text(text), LineOp::Regex | LineOp::NotRegex) => Search::Regex(re2::compile(text)?),
                (Needle::Text(text), LineOp::Pattern | LineOp::NotPattern) => Search::Pattern(LinePattern::new(text)?),
            })
        };
        let needles = needles.iter().map(search).collect::<Result<_, String>>()?;
        Ok(Self { needles, negated: matches!(op, LineOp::NotContains | LineOp::NotRegex | LineOp::NotPattern) })
    }

    pub(super) fn matches(&self, line: &str) -> bool {
        let found = self.needles.iter().any(|needle| match needle {
            Search::Text(finder) => finder.find(line.as_bytes()).is_some(),
            Search::Regex(regex) => regex.is_match(line),
            Search::Pattern(pattern) => pattern.matches(line),
            Search::Address(addresses) => addresses.found_in(line),
        });
        found != self.negated
    }
}
