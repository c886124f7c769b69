//! Any log that is one JSON object a line: its time and metadata by the paths that the configuration names.
//!
//! A line in; time and metadata out, the text stays as it is. Metadata is named as Loki's `json` stage names it: the
//! names of a path joined by `_`, every character that is no letter, digit or `_` replaced by `_`. Of a member that
//! occurs twice the last scalar counts.

use crate::event;
use crate::json::{InvalidPath, JsonFields, Raw};
use crate::metadata::Metadata;
use crate::time;
use proto::loki::metadata::Name;
use proto::time::UnixNanos;

pub use crate::event::{Malformed, MalformedReason, Scanned, Text};

#[cfg(test)]
mod tests;

/// How many paths there may be, so that what was found has room on the stack.
pub const MAX_PATHS: usize = 64;

/// Reads lines of JSON.
#[derive(Clone, Debug)]
pub struct JsonLine {
    fields: JsonFields,
    n_times: usize,
    names: Vec<Name>,
}

/// Why a reader cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidPaths {
    /// There are more than [`MAX_PATHS`].
    TooMany(usize),
    /// One of them is no path.
    Path(InvalidPath),
}

impl std::fmt::Display for InvalidPaths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooMany(n_paths) => write!(f, "{n_paths} paths where {MAX_PATHS} are possible"),
            Self::Path(path) => path.fmt(f),
        }
    }
}

impl std::error::Error for InvalidPaths {}

impl JsonLine {
    /// A reader that takes the time from the first of `timestamp` that holds one, and metadata from every path of
    /// `metadata`. A path is written as [`JsonFields`] has it: `http.status`, `log\.level`.
    pub fn new(timestamp: &[String], metadata: &[String]) -> Result<Self, InvalidPaths> {
        let n_paths = timestamp.len() + metadata.len();
        if n_paths > MAX_PATHS {
            return Err(InvalidPaths::TooMany(n_paths));
        }
        let fields = JsonFields::new(timestamp.iter().chain(metadata)).map_err(InvalidPaths::Path)?;
        let names = metadata.iter().map(|path| Name::new(&label_name(path))).collect();
        Ok(Self { fields, n_times: timestamp.len(), names })
    }

    /// Reads one line without its newline; `metadata` and `rewritten` are emptied, and the text is always the source.
    ///
    /// A time is a string in RFC 3339, or a number since the epoch, as a number or as a string; see
    /// [`time::parse_number`].
    pub fn scan(&self, line: &[u8], metadata: &mut Metadata, rewritten: &mut Vec<u8>) -> Result<Scanned, Malformed> {
        metadata.clear();
        rewritten.clear();
        let mut room = [None; MAX_PATHS];
        let found = &mut room[..self.n_times + self.names.len()];
        self.fields.scalars(line, found)?;
        let (times, values) = found.split_at(self.n_times);
        for (name, value) in self.names.iter().zip(values) {
            event::push(metadata, name, *value);
        }
        let time = times.iter().flatten().find_map(read_time);
        Ok(Scanned { time, text: Text::Source, redacted: false })
    }
}

fn read_time(value: &Raw<'_>) -> Option<UnixNanos> {
    let text = value.string().unwrap_or(value.bytes());
    time::parse_rfc3339(text).or_else(|| time::parse_number(text))
}

/// The label that Loki's `json` stage makes of the member at `path`.
fn label_name(path: &str) -> String {
    let leading = if path.starts_with(|first: char| first.is_ascii_digit()) { "_" } else { "" };
    let rest = path.replace("\\.", ".");
    let rest = rest.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    leading.chars().chain(rest).collect()
}
