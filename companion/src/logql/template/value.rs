//! Values of templates. Texts are borrowed from the line or its labels where they can be.

use std::borrow::Cow;
use std::fmt::{Display, Formatter, Result};

use gotmpl::Value as GoValue;

/// A value of a template.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    /// All labels: the template's `.` and `$` at its start.
    Labels,
    Text(Cow<'v, str>),
    /// Nanoseconds since the epoch, and the offset from UTC that it is shown with.
    Time(super::time::Time),
    /// All else.
    Other(GoValue),
}

impl<'v> Value<'v> {
    pub(super) fn text(text: impl Into<Cow<'v, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn int(number: i64) -> Self {
        Self::Other(GoValue::Int(number))
    }

    pub(super) fn float(number: f64) -> Self {
        Self::Other(GoValue::Float(number))
    }

    pub(super) fn bool(truth: bool) -> Self {
        Self::Other(GoValue::Bool(truth))
    }

    pub(super) fn nil() -> Self {
        Self::Other(GoValue::Nil)
    }

    pub(super) fn of(value: GoValue) -> Self {
        match value {
            GoValue::String(text) => Self::Text(Cow::Owned(text.to_string())),
            other => Self::Other(other),
        }
    }

    /// As `gotmpl` has it.
    pub(super) fn to_go(&self) -> GoValue {
        match self {
            Self::Text(text) => GoValue::String(text.as_ref().into()),
            Self::Other(value) => value.clone(),
            Self::Time(time) => GoValue::String(time.to_string().into()),
            Self::Labels => GoValue::Nil,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Other(value) => value.is_truthy(),
            Self::Labels | Self::Time(_) => true,
        }
    }

    /// Go's name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Time(_) => "time.Time",
            Self::Labels => "map[string]string",
            Self::Other(value) => match value {
                GoValue::Bool(_) => "bool",
                GoValue::Int(_) => "int",
                GoValue::Uint(_) => "uint64",
                GoValue::Float(_) => "float64",
                GoValue::List(_) => "[]interface {}",
                GoValue::Map(_) => "map[string]interface {}",
                GoValue::String(_) => "string",
                _ => "nil",
            },
        }
    }

    /// As a whole number, as Go's casts have it: 0 for what is none.
    pub(super) fn to_int(&self) -> i64 {
        match self {
            Self::Text(text) => {
                let text = text.trim_start_matches('0');
                if let Ok(number) = text.parse() { number } else { 0 }
            }
            Self::Other(GoValue::Int(number)) => *number,
            Self::Other(GoValue::Uint(number)) => i64::try_from(*number).unwrap_or(i64::MAX),
            Self::Other(GoValue::Float(number)) => *number as i64,
            Self::Other(GoValue::Bool(truth)) => i64::from(*truth),
            _ => 0,
        }
    }

    /// As a number, as Go's casts have it: 0 for what is none.
    pub(super) fn to_float(&self) -> f64 {
        match self {
            Self::Text(text) => crate::logql::quantity::float(text).unwrap_or_default(),
            Self::Other(GoValue::Float(number)) => *number,
            Self::Other(GoValue::Int(number)) => *number as f64,
            Self::Other(GoValue::Uint(number)) => *number as f64,
            Self::Other(GoValue::Bool(truth)) => f64::from(u8::from(*truth)),
            _ => 0.0,
        }
    }
}

/// As `{{ . }}` prints it.
impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Time(time) => time.fmt(f),
            Self::Labels => f.write_str("map[]"),
            Self::Other(GoValue::Nil) => f.write_str("<no value>"),
            Self::Other(value) => value.fmt(f),
        }
    }
}
