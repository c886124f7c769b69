//! Where in a file a byte of a scalar stands: queries are long, and an error should point into them.
//!
//! The scalar is read along the file once more, in whatever of YAML's styles it is written: blocks with their indentation, kept and
//! folded, quotes with their escapes, and lines that were folded into one.

use settings::problem::At;

/// The text of a file.
pub(in crate::rules) struct Source<'a> {
    lines: Vec<&'a str>,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Below `|` or `>`, from this column on.
    Block(usize),
    Plain,
    Single,
    Double,
}

impl<'a> Source<'a> {
    pub(in crate::rules) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().collect() }
    }

    /// The place of the byte `offset` of `scalar`, which begins at `at`. Nothing where the file does not say what was read.
    pub(in crate::rules) fn within(&self, at: &At, scalar: &str, offset: usize) -> Option<At> {
        scalar.get(..offset)?;
        let mut cursor = Cursor { lines: &self.lines, line: at.line.checked_sub(1)?, column: at.column.checked_sub(1)? };
        let style = self.style(&cursor)?;
        if matches!(style, Style::Single | Style::Double) {
            cursor.column += 1;
        }
        // A block begins at its first line that is not empty.
        let mut rest = if matches!(style, Style::Block(_)) { scalar.trim_start_matches('\n') } else { scalar };
        while scalar.len() - rest.len() < offset {
            rest = cursor.step(style, rest)?;
        }
        if style == Style::Double && cursor.is_continued() {
            cursor.next_line(style)?;
        }
        Some(At { line: cursor.line + 1, column: cursor.column + 1, ..at.clone() })
    }

    fn style(&self, begin: &Cursor<'_>) -> Option<Style> {
        let line = self.lines.get(begin.line)?;
        let above = self.lines.get(..begin.line)?.iter().rev().find(|line| !line.trim().is_empty());
        if line.chars().take(begin.column).all(|c| c == ' ') && above.is_some_and(|line| is_block_header(line)) {
            return Some(Style::Block(begin.column));
        }
        Some(match line.chars().nth(begin.column) {
            Some('"') => Style::Double,
            Some('\'') => Style::Single,
            _ => Style::Plain,
        })
    }
}

/// `expr: |`, `- >-`, `expr: |2 # why`
fn is_block_header(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(before, _)| before).trim_end();
    let sign = line.trim_end_matches(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit());
    let before = sign.strip_suffix(['|', '>']);
    before.is_some_and(|before| before.is_empty() || before.ends_with([' ', ':', '-']))
}

/// A place in the file, from 0.
struct Cursor<'a> {
    lines: &'a [&'a str],
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> Option<&str> {
        let line = self.lines.get(self.line)?;
        let at = line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(self.column)?;
        line.get(at..)
    }

    /// Nothing follows but a backslash, and the line goes on in the next one, without a space.
    fn is_continued(&self) -> bool {
        self.rest().and_then(|rest| rest.strip_prefix('\\')).is_some_and(|rest| rest.trim().is_empty())
    }

    /// Goes over what stands for the first of the scalar's characters; what is left of the scalar.
    fn step<'s>(&mut self, style: Style, scalar: &'s str) -> Option<&'s str> {
        let written = self.rest()?;
        let ends = if matches!(style, Style::Block(_)) { written.is_empty() } else { written.trim().is_empty() };
        if ends {
            self.next_line(style)?;
            // Breaks are kept, or all of them but one, or one is a space.
            let after = scalar.trim_start_matches('\n');
            return if after.len() < scalar.len() { Some(after) } else { scalar.strip_prefix(' ') };
        }
        let mut letters = scalar.chars();
        let (wanted, found) = (letters.next()?, written.chars().next()?);
        let width = match (style, found) {
            (Style::Double, '\\') if self.is_continued() => {
                self.next_line(style)?;
                return Some(scalar);
            }
            (Style::Double, '\\') => match written[1..].chars().next()? {
                'x' => 4,
                'u' => 6,
                'U' => 10,
                _ => 2,
            },
            (Style::Single, '\'') if written.starts_with("''") && wanted == '\'' => 2,
            _ if found == wanted => 1,
            _ => return None,
        };
        self.column += width;
        Some(letters.as_str())
    }

    /// To the beginning of the next line with anything in it.
    fn next_line(&mut self, style: Style) -> Option<()> {
        let below = self.lines.get(self.line + 1..)?;
        self.line += 1 + below.iter().position(|line| !line.trim().is_empty())?;
        self.column = match style {
            Style::Block(indent) => indent,
            _ => self.lines.get(self.line)?.chars().take_while(|c| c.is_whitespace()).count(),
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use settings::yaml::{self, Value};

    use super::*;

    /// The characters of the file that `needle` of the scalar `a` stands at.
    fn found(text: &str, needle: &str) -> Option<String> {
        let file: Arc<str> = "f.yaml".into();
        let root = yaml::parse(&file, text.as_bytes()).unwrap_or_else(|problem| panic!("{problem}"));
        let Value::Map(entries) = &root.value else { panic!("a map is wanted") };
        let (_, node) = entries.iter().find(|(key, _)| key.name == "a").expect("a");
        let Value::Scalar { text: scalar, .. } = &node.value else { panic!("text is wanted") };
        let offset = scalar.find(needle).unwrap_or_else(|| panic!("{scalar:?} has no {needle:?}"));
        let at = Source::new(text).within(&node.at, scalar, offset)?;
        let line: String = text.lines().nth(at.line - 1)?.chars().skip(at.column - 1).collect();
        Some(format!("{}: {line}", at.line))
    }

    #[test]
    fn a_byte_of_a_scalar_is_found_however_it_is_written() {
        for (text, needle, expected) in [
            ("a: one two\n", "two", "1: two"),
            ("a: one\n  two\n  three\n", "three", "3: three"),
            ("a: |\n\n  one\n    two\n\n  three\n", "three", "6: three"),
            ("b: x\na: |\n  one\n    two\n", "two", "4: two"),
            ("b: x\na: >-\n  one\n  two\n\n  three é four\n", "four", "6: four"),
            ("b: x\na: > # why\n  one\n  two three\n", "three", "4: three"),
            ("a: 'it''s one ''two'''\n", "two", "1: two'''"),
            ("a: 'one\n\n  two three'\n", "three", "3: three'"),
            ("a: \"\\\"x\\\" \\u00e9 two\"\n", "two", "1: two\""),
            ("a: \"one \\\n   two\"\n", "two", "2: two\""),
            ("a: \"one\n  two\"\n", "two", "2: two\""),
            ("{b: x, a: \"'q' two\"}\n", "two", "1: two\"}"),
        ] {
            assert_eq!(found(text, needle).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_as_it_was_read_has_no_place() {
        let at = At { file: "f.yaml".into(), line: 1, column: 4 };
        let source = Source::new("a: one");
        assert_eq!(source.within(&at, "two", 1), None);
        assert_eq!(source.within(&at, "one and more", 8), None);
        assert_eq!(source.within(&at, "one", 9), None);
    }
}
