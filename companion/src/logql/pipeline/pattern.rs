//! Patterns: texts with holes, `<name>` or `<_>`, between them. `| pattern` cuts labels out of a line, `|>` tests one.

use super::Passage;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// A hole; without a name what is in it is not kept.
    Hole(Option<String>),
}

/// Reads a pattern. Two holes side by side have no end between them.
fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if let Some((name, after)) = hole(rest) {
            if let Some(Part::Hole(_)) = parts.last() {
                return Err(format!("two holes side by side before `{after}`: a text must stand between them"));
            }
            parts.push(Part::Hole((name != "_").then(|| name.to_owned())));
            rest = after;
            continue;
        }
        let mut characters = rest.chars();
        if let Some(character) = characters.next() {
            match parts.last_mut() {
                Some(Part::Text(text)) => text.push(character),
                _ => parts.push(Part::Text(character.to_string())),
            }
        }
        rest = characters.as_str();
    }
    Ok(parts)
}

/// A hole at the start of the text, and what follows it.
fn hole(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    super::name::is_label(name).then_some((name, after))
}

/// `| pattern`
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let parts = parts(pattern)?;
        let names: Vec<_> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Hole(Some(name)) => Some(name),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            return Err("a pattern needs a hole with a name, such as `<user>`".to_owned());
        }
        if let Some(twice) = names.iter().enumerate().find(|(place, name)| names.iter().take(*place).any(|other| other == *name))
        {
            return Err(format!("the pattern has two holes `<{}>`", twice.1));
        }
        Ok(Self { parts })
    }

    pub(super) fn run(&self, passage: &mut Passage<'_, '_>) {
        let mut rest = passage.line.text();
        let mut parts = self.parts.as_slice();
        if let [Part::Text(text), after @ ..] = parts {
            let Some(after_text) = rest.strip_prefix(text.as_str()) else { return };
            (rest, parts) = (after_text, after);
        }
        if rest.is_empty() && passage.line.text().is_empty() {
            return;
        }
        while let [Part::Hole(name), after @ ..] = parts {
            // A text that is not there leaves all of the rest to the hole before it, and nothing to those after.
            let (inside, next) = match after.first() {
                Some(Part::Text(text)) => match rest.split_once(text.as_str()) {
                    Some((inside, next)) => (inside, Some(next)),
                    None => (rest, None),
                },
                _ => (rest, None),
            };
            if let Some(name) = name {
                passage.labels.parse_last(name, |value| value.push_str(inside));
            }
            let Some(next) = next else { return };
            rest = next;
            parts = after.get(1..).unwrap_or_default();
        }
    }
}

/// `|>`
#[derive(Clone, Debug)]
pub(super) struct LinePattern {
    parts: Vec<Part>,
}

impl LinePattern {
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let parts = parts(pattern)?;
        match parts.iter().find(|part| matches!(part, Part::Hole(Some(_)))) {
            Some(Part::Hole(Some(name))) => Err(format!("a filter's holes have no names: `<_>` for `<{name}>`")),
            _ => Ok(Self { parts }),
        }
    }

    /// Each text at the first place where it stands, after at least one byte for a hole before it; the end must be the line's.
    pub(super) fn matches(&self, line: &str) -> bool {
        if line.is_empty() || self.parts.is_empty() {
            return line.is_empty() && self.parts.is_empty();
        }
        let mut rest = line;
        for (place, part) in self.parts.iter().enumerate() {
            let Part::Text(text) = part else { continue };
            match rest.find(text.as_str()) {
                Some(at) if at > 0 || place == 0 => rest = rest.get(at + text.len()..).unwrap_or_default(),
                _ => return false,
            }
        }
        matches!(self.parts.last(), Some(Part::Hole(_))) != rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_patterns_end_with_the_line() {
        let matches = |pattern: &str, line: &str| LinePattern::new(pattern).unwrap().matches(line);
        assert!(matches("foo <_>", "foo bar") && !matches("foo <_>", "foo "));
        assert!(matches("foo", "bar foo") && !matches("foo", "foobar"));
        assert!(matches("", "") && !matches("", "x") && !matches("<_>", "") && matches("<_>", "x"));
        assert!(!matches("<_>foo<_>", "foo bar"));
        assert!(LinePattern::new("<named>").is_err() && LinePattern::new("<_><_>").is_err());
    }
}
