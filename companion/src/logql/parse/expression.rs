//! Metric expressions, by the strength of their signs, and the ranges of entries inside them.

use std::ops::Range;

use settings::read::nearest;

use super::{KEYWORDS, Parsed, Parser};
use crate::logql::SyntaxError;
use crate::logql::ast::{
    Binary, BinaryOp, CompareOp, Expression, ExpressionKind, Group, Grouping, LabelReplace, Matching, MatchingLabels,
    RangeAggregation, RangeFunction, Selector, Stage, StageKind, VectorAggregation, VectorFunction,
};
use crate::logql::lex::TokenKind;
use crate::logql::matcher::anchored;
use crate::logql::quantity;

/// A selector with what stands around it, as far as it was read.
struct LogRange {
    selector: Selector,
    stages: Vec<Stage>,
    range: Option<i64>,
    offset: Option<i64>,
}

/// How strong a sign binds its right side, and whether it does so from the right.
fn strength(op: BinaryOp) -> (u8, bool) {
    match op {
        BinaryOp::Or => (1, false),
        BinaryOp::And | BinaryOp::Unless => (2, false),
        BinaryOp::Compare(_) => (3, false),
        BinaryOp::Add | BinaryOp::Subtract => (4, false),
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => (5, false),
        BinaryOp::Power => (6, true),
    }
}

impl Parser {
    /// A query whose signs bind at least as strongly as `weakest`.
    pub(super) fn query(&mut self, weakest: u8) -> Result<Parsed, SyntaxError> {
        self.deeper(|parser| {
            let mut left = parser.operand()?;
            // Each sign makes the tree deeper, which others walk: so they count like parentheses.
            let mut signs = 0;
            while let Some(op) = parser.binary_op() {
                let (binds, from_right) = strength(op);
                if binds < weakest {
                    break;
                }
                let Parsed::Metric(metric) = left else {
                    return Err(parser.error(parser.peek().at.clone(), "on its left stand lines, not numbers", None));
                };
                signs += 1;
                if parser.depth + signs > super::DEPTH_MAX {
                    return Err(parser.error(parser.peek().at.clone(), format!("more than {} signs", super::DEPTH_MAX), None));
                }
                left = Parsed::Metric(parser.binary(metric, op, if from_right { binds } else { binds + 1 }, signs)?);
            }
            Ok(left)
        })
    }

    fn metric(&mut self, weakest: u8) -> Result<Expression, SyntaxError> {
        let start = self.peek().at.start;
        match self.query(weakest)? {
            Parsed::Metric(expression) => Ok(expression),
            Parsed::Log(..) => {
                let hint = Some("give it a range and a function, such as `count_over_time(… [5m])`".to_owned());
                Err(self.error(start..self.end(), "numbers are needed here, and these are lines", hint))
            }
        }
    }

    fn binary_op(&self) -> Option<BinaryOp> {
        Some(match &self.peek().kind {
            TokenKind::Sign(sign) => match *sign {
                "+" => BinaryOp::Add,
                "-" => BinaryOp::Subtract,
                "*" => BinaryOp::Multiply,
                "/" => BinaryOp::Divide,
                "%" => BinaryOp::Modulo,
                "^" => BinaryOp::Power,
                "==" => BinaryOp::Compare(CompareOp::Equal),
                "!=" => BinaryOp::Compare(CompareOp::NotEqual),
                ">" => BinaryOp::Compare(CompareOp::Greater),
                ">=" => BinaryOp::Compare(CompareOp::GreaterOrEqual),
                "<" => BinaryOp::Compare(CompareOp::Less),
                "<=" => BinaryOp::Compare(CompareOp::LessOrEqual),
                _ => return None,
            },
            TokenKind::Word(word) if word.eq_ignore_ascii_case("and") => BinaryOp::And,
            TokenKind::Word(word) if word.eq_ignore_ascii_case("or") => BinaryOp::Or,
            TokenKind::Word(word) if word.eq_ignore_ascii_case("unless") => BinaryOp::Unless,
            _ => return None,
        })
    }

    fn binary(&mut self, left: Expression, op: BinaryOp, weakest: u8, signs: usize) -> Result<Expression, SyntaxError> {
        self.next();
        let matching = self.matching()?;
        // The left side is already as deep as it has signs.
        self.depth += signs;
        let right = self.metric(weakest);
        self.depth -= signs;
        let right = right?;
        if matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) {
            for side in [&left, &right] {
                if side.is_scalar() {
                    let hint = Some(format!("`vector({side})` is a series"));
                    return Err(self.error(side.span.clone(), format!("`{op}` is between series, and this is a number"), hint));
                }
            }
        }
        let span = left.span.start..right.span.end;
        let binary = Binary { op, left: Box::new(left), right: Box::new(right), matching };
        Ok(Expression { kind: ExpressionKind::Binary(binary), span })
    }

    fn matching(&mut self) -> Result<Matching, SyntaxError> {
        let mut matching = Matching { returns_bool: self.take_keyword("bool"), ..Matching::default() };
        let on = self.at_keyword("on");
        if on || self.at_keyword("ignoring") {
            self.next();
            matching.labels = Some(MatchingLabels { on, labels: self.names()? });
            let left = self.at_keyword("group_left");
            if left || self.at_keyword("group_right") {
                self.next();
                let include = if self.names_follow() { self.names()? } else { Vec::new() };
                matching.group = Some(Group { left, include });
            }
        }
        Ok(matching)
    }

    /// Whether `(` starts a list of labels, and not the right side.
    fn names_follow(&self) -> bool {
        if !self.at_sign("(") {
            return false;
        }
        let mut ahead = 1;
        loop {
            match &self.peek_at(ahead).kind {
                TokenKind::Sign(")") => return true,
                TokenKind::Sign(",") | TokenKind::Word(_) => ahead += 1,
                _ => return false,
            }
        }
    }

    fn operand(&mut self) -> Result<Parsed, SyntaxError> {
        let start = self.peek().at.start;
        match self.peek().kind.clone() {
            TokenKind::Sign("{") => {
                let selector = self.selector()?;
                let mut stages = Vec::new();
                self.stages(&mut stages, false)?;
                Ok(Parsed::Log(selector, stages))
            }
            TokenKind::Sign("(") => {
                self.next();
                let inner = self.query(0)?;
                self.expect_sign(")")?;
                Ok(inner)
            }
            TokenKind::Number(_) | TokenKind::Sign("-" | "+") => {
                let number = self.signed_number()?;
                Ok(Parsed::Metric(Expression { kind: ExpressionKind::Number(number), span: start..self.end() }))
            }
            TokenKind::Word(word) => {
                let kind = self.function(&word)?;
                Ok(Parsed::Metric(Expression { kind, span: start..self.end() }))
            }
            _ => {
                let hint = Some("a query begins with a selector `{app=\"x\"}`, a function or a number".to_owned());
                Err(SyntaxError { hint, ..self.unexpected("a query") })
            }
        }
    }

    fn function(&mut self, word: &str) -> Result<ExpressionKind, SyntaxError> {
        let at = self.peek().at.clone();
        if let Some(function) = RangeFunction::of(word) {
            self.next();
            return self.range_aggregation(function, at).map(ExpressionKind::Range);
        }
        if let Some(function) = VectorFunction::of(word) {
            self.next();
            return self.vector_aggregation(function, at).map(ExpressionKind::Aggregation);
        }
        if word.eq_ignore_ascii_case("label_replace") {
            self.next();
            return self.label_replace().map(ExpressionKind::LabelReplace);
        }
        if word.eq_ignore_ascii_case("vector") {
            self.next();
            self.expect_sign("(")?;
            let TokenKind::Number(number) = self.peek().kind else { return Err(self.unexpected("a number without a sign")) };
            self.next();
            self.expect_sign(")")?;
            return Ok(ExpressionKind::Vector(number));
        }
        if KEYWORDS.contains(&word.to_ascii_lowercase().as_str()) {
            return Err(self.unexpected("a query"));
        }
        let functions = RangeFunction::ALL.iter().map(|function| function.name());
        let functions: Vec<_> = functions
            .chain(VectorFunction::ALL.iter().map(|function| function.name()))
            .chain(["label_replace", "vector"])
            .collect();
        let hint = if self.sign_at(1, "=") {
            Some(format!("a selector stands in braces: `{{{word}=…}}`"))
        } else {
            nearest(&word.to_lowercase(), &functions).map(|known| format!("did you mean `{known}`?"))
        };
        Err(self.error(at, format!("there is no function `{word}`"), hint))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, SyntaxError> {
        let without = self.at_keyword("without");
        if !without && !self.at_keyword("by") {
            return Ok(None);
        }
        self.next();
        Ok(Some(Grouping { without, labels: self.names()? }))
    }

    fn vector_aggregation(&mut self, function: VectorFunction, at: Range<usize>) -> Result<VectorAggregation, SyntaxError> {
        let name = function.name();
        let mut grouping = self.grouping()?;
        self.expect_sign("(")?;
        let needs_count = matches!(function, VectorFunction::Top | VectorFunction::Bottom | VectorFunction::ApproximateTop);
        let mut count = None;
        let is_parameter = |parser: &Self, ahead| matches!(parser.peek_at(ahead).kind, TokenKind::Number(_)) && parser.sign_at(ahead + 1, ",");
        if is_parameter(self, 0) || ((self.at_sign("-") || self.at_sign("+")) && is_parameter(self, 1)) {
            let parameter_at = self.peek().at.clone();
            let number = self.signed_number()?;
            self.next();
            if !needs_count {
                return Err(self.error(parameter_at, format!("`{name}` takes no number"), None));
            }
            if number.fract() != 0.0 || !(1.0..=1e9).contains(&number) {
                return Err(self.error(parameter_at, format!("`{name}` needs a whole number above 0"), None));
            }
            #[expect(clippy::cast_sign_loss, reason = "it is between 1 and a thousand million")]
            let number = number as usize;
            count = Some(number);
        }
        let inner = self.metric(0)?;
        self.expect_sign(")")?;
        if needs_count && count.is_none() {
            let hint = Some(format!("as in `{name}(3, …)`"));
            return Err(self.error(at, format!("`{name}` needs a number first"), hint));
        }
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        if grouping.is_some() && matches!(function, VectorFunction::Sort | VectorFunction::SortDescending) {
            return Err(self.error(at, format!("`{name}` has no `by` and no `without`"), None));
        }
        Ok(VectorAggregation { function, count, inner: Box::new(inner), grouping })
    }

    fn label_replace(&mut self) -> Result<LabelReplace, SyntaxError> {
        self.expect_sign("(")?;
        let inner = Box::new(self.metric(0)?);
        let mut texts = [const { String::new() }; 4];
        let mut regex_at = 0..0;
        for text in &mut texts {
            self.expect_sign(",")?;
            regex_at = self.peek().at.clone();
            *text = self.text()?;
        }
        self.expect_sign(")")?;
        let [target, replacement, source, regex] = texts;
        anchored(&regex).map_err(|why| self.error(regex_at, why, None))?;
        Ok(LabelReplace { inner, target, replacement, source, regex })
    }

    fn range_aggregation(&mut self, function: RangeFunction, at: Range<usize>) -> Result<RangeAggregation, SyntaxError> {
        let name = function.name();
        let leaf = self.leaves;
        self.leaves += 1;
        self.expect_sign("(")?;
        let mut parameter = None;
        let mut parameter_at = at.clone();
        if !self.at_sign("{") && !self.at_sign("(") {
            parameter_at = self.peek().at.clone();
            if let TokenKind::Word(_) = self.peek().kind {
                let found = self.found();
                let hint = Some("it is over a selector: `{app=\"x\"}[5m]`".to_owned());
                return Err(self.error(parameter_at, format!("{found} is no selector"), hint));
            }
            parameter = Some(self.signed_number()?);
            self.expect_sign(",")?;
        }
        let LogRange { selector, stages, range, offset } = self.log_range()?;
        let Some(range) = range else {
            let hint = Some("give it a range, as in `{app=\"x\"}[5m]`".to_owned());
            return Err(SyntaxError { hint, ..self.unexpected("a range") });
        };
        self.expect_sign(")")?;
        let grouping = self.grouping()?;
        let has_unwrap = stages.iter().any(|stage| matches!(stage.kind, StageKind::Unwrap { .. }));
        let wrong = if has_unwrap && !function.takes_unwrap() {
            Some((at, format!("`{name}` is over lines and takes no `unwrap`")))
        } else if !has_unwrap && function.needs_unwrap() {
            Some((at, format!("`{name}` needs a number of each line: `| unwrap label`")))
        } else if grouping.is_some() && !function.takes_grouping() {
            Some((at, format!("`{name}` has no `by` and no `without`: use `sum by (…) ({name}(…))`")))
        } else if parameter.is_some() && function != RangeFunction::Quantile {
            Some((parameter_at, format!("`{name}` takes no number")))
        } else if parameter.is_none() && function == RangeFunction::Quantile {
            Some((at, format!("`{name}` needs a number first, as in `{name}(0.99, …)`")))
        } else {
            None
        };
        if let Some((at, message)) = wrong {
            return Err(self.error(at, message, None));
        }
        let offset = offset.unwrap_or_default();
        Ok(RangeAggregation { leaf, function, parameter, selector, stages, range, offset, grouping })
    }

    /// A selector, stages, a range with its offset, more stages; any of it in parentheses.
    fn log_range(&mut self) -> Result<LogRange, SyntaxError> {
        self.deeper(|parser| {
            let mut log = if parser.take_sign("(") {
                let inner = parser.log_range()?;
                parser.expect_sign(")")?;
                inner
            } else {
                let selector = parser.selector()?;
                LogRange { selector, stages: Vec::new(), range: None, offset: None }
            };
            parser.stages(&mut log.stages, true)?;
            if let TokenKind::Brackets(text) = parser.peek().kind.clone()
                && log.range.is_none()
            {
                log.range = Some(parser.range(&text)?);
                if parser.at_keyword("offset") {
                    log.offset = Some(parser.offset()?);
                }
                parser.stages(&mut log.stages, true)?;
            }
            Ok(log)
        })
    }

    fn range(&mut self, text: &str) -> Result<i64, SyntaxError> {
        let at = self.next().at;
        quantity::whole_duration(text).filter(|_| text != "0").ok_or_else(|| {
            let hint = Some("whole units from big to small, as in `[1m30s]`".to_owned());
            self.error(at, format!("`{text}` is no duration"), hint)
        })
    }

    fn offset(&mut self) -> Result<i64, SyntaxError> {
        self.next();
        let negative = self.take_sign("-");
        match self.peek().kind {
            TokenKind::Duration(nanoseconds) => {
                self.next();
                Ok(if negative { nanoseconds.saturating_neg() } else { nanoseconds })
            }
            _ => Err(self.unexpected("a duration")),
        }
    }
}
