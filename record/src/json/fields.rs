//! Finds a fixed set of members in a JSON text, however deep, in one pass.
//!
//! The paths are compiled once into a tree of names; a line is then walked along that tree, and whatever is not on it
//! is skipped unread. Names are compared exactly, as the programs that write these logs do.

use super::names::Names;
use super::{Error, Raw, Scanner};

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
                node = nodes[node].children.get(&name).unwrap_or_else(|| {
                    nodes.push(Node::new());
                    let child = nodes.len() - 1;
                    nodes[node].children.add(&name, child);
                    child
                });
            }
            nodes[node].fields.push(field);
        }
        Ok(Self { nodes })
    }

    /// Walks the object `text` and calls `visit` with index and value of every field met, in the order of the text. A
    /// member that occurs twice is visited twice. An error may come after fields were visited.
    pub fn visit<'a>(&self, text: &'a [u8], mut visit: impl FnMut(usize, Raw<'a>)) -> Result<(), Error> {
        let mut scanner = Scanner::new(text);
        scanner.expect(b'{')?;
        if scanner.next_is(b'}') {
            return scanner.finish();
        }
        let mut node = ROOT;
        // Of each object around the one that is walked: its node, and where the next one inside of it begins.
        let mut around = [(ROOT, 0); MAX_NAMES];
        let mut depth = 0;
        loop {
            let key = scanner.key()?;
            match self.nodes[node].children.find(key) {
                None => scanner.skip()?,
                Some(child) => {
                    let Node { children, fields } = &self.nodes[child];
                    let value = if children.is_empty() || scanner.peek() != Some(b'{') {
                        scanner.value()?
                    } else {
                        let start = scanner.at;
                        scanner.at += 1;
                        if !scanner.next_is(b'}') {
                            around[depth] = (node, start);
                            depth += 1;
                            node = child;
                            continue;
                        }
                        Raw(&text[start..scanner.at])
                    };
                    for field in fields {
                        visit(*field, value);
                    }
                }
            }
            // A value has ended, and perhaps the objects around it.
            while !scanner.another(b'}')? {
                if depth == 0 {
                    return scanner.finish();
                }
                depth -= 1;
                let (outer, start) = around[depth];
                for field in &self.nodes[node].fields {
                    visit(*field, Raw(&text[start..scanner.at]));
                }
                node = outer;
            }
        }
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
}

/// A name of a path: what is below it, and the fields that end at it.
#[derive(Clone, Debug)]
struct Node {
    /// The names below it, each with the index of its node.
    children: Names,
    fields: Vec<usize>,
}

/// The index of the node of the text itself.
const ROOT: usize = 0;

impl Node {
    fn new() -> Self {
        Self { children: Names::new(), fields: Vec::new() }
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
