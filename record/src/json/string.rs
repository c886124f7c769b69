//! What the escapes in a string of JSON mean. Where a string ends is `marks`.
//!
//! Reading a string never fails: an escape that means nothing, and half of a surrogate pair, become U+FFFD.

/// Takes the pieces of a string while its escapes are resolved.
pub trait Sink {
    /// Bytes as they stand in the text; not always UTF-8.
    fn push_bytes(&mut self, bytes: &[u8]);
    /// What an escape stands for.
    fn push_char(&mut self, character: char);
}

impl Sink for Vec<u8> {
    fn push_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn push_char(&mut self, character: char) {
        self.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Writes what the string `raw` (without its quotes) means.
pub fn unescape(raw: &[u8], sink: &mut impl Sink) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        if at > 0 {
            sink.push_bytes(&rest[..at]);
        }
        let (character, length) = escape(&rest[at..]);
        sink.push_char(character);
        rest = &rest[at + length..];
    }
    if !rest.is_empty() {
        sink.push_bytes(rest);
    }
}

/// The length of the longest start of `raw` of at most `max` bytes that ends between two characters, escapes being
/// one.
pub fn boundary(raw: &[u8], max: usize) -> usize {
    if raw.len() <= max {
        return raw.len();
    }
    let mut at = 0;
    loop {
        let length = match raw[at] {
            b'\\' => escape(&raw[at..]).1,
            _ => 1 + raw[at + 1..].iter().take_while(|byte| **byte & 0xC0 == 0x80).count(),
        };
        if at + length > max {
            return at;
        }
        at += length;
    }
}

/// Whether `raw` means exactly `expected`.
pub(super) fn means(raw: &[u8], expected: &[u8]) -> bool {
    let mut comparison = Comparison { expected, equal: true };
    unescape(raw, &mut comparison);
    comparison.equal && comparison.expected.is_empty()
}

/// Whether the meaning of `raw` begins with `expected`.
pub(super) fn begins_with(raw: &[u8], expected: &[u8]) -> bool {
    let mut comparison = Comparison { expected, equal: true };
    unescape(raw, &mut comparison);
    // Text beyond the expected one is a difference only after all of that was found.
    comparison.expected.is_empty()
}

/// Compares a string with the expected one while it is read, so that nothing needs to be stored.
struct Comparison<'a> {
    expected: &'a [u8],
    equal: bool,
}

impl Sink for Comparison<'_> {
    fn push_bytes(&mut self, bytes: &[u8]) {
        let n_common = bytes.len().min(self.expected.len());
        if self.equal && bytes[..n_common] == self.expected[..n_common] {
            self.expected = &self.expected[n_common..];
            self.equal = n_common == bytes.len();
        } else {
            self.equal = false;
        }
    }

    fn push_char(&mut self, character: char) {
        self.push_bytes(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// What the escape at the start of `text` stands for, and its length. `text` begins with a backslash.
fn escape(text: &[u8]) -> (char, usize) {
    let character = match text.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(text),
        // The byte after it may begin a longer character: it stays for the next piece.
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (character, 2)
}

/// The same for `\uXXXX`, and for the pair of them that a character beyond U+FFFF needs.
fn unicode_escape(text: &[u8]) -> (char, usize) {
    let Some(first) = hex4(text, 2) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if let (0xD800..=0xDBFF, Some(b"\\u")) = (first, text.get(6..8))
        && let Some(second @ 0xDC00..=0xDFFF) = hex4(text, 8)
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    // Surrogates that are alone are no characters.
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..at + 4)?.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))
}
