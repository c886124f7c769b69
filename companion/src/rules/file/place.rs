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
        // A block begins at its first line that is not empty, and its lines have one indentation.
        let begins = scalar.trim_start_matches('\n');
        let before = before.get(scalar.len() - begins.len()..)?;
        let indent = at.column.checked_sub(1)?;
        let (line, in_line) = match before.rsplit_once('\n') {
            Some((above, in_line)) => (at.line + above.matches('\n').count() + 1, in_line),
            None => (at.line, before),
        };
        let written = self.lines.get(line.checked_sub(1)?)?;
        let written = &written[written.char_indices().nth(indent)?.0..];
        let quotes = usize::from(line == at.line && written.starts_with(['"', '\'']) && !scalar.starts_with(['"', '\'']));
        // What is not there as it was read is folded or escaped.
        written.get(quotes..)?.starts_with(in_line).then(|| At {
            line,
            column: at.column + quotes + in_line.chars().count(),
            ..at.clone()
        })
    }
}
