//! `| json`: each member of an object becomes a label, nested names joined with `_`; arrays and null become none.

use super::json_scan::{Fault, Go, Kind, members, push_unescaped};
use super::name::push_sanitized;
use super::{Labels, Passage, Wanted};

pub(super) const JSON_ERROR: &str = "JSONParserErr";

/// How deep objects are read; what lies deeper makes no labels.
const DEPTH_MAX: usize = 64;

pub(super) fn run(passage: &mut Passage<'_, '_>, wanted: &Wanted) {
    if *wanted == Wanted::None {
        return;
    }
    let mut reader = Reader {
        text: passage.line.text().as_bytes(),
        labels: passage.labels,
        wanted,
        missing: match wanted {
            Wanted::Only(names) => names.len(),
            _ => usize::MAX,
        },
        name: String::new(),
        key: String::new(),
    };
    if let Err(fault) = reader.object(0, 0) {
        reader.labels.fail_parsing(JSON_ERROR, Some(fault.words().to_owned()));
    }
}

struct Reader<'r, 'e> {
    text: &'r [u8],
    labels: &'r mut Labels<'e>,
    wanted: &'r Wanted,
    /// So many of the labels that are wanted have not been seen.
    missing: usize,
    /// The label's name as far as it is made.
    name: String,
    key: String,
}

impl Reader<'_, '_> {
    /// The object that begins at or after `at`. Stops early, without a fault, when all that is wanted was found.
    fn object(&mut self, at: usize, depth: usize) -> Result<(), Fault> {
        let text = self.text;
        let prefix = self.name.len();
        let mut inner = Ok(());
        let read = members(text, at, |member| {
            self.name.truncate(prefix);
            self.key.clear();
            let raw = text.get(member.key.0 as usize..member.key.1 as usize).unwrap_or_default();
            push_unescaped(raw, &mut self.key);
            if prefix > 0 && !self.key.trim().is_empty() {
                self.name.push('_');
            }
            push_sanitized(&mut self.name, &self.key);
            match member.value.kind {
                Kind::Object if depth < DEPTH_MAX && (self.name.is_empty() || self.wanted.wants_below(&self.name)) => {
                    inner = self.object(member.value.start as usize, depth + 1);
                }
                Kind::Text | Kind::Number | Kind::Bool if !self.name.is_empty() => {
                    let wanted = self.wanted;
                    let fill = |out: &mut String| member.value.push_to(text, out);
                    if self.labels.parse_first(&self.name, |name| wanted.wants(name), fill) {
                        self.missing -= 1;
                    }
                }
                _ => {}
            }
            if self.missing == 0 || inner.is_err() { Go::Stop } else { Go::On }
        });
        self.name.truncate(prefix);
        inner.and(read.map_err(|(fault, _)| fault))
    }
}
