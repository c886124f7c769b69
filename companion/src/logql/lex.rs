//! A query's text → its words. Positions are bytes of the text.
//!
//! Whether a word is a keyword depends on where it stands (`rate` may be a label), so that is the parser's to say. A number with
//! a unit at its end is one word; a range is the raw text between its brackets.

use std::ops::Range;

use super::SyntaxError;
use super::quantity;

/// A word of a query and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) at: Range<usize>,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A name or a keyword.
    Word(String),
    /// A text, without its quotes and escapes.
    Text(String),
    Number(f64),
    /// Nanoseconds.
    Duration(i64),
    /// A size.
    Bytes(u64),
    /// What stands between brackets.
    Brackets(String),
    /// `--strict`, without the dashes.
    Flag(String),
    /// An operator or a punctuation mark.
    Sign(&'static str),
    End,
}

/// Longest first, so that `|=` is not taken for `|`.
const SIGNS: [&str; 26] = [
    "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "{", "}", "(", ")", ",", "=", "|", ">", "<", "+", "-", "*", "/",
    "%", "^", ".",
];

/// The words of a text; the last is [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { text, position: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.position;
        let kind = lexer.token()?;
        let at = start..lexer.position;
        let is_end = kind == TokenKind::End;
        found.push(Token { kind, at });
        if is_end {
            return Ok(found);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    position: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn error(&self, length: usize, message: impl Into<String>, hint: Option<&str>) -> SyntaxError {
        let start = self.position;
        let mut end = (start + length).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        SyntaxError { at: start..end, message: message.into(), hint: hint.map(str::to_owned) }
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.position += blanks;
            let rest = self.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.position += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let Some(end) = rest.find("*/") else {
                    return Err(self.error(2, "this comment does not end", Some("end it with `*/`")));
                };
                self.position += end + 2;
            } else if blanks == 0 {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind, SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(TokenKind::End) };
        match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '\'' => Err(self.error(1, "texts do not stand in single quotes", Some("use double quotes or backquotes"))),
            '[' => self.brackets(),
            '0'..='9' => self.number(),
            '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => self.number(),
            '-' if rest.starts_with("--") && rest[2..].starts_with(|next: char| next.is_ascii_alphabetic()) => {
                let length = rest[2..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
                let flag = rest[2..2 + length].to_owned();
                self.position += 2 + length;
                Ok(TokenKind::Flag(flag))
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
                let word = rest[..length].to_owned();
                self.position += length;
                Ok(TokenKind::Word(word))
            }
            other => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => {
                    self.position += sign.len();
                    Ok(TokenKind::Sign(sign))
                }
                None => Err(self.error(other.len_utf8(), format!("`{other}` means nothing here"), None)),
            },
        }
    }

    fn raw(&mut self) -> Result<TokenKind, SyntaxError> {
        let Some(length) = self.rest()[1..].find('`') else {
            return Err(self.error(self.text.len(), "this text does not end", Some("end it with a backquote")));
        };
        // As in Go, carriage returns are not part of a raw text.
        let text = self.rest()[1..=length].replace('\r', "");
        self.position += length + 2;
        Ok(TokenKind::Text(text))
    }

    fn quoted(&mut self) -> Result<TokenKind, SyntaxError> {
        let unended = |lexer: &Self| lexer.error(lexer.text.len(), "this text does not end", Some("end it with `\"`"));
        let start = self.position;
        // Bytes, since `\xff` writes a byte and two of them may make one character.
        let mut text = Vec::new();
        let mut offset = 1;
        loop {
            let rest = self.text.get(start + offset..).unwrap_or_default();
            match rest.chars().next() {
                None | Some('\n') => return Err(unended(self)),
                Some('"') => break,
                Some('\\') => {
                    let Some(length) = escape(rest, &mut text) else {
                        let at = start + offset..(start + offset + 2).min(self.text.len());
                        let message = "no such escape".to_owned();
                        let hint = Some("write `\\\\` for a backslash, or put the text in backquotes".to_owned());
                        return Err(SyntaxError { at: self.on_boundaries(at), message, hint });
                    };
                    offset += length;
                }
                Some(other) => {
                    text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    offset += other.len_utf8();
                }
            }
        }
        self.position = start + offset + 1;
        Ok(TokenKind::Text(String::from_utf8_lossy(&text).into_owned()))
    }

    fn on_boundaries(&self, mut at: Range<usize>) -> Range<usize> {
        while !self.text.is_char_boundary(at.end) {
            at.end += 1;
        }
        at
    }

    fn brackets(&mut self) -> Result<TokenKind, SyntaxError> {
        let Some(length) = self.rest().find(']') else {
            return Err(self.error(1, "this range does not end", Some("end it with `]`, as in `[5m]`")));
        };
        let inside = self.rest()[1..length].to_owned();
        self.position += length + 1;
        Ok(TokenKind::Brackets(inside))
    }

    fn number(&mut self) -> Result<TokenKind, SyntaxError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
        let mut length = 0;
        while is_digit(length) {
            length += 1;
        }
        if bytes.get(length) == Some(&b'.') {
            length += 1;
            while is_digit(length) {
                length += 1;
            }
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            if !is_digit(length + 1 + sign) {
                return Err(self.error(length + 1, "the exponent has no digits", None));
            }
            length += 1 + sign;
            while is_digit(length) {
                length += 1;
            }
        }
        if bytes.first() == Some(&b'0')
            && matches!(bytes.get(1), Some(b'x' | b'X' | b'b' | b'B' | b'o' | b'O' | b'_'))
            && length == 1
            && bytes.get(2).is_some_and(u8::is_ascii_hexdigit)
        {
            return Err(self.error(2, "numbers are decimal", None));
        }
        if bytes.get(length) == Some(&b'_') {
            return Err(self.error(length + 1, "numbers have no underscores", None));
        }
        let with = |more: fn(char) -> bool| {
            let tail = rest[length..].find(|next: char| !more(next)).unwrap_or(rest.len() - length);
            (tail > 0).then(|| &rest[..length + tail])
        };
        let may_be_duration =
            |next: char| next.is_ascii_digit() || matches!(next, 'n' | 'u' | 'µ' | 'm' | 's' | 'h' | 'd' | 'w' | 'y' | '.');
        if let Some(text) = with(may_be_duration)
            && let Some(nanoseconds) = quantity::whole_duration(text).or_else(|| quantity::duration(text).ok())
        {
            self.position += text.len();
            return Ok(TokenKind::Duration(nanoseconds));
        }
        let may_be_bytes = |next: char| matches!(next, 'B' | 'i' | 'k' | 'K' | 'M' | 'G' | 'T' | 'P');
        if let Some(text) = with(may_be_bytes)
            && let Ok(size) = quantity::bytes(text)
        {
            self.position += text.len();
            return Ok(TokenKind::Bytes(size));
        }
        match quantity::float(&rest[..length]) {
            Ok(number) => {
                self.position += length;
                Ok(TokenKind::Number(number))
            }
            Err(_) => Err(self.error(length, "this number is too large", None)),
        }
    }
}

/// Reads an escape of Go's at the start of `rest`; how long it is.
fn escape(rest: &str, text: &mut Vec<u8>) -> Option<usize> {
    let bytes = rest.as_bytes();
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = rest.get(from..from + count)?;
        digits.chars().all(|digit| digit.is_digit(radix)).then(|| u32::from_str_radix(digits, radix).ok())?
    };
    let plain = match bytes.get(1)? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => {
            text.push(u8::try_from(digits(2, 2, 16)?).ok()?);
            return Some(4);
        }
        b'0'..=b'7' => {
            text.push(u8::try_from(digits(1, 3, 8)?).ok()?);
            return Some(4);
        }
        letter @ (b'u' | b'U') => {
            let count = if *letter == b'u' { 4 } else { 8 };
            let character = char::from_u32(digits(2, count, 16)?)?;
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(2 + count);
        }
        _ => return None,
    };
    text.push(plain);
    Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn a_number_takes_its_unit_along() {
        use TokenKind::{Bytes, Duration, End, Number, Word};
        assert_eq!(kinds("1.5s"), [Duration(1_500_000_000), End]);
        assert_eq!(kinds("500µs"), [Duration(500_000), End]);
        assert_eq!(kinds("1d"), [Duration(86_400_000_000_000), End]);
        assert_eq!(kinds("1KiB"), [Bytes(1024), End]);
        assert_eq!(kinds("1kb"), [Bytes(1000), Word("b".to_owned()), End]);
        assert_eq!(kinds("1e3"), [Number(1_000.0), End]);
        assert_eq!(kinds(".5"), [Number(0.5), End]);
        assert!(tokens("1EB").is_err() && tokens("0x1").is_err());
    }

    #[test]
    fn texts_know_gos_escapes() {
        assert_eq!(kinds(r#""\x66\146\u00fc\"""#)[0], TokenKind::Text("ffü\"".to_owned()));
        assert_eq!(kinds(r"`a\n`")[0], TokenKind::Text(r"a\n".to_owned()));
        let error = tokens(r#"{a="b\q"}"#).unwrap_err();
        assert_eq!((error.at, error.message.as_str()), (5..7, "no such escape"));
    }

    #[test]
    fn comments_are_blanks() {
        assert_eq!(kinds("1 # one\n/* two */ // three"), [TokenKind::Number(1.0), TokenKind::End]);
        assert!(tokens("/* never").is_err());
    }
}
