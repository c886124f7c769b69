//! `| unwrap`: a label's value as a number.

use super::labels::Labels;
use crate::logql::ast::Conversion;
use crate::logql::quantity;

const SAMPLE_EXTRACTION_ERROR: &str = "SampleExtractionErr";

#[derive(Clone, Debug)]
pub(crate) struct Unwrap {
    pub(crate) conversion: Conversion,
    pub(crate) label: String,
}

/// What was found.
pub(crate) enum Unwrapped {
    /// The label is not there or empty: the line says nothing.
    Absent,
    /// Of a value that is none: 0, with an error.
    Number(f64),
}

impl Unwrap {
    pub(super) fn run(&self, labels: &mut Labels<'_>) -> Unwrapped {
        let Some(value) = labels.get(&self.label).filter(|value| !value.is_empty()) else { return Unwrapped::Absent };
        let number = match self.conversion {
            Conversion::Number => quantity::float(value),
            Conversion::Bytes => quantity::bytes(value).map(|bytes| bytes as f64),
            Conversion::Duration | Conversion::DurationSeconds => {
                quantity::duration(value).map(|nanoseconds| nanoseconds as f64 / 1e9)
            }
        };
        Unwrapped::Number(number.unwrap_or_else(|why| {
            labels.fail(SAMPLE_EXTRACTION_ERROR, Some(why));
            0.0
        }))
    }
}
