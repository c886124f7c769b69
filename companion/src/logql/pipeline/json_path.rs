//! `| json a="b.c[0]"`: labels from paths. A path that leads nowhere gives an empty label.

use super::json::JSON_ERROR;
use super::json_index::{Found, JsonIndex, PathPart};
use super::{Line, Passage, Wanted};
use crate::logql::ast::Field;

#[derive(Clone, Debug)]
pub(super) struct JsonPaths {
    labels: Vec<(String, Vec<PathPart>)>,
}

impl JsonPaths {
    pub(super) fn new(fields: &[Field]) -> Result<Self, String> {
        let labels = fields.iter().map(|field| {
            let expression = field.expression.as_deref().unwrap_or(&field.name);
            Ok((field.name.clone(), path(expression)?))
        });
        Ok(Self { labels: labels.collect::<Result<_, String>>()? })
    }

    /// The labels that it makes, and the path of each.
    pub(super) fn labels(&self) -> &[(String, Vec<PathPart>)] {
        &self.labels
    }

    pub(super) fn run(&self, passage: &mut Passage<'_, '_>, wanted: &Wanted) {
        let text = passage.line.text().as_bytes();
        if text.is_empty() || *wanted == Wanted::None {
            return;
        }
        if !matches!(text.first(), Some(b'{' | b'[' | b'"')) {
            passage.labels.fail_parsing(JSON_ERROR, None);
            return;
        }
        // What is known is of the line as it came.
        let mut own = JsonIndex::default();
        let index = if matches!(passage.line, Line::Original(_)) { &mut *passage.json } else { &mut own };
        for (label, path) in &self.labels {
            match index.find(text, path) {
                Found::Value(value) => passage.labels.parse_last(label, |out| value.push_to(text, out)),
                Found::Nothing if passage.labels.get(label).is_none() => passage.labels.parse_last(label, |_| {}),
                Found::Nothing => {}
                Found::Broken(fault) => passage.labels.fail_parsing(JSON_ERROR, Some(fault.words().to_owned())),
            }
        }
    }
}

/// Reads a path: `a.b`, `["a b"]`, `[0]` one after another.
fn path(expression: &str) -> Result<Vec<PathPart>, String> {
    let wrong = |why: &str| format!("the path `{expression}` {why}");
    let mut parts = Vec::new();
    let mut rest = expression.trim();
    if rest.is_empty() {
        return Err(wrong("is empty"));
    }
    let mut after_dot = true;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            if after_dot && !parts.is_empty() {
                return Err(wrong("has `[` right after a dot"));
            }
            if let Some(quoted) = inside.strip_prefix('"') {
                let (name, after) = quoted_name(quoted).ok_or_else(|| wrong("has a name whose quotes do not end"))?;
                parts.push(PathPart::Name(name));
                rest = after.strip_prefix(']').ok_or_else(|| wrong("lacks a `]`"))?;
            } else {
                let (place, after) = inside.split_once(']').ok_or_else(|| wrong("lacks a `]`"))?;
                let place =
                    place.trim().parse().map_err(|_| wrong("has between brackets neither a number nor a name in quotes"))?;
                parts.push(PathPart::Place(place));
                rest = after;
            }
        } else {
            if !after_dot {
                return Err(wrong("lacks a dot after `]`"));
            }
            let length = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(length);
            let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '/' | '@' | '$' | ':');
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(wrong("has a name that needs brackets and quotes, as in `[\"a b\"]`"));
            }
            parts.push(PathPart::Name(name.to_owned()));
            rest = after;
        }
        after_dot = rest.starts_with('.');
        if after_dot {
            rest = &rest[1..];
            if rest.is_empty() {
                return Err(wrong("ends with a dot"));
            }
        }
    }
    Ok(parts)
}

/// A name up to its closing quote, and what follows that.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((name, characters.as_str())),
            '\\' => name.push(characters.next()?),
            other => name.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_names_and_places() {
        let name = |text: &str| PathPart::Name(text.to_owned());
        assert_eq!(path("a.b[0]").unwrap(), [name("a"), name("b"), PathPart::Place(0)]);
        assert_eq!(path(r#"["a.b"].c["d"][1]"#).unwrap(), [name("a.b"), name("c"), name("d"), PathPart::Place(1)]);
        for wrong in ["", "a[", "[a]", "a.", ".a", "a b", r#"["a"#, "a[0]b", "a..b"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_read_once_however_many_paths_are_asked_for() {
        let text = br#"{"a":{"b":[1,{"c":"x"}]},"a":2,"d":null,"e":{"f":"#;
        let mut index = JsonIndex::default();
        let mut find = |expression: &str| match index.find(text, &path(expression).unwrap()) {
            Found::Nothing => "nothing".to_owned(),
            Found::Broken(fault) => format!("{fault:?}"),
            Found::Value(value) => {
                let mut out = String::new();
                value.push_to(text, &mut out);
                out
            }
        };
        assert_eq!(find("a.b[1].c"), "x");
        assert_eq!(find("a.b"), r#"[1,{"c":"x"}]"#);
        assert_eq!(
            (find("a.b[0]"), find("a.b[2]"), find("a.c"), find("d")),
            ("1".into(), "nothing".into(), "nothing".into(), String::new())
        );
        assert_eq!((find("e"), find("e.f")), ("Object".into(), "Malformed".into()));
    }
}
