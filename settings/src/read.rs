//! Nodes of the file → typed settings. Everything that is wrong is noted, and reading goes on.
//!
//! Not serde, because it stops at the first error: an operator who mends a file wants all of them at once.

use std::rc::Rc;
use std::time::Duration;

use crate::problem::{At, Problems, quote};
use crate::quantity;
use crate::yaml::{Key, Node, Value};

/// A setting and the place where it was made.
#[derive(Clone, Debug, Default)]
pub struct Spanned<T> {
    /// The setting.
    pub value: T,
    /// Where it stands.
    pub at: At,
    /// Something in it was wrong and is noted: what seems to be missing may only be misspelt.
    pub damaged: bool,
}

impl<T> Spanned<T> {
    /// A value that is whole.
    pub fn new(value: T, at: At) -> Self {
        Self { value, at, damaged: false }
    }

    /// Another value at the same place.
    pub fn with<U>(&self, value: U) -> Spanned<U> {
        Spanned { value, at: self.at.clone(), damaged: self.damaged }
    }
}

/// What a setting can be read as.
pub trait Read: Sized {
    /// The value of the setting `name`, or nothing when it is wrong, which is then noted.
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self>;

    /// What a key with nothing behind it means; mostly, that something was forgotten.
    fn when_empty() -> Option<Self> {
        None
    }

    /// Adds the paths of the settings below this one, which stands at `path`.
    fn keys(path: &str, keys: &mut Vec<String>) {
        let _ = (path, keys);
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let before = problems.count();
        let value = T::read(name, node, problems)?;
        Some(Self { value, at: node.at.clone(), damaged: problems.count() > before })
    }

    fn keys(path: &str, keys: &mut Vec<String>) {
        T::keys(path, keys);
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::List(items) = &node.value else {
            let hint = match &node.value {
                Value::Scalar { text, .. } => format!("; write `{name}: [{text}]`"),
                _ => format!("; begin each item of `{name}` with a dash"),
            };
            problems.push(&node.at, format!("`{name}` takes a list, not {}{hint}", node.kind()));
            return None;
        };
        Some(items.iter().filter_map(|item| T::read(name, item, problems)).collect())
    }

    fn keys(path: &str, keys: &mut Vec<String>) {
        T::keys(path, keys);
    }
}

impl Read for String {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(text.clone()),
            _ => wrong(name, "text", node, problems),
        }
    }
}

impl Read for bool {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, quoted: false } if text == "true" => Some(true),
            Value::Scalar { text, quoted: false } if text == "false" => Some(false),
            _ => wrong(name, "true or false", node, problems),
        }
    }
}

/// How many of something.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub usize);

impl Read for Count {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } => match text.parse() {
                Ok(count) => Some(Self(count)),
                Err(_) => wrong(name, "a whole number", node, problems),
            },
            _ => wrong(name, "a whole number", node, problems),
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl Read for Size {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        quantity(name, "a size", node, problems, quantity::bytes).map(Self)
    }
}

impl Read for Duration {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        quantity(name, "a duration", node, problems, quantity::duration)
    }
}

/// How far back: a duration, or `all`.
#[derive(Clone, Copy, Debug)]
pub struct Age(pub Option<Duration>);

impl Read for Age {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "all" => Some(Self(None)),
            _ => quantity(name, "a duration or `all`", node, problems, quantity::duration).map(|age| Self(Some(age))),
        }
    }
}

/// Label names and values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Labels(pub Vec<(Spanned<String>, Spanned<String>)>);

impl Read for Labels {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let entries = map(name, node, problems)?;
        let labels = entries.iter().filter_map(|(key, node)| {
            let name = Spanned::new(key.name.clone(), key.at.clone());
            Some((name, Spanned::read(&key.name, node, problems)?))
        });
        Some(Self(labels.collect()))
    }

    fn when_empty() -> Option<Self> {
        Some(Self::default())
    }
}

/// A map with keys of any name, in the order of the file.
#[derive(Clone, Debug)]
pub struct Entries<T>(pub Vec<(Spanned<String>, Spanned<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Read> Read for Entries<T> {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut entries: Vec<(Spanned<String>, Spanned<T>)> = Vec::new();
        for (key, node) in map(name, node, problems)? {
            if let Some((first, _)) = entries.iter().find(|(other, _)| other.value == key.name) {
                problems.push(&key.at, format!("`{}` stands twice, first in line {}", key.name, first.at.line));
                continue;
            }
            let Some(value) = Spanned::read(&key.name, node, problems) else { continue };
            entries.push((Spanned::new(key.name.clone(), key.at.clone()), value));
        }
        Some(Self(entries))
    }

    fn when_empty() -> Option<Self> {
        Some(Self::default())
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(name: &str, node: &Node, problems: &mut Problems, words: &[(&str, T)]) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let Value::Scalar { text, .. } = &node.value else {
        return wrong(name, &format!("one of {}", names.join(", ")), node, problems);
    };
    let found = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
    if found.is_none() {
        let hint = match nearest(text, &names) {
            Some(word) => format!(", did you mean `{word}`?"),
            None => format!("; it is one of {}", names.join(", ")),
        };
        problems.push(&node.at, format!("unknown {name} {}{hint}", quote(text)));
    }
    found
}

/// A map with known keys, of which `take` reads one after the other.
pub struct Section<'a> {
    entries: Vec<&'a (Key, Rc<Node>)>,
}

impl<'a> Section<'a> {
    /// Notes keys that are unknown or there twice, and leaves them out. `elsewhere` says where else a key belongs.
    pub fn read(
        name: &str,
        node: &'a Node,
        known: &[&str],
        problems: &mut Problems,
        elsewhere: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let mut entries: Vec<&(Key, Rc<Node>)> = Vec::new();
        for entry in map(name, node, problems)? {
            let key = &entry.0;
            if !known.contains(&key.name.as_str()) {
                let hint = match nearest(&key.name, known) {
                    Some(word) => {
                        format!("unknown key {}, did you mean `{word}`?", quote(&key.name))
                    }
                    None => elsewhere(&key.name)
                        .unwrap_or_else(|| format!("unknown key {}; known here: {}", quote(&key.name), known.join(", "))),
                };
                problems.push(&key.at, hint);
            } else if let Some((first, _)) = entries.iter().find(|(other, _)| other.name == key.name) {
                problems.push(&key.at, format!("`{}` stands twice, first in line {}", key.name, first.at.line));
            } else {
                entries.push(entry);
            }
        }
        Some(Self { entries })
    }

    /// The value of one key, if it is there and right.
    pub fn take<T: Read>(&self, name: &str, problems: &mut Problems) -> Option<Spanned<T>> {
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        if !node.is_null() {
            return Spanned::read(name, node, problems);
        }
        let Some(value) = T::when_empty() else {
            problems.push(&key.at, format!("`{name}` has no value; write one, or remove the line for the default"));
            return None;
        };
        Some(Spanned::new(value, key.at.clone()))
    }
}

fn map<'a>(name: &str, node: &'a Node, problems: &mut Problems) -> Option<&'a [(Key, Rc<Node>)]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => wrong(name, "a map of keys and values", node, problems),
    }
}

fn quantity<T>(
    name: &str,
    what: &str,
    node: &Node,
    problems: &mut Problems,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let Value::Scalar { text, .. } = &node.value else {
        return wrong(name, what, node, problems);
    };
    parse(text).map_err(|reason| problems.push(&node.at, format!("`{name}`: {} {reason}", quote(text)))).ok()
}

fn wrong<T>(name: &str, what: &str, node: &Node, problems: &mut Problems) -> Option<T> {
    problems.push(&node.at, format!("{} takes {what}, not {}", title(name), node.kind()));
    None
}

/// A setting's name in backquotes; what has a space in it is no setting, but words for one.
fn title(name: &str) -> String {
    if name.contains(' ') { name.to_owned() } else { format!("`{name}`") }
}

/// The known word that `word` most likely was meant to be: it begins so, or has one slip in three letters.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let slips_max = word.chars().count().div_ceil(3);
    // The distance takes time by the product of both lengths, and the word is whatever stands in the file.
    if slips_max > 10 {
        return None;
    }
    let mut begin_so = known.iter().filter(|candidate| candidate.starts_with(word));
    if let (Some(candidate), None) = (begin_so.next(), begin_so.next()) {
        return Some(candidate);
    }
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word.to_lowercase(), candidate);
    known
        .iter()
        .copied()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}
