//! What reading one structured line gives, whatever its format, and what can be wrong with it.

use crate::json;
use crate::json::JsonFields;
use crate::metadata::Metadata;
use crate::time;
use proto::loki::metadata::Name;
use proto::time::UnixNanos;

/// What a line gave, beside its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// When it happened, if the line says so.
    pub time: Option<UnixNanos>,
    /// Where the text to ship is.
    pub text: Text,
    /// Whether something was taken out of the text because it may hold secrets.
    pub redacted: bool,
}

/// Where the text to ship is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// In the line that was scanned, all of it.
    Source,
    /// In the buffer that was given for it.
    Rewritten,
}

/// A line that is not what its format says. It has neither time nor metadata; its text is to be shipped all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong with it.
    pub reason: MalformedReason,
    /// Where the text to ship is.
    pub text: Text,
    /// Whether something was taken out of the text because it may hold secrets.
    pub redacted: bool,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedReason {
    /// It is no JSON object.
    Json(json::Error),
    /// It is a batch of Kubernetes audit events, as they are sent to a webhook, and not one event.
    EventList,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.reason {
            MalformedReason::Json(error) => error.fmt(f),
            MalformedReason::EventList => f.write_str("a list of events where one event belongs"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A line that is shipped as it is, although it is malformed.
impl From<json::Error> for Malformed {
    fn from(error: json::Error) -> Self {
        Self { reason: MalformedReason::Json(error), text: Text::Source, redacted: false }
    }
}

/// A name of metadata that the format does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// The name that was asked for.
    pub name: String,
    /// The names that there are.
    pub known: &'static [&'static str],
}

impl std::fmt::Display for UnknownField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no metadata is called `{}`; there is {}", self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownField {}

/// A member of an event that can become metadata: the name it gets, and its path.
pub(crate) type Field = (&'static str, &'static str);

/// The names of a table of fields.
pub(crate) const fn names<const N: usize>(fields: &[Field; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = fields[index].0;
        index += 1;
    }
    names
}

/// The rows of `table` that `wanted` names, in the order of the table, so that the order asked for changes nothing.
pub(crate) fn select(
    table: &'static [Field],
    known: &'static [&'static str],
    wanted: &[String],
) -> Result<Vec<(Name, &'static str)>, UnknownField> {
    if let Some(name) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(UnknownField { name: name.clone(), known });
    }
    let selected = table.iter().filter(|(name, _)| wanted.iter().any(|wanted| wanted == name));
    Ok(selected.map(|(name, path)| (Name::new(name), *path)).collect())
}

/// Paths that stand in the source of this crate, compiled.
pub(crate) fn compile<'a>(paths: impl IntoIterator<Item = &'a str>) -> JsonFields {
    // The tables of paths are constants; a test of each format compiles all of them.
    #[expect(clippy::expect_used, reason = "every path is a constant")]
    JsonFields::new(paths).expect("a constant path has one name or more, none of them empty")
}

/// The time in a string of RFC 3339.
pub(crate) fn rfc3339(value: json::Raw<'_>) -> Option<UnixNanos> {
    time::parse_rfc3339(value.string()?)
}

/// Adds `value`, if there is one, under `name`.
pub(crate) fn push(metadata: &mut Metadata, name: &Name, value: Option<json::Raw<'_>>) {
    let Some(value) = value.filter(json::Raw::is_scalar) else { return };
    if !metadata.push_plain(name, value.string().unwrap_or(value.bytes())) {
        metadata.push_with(name.as_str(), |out| value.push_to(out));
    }
}
