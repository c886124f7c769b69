//! `key=value` pairs as logfmt has them, one after another.

/// A broken pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Which byte, from 1.
    position: usize,
    /// Nothing for quotes that do not end.
    unexpected: Option<u8>,
}

impl Fault {
    /// In Loki's words.
    pub(super) fn words(self) -> String {
        let position = self.position;
        match self.unexpected {
            Some(byte) => format!("logfmt syntax error at pos {position} : unexpected '{}'", char::from(byte)),
            None => format!("logfmt syntax error at pos {position} : unterminated quoted value"),
        }
    }
}

/// A pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair<'t> {
    pub(super) key: &'t str,
    /// What stands between the quotes, if there are some.
    pub(super) value: &'t str,
    pub(super) has_escapes: bool,
}

/// The pairs of a line.
#[derive(Debug)]
pub(super) struct Pairs<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Pairs<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What is wrong at this byte; the rest of the word is left out.
    fn fault(&mut self, unexpected: u8) -> Fault {
        let fault = Fault { position: self.at + 1, unexpected: Some(unexpected) };
        while self.byte().is_some_and(|byte| byte > b' ') {
            self.at += 1;
        }
        fault
    }

    fn slice(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }
}

impl<'t> Iterator for Pairs<'t> {
    type Item = Result<Pair<'t>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.byte()? <= b' ' {
            self.at += 1;
        }
        let start = self.at;
        let key = loop {
            match self.byte() {
                Some(b'=') if self.at == start => return Some(Err(self.fault(b'='))),
                Some(b'"') => return Some(Err(self.fault(b'"'))),
                Some(b'=') => break self.slice(start),
                Some(byte) if byte > b' ' => self.at += 1,
                _ => return Some(Ok(Pair { key: self.slice(start), value: "", has_escapes: false })),
            }
        };
        self.at += 1;
        if self.byte() != Some(b'"') {
            let start = self.at;
            while let Some(byte) = self.byte().filter(|byte| *byte > b' ') {
                if matches!(byte, b'=' | b'"') {
                    return Some(Err(self.fault(byte)));
                }
                self.at += 1;
            }
            return Some(Ok(Pair { key, value: self.slice(start), has_escapes: false }));
        }
        self.at += 1;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
                None => {
                    self.at = self.text.len();
                    return Some(Err(Fault { position: self.text.len() + 1, unexpected: None }));
                }
            }
        }
        let value = self.slice(start);
        self.at += 1;
        Some(Ok(Pair { key, value, has_escapes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_broken_ones_skipped() {
        let read = |text: &str| -> Vec<String> {
            let pair = |pair: Result<Pair<'_>, Fault>| match pair {
                Ok(pair) => format!("{}:{}", pair.key, pair.value),
                Err(fault) => fault.words(),
            };
            Pairs::new(text).map(pair).collect()
        };
        assert_eq!(read("a=1 b=\"x \\\" y\"  c d=\te=ü"), ["a:1", "b:x \\\" y", "c:", "d:", "e:ü"]);
        assert_eq!(
            read("=v a=b=c d=1")[..],
            ["logfmt syntax error at pos 1 : unexpected '='", "logfmt syntax error at pos 7 : unexpected '='", "d:1",]
        );
        assert_eq!(read("a=\"x"), ["logfmt syntax error at pos 5 : unterminated quoted value"]);
        assert_eq!(read("a=\"\\"), ["logfmt syntax error at pos 5 : unterminated quoted value"]);
    }
}
