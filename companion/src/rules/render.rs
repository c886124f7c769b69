//! Rule sources and values → plain rule files. In: YAML with `${…}` where an identity, a network or a threshold belongs. Out: the
//! same text with all of them filled in, which Loki's own ruler takes as it is. Pure; [`files`] does the reading and writing.
//!
//! Text is filled in before it is read as YAML, so that comments and layout survive and lines keep their numbers; no value can
//! hold what would end the string that it stands in ([`values`]). Go templates (`{{ … }}`) pass untouched. Comments are filled in
//! like everything else, since some of them say what a rule needs. What stands for what:
//!
//! | written | becomes |
//! |---|---|
//! | `${name}` | the value, as it is |
//! | `${list:name}` | the items, with commas between them |
//! | `${regex:name}` | a group of alternatives with metacharacters escaped; `*` in an item is any text without a colon |
//! | `${exempt:name}` | the same, and a group that matches nothing where the list is empty |
//! | `${inside:name:label}` | label filters: the label's address is in one of these networks |
//! | `${outside:name:label}` | label filters: it is in none of them, and not the machine itself |
//! | `${address:label}` | a template: the address in the label without port, zone and the prefix of mapped ones |
//! | `${last-address:label}` | a template: the last address of the JSON list in the label, cleaned in the same way |
//! | `${each-address:path}` | `json` expressions `ip0` to `ip8` for the first nine addresses of the list at that path |
//! | `${clean-addresses}` | `label_format` assignments that clean `ip0` to `ip7` |
//! | `${any-outside:name}` | label filters: one of `ip0` to `ip7` is outside these networks, or there is a ninth |
//! | `$${` | `${` itself |

use std::collections::BTreeSet;
use std::sync::Arc;

use settings::problem::{At, Problem, Problems, quote};
use settings::read::nearest;
use settings::yaml;

mod expand;
pub mod files;
pub mod values;

#[cfg(test)]
mod tests;

pub use values::Values;

/// Names of values that some rule asked for.
pub type Used = BTreeSet<String>;

/// Fills the values in. `used` gathers the names of those that were asked for, over all files.
///
/// The result is YAML; whether it is rules is for the reader of rules to say.
pub fn render(file: &Arc<str>, source: &str, values: &Values, used: &mut Used) -> Result<String, Problems> {
    let mut problems = Problems::default();
    let mut rendered = String::with_capacity(source.len() * 2);
    for (index, line) in source.split_inclusive('\n').enumerate() {
        fill_in(file, index + 1, line, values, used, &mut rendered, &mut problems);
    }
    let rendered = problems.or(rendered)?;
    yaml::parse(file, rendered.as_bytes())?;
    Ok(rendered)
}

/// Whether there is anything to fill in: a plain rule file needs no values.
pub fn is_source(text: &str) -> bool {
    text.contains("${")
}

/// The values that no rule asked for, each at its place: mostly, that a name was misspelt on one side.
pub fn unused(values: &Values, used: &Used) -> Vec<Problem> {
    let unused = values.iter().filter(|(name, _)| !used.contains(*name));
    unused.map(|(name, value)| Problem::new(value.at(), format!("`{name}` is used by none of these rules"))).collect()
}

/// One line of the source, with what stands in its braces.
fn fill_in(
    file: &Arc<str>,
    number: usize,
    line: &str,
    values: &Values,
    used: &mut Used,
    rendered: &mut String,
    problems: &mut Problems,
) {
    let mut rest = line;
    while let Some(start) = rest.find("${") {
        let at = At { file: Arc::clone(file), line: number, column: line.len() - rest.len() + start + 1 };
        let (before, braces) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            rendered.push_str(before);
            rendered.push_str("${");
            rest = &braces[2..];
            continue;
        }
        rendered.push_str(before);
        let Some(end) = braces.find('}') else {
            problems.push(&at, "`${` without `}`; write `$${` for the characters themselves");
            return;
        };
        match expand::expand(&braces[2..end], values, used) {
            Ok(text) => rendered.push_str(&text),
            Err(expand::Refusal::Source(reason)) => problems.push(&at, reason),
            Err(expand::Refusal::Value(at, reason)) => problems.push(&at, reason),
        }
        rest = &braces[end + 1..];
    }
    rendered.push_str(rest);
}

/// `unknown … `x`, did you mean `y`?`
fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(word_known) => format!("unknown {what} {}, did you mean `{word_known}`?", quote(word)),
        None => format!("unknown {what} {}; known here: {}", quote(word), known.join(", ")),
    }
}
