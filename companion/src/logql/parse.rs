//! Words → what the query says. By hand: a pipeline stage by stage, an expression by the strength of its signs.
//!
//! Whatever can be known to be wrong is said here, with its place: regular expressions, templates, addresses, patterns are
//! compiled once for that. How deep a query may nest is bounded, so that no text makes the stack overflow.

mod expression;
mod label_filter;
mod pipeline;

use std::ops::Range;

use settings::read::nearest;

use super::SyntaxError;
use super::ast::{Expression, MatchOp, Matcher, Selector, Stage};
use super::lex::{Token, TokenKind, tokens};
use super::matcher::TextMatcher;

/// How deep parentheses, functions and signs may nest.
const DEPTH_MAX: usize = 64;

/// How long a query may be, bytes.
const LENGTH_MAX: usize = 128 * 1024;

/// A query as it was read.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    Log(Selector, Vec<Stage>),
    Metric(Expression),
}

/// Words that are no names, wherever they stand.
const KEYWORDS: [&str; 22] = [
    "and",
    "bool",
    "by",
    "decolorize",
    "drop",
    "group_left",
    "group_right",
    "ignoring",
    "json",
    "keep",
    "label_format",
    "line_format",
    "logfmt",
    "offset",
    "on",
    "or",
    "pattern",
    "regexp",
    "unless",
    "unpack",
    "unwrap",
    "without",
];

/// Reads a query; nothing may follow it.
pub(crate) fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    if text.len() > LENGTH_MAX {
        let message = format!("a query has at most {LENGTH_MAX} bytes");
        return Err(SyntaxError { at: 0..text.len(), message, hint: None });
    }
    let mut parser = Parser { tokens: tokens(text)?, position: 0, depth: 0, leaves: 0 };
    let parsed = parser.query(0)?;
    match &parser.peek().kind {
        TokenKind::End => Ok(parsed),
        _ => Err(parser.surplus()),
    }
}

struct Parser {
    /// The last is the end.
    tokens: Vec<Token>,
    position: usize,
    depth: usize,
    leaves: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    #[expect(clippy::indexing_slicing, reason = "the place is held below the number of words, and the end is always there")]
    fn peek_at(&self, ahead: usize) -> &Token {
        &self.tokens[(self.position + ahead).min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.position = (self.position + 1).min(self.tokens.len() - 1);
        token
    }

    /// Where the last word that was taken ends.
    fn end(&self) -> usize {
        self.position.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.at.end)
    }

    fn error(at: Range<usize>, message: impl Into<String>, hint: Option<String>) -> SyntaxError {
        SyntaxError { at, message: message.into(), hint }
    }

    /// The next word is not what may stand there.
    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let token = self.peek();
        Self::error(token.at.clone(), format!("{} stands where {wanted} should", describe(&token.kind)), None)
    }

    fn surplus(&self) -> SyntaxError {
        let token = self.peek();
        let hint = match &token.kind {
            TokenKind::Word(word) => nearest(&word.to_lowercase(), &["and", "or", "unless", "offset", "by", "without", "bool"])
                .filter(|known| !known.eq_ignore_ascii_case(word))
                .map(|known| format!("did you mean `{known}`?")),
            _ => None,
        };
        Self::error(
            token.at.clone(),
            format!("{} is too much here: the query is complete before it", describe(&token.kind)),
            hint,
        )
    }

    fn at_sign(&self, sign: &str) -> bool {
        self.sign_at(0, sign)
    }

    fn sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.peek_at(ahead).kind, TokenKind::Sign(found) if found == sign)
    }

    /// Takes the sign if it is there.
    fn take_sign(&mut self, sign: &str) -> bool {
        let is_there = self.at_sign(sign);
        if is_there {
            self.next();
        }
        is_there
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_there = self.at_keyword(keyword);
        if is_there {
            self.next();
        }
        is_there
    }

    fn text(&mut self) -> Result<String, SyntaxError> {
        match &self.peek().kind {
            TokenKind::Text(text) => {
                let text = text.clone();
                self.next();
                Ok(text)
            }
            TokenKind::Word(word) => {
                let hint = Some(format!("write \"{word}\""));
                Err(SyntaxError { hint, ..self.unexpected("a text in quotes") })
            }
            _ => Err(self.unexpected("a text in quotes")),
        }
    }

    /// A name that is no keyword.
    fn name(&mut self, what: &str) -> Result<String, SyntaxError> {
        match &self.peek().kind {
            TokenKind::Word(word) if !KEYWORDS.contains(&word.to_ascii_lowercase().as_str()) => {
                let word = word.clone();
                self.next();
                Ok(word)
            }
            TokenKind::Word(word) => {
                let message = format!("`{word}` is a keyword, and cannot be {what}");
                Err(Self::error(self.peek().at.clone(), message, None))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// `(a, b)`; may be empty.
    fn names(&mut self) -> Result<Vec<String>, SyntaxError> {
        self.expect_sign("(")?;
        let mut names = Vec::new();
        if self.take_sign(")") {
            return Ok(names);
        }
        loop {
            names.push(self.name("a label")?);
            if self.take_sign(")") {
                return Ok(names);
            }
            if !self.take_sign(",") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    /// A number, with its own sign.
    fn signed_number(&mut self) -> Result<f64, SyntaxError> {
        let negative = self.at_sign("-");
        if negative || self.at_sign("+") {
            self.next();
        }
        match self.peek().kind {
            TokenKind::Number(number) => {
                self.next();
                Ok(if negative { -number } else { number })
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// Goes one level deeper for the time of `read`.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        if self.depth >= DEPTH_MAX {
            let hint = Some("split it into recording rules".to_owned());
            return Err(Self::error(self.peek().at.clone(), format!("nested deeper than {DEPTH_MAX} levels"), hint));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn match_op(&mut self) -> Option<MatchOp> {
        let op = match self.peek().kind {
            TokenKind::Sign("=") => MatchOp::Equal,
            TokenKind::Sign("!=") => MatchOp::NotEqual,
            TokenKind::Sign("=~") => MatchOp::Regex,
            TokenKind::Sign("!~") => MatchOp::NotRegex,
            _ => return None,
        };
        self.next();
        Some(op)
    }

    /// `name="value"`, with its regular expression tried.
    fn matcher(&mut self) -> Result<Matcher, SyntaxError> {
        let start = self.peek().at.start;
        let name = self.name("a label")?;
        let Some(op) = self.match_op() else {
            return Err(self.unexpected("`=`, `!=`, `=~` or `!~`"));
        };
        let value = self.text()?;
        let matcher = Matcher { name, op, value, span: start..self.end() };
        Self::compiled(&matcher)?;
        Ok(matcher)
    }

    fn compiled(matcher: &Matcher) -> Result<TextMatcher, SyntaxError> {
        TextMatcher::new(matcher.op, &matcher.value).map_err(|why| Self::error(matcher.span.clone(), why, None))
    }

    fn selector(&mut self) -> Result<Selector, SyntaxError> {
        let start = self.peek().at.start;
        self.expect_sign("{")?;
        let mut matchers = Vec::new();
        if !self.at_sign("}") {
            loop {
                matchers.push(self.matcher()?);
                if !self.take_sign(",") {
                    break;
                }
            }
        }
        if !self.take_sign("}") {
            return Err(self.unexpected("`,` or `}`"));
        }
        let selector = Selector { matchers, span: start..self.end() };
        for matcher in &selector.matchers {
            if !Self::compiled(matcher)?.matches("") {
                return Ok(selector);
            }
        }
        let message = "a selector needs a matcher that does not match the empty text";
        Err(Self::error(selector.span.clone(), message, Some("such as `app=~\".+\"`".to_owned())))
    }
}

/// A word, for people.
fn describe(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Word(word) => format!("`{word}`"),
        TokenKind::Text(_) => "a text".to_owned(),
        TokenKind::Number(_) => "a number".to_owned(),
        TokenKind::Duration(_) => "a duration".to_owned(),
        TokenKind::Bytes(_) => "a size".to_owned(),
        TokenKind::Brackets(inside) => format!("`[{inside}]`"),
        TokenKind::Flag(flag) => format!("`--{flag}`"),
        TokenKind::Sign(sign) => format!("`{sign}`"),
        TokenKind::End => "the end of the query".to_owned(),
    }
}
