//! The file of values: names, and under each a text or a list of texts. Maps group names: `jobs: {sshd: …}` is `jobs.sshd`.
//!
//! What could end the string or the template that a value is put into is refused here, so rendering never has to quote.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use settings::problem::{At, Problems, quote};
use settings::read::Spanned;
use settings::yaml::{self, Key, Node, Value as Yaml};

/// What ends a string or template of a rule, by itself or with its neighbour.
const REFUSED: [&str; 6] = ["\"", "`", "\\", "{{", "}}", "${"];

/// A value and its place.
#[derive(Clone, Debug)]
pub enum Value {
    /// One text: a name, a number, a duration.
    Text(Spanned<String>),
    /// Several, each with its place.
    List(At, Vec<Spanned<String>>),
}

impl Value {
    /// Where it stands.
    pub fn at(&self) -> &At {
        match self {
            Self::Text(text) => &text.at,
            Self::List(at, _) => at,
        }
    }

    /// Its texts; a single one is a list of one.
    pub fn items(&self) -> &[Spanned<String>] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(_, items) => items,
        }
    }
}

/// All values, by name.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    /// Reads the file.
    pub fn read(file: &Arc<str>, text: &[u8]) -> Result<Self, Problems> {
        let root = yaml::parse(file, text)?;
        let mut problems = Problems::default();
        let mut values = BTreeMap::new();
        match &root.value {
            Yaml::Map(entries) => gather("", entries, &mut values, &mut problems),
            _ => problems.push(&root.at, format!("values are a map of names, not {}", root.kind())),
        }
        problems.or(Self(values))
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Puts a value in the place of the one that has the name, or beside the others.
    pub fn set(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let at = At::outside(name);
        let items = items.into_iter().map(|item| Spanned::new(item, at.clone())).collect();
        self.0.insert(name.to_owned(), Value::List(at, items));
    }
}

fn gather(prefix: &str, entries: &[(Key, Rc<Node>)], values: &mut BTreeMap<String, Value>, problems: &mut Problems) {
    for (key, node) in entries {
        let wrong = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if key.name.is_empty() || key.name.contains(wrong) {
            problems.push(&key.at, format!("{} is no name of a value; write small letters, digits and `_`", quote(&key.name)));
            continue;
        }
        let name = if prefix.is_empty() { key.name.clone() } else { format!("{prefix}.{}", key.name) };
        let value = match &node.value {
            Yaml::Map(entries) => {
                gather(&name, entries, values, problems);
                continue;
            }
            Yaml::Scalar { .. } => text(&name, node, &key.at, problems).map(Value::Text),
            Yaml::List(items) => {
                let items = items.iter().filter_map(|item| text(&name, item, &item.at, problems)).collect();
                Some(Value::List(key.at.clone(), items))
            }
        };
        if let Some(value) = value
            && values.insert(name.clone(), value).is_some()
        {
            problems.push(&key.at, format!("`{name}` stands twice"));
        }
    }
}

fn text(name: &str, node: &Node, at: &At, problems: &mut Problems) -> Option<Spanned<String>> {
    let text = match &node.value {
        Yaml::Scalar { text, .. } if !text.is_empty() && !node.is_null() => text,
        Yaml::Scalar { .. } => {
            problems.push(at, format!("`{name}` has no value; write one, or `[]` for an empty list"));
            return None;
        }
        _ => {
            problems.push(at, format!("`{name}` takes texts, not {}", node.kind()));
            return None;
        }
    };
    if text.contains(char::is_control) || REFUSED.iter().any(|refused| text.contains(refused)) {
        problems.push(
            at,
            format!(
                "`{name}`: {} would end the string that it is put into; none of {} can be in it",
                quote(text),
                REFUSED.join(" ")
            ),
        );
        return None;
    }
    Some(Spanned::new(text.clone(), at.clone()))
}
