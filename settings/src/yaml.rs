//! YAML text → a tree in which every node knows its place, and every scalar how it was written.
//!
//! Knows nothing of settings; `read` gives the nodes their meaning. The size, depth and number of nodes are bounded, so
//! no file can take more than some megabytes or seconds, aliases included: an alias costs as much as what it repeats.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::problem::{At, Problem, quote};

/// Longest file in bytes. The longest that anybody would write by hand is far shorter.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting. The settings themselves reach six.
const DEPTH_MAX: usize = 32;
/// Most nodes, those that an alias repeats included.
const NODES_MAX: usize = 50_000;

/// One value of the file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub at: At,
    /// What it holds.
    pub value: Value,
    /// How many nodes this one and all below it are.
    count: usize,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text as it stands in the file, unquoted; whether it is a number is for the setting to say.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Written in quotes or as a block: certainly text.
        quoted: bool,
    },
    /// Items, in order.
    List(Vec<Rc<Node>>),
    /// Keys and values, in the order of the file; a key may stand twice.
    Map(Vec<(Key, Rc<Node>)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Where it stands.
    pub at: At,
}

impl Node {
    /// No value: `key:` with nothing behind it, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What the node is, for messages.
    pub fn kind(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => quote(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads one document. An empty file is an empty map.
pub fn parse(file: &Arc<str>, text: &[u8]) -> Result<Rc<Node>, Problem> {
    if text.len() > FILE_BYTES_MAX {
        let at = At::outside(file);
        return Err(Problem::new(&at, format!("is longer than {FILE_BYTES_MAX} bytes: this is not a configuration")));
    }
    let text = as_text(file, text)?;
    let mut tree = Tree { file: Arc::clone(file), open: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0 };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => tree.take(event, &span)?,
            Err(error) => return Err(tree.malformed(&error)),
        }
    }
    Ok(tree.root.unwrap_or_else(|| Rc::new(Node { at: start_of(file), value: Value::Map(Vec::new()), count: 1 })))
}

/// UTF-8 without control characters; YAML allows no others, and a file with them is a binary or a damaged one.
fn as_text<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    let (valid, bad) = match std::str::from_utf8(bytes) {
        Ok(text) => match text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}')) {
            None => return Ok(text),
            Some(end) => (&bytes[..end], bytes[end]),
        },
        Err(error) => (&bytes[..error.valid_up_to()], bytes[error.valid_up_to()]),
    };
    let line_start = valid.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let at = At {
        file: Arc::clone(file),
        line: valid.split(|&b| b == b'\n').count(),
        column: String::from_utf8_lossy(&valid[line_start..]).chars().count() + 1,
    };
    Err(Problem::new(&at, format!("the byte 0x{bad:02x} has no place in a text file")))
}

fn start_of(file: &Arc<str>) -> At {
    At { file: Arc::clone(file), line: 1, column: 1 }
}

/// The tree while it grows. A stack rather than recursion: depth is the file's choice, the machine's stack is ours.
struct Tree {
    file: Arc<str>,
    /// The collections that are not yet closed, outermost first.
    open: Vec<Open>,
    root: Option<Rc<Node>>,
    /// What `&name` stands for, by the parser's number of it.
    anchors: HashMap<usize, Rc<Node>>,
    /// How many nodes so far, with what aliases repeat.
    nodes: usize,
}

/// A collection that is not yet closed.
struct Open {
    at: At,
    anchor: usize,
    items: Items,
    /// How many nodes the tree had before this one.
    nodes_before: usize,
}

enum Items {
    List(Vec<Rc<Node>>),
    /// With the key that waits for its value.
    Map(Vec<(Key, Rc<Node>)>, Option<Key>),
}

impl Tree {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let at = self.at(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(&at, tag.as_deref())?;
                let value = Value::Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain };
                self.close(&at, value, anchor, self.nodes)
            }
            Event::SequenceStart(_, anchor, tag) => self.open(at, anchor, tag.as_deref(), Items::List(Vec::new())),
            Event::MappingStart(_, anchor, tag) => self.open(at, anchor, tag.as_deref(), Items::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                // The parser balances its events; an end without a start cannot come from it.
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let value = match open.items {
                    Items::List(items) => Value::List(items),
                    Items::Map(items, _) => Value::Map(items),
                };
                self.close(&open.at, value, open.anchor, open.nodes_before)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                // The repeated settings keep the place where they are written: there they would have to be mended.
                Some(node) => {
                    let node = Rc::clone(node);
                    self.count(&at, node.count)?;
                    self.add(&at, node)
                }
                None => Err(Problem::new(&at, "this alias stands inside what it repeats")),
            },
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Problem::new(&at, "a second document begins here; write one document a file"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, at: At, anchor: usize, tag: Option<&Tag>, items: Items) -> Result<(), Problem> {
        refuse_tag(&at, tag)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(Problem::new(&at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.open.push(Open { at, anchor, items, nodes_before: self.nodes });
        Ok(())
    }

    /// A node is complete: counts it, remembers its anchor, puts it where it belongs.
    fn close(&mut self, at: &At, value: Value, anchor: usize, nodes_before: usize) -> Result<(), Problem> {
        self.count(at, 1)?;
        let node = Rc::new(Node { at: at.clone(), value, count: self.nodes - nodes_before });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(at, node)
    }

    fn count(&mut self, at: &At, nodes: usize) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(Problem::new(at, format!("more than {NODES_MAX} values, with what aliases repeat")));
        }
        Ok(())
    }

    /// Into the innermost open collection, or to the root.
    fn add(&mut self, at: &At, node: Rc<Node>) -> Result<(), Problem> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map(items, pending) => match pending.take() {
                Some(key) => items.push((key, node)),
                None => match &node.value {
                    Value::Scalar { text, .. } => {
                        *pending = Some(Key { name: text.clone(), at: at.clone() });
                    }
                    _ => {
                        return Err(Problem::new(at, format!("a key must be a word, not {}", node.kind())));
                    }
                },
            },
        }
        Ok(())
    }

    fn at(&self, span: &Span) -> At {
        At { file: Arc::clone(&self.file), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn malformed(&self, error: &ScanError) -> Problem {
        let marker = error.marker();
        let at = At { file: Arc::clone(&self.file), line: marker.line(), column: marker.col() + 1 };
        let hint = if error.info().contains("tab") { "; indent with spaces" } else { "" };
        Problem::new(&at, format!("not YAML: {}{hint}", error.info()))
    }
}

fn refuse_tag(at: &At, tag: Option<&Tag>) -> Result<(), Problem> {
    match tag {
        Some(tag) if tag.is_custom() => {
            Err(Problem::new(at, format!("tags like {} have no meaning here", quote(&tag.to_string()))))
        }
        _ => Ok(()),
    }
}
