//! `| logfmt`: `key=value` pairs become labels.
//!
//! Without expressions the first of a key counts, with them the last. A broken pair is skipped; with `--strict` it ends the
//! reading and is an error.

use super::Passage;
use super::fields::{Pair, Pairs};
use super::json_scan::push_unescaped;
use super::name::{is_label, push_sanitized};
use crate::logql::ast::Field;

const LOGFMT_ERROR: &str = "LogfmtParserErr";

#[derive(Clone, Debug)]
pub(super) struct Logfmt {
    strict: bool,
    keep_empty: bool,
    /// Labels and the keys that they are of.
    wanted: Vec<(String, String)>,
}

impl Logfmt {
    pub(super) fn new(strict: bool, keep_empty: bool, fields: &[Field]) -> Result<Self, String> {
        let wanted = fields.iter().map(|field| {
            let key = field.expression.as_deref().unwrap_or(&field.name);
            if is_label(key) { Ok((field.name.clone(), key.to_owned())) } else { Err(format!("`{key}` is no plain key")) }
        });
        Ok(Self { strict, keep_empty, wanted: wanted.collect::<Result<_, _>>()? })
    }

    pub(super) fn run(&self, passage: &mut Passage<'_, '_>) {
        let mut fault = None;
        let mut name = String::new();
        for pair in Pairs::new(passage.line.text()) {
            match pair {
                Ok(pair) if self.wanted.is_empty() => self.set_first(passage.labels, &mut name, &pair),
                Ok(pair) => self.set_wanted(passage.labels, &mut name, &pair),
                Err(found) if self.strict => {
                    fault = Some(found);
                    break;
                }
                Err(_) => {}
            }
        }
        if let Some(fault) = fault {
            passage.labels.fail_parsing(LOGFMT_ERROR, Some(fault.words()));
            return;
        }
        for (label, _) in &self.wanted {
            if passage.labels.get(label).is_none() {
                passage.labels.parse_last(label, |_| {});
            }
        }
    }

    fn set_first(&self, labels: &mut super::Labels<'_>, name: &mut String, pair: &Pair<'_>) {
        if pair.value.is_empty() && !self.keep_empty {
            return;
        }
        name.clear();
        push_sanitized(name, pair.key);
        if !name.is_empty() {
            labels.parse_first(name, |_| true, |out| push_value(pair, out));
        }
    }

    fn set_wanted(&self, labels: &mut super::Labels<'_>, name: &mut String, pair: &Pair<'_>) {
        name.clear();
        push_sanitized(name, pair.key);
        for (label, key) in &self.wanted {
            if (pair.key != key && name != key) || (pair.value.is_empty() && !self.keep_empty) {
                continue;
            }
            // As in Loki: under a name that the stream has, the first counts here too.
            if labels.is_given(label) {
                labels.parse_first(label, |_| true, |out| push_value(pair, out));
            } else {
                labels.parse_last(label, |out| push_value(pair, out));
            }
        }
    }
}

fn push_value(pair: &Pair<'_>, out: &mut String) {
    if pair.has_escapes { push_unescaped(pair.value.as_bytes(), out) } else { out.push_str(pair.value) }
}
