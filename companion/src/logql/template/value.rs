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
                text.parse().unwrap_or_default()
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
            Self::Other(GoValue::Float(number)) => f.write_str(&float(*number)),
            Self::Other(value) => value.fmt(f),
        }
    }
}

/// As Go prints a number: with an exponent from a million on, and below a ten-thousandth.
fn float(number: f64) -> String {
    if !number.is_finite() {
        let sign = if number > 0.0 { "+" } else { "-" };
        return if number.is_nan() { "NaN".to_owned() } else { format!("{sign}Inf") };
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        _ => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (number, text) in [
            (1500.0, "1500"),
            (5e6, "5e+06"),
            (123_456.5, "123456.5"),
            (1_234_567.0, "1.234567e+06"),
            (1_610_612_736.0, "1.610612736e+09"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (-0.25, "-0.25"),
            (0.0, "0"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(super::float(number), text);
        }
    }
}
