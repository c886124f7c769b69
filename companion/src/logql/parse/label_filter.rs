//! Label filters: comparisons, `and` before `or`. A comma and mere juxtaposition mean `and`.

use super::Parser;
use crate::logql::SyntaxError;
use crate::logql::ast::{CompareOp, Comparison, LabelFilter, MatchOp, Matcher};
use crate::logql::lex::TokenKind;
use crate::logql::quantity;

impl Parser {
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter, SyntaxError> {
        self.deeper(|parser| {
            let mut either = vec![parser.all_of()?];
            while parser.take_keyword("or") {
                either.push(parser.all_of()?);
            }
            Ok(single_or(either, LabelFilter::Or))
        })
    }

    fn all_of(&mut self) -> Result<LabelFilter, SyntaxError> {
        let mut all = vec![self.comparison()?];
        loop {
            if self.take_keyword("and") || self.take_sign(",") || self.filter_follows() {
                all.push(self.comparison()?);
            } else {
                return Ok(single_or(all, LabelFilter::And));
            }
        }
    }

    /// Whether another filter stands right after the last, with no sign between.
    fn filter_follows(&self) -> bool {
        match &self.peek().kind {
            TokenKind::Sign("(") => true,
            TokenKind::Word(word) => !super::KEYWORDS.contains(&word.to_ascii_lowercase().as_str()),
            _ => false,
        }
    }

    fn comparison(&mut self) -> Result<LabelFilter, SyntaxError> {
        if self.take_sign("(") {
            let inner = self.label_filter()?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let start = self.peek().at.start;
        let label = self.name("a label")?;
        let op_at = self.peek().at.clone();
        let TokenKind::Sign(sign) = self.peek().kind else {
            return Err(self.unexpected("a comparison"));
        };
        let text_op = match sign {
            "=" => Some(MatchOp::Equal),
            "!=" => Some(MatchOp::NotEqual),
            "=~" => Some(MatchOp::Regex),
            "!~" => Some(MatchOp::NotRegex),
            _ => None,
        };
        let number_op = match sign {
            "=" | "==" => Some(CompareOp::Equal),
            "!=" => Some(CompareOp::NotEqual),
            ">" => Some(CompareOp::Greater),
            ">=" => Some(CompareOp::GreaterOrEqual),
            "<" => Some(CompareOp::Less),
            "<=" => Some(CompareOp::LessOrEqual),
            _ => None,
        };
        if text_op.is_none() && number_op.is_none() {
            return Err(self.unexpected("a comparison"));
        }
        self.next();
        if let (Some(op), TokenKind::Text(value)) = (text_op, &self.peek().kind) {
            let value = value.clone();
            self.next();
            return Ok(LabelFilter::Text(Matcher { name: label, op, value, span: start..self.end() }));
        }
        if self.at_keyword("ip") && self.sign_at(1, "(") {
            let negated = match sign {
                "=" => false,
                "!=" => true,
                _ => return Err(Self::error(op_at, "only `=` and `!=` take `ip()`", None)),
            };
            return Ok(LabelFilter::Ip { label, negated, addresses: self.ip()? });
        }
        match number_op {
            Some(op) => self.measure(label, op),
            None => self.text().and(Err(self.unexpected("a text in quotes"))),
        }
    }

    /// What a label is compared with: a number, a duration or a size, with its sign.
    fn measure(&mut self, label: String, op: CompareOp) -> Result<LabelFilter, SyntaxError> {
        let negative = self.at_sign("-");
        if negative || self.at_sign("+") {
            self.next();
        }
        let filter = match &self.peek().kind {
            TokenKind::Number(number) => {
                let value = if negative { -number } else { *number };
                LabelFilter::Number(Comparison { label, op, value })
            }
            TokenKind::Duration(nanoseconds) => {
                let value = if negative { nanoseconds.saturating_neg() } else { *nanoseconds };
                LabelFilter::Duration(Comparison { label, op, value })
            }
            TokenKind::Bytes(size) if !negative => {
                LabelFilter::Bytes(Comparison { label, op, value: quantity::rewritten_bytes(*size) })
            }
            TokenKind::Word(word) => {
                let hint = Some(format!("a text stands in quotes: \"{word}\""));
                return Err(SyntaxError { hint, ..self.unexpected("a value") });
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.next();
        Ok(filter)
    }
}

fn single_or(mut filters: Vec<LabelFilter>, several: fn(Vec<LabelFilter>) -> LabelFilter) -> LabelFilter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        Some(last) => {
            filters.push(last);
            several(filters)
        }
        None => several(filters),
    }
}
