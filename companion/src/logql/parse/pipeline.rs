//! The stages of a pipeline.

use settings::read::nearest;

use super::{Parser, describe};
use crate::logql::SyntaxError;
use crate::logql::ast::{Conversion, Field, FormatSource, LabelFormat, LineOp, MatchOp, Matcher, Needle, Pick, Stage, StageKind};
use crate::logql::lex::TokenKind;
use crate::logql::pipeline::check;

/// What may follow `|`, besides a label.
const STAGES: [&str; 12] = [
    "json",
    "logfmt",
    "pattern",
    "regexp",
    "unpack",
    "line_format",
    "label_format",
    "keep",
    "drop",
    "decolorize",
    "unwrap",
    "label_filter",
];

impl Parser {
    /// As many stages as there are. `unwrap` is one only where a range may follow.
    pub(super) fn stages(&mut self, stages: &mut Vec<Stage>, may_unwrap: bool) -> Result<(), SyntaxError> {
        loop {
            let start = self.peek().at.start;
            let has_unwrapped = stages.iter().any(|stage| matches!(stage.kind, StageKind::Unwrap { .. }));
            let kind = match self.line_op() {
                Some(op) => self.line_filter(op)?,
                None if self.take_sign("|") => self.stage(may_unwrap)?,
                None => return Ok(()),
            };
            let stage = Stage { kind, span: start..self.end() };
            if has_unwrapped && !matches!(stage.kind, StageKind::LabelFilter(_)) {
                return Err(Self::error(stage.span, "only label filters may follow `unwrap`", None));
            }
            // What cannot be compiled is said here, where its place is known.
            check(&stage.kind).map_err(|why| Self::error(stage.span.clone(), why, None))?;
            stages.push(stage);
        }
    }

    fn line_op(&mut self) -> Option<LineOp> {
        let op = match self.peek().kind {
            TokenKind::Sign("|=") => LineOp::Contains,
            TokenKind::Sign("|~") => LineOp::Regex,
            TokenKind::Sign("|>") => LineOp::Pattern,
            // Between expressions `!=` is a comparison, so a text must follow.
            TokenKind::Sign("!=") if self.needle_follows() => LineOp::NotContains,
            TokenKind::Sign("!~") => LineOp::NotRegex,
            TokenKind::Sign("!>") => LineOp::NotPattern,
            _ => return None,
        };
        self.next();
        Some(op)
    }

    fn needle_follows(&self) -> bool {
        match &self.peek_at(1).kind {
            TokenKind::Text(_) => true,
            TokenKind::Word(word) => word.eq_ignore_ascii_case("ip") && self.sign_at(2, "("),
            _ => false,
        }
    }

    fn line_filter(&mut self, op: LineOp) -> Result<StageKind, SyntaxError> {
        let mut needles = Vec::new();
        loop {
            if self.at_keyword("ip") && self.sign_at(1, "(") {
                let start = self.peek().at.start;
                let needle = Needle::Ip(self.ip()?);
                if !matches!(op, LineOp::Contains | LineOp::NotContains) {
                    return Err(Self::error(start..self.end(), "only `|=` and `!=` take `ip()`", None));
                }
                needles.push(needle);
            } else {
                needles.push(Needle::Text(self.text()?));
            }
            if !self.take_keyword("or") {
                return Ok(StageKind::LineFilter { op, needles });
            }
        }
    }

    /// `ip("10.0.0.0/8")`; what is in it.
    pub(super) fn ip(&mut self) -> Result<String, SyntaxError> {
        self.next();
        self.expect_sign("(")?;
        let addresses = self.text()?;
        self.expect_sign(")")?;
        Ok(addresses)
    }

    fn stage(&mut self, may_unwrap: bool) -> Result<StageKind, SyntaxError> {
        let TokenKind::Word(word) = self.peek().kind.clone() else {
            return Ok(StageKind::LabelFilter(self.label_filter()?));
        };
        let word_at = self.peek().at.clone();
        let lower = word.to_ascii_lowercase();
        if STAGES.contains(&lower.as_str()) && lower != "label_filter" {
            self.next();
        }
        match lower.as_str() {
            "json" => Ok(StageKind::Json(self.fields()?)),
            "logfmt" => self.logfmt(),
            "pattern" => Ok(StageKind::Pattern(self.text()?)),
            "regexp" => Ok(StageKind::Regexp(self.text()?)),
            "unpack" => Ok(StageKind::Unpack),
            "line_format" => Ok(StageKind::LineFormat(self.text()?)),
            "label_format" => self.label_format(),
            "keep" => Ok(StageKind::Keep(self.picks()?)),
            "drop" => Ok(StageKind::Drop(self.picks()?)),
            "decolorize" => Ok(StageKind::Decolorize),
            "unwrap" if may_unwrap => self.unwrap(),
            "unwrap" => {
                let hint = Some("use it inside a range aggregation, such as `sum_over_time(… | unwrap v [5m])`".to_owned());
                Err(Self::error(word_at, "`unwrap` has no meaning in a query for lines", hint))
            }
            _ => self.label_filter().map(StageKind::LabelFilter).map_err(|error| Self::perhaps_a_stage(error, &word, word_at)),
        }
    }

    /// A word that starts no label filter may be a stage's name with a slip in it.
    fn perhaps_a_stage(error: SyntaxError, word: &str, word_at: std::ops::Range<usize>) -> SyntaxError {
        match nearest(&word.to_lowercase(), &STAGES) {
            Some(stage) if error.at.start >= word_at.end && error.hint.is_none() => {
                let message = format!("`{word}` is no stage, and as a label it lacks a comparison");
                SyntaxError { at: word_at, message, hint: Some(format!("did you mean `{stage}`?")) }
            }
            _ => error,
        }
    }

    /// `a, b="c"`; none if no name stands there.
    fn fields(&mut self) -> Result<Vec<Field>, SyntaxError> {
        let mut fields = Vec::new();
        if !matches!(self.peek().kind, TokenKind::Word(_)) || self.at_keyword("offset") {
            return Ok(fields);
        }
        loop {
            let start = self.peek().at.start;
            let name = self.name("a label")?;
            let expression = if self.take_sign("=") { Some(self.text()?) } else { None };
            fields.push(Field { name, expression, span: start..self.end() });
            if !self.take_sign(",") {
                return Ok(fields);
            }
        }
    }

    fn logfmt(&mut self) -> Result<StageKind, SyntaxError> {
        let (mut strict, mut keep_empty) = (false, false);
        while let TokenKind::Flag(flag) = &self.peek().kind {
            match flag.as_str() {
                "strict" => strict = true,
                "keep-empty" => keep_empty = true,
                other => {
                    let hint = nearest(other, &["strict", "keep-empty"]).map(|known| format!("did you mean `--{known}`?"));
                    let hint = hint.or_else(|| Some("it has `--strict` and `--keep-empty`".to_owned()));
                    return Err(Self::error(self.peek().at.clone(), format!("`logfmt` has no flag `--{other}`"), hint));
                }
            }
            self.next();
        }
        Ok(StageKind::Logfmt { strict, keep_empty, fields: self.fields()? })
    }

    fn label_format(&mut self) -> Result<StageKind, SyntaxError> {
        let mut formats: Vec<LabelFormat> = Vec::new();
        loop {
            let at = self.peek().at.clone();
            let name = self.name("a label")?;
            if formats.iter().any(|format| format.name == name) {
                return Err(Self::error(at, format!("`{name}` is made twice in one stage"), Some("use two stages".to_owned())));
            }
            self.expect_sign("=")?;
            let from = match self.peek().kind {
                TokenKind::Text(_) => FormatSource::Template(self.text()?),
                _ => FormatSource::Rename(self.name("a label or a template")?),
            };
            formats.push(LabelFormat { name, from });
            if !self.take_sign(",") {
                return Ok(StageKind::LabelFormat(formats));
            }
        }
    }

    fn picks(&mut self) -> Result<Vec<Pick>, SyntaxError> {
        let mut picks = Vec::new();
        loop {
            let start = self.peek().at.start;
            let name = self.name("a label")?;
            let op: Option<MatchOp> = self.match_op();
            picks.push(match op {
                Some(op) => {
                    let matcher = Matcher { name, op, value: self.text()?, span: start..self.end() };
                    Pick::Match(matcher)
                }
                None => Pick::Name(name),
            });
            if !self.take_sign(",") {
                return Ok(picks);
            }
        }
    }

    fn unwrap(&mut self) -> Result<StageKind, SyntaxError> {
        let at = self.peek().at.clone();
        let word = self.name("a label")?;
        if !self.at_sign("(") {
            return Ok(StageKind::Unwrap { conversion: Conversion::Number, label: word });
        }
        let conversion = match word.to_ascii_lowercase().as_str() {
            "bytes" => Conversion::Bytes,
            "duration" => Conversion::Duration,
            "duration_seconds" => Conversion::DurationSeconds,
            other => {
                let hint =
                    nearest(other, &["bytes", "duration", "duration_seconds"]).map(|known| format!("did you mean `{known}`?"));
                let hint = hint.or_else(|| Some("there are `bytes`, `duration` and `duration_seconds`".to_owned()));
                return Err(Self::error(at, format!("`unwrap` has no conversion `{word}`"), hint));
            }
        };
        self.next();
        let label = self.name("a label")?;
        self.expect_sign(")")?;
        Ok(StageKind::Unwrap { conversion, label })
    }

    /// For a word that should be the name of a stage's or function's argument.
    pub(super) fn found(&self) -> String {
        describe(&self.peek().kind)
    }
}
