//! A scanner for one JSON text: walks members of objects, skips what nobody asked for, builds no tree.
//!
//! Every byte is looked at once. What is read (keys, the values asked for) is checked; what is skipped is not, beyond
//! strings and nesting: `[1 2}` passes as a skipped value. So the scanner takes every valid text and some invalid
//! ones; [`validate`] is the strict check, for where the output must be valid. Nesting is bounded by [`MAX_DEPTH`].
//! The grammar is RFC 8259.

mod fields;
mod marks;
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
    #[inline]
    pub fn value(&mut self) -> Result<Raw<'a>, Error> {
        if self.text.get(self.at) != Some(&b'"') {
            return self.other_value();
        }
        let start = self.at;
        self.at = self.string_end(start + 1)?.at + 1;
        Ok(Raw(&self.text[start..self.at]))
    }

    /// The same for what may be no string, kept apart so that the path of strings is short.
    #[inline(never)]
    fn other_value(&mut self) -> Result<Raw<'a>, Error> {
        self.blank();
        let start = self.at;
        self.at = match self.text.get(start) {
            Some(b'"') => self.string_end(start + 1)?.at + 1,
            Some(b'{' | b'[') => self.container_end(start)?,
            Some(_) => validate::scalar_end(self.text, start)?,
            None => return Err(self.incomplete()),
        };
        Ok(Raw(&self.text[start..self.at]))
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
            Some(raw) if self.next_is(b':') => Some(Token::Key(Key { raw, escaped: true, start })),
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

    #[expect(clippy::inline_always, reason = "called, its result goes through memory: 8 % more instructions a line")]
    #[inline(always)]
    fn key(&mut self) -> Result<Key<'a>, Error> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.string_end(start)?;
        self.at = end.at + 1;
        self.expect(b':')?;
        Ok(Key { raw: &self.text[start..end.at], escaped: end.escaped, start: start - 1 })
    }

    /// After a value: whether another one follows, or the container ends.
    #[inline]
    fn another(&mut self, close: u8) -> Result<bool, Error> {
        self.blank();
        let another = match self.text.get(self.at) {
            Some(b',') => true,
            Some(&byte) if byte == close => false,
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
        if self.text.get(self.at) != Some(&byte) {
            self.blank();
        }
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn blank(&mut self) {
        // Log lines hold no blanks between tokens: one comparison in nearly every case.
        while self.text.get(self.at).is_some_and(|byte| *byte <= b' ' && is_blank(*byte)) {
            self.at += 1;
        }
    }

    /// The end of the container that begins at `start`. Braces and brackets count alike.
    fn container_end(&mut self, start: usize) -> Result<usize, Error> {
        let mut at = start;
        let mut depth = 0_usize;
        while let Some(&byte) = self.text.get(at) {
            at += 1;
            // An opening brace and bracket differ in one bit, and so do the closing ones.
            match byte | 0x20 {
                b'"' if byte == b'"' => at = self.strings_end(at)?,
                b'{' if depth == MAX_DEPTH => {
                    return Err(Error { reason: Reason::TooDeep, at: at - 1 });
                }
                b'{' => depth += 1,
                b'}' if depth == 1 => return Ok(at),
                b'}' => depth -= 1,
                _ => {}
            }
        }
        Err(self.incomplete())
    }

    /// Just past the string whose content begins at `at`, and past those that follow it with nothing but a colon or a
    /// comma between, as most do: names and texts of one object.
    #[inline]
    fn strings_end(&mut self, mut at: usize) -> Result<usize, Error> {
        loop {
            at = self.string_end(at)?.at + 1;
            match self.text.get(at..at + 2) {
                Some([b':' | b',', b'"']) => at += 2,
                _ => return Ok(at),
            }
        }
    }

    #[inline]
    fn string_end(&mut self, at: usize) -> Result<End, Error> {
        match self.marks.string_end(self.text, at) {
            Some(end) => Ok(end),
            None => Err(self.incomplete()),
        }
    }

    #[cold]
    fn incomplete(&self) -> Error {
        Error { reason: Reason::Incomplete, at: self.text.len() }
    }

    #[cold]
    fn unexpected(&self) -> Error {
        Error { reason: Reason::Unexpected, at: self.at }
    }
}

/// The name of a member, as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    raw: &'a [u8],
    escaped: bool,
    start: usize,
}

impl<'a> Key<'a> {
    /// Whether the name is `name`, however it is escaped.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        if self.escaped { string::means(self.raw, name.as_bytes()) } else { self.raw == name.as_bytes() }
    }

    /// Whether the name begins with `prefix`, however it is escaped.
    pub fn starts_with(&self, prefix: &str) -> bool {
        string::begins_with(self.raw, prefix.as_bytes())
    }

    /// What stands between the quotes, escapes and all.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The offset of its opening quote in the text.
    pub fn start(&self) -> usize {
        self.start
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
