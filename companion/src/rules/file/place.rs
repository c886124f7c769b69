//! Where in a file a byte of a scalar stands: queries are long, and an error should point into them.

use settings::problem::At;

/// The text of a file.
pub(super) struct Source<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().collect() }
    }

    /// The place of the byte `offset` of `scalar`, which begins at `at`. Nothing where YAML folded or escaped it.
    pub(super) fn within(&self, at: &At, scalar: &str, offset: usize) -> Option<At> {
        let before = scalar.get(..offset)?;
        let first = self.lines.get(at.line.checked_sub(1)?)?;
        let start = first.char_indices().nth(at.column.checked_sub(1)?).map_or(first.len(), |(start, _)| start);
        let written = &first[start..];
        match written.chars().next()? {
            '|' => self.in_block(at, before),
            '"' | '\'' => on_one_line(at, written, before, 1),
            _ => on_one_line(at, written, before, 0),
        }
    }

    /// A literal block: its lines are those of the scalar, without their indentation.
    fn in_block(&self, at: &At, before: &str) -> Option<At> {
        let below = self.lines.get(at.line..)?;
        let indent = below.iter().find(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start_matches(' ').len())?;
        let lines = before.matches('\n').count();
        let in_line = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Some(At { line: at.line + 1 + lines, column: indent + in_line + 1, ..at.clone() })
    }
}

fn on_one_line(at: &At, written: &str, before: &str, quotes: usize) -> Option<At> {
    let same = written.get(quotes..)?.starts_with(before);
    same.then(|| At { column: at.column + quotes + before.chars().count(), ..at.clone() })
}
