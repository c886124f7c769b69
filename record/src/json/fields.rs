//! Finds a fixed set of members in a JSON text, however deep, in one pass.
//!
//! The paths are compiled once into a tree of names; a line is then walked along that tree, and whatever is not on it
//! is skipped unread. Names are compared exactly, as the programs that write these logs do.

use super::{Error, Key, Raw, Scanner};
use std::ops::Range;

/// How many names a path may have.
const MAX_NAMES: usize = 16;

/// A compiled list of paths. A path is the names of nested members joined by dots: `objectRef.resource`; `\.` stands
/// for a dot inside a name.
#[derive(Clone, Debug)]
pub struct JsonFields {
    nodes: Vec<Node>,
}

/// A path that cannot be compiled: it has an empty name, or more than 16 names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPath(pub String);

impl std::fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "path `{}` has an empty name, or more than {MAX_NAMES} names", self.0)
    }
}

impl std::error::Error for InvalidPath {}

impl JsonFields {
    /// Compiles `paths`; fields are known by their index in it. A path may occur twice, and may be the start of
    /// another one.
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Result<Self, InvalidPath> {
        let mut nodes = vec![Node::new()];
        for (field, path) in paths.into_iter().enumerate() {
            let path = path.as_ref();
            let names = split(path);
            if names.len() > MAX_NAMES || names.iter().any(String::is_empty) {
                return Err(InvalidPath(path.to_owned()));
            }
            let mut node = 0;
            for name in names {
                node = if let Some(child) = nodes[node].children.iter().find(|child| *child.name == *name.as_bytes()) {
                    child.node
                } else {
                    nodes.push(Node::new());
                    let child = nodes.len() - 1;
                    nodes[node].children.push(Child { name: name.into_bytes().into(), node: child });
                    child
                };
            }
            nodes[node].fields.push(field);
        }
        nodes.iter_mut().for_each(Node::index);
        Ok(Self { nodes })
    }

    /// Walks the object `text` and calls `visit` with index and value of every field met, in the order of the text. A
    /// member that occurs twice is visited twice. An error may come after fields were visited.
    pub fn visit<'a>(&self, text: &'a [u8], mut visit: impl FnMut(usize, Raw<'a>)) -> Result<(), Error> {
        let mut scanner = Scanner::new(text);
        self.object(&self.nodes[0], &mut scanner, &mut visit)?;
        scanner.finish()
    }

    /// Fills `found` with the field of each index, of those that fit in it. Of a member that occurs twice the last
    /// one counts, and null, objects and arrays do not: so do Go's `encoding/json` and Loki's `json` stage.
    pub fn scalars<'a>(&self, text: &'a [u8], found: &mut [Option<Raw<'a>>]) -> Result<(), Error> {
        self.visit(text, |field, value| {
            if let Some(slot) = found.get_mut(field)
                && value.is_scalar()
            {
                *slot = Some(value);
            }
        })
    }

    // As deep as the longest path, so at most 16 calls.
    fn object<'a, V: FnMut(usize, Raw<'a>)>(&self, node: &Node, scanner: &mut Scanner<'a>, visit: &mut V) -> Result<(), Error> {
        scanner.object(|scanner, key| {
            let Some(child) = node.child(&key).map(|index| &self.nodes[index]) else {
                return scanner.value().map(drop);
            };
            if child.children.is_empty() || !scanner.at_object() {
                let value = scanner.value()?;
                child.fields.iter().for_each(|field| visit(*field, value));
                return Ok(());
            }
            let start = scanner.position();
            self.object(child, scanner, visit)?;
            let value = Raw(&scanner.text[start..scanner.position()]);
            child.fields.iter().for_each(|field| visit(*field, value));
            Ok(())
        })
    }
}

/// A name of a path: what is below it, and the fields that end at it.
#[derive(Clone, Debug)]
struct Node {
    /// Sorted by shape.
    children: Vec<Child>,
    /// Of every shape of name, the children that have it: rarely more than one.
    by_shape: [Range<u16>; SHAPES],
    fields: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Child {
    name: Box<[u8]>,
    node: usize,
}

const SHAPES: usize = 64;

/// A number that most names of one object differ in, for two instructions.
#[inline]
fn shape(name: &[u8]) -> usize {
    let first = name.first().copied().unwrap_or_default();
    (name.len() ^ usize::from(first)) % SHAPES
}

/// Whether two names are equal. Most are shorter than 16 bytes: two overlapping words each, and no call.
#[inline]
fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if let (Some(left_first), Some(right_first), Some(left_last), Some(right_last)) =
        (left.first_chunk::<8>(), right.first_chunk::<8>(), left.last_chunk::<8>(), right.last_chunk::<8>())
    {
        left_first == right_first && left_last == right_last && (left.len() <= 16 || left == right)
    } else {
        left.iter().zip(right).all(|(left, right)| left == right)
    }
}

impl Node {
    fn new() -> Self {
        Self { children: Vec::new(), by_shape: [const { 0..0 }; SHAPES], fields: Vec::new() }
    }

    fn index(&mut self) {
        self.children.sort_by_key(|child| shape(&child.name));
        for (wanted, range) in self.by_shape.iter_mut().enumerate() {
            let start = self.children.partition_point(|child| shape(&child.name) < wanted);
            let end = self.children.partition_point(|child| shape(&child.name) <= wanted);
            *range = start as u16..end as u16;
        }
    }

    /// The node below this one that `key` leads to.
    #[inline]
    fn child(&self, key: &Key<'_>) -> Option<usize> {
        let child = if key.escaped {
            self.children.iter().find(|child| super::string::means(key.raw, &child.name))
        } else {
            let range = &self.by_shape[shape(key.raw)];
            let candidates = &self.children[usize::from(range.start)..usize::from(range.end)];
            candidates.iter().find(|child| equal(&child.name, key.raw))
        };
        child.map(|child| child.node)
    }
}

/// The names of a path.
fn split(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'.') => {
                characters.next();
                names.last_mut().into_iter().for_each(|name| name.push('.'));
            }
            '.' => names.push(String::new()),
            _ => names.last_mut().into_iter().for_each(|name| name.push(character)),
        }
    }
    names
}
