//! What is wrong with a text, and in which line.

use thiserror::Error;

/// More of the text is not shown, in characters.
const EXCERPT_MAX: usize = 32;

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct ReadError {
    /// Where, from 1.
    pub line: usize,
    /// What.
    pub problem: Problem,
}

impl ReadError {
    /// Behind that text.
    pub(super) fn at(before: &[u8], problem: Problem) -> Self {
        let newlines = before.iter().filter(|byte| **byte == b'\n').count();
        // What ends too early is missed in the last line that there is.
        let line = if matches!(problem, Problem::NoEof) && before.ends_with(b"\n") { newlines } else { newlines + 1 };
        Self { line: line.max(1), problem }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Something else has to stand there.
    #[error("{what} was expected, not {found}")]
    Expected {
        /// What.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// It is no text.
    #[error("bytes that are no UTF-8")]
    NotUtf8,
    /// A type that nobody knows.
    #[error("{0} is no type of metric")]
    NoType(String),
    /// A family's type or help comes too late, or again.
    #[error("{what} of {name} is told a second time, or behind samples of it")]
    ToldAgain {
        /// `TYPE` or `HELP`.
        what: &'static str,
        /// Of which family.
        name: String,
    },
    /// The name of a family has to end in its unit.
    #[error("{name} does not end in its unit {unit}")]
    NotItsUnit {
        /// Of which family.
        name: String,
        /// The unit.
        unit: String,
    },
    /// A label twice in one sample.
    #[error("the label {0} stands twice")]
    TwoLabels(String),
    /// A limit.
    #[error("more than {0} labels of one sample")]
    TooManyLabels(usize),
    /// A limit.
    #[error("a label of more than {0} bytes")]
    LongLabel(usize),
    /// A limit.
    #[error("more than {0} samples")]
    TooManySamples(usize),
    /// `OpenMetrics` says where it ends.
    #[error("the text ends without `# EOF`: it is cut off")]
    NoEof,
    /// And nothing follows.
    #[error("something follows `# EOF`")]
    BehindEof,
}

/// A piece of a text for a message.
pub(super) fn excerpt(text: &str) -> String {
    if text.is_empty() {
        return "the end of the line".to_owned();
    }
    let short: String = text.chars().take(EXCERPT_MAX).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}
