//! What is wrong with the configuration, and where: one line each, all of them at once.

use std::fmt;
use std::sync::Arc;

/// How many problems are shown. A file with more is not the file that was meant.
const SHOWN_MAX: usize = 50;

/// A place in a configuration file, or the argument that a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Path of the file as it was given, or the argument (`--loki`).
    pub file: Arc<str>,
    /// Line, from 1; 0 for an argument, which has none.
    pub line: usize,
    /// Column in characters, from 1; 0 for an argument.
    pub column: usize,
}

impl At {
    /// The place of something that stands in no file: an argument, a default.
    pub fn outside(name: &str) -> Self {
        Self { file: name.into(), line: 0, column: 0 }
    }
}

impl Default for At {
    fn default() -> Self {
        Self::outside("")
    }
}

/// One thing that is wrong. Shown as `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the file as it was given, or the argument.
    pub file: Arc<str>,
    /// Line, from 1; 0 where there is none.
    pub line: usize,
    /// Column in characters, from 1; 0 where there is none.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(at: &At, message: impl Into<String>) -> Self {
        // Quoted text can hold line breaks; a problem is one line.
        let message = message.into().replace(char::is_control, " ");
        Self { file: Arc::clone(&at.file), line: at.line, column: at.column, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
        }
    }
}

/// Everything that is wrong; shown one problem a line, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn push(&mut self, at: &At, message: impl Into<String>) {
        self.0.push(Problem::new(at, message));
    }

    /// `value`, or these problems if there are any.
    pub fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        // Arguments (line 0) come first; the sort is stable, so they keep their order.
        self.0.sort_by_key(|problem| (problem.line, problem.column));
        Err(self)
    }

    /// `result`, unless there are these problems or its own: then both.
    pub fn and<T>(mut self, result: Result<T, Self>) -> Result<T, Self> {
        match result {
            Ok(value) => self.or(value),
            Err(others) => {
                self.0.extend(others.0);
                self.or(()).and_then(|()| Err(Self::default()))
            }
        }
    }

    /// The problems, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many problems there are so far.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().take(SHOWN_MAX).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        if self.0.len() > SHOWN_MAX {
            write!(f, "\nand {} more", self.0.len() - SHOWN_MAX)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// `text` as it may stand in a message: quoted, and cut where it is long.
pub fn quote(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
