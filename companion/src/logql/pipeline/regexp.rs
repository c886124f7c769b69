//! `| regexp`: named groups become labels.

use regex::Regex;
use settings::re2;

use super::Passage;
use super::name::push_sanitized;

#[derive(Clone, Debug)]
pub(super) struct Regexp {
    regex: Regex,
    /// Numbers of the groups that have names, and their labels.
    groups: Vec<(usize, String)>,
}

impl Regexp {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let regex = re2::compile(text)
            .map_err(|why| if why.contains("duplicate") { format!("`{text}` has two groups of one name") } else { why })?;
        let mut groups: Vec<(usize, String)> = Vec::new();
        for (number, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            let mut label = String::new();
            push_sanitized(&mut label, name);
            if label != name {
                return Err(format!("`{name}` is no name for a label"));
            }
            groups.push((number, label));
        }
        if groups.is_empty() {
            return Err("the expression needs a group with a name, such as `(?P<user>\\S+)`".to_owned());
        }
        Ok(Self { regex, groups })
    }

    /// A line that does not match stays as it is.
    pub(super) fn run(&self, passage: &mut Passage<'_, '_>) {
        let line = passage.line.text();
        let Some(captures) = self.regex.captures(line) else { return };
        for (number, label) in &self.groups {
            let value = captures.get(*number).map_or("", |group| group.as_str());
            passage.labels.parse_first(label, |_| true, |text| text.push_str(value));
        }
    }
}
