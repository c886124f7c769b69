//! The canonical text of a query's parts.

use std::fmt::{Display, Formatter, Result};

use super::{
    Binary, BinaryOp, CompareOp, Comparison, Conversion, Expression, ExpressionKind, Field, FormatSource, Grouping, LabelFilter,
    LabelFormat, LineOp, MatchOp, Matcher, Matching, Needle, Pick, RangeAggregation, Selector, Stage, StageKind,
};
use crate::logql::quantity::{duration_text, quoted};

/// Parts with a comma between them.
fn list<T: Display>(f: &mut Formatter<'_>, parts: impl IntoIterator<Item = T>) -> Result {
    for (place, part) in parts.into_iter().enumerate() {
        write!(f, "{}{part}", if place > 0 { ", " } else { "" })?;
    }
    Ok(())
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("{")?;
        list(f, &self.matchers)?;
        f.write_str("}")
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}{}", self.name, self.op, quoted(&self.value))
    }
}

impl Display for MatchOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        })
    }
}

impl Display for LineOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Regex => "|~",
            Self::NotRegex => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        })
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        })
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Compare(op) => return op.fmt(f),
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        })
    }
}

impl Display for Needle {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Ip(addresses) => write!(f, "ip({})", quoted(addresses)),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.expression {
            Some(expression) => write!(f, "{}={}", self.name, quoted(expression)),
            None => f.write_str(&self.name),
        }
    }
}

impl Display for Pick {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Match(matcher) => matcher.fmt(f),
        }
    }
}

impl Display for LabelFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.from {
            FormatSource::Rename(source) => write!(f, "{}={source}", self.name),
            FormatSource::Template(template) => write!(f, "{}={}", self.name, quoted(template)),
        }
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        fn comparison<T>(f: &mut Formatter<'_>, comparison: &Comparison<T>, value: impl Display) -> Result {
            write!(f, "{} {} {value}", comparison.label, comparison.op)
        }
        match self {
            Self::Text(matcher) => matcher.fmt(f),
            Self::Number(of) => comparison(f, of, of.value),
            Self::Duration(of) => comparison(f, of, duration_text(of.value)),
            Self::Bytes(of) => comparison(f, of, format_args!("{}B", of.value)),
            Self::Ip { label, negated, addresses } => {
                write!(f, "{label}{}ip({})", if *negated { "!=" } else { "=" }, quoted(addresses))
            }
            Self::And(filters) | Self::Or(filters) => {
                for (place, filter) in filters.iter().enumerate() {
                    if place > 0 {
                        f.write_str(if matches!(self, Self::And(_)) { " and " } else { " or " })?;
                    }
                    match filter {
                        Self::And(_) | Self::Or(_) => write!(f, "({filter})")?,
                        single => write!(f, "{single}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            StageKind::LineFilter { op, needles } => {
                write!(f, "{op} ")?;
                for (place, needle) in needles.iter().enumerate() {
                    write!(f, "{}{needle}", if place > 0 { " or " } else { "" })?;
                }
                Ok(())
            }
            StageKind::Json(fields) => {
                f.write_str("| json")?;
                f.write_str(if fields.is_empty() { "" } else { " " })?;
                list(f, fields)
            }
            StageKind::Logfmt { strict, keep_empty, fields } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                f.write_str(if fields.is_empty() { "" } else { " " })?;
                list(f, fields)
            }
            StageKind::Pattern(pattern) => write!(f, "| pattern {}", quoted(pattern)),
            StageKind::Regexp(regex) => write!(f, "| regexp {}", quoted(regex)),
            StageKind::Unpack => f.write_str("| unpack"),
            StageKind::LabelFilter(filter) => write!(f, "| {filter}"),
            StageKind::LineFormat(template) => write!(f, "| line_format {}", quoted(template)),
            StageKind::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                list(f, formats)
            }
            StageKind::Keep(picks) => {
                f.write_str("| keep ")?;
                list(f, picks)
            }
            StageKind::Drop(picks) => {
                f.write_str("| drop ")?;
                list(f, picks)
            }
            StageKind::Decolorize => f.write_str("| decolorize"),
            StageKind::Unwrap { conversion, label } => match conversion {
                Conversion::Number => write!(f, "| unwrap {label}"),
                Conversion::Bytes => write!(f, "| unwrap bytes({label})"),
                Conversion::Duration => write!(f, "| unwrap duration({label})"),
                Conversion::DurationSeconds => write!(f, "| unwrap duration_seconds({label})"),
            },
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if self.without { "without (" } else { "by (" })?;
        list(f, &self.labels)?;
        f.write_str(")")
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.function.name())?;
        if let Some(parameter) = self.parameter {
            write!(f, "{parameter}, ")?;
        }
        write!(f, "{}", self.selector)?;
        for stage in &self.stages {
            write!(f, " {stage}")?;
        }
        write!(f, " [{}]", duration_text(self.range))?;
        if self.offset != 0 {
            write!(f, " offset {}", duration_text(self.offset))?;
        }
        f.write_str(")")?;
        match &self.grouping {
            Some(grouping) => write!(f, " {grouping}"),
            None => Ok(()),
        }
    }
}

impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if self.returns_bool { " bool" } else { "" })?;
        if let Some(labels) = &self.labels {
            f.write_str(if labels.on { " on (" } else { " ignoring (" })?;
            list(f, &labels.labels)?;
            f.write_str(")")?;
        }
        if let Some(group) = &self.group {
            f.write_str(if group.left { " group_left (" } else { " group_right (" })?;
            list(f, &group.include)?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// A side of a binary operation: in parentheses if it has a sign of its own.
struct Side<'e>(&'e Expression);

impl Display for Side<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0.kind {
            ExpressionKind::Binary(_) => write!(f, "({})", self.0),
            _ => self.0.fmt(f),
        }
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            ExpressionKind::Number(number) => number.fmt(f),
            ExpressionKind::Vector(number) => write!(f, "vector({number})"),
            ExpressionKind::Range(range) => range.fmt(f),
            ExpressionKind::Aggregation(aggregation) => {
                f.write_str(aggregation.function.name())?;
                if let Some(grouping) = &aggregation.grouping {
                    write!(f, " {grouping} ")?;
                }
                match aggregation.count {
                    Some(count) => write!(f, "({count}, {})", aggregation.inner),
                    None => write!(f, "({})", aggregation.inner),
                }
            }
            ExpressionKind::LabelReplace(replace) => {
                write!(f, "label_replace({}", replace.inner)?;
                for text in [&replace.target, &replace.replacement, &replace.source, &replace.regex] {
                    write!(f, ", {}", quoted(text))?;
                }
                f.write_str(")")
            }
            ExpressionKind::Binary(Binary { op, left, right, matching }) => {
                write!(f, "{} {op}{matching} {}", Side(left), Side(right))
            }
        }
    }
}
