//! A scanner for one JSON text: walks members of objects, skips what nobody asked for, builds no tree.
//!
//! Every byte is looked at once. What is read (keys, the values asked for) is checked; what is skipped is not, beyond
//! strings and nesting: `[1 2}` passes as a skipped value. So the scanner takes every valid text and some invalid
//! ones; [`validate`] is the strict check, for where the output must be valid. Nesting is bounded by [`MAX_DEPTH`].
//! The grammar is RFC 8259.

mod block;
mod fields;
mod marks;
mod names;
mod skip;
mod string;
mod validate;

#[cfg(test)]
mod tests;

use marks::{End, Marks};

pub use fields::{InvalidPath, JsonFields};
pub use string::{Sink, boundary, unescape};
pub use validate::validate;

/// How deep containers may nest.
pub const MAX_DEPTH: usize = 512;

/// Why a text is not what it should be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub reason: Reason,
    /// The byte, counted from 0, at which it shows.
    pub at: usize,
}

/// What can be wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It ends before its last container or string does: a line that was cut.
    Incomplete,
    /// Something stands there that may not.
    Unexpected,
    /// Containers nest deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = match self.reason {
            Reason::Incomplete => "JSON text ends too early",
            Reason::Unexpected => "unexpected byte in JSON text",
            Reason::TooDeep => "JSON text nests too deeply",
        };
        write!(f, "{reason}, at byte {}", self.at)
    }
}

impl std::error::Error for Error {}

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    marks: Marks,
}

impl<'a> Scanner<'a> {
    /// Stands before the first byte of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, marks: Marks::of(text) }
    }

    /// The offset of the next byte in the text.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Walks the object that comes next. `each` is given every key and must consume its value.
    #[expect(clippy::inline_always, reason = "so that the scanner stays in registers, where the caller owns it")]
    #[inline(always)]
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, Key<'a>) -> Result<(), Error>) -> Result<(), Error> {
        self.expect(b'{')?;
        if self.next_is(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            each(self, key)?;
            if !self.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// Walks the array that comes next. `each` must consume one value at a time.
    pub fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.expect(b'[')?;
        if self.next_is(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    /// Consumes the value that comes next.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub fn value(&mut self) -> Result<Raw<'a>, Error> {
        if self.text.get(self.at) != Some(&b'"') {
            self.peek();
        }
        let start = self.at;
        self.skip()?;
        Ok(Raw(&self.text[start..self.at]))
    }

    /// Consumes the value that comes next, unread.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub fn skip(&mut self) -> Result<(), Error> {
        if self.text.get(self.at) != Some(&b'"') {
            self.peek();
        }
        let stop = match self.text.get(self.at) {
            Some(b'"') => {
                self.at = self.string_end(self.at + 1)?.at + 1;
                return Ok(());
            }
            Some(b'{' | b'[') => skip::container(self.text, self.at, self.marks),
            Some(_) => scalar(self.text, self.at, self.marks),
            None => return Err(self.incomplete()),
        };
        self.at = stop.at;
        self.marks = stop.marks;
        match stop.wrong {
            None => Ok(()),
            Some(reason) => Err(Error { reason, at: stop.at }),
        }
    }

    /// The next token of a text that [`validate`] has passed; commas and colons are left out. `None` at its end.
    pub(crate) fn token(&mut self) -> Option<Token<'a>> {
        self.blank();
        while self.next_is(b',') {
            self.blank();
        }
        let start = self.at;
        let byte = *self.text.get(start)?;
        if matches!(byte, b'{' | b'}' | b'[' | b']') {
            self.at += 1;
            return Some(match byte {
                b'{' | b'[' => Token::Open(byte),
                _ => Token::Close(byte),
            });
        }
        let value = self.value().ok()?;
        match value.string() {
            Some(raw) if self.next_is(b':') => {
                Some(Token::Key(Key { text: self.text, start: start + 1, end: start + 1 + raw.len(), escaped: true }))
            }
            _ => Some(Token::Scalar(value)),
        }
    }

    /// Whether an object comes next.
    pub fn at_object(&mut self) -> bool {
        self.blank();
        self.text.get(self.at) == Some(&b'{')
    }

    /// Checks that nothing but blanks is left.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.blank();
        if self.at == self.text.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn key(&mut self) -> Result<Key<'a>, Error> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.string_end(start)?;
        self.at = end.at + 1;
        self.expect(b':')?;
        Ok(Key { text: self.text, start, end: end.at, escaped: end.escaped })
    }

    /// After a value: whether another one follows, or the container ends.
    #[inline]
    fn another(&mut self, close: u8) -> Result<bool, Error> {
        if self.text.get(self.at) == Some(&b',') {
            self.at += 1;
            return Ok(true);
        }
        let another = match self.peek() {
            Some(b',') => true,
            Some(byte) if byte == close => false,
            Some(_) => return Err(self.unexpected()),
            None => return Err(self.incomplete()),
        };
        self.at += 1;
        Ok(another)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.next_is(byte) {
            Ok(())
        } else if self.at == self.text.len() {
            Err(self.incomplete())
        } else {
            Err(self.unexpected())
        }
    }

    /// Consumes `byte` if it comes next.
    #[inline]
    fn next_is(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte) || self.peek() == Some(byte);
        if found {
            // Where it is found must not be computed from what was found: the processor would wait for it.
            self.at += 1;
        }
        found
    }

    /// The byte that comes next, behind blanks.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.text.get(self.at) {
            // Log lines hold no blanks between tokens.
            Some(&byte) if byte > b' ' => Some(byte),
            _ => {
                self.at = blank_end(self.text, self.at);
                self.text.get(self.at).copied()
            }
        }
    }

    #[inline]
    fn blank(&mut self) {
        self.peek();
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn string_end(&mut self, at: usize) -> Result<End, Error> {
        match self.marks.string_end(self.text, at) {
            Some(end) => Ok(end),
            None => Err(self.incomplete()),
        }
    }

    #[inline]
    fn incomplete(&self) -> Error {
        Error { reason: Reason::Incomplete, at: self.text.len() }
    }

    #[inline]
    fn unexpected(&self) -> Error {
        Error { reason: Reason::Unexpected, at: self.at }
    }
}

/// Where a value ends, or what is wrong there. No `Result`, in which one place means two things: where it is must be there at
/// once for what comes next.
struct Stop {
    at: usize,
    marks: Marks,
    wrong: Option<Reason>,
}

impl Stop {
    fn end(at: usize, marks: Marks) -> Self {
        Self { at, marks, wrong: None }
    }

    fn wrong(reason: Reason, at: usize) -> Self {
        Self { at, marks: Marks::known(at, 0), wrong: Some(reason) }
    }
}

/// The end of the number, `true`, `false` or `null` at `start`.
#[inline(never)]
fn scalar(text: &[u8], start: usize, marks: Marks) -> Stop {
    match validate::scalar_end(text, start) {
        Ok(end) => Stop::end(end, marks),
        Err(error) => Stop::wrong(error.reason, error.at),
    }
}

/// Past the blanks at `at`.
#[inline(never)]
fn blank_end(text: &[u8], mut at: usize) -> usize {
    while text.get(at).copied().is_some_and(is_blank) {
        at += 1;
    }
    at
}

/// The name of a member, as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    text: &'a [u8],
    /// Where in the text it begins and ends, without the quotes.
    start: usize,
    end: usize,
    escaped: bool,
}

impl<'a> Key<'a> {
    /// Whether the name is `name`, however it is escaped.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        if self.escaped { string::means(self.raw(), name.as_bytes()) } else { self.raw() == name.as_bytes() }
    }

    /// Whether the name begins with `prefix`, however it is escaped.
    pub fn starts_with(&self, prefix: &str) -> bool {
        string::begins_with(self.raw(), prefix.as_bytes())
    }

    /// What stands between the quotes, escapes and all.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        &self.text[self.start..self.end]
    }

    /// The offset of its opening quote in the text.
    pub fn start(&self) -> usize {
        self.start - 1
    }
}

/// A piece of a JSON text.
pub(crate) enum Token<'a> {
    /// `{` or `[`
    Open(u8),
    /// `}` or `]`
    Close(u8),
    /// A name and its colon.
    Key(Key<'a>),
    /// A string, number, boolean or null.
    Scalar(Raw<'a>),
}

/// A value, as it stands in the text: never empty, with its quotes or brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a [u8]);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `"text"`
    String,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

impl<'a> Raw<'a> {
    /// The one value of a text that [`validate`] has passed.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        Self(text.trim_ascii())
    }

    /// What it is, by its first byte.
    pub fn kind(&self) -> Kind {
        match self.0.first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// All its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// What stands between the quotes of a string, escapes and all.
    pub fn string(&self) -> Option<&'a [u8]> {
        self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    /// Whether it is the string `text`, however it is escaped.
    #[inline]
    pub fn is(&self, text: &str) -> bool {
        let Some(raw) = self.string() else {
            return false;
        };
        // Only a longer one can mean the same, and only with an escape in it.
        raw == text.as_bytes() || raw.len() > text.len() && raw.contains(&b'\\') && string::means(raw, text.as_bytes())
    }

    /// The text of a string, a number or a boolean, into `sink`: what Loki's `json` stage makes a label of.
    /// Nothing for null, objects and arrays.
    pub fn push_to(&self, sink: &mut impl Sink) {
        match self.kind() {
            Kind::String => unescape(self.string().unwrap_or_default(), sink),
            Kind::Number | Kind::Bool => sink.push_bytes(self.0),
            Kind::Null | Kind::Object | Kind::Array => {}
        }
    }

    /// Whether [`Raw::push_to`] has text to give.
    pub fn is_scalar(&self) -> bool {
        matches!(self.kind(), Kind::String | Kind::Number | Kind::Bool)
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
