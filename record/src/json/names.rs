//! A set of names, in which the name of a member is found by comparing one word, nearly always.

use super::{Key, string};

/// How many bytes of a name are compared at once.
const HEAD_BYTES: usize = 16;

const SHAPES: usize = 64;

/// Names, each with a number that it stands for.
#[derive(Clone, Debug)]
pub(super) struct Names {
    names: Vec<Name>,
    /// Of every shape, the index of the first name that has it; where there is none, one that no name has.
    by_shape: [u16; SHAPES],
}

#[derive(Clone, Debug)]
struct Name {
    text: Box<[u8]>,
    /// The first bytes; what a shorter name leaves of them is zero, and so it is in the mask.
    head: u128,
    mask: u128,
    number: usize,
    /// The next name of the same shape: rarely there is one.
    next: u16,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { names: Vec::new(), by_shape: [u16::MAX; SHAPES] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The number of `name`.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.names.iter().find(|other| *other.text == *name.as_bytes()).map(|name| name.number)
    }

    /// Adds a name that is not there yet.
    pub(super) fn add(&mut self, name: &str, number: usize) {
        let word = |byte: fn(u8) -> u8| {
            name.bytes().take(HEAD_BYTES).enumerate().fold(0, |word, (place, of)| word | u128::from(byte(of)) << (8 * place))
        };
        let first = &mut self.by_shape[shape(name.bytes().next().unwrap_or(b'"'), name.len())];
        let next = std::mem::replace(first, self.names.len() as u16);
        self.names.push(Name { text: name.as_bytes().into(), head: word(|byte| byte), mask: word(|_| 0xFF), number, next });
    }

    /// The number of the name that `key` has.
    #[expect(clippy::inline_always, reason = "once for every member, and in one place")]
    #[inline(always)]
    pub(super) fn find(&self, key: Key<'_>) -> Option<usize> {
        if key.escaped {
            return self.find_escaped(key.raw());
        }
        let len = key.end - key.start;
        let index = self.by_shape[shape(key.text[key.start], len)];
        let name = self.names.get(usize::from(index))?;
        if len == name.text.len()
            && len <= HEAD_BYTES
            && let Some(word) = key.text[key.start..].first_chunk()
            && u128::from_le_bytes(*word) & name.mask == name.head
        {
            return Some(name.number);
        }
        self.find_from(index, key.raw())
    }

    /// The same for any name, from the first one of its shape on.
    #[inline(never)]
    fn find_from(&self, mut index: u16, text: &[u8]) -> Option<usize> {
        loop {
            let name = self.names.get(usize::from(index))?;
            if *name.text == *text {
                return Some(name.number);
            }
            index = name.next;
        }
    }

    #[cold]
    #[inline(never)]
    fn find_escaped(&self, raw: &[u8]) -> Option<usize> {
        self.names.iter().find(|name| string::means(raw, &name.text)).map(|name| name.number)
    }
}

/// A number that most names of one object differ in, for two instructions. `first` is the first byte, or the closing quote.
#[inline]
fn shape(first: u8, len: usize) -> usize {
    (len ^ usize::from(first)) % SHAPES
}
