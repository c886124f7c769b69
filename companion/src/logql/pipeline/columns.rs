//! The fields of a line that several pipelines ask for, read in one pass: paths in, places in the text out.
//!
//! Only a line of which every asker would read the same without a fault is read; of any other it is said that it is not. So a
//! name that stands twice on the way to a field, or anything that is no strict JSON, leaves the line to those who know.

use record::json::{JsonFields, Raw};

use super::json_index::PathPart;
use super::json_scan::{Go, Kind, Value, elements};

/// Paths with more names are not read here.
const NAMES_MAX: usize = 16;

/// Which fields are asked for.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The names that lead to a field, or on the way to one, as [`JsonFields`] writes them.
    paths: Vec<String>,
    /// Elements of lists: the path of the list, the place, and the column.
    places: Vec<(usize, usize, usize)>,
    /// What each column is.
    all: Vec<Column>,
    fields: Option<JsonFields>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// The end of a path.
    Path(usize),
    /// An element, by its number among the places.
    Place(usize),
}

/// What stood in one line.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// By path.
    values: Vec<Option<Value>>,
    /// By place.
    elements: Vec<Option<Value>>,
}

impl Columns {
    /// The number of the column of a path; none if it cannot be read here.
    pub(super) fn add(&mut self, path: &[PathPart]) -> Option<usize> {
        let (names, place) = match path {
            [names @ .., PathPart::Place(place)] => (names, Some(*place)),
            names => (names, None),
        };
        let mut text = String::new();
        let mut ends = None;
        if names.len() > NAMES_MAX {
            return None;
        }
        for part in names {
            let PathPart::Name(name) = part else { return None };
            if name.is_empty() || name.contains('\\') {
                return None;
            }
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&name.replace('.', "\\."));
            ends = Some(self.path(&text));
        }
        let path = ends?;
        let column = match place {
            None => Column::Path(path),
            Some(place) => {
                let known = self.places.iter().position(|(of, at, _)| (*of, *at) == (path, place));
                Column::Place(known.unwrap_or_else(|| {
                    self.places.push((path, place, self.places.len()));
                    self.places.len() - 1
                }))
            }
        };
        let known = self.all.iter().position(|other| *other == column);
        Some(known.unwrap_or_else(|| {
            self.all.push(column);
            self.all.len() - 1
        }))
    }

    fn path(&mut self, text: &str) -> usize {
        let known = self.paths.iter().position(|path| path == text);
        known.unwrap_or_else(|| {
            self.paths.push(text.to_owned());
            self.paths.len() - 1
        })
    }

    /// Makes ready to read, after all paths were added.
    pub(super) fn compile(&mut self) {
        self.fields = (!self.paths.is_empty()).then(|| JsonFields::new(&self.paths).ok()).flatten();
        // The elements of one list one after another, as they stand in it.
        self.places.sort_unstable();
    }

    /// Reads a line. False if it is not one that everybody reads the same.
    pub(super) fn read(&self, line: &str, row: &mut Row) -> bool {
        let Some(fields) = &self.fields else { return false };
        let text = line.as_bytes();
        if text.first() != Some(&b'{') {
            return false;
        }
        row.values.clear();
        row.values.resize(self.paths.len(), None);
        row.elements.clear();
        row.elements.resize(self.places.len(), None);
        let mut is_clear = true;
        let read = fields.visit(text, |path, raw| {
            if let Some(place) = row.values.get_mut(path) {
                is_clear &= place.is_none();
                *place = Some(value(text, raw));
            }
        });
        if read.is_err() || !is_clear {
            return false;
        }
        let mut rest = self.places.as_slice();
        while let Some((list, ..)) = rest.first() {
            let (of_list, others) = rest.split_at(rest.partition_point(|(of, ..)| of == list));
            rest = others;
            let Some(Some(Value { kind: Kind::Array, start, .. })) = row.values.get(*list) else { continue };
            let (mut at, mut wanted) = (0, of_list);
            elements(text, *start as usize, |value| {
                while let Some(((_, _, number), after)) = wanted.split_first().filter(|((_, place, _), _)| *place == at) {
                    if let Some(element) = row.elements.get_mut(*number) {
                        *element = Some(value);
                    }
                    wanted = after;
                }
                at += 1;
                if wanted.is_empty() { Go::Stop } else { Go::On }
            });
        }
        true
    }

    /// What stands in a column of a row that was read.
    pub(super) fn value(&self, row: &Row, column: usize) -> Option<Value> {
        match self.all.get(column)? {
            Column::Path(path) => *row.values.get(*path)?,
            Column::Place(place) => *row.elements.get(*place)?,
        }
    }
}

/// The same value as a place in the text.
fn value(text: &[u8], raw: Raw<'_>) -> Value {
    let (inside, kind) = Kind::found(raw.kind());
    // What was found is a part of the text.
    let start = raw.bytes().as_ptr().addr() - text.as_ptr().addr();
    let end = start + raw.bytes().len();
    Value { kind, start: (start + inside) as u32, end: (end - inside) as u32 }
}
