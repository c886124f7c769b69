//! Compiled tests of a label's value.
//!
//! A regular expression means the whole value. Loki's own filter takes `ice.*` for "contains ice"; here it is anchored, as its
//! documentation says.

use regex::Regex;
use settings::re2;

use super::ast::MatchOp;

/// A test of a text.
#[derive(Clone, Debug)]
pub(crate) enum TextMatcher {
    Equal(String),
    NotEqual(String),
    /// One of several texts, which a regular expression of mere alternatives is.
    OneOf {
        texts: Vec<String>,
        negated: bool,
    },
    /// Begins so: `system:.+` and its like; the rest has at least so many characters, none of them a newline.
    Prefix {
        prefix: String,
        at_least_one: bool,
        negated: bool,
    },
    Regex {
        regex: Regex,
        negated: bool,
    },
    /// The same for every text.
    Always(bool),
}

impl TextMatcher {
    /// Of a label filter, to which an empty regular expression says nothing: `x=~""` holds for all, `x!~""` for none.
    pub(crate) fn of_filter(op: MatchOp, value: &str) -> Result<Self, String> {
        match op {
            MatchOp::Regex | MatchOp::NotRegex if value.is_empty() => Ok(Self::Always(op == MatchOp::Regex)),
            _ => Self::new(op, value),
        }
    }

    /// What is wrong is said in words.
    pub(crate) fn new(op: MatchOp, value: &str) -> Result<Self, String> {
        let negated = op.is_negative();
        match op {
            MatchOp::Equal => return Ok(Self::Equal(value.to_owned())),
            MatchOp::NotEqual => return Ok(Self::NotEqual(value.to_owned())),
            MatchOp::Regex | MatchOp::NotRegex => {}
        }
        let inner = inside(value);
        if let Some(texts) = inner.split('|').map(plain).collect() {
            return Ok(Self::OneOf { texts, negated });
        }
        for (tail, at_least_one) in [(".+", true), (".*", false)] {
            if let Some(prefix) = inner.strip_suffix(tail).and_then(plain) {
                return Ok(Self::Prefix { prefix, at_least_one, negated });
            }
        }
        Ok(Self::Regex { regex: anchored(value)?, negated })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equal(wanted) => is_same(text, wanted),
            Self::NotEqual(wanted) => !is_same(text, wanted),
            Self::OneOf { texts, negated } => texts.iter().any(|wanted| is_same(text, wanted)) != *negated,
            Self::Prefix { prefix, at_least_one, negated } => {
                let matches = text
                    .strip_prefix(prefix.as_str())
                    .is_some_and(|rest| (!*at_least_one || !rest.is_empty()) && !rest.contains('\n'));
                matches != *negated
            }
            Self::Always(answer) => *answer,
            Self::Regex { regex, negated } => regex.is_match(text) != *negated,
        }
    }
}

/// Equality that leaves empty texts to no library: some compare them by a masked load of where they do not lie, which costs the
/// processor more than a whole filter, and most of what rules compare is empty.
fn is_same(text: &str, wanted: &str) -> bool {
    text.len() == wanted.len() && (text.is_empty() || text == wanted)
}

/// The expression without anchors and a group around all of it, which say nothing where the whole text is meant.
fn inside(value: &str) -> &str {
    let unanchored = value.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).unwrap_or(value);
    unanchored.strip_prefix("(?:").and_then(|rest| rest.strip_suffix(')')).unwrap_or(unanchored)
}

/// The only text that an expression matches, if it is written as that text: what means something else is none.
fn plain(expression: &str) -> Option<String> {
    let mut text = String::with_capacity(expression.len());
    let mut letters = expression.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next().filter(char::is_ascii_punctuation)?),
            '_' | '-' | ':' | '/' | '@' | ' ' | '"' => text.push(letter),
            _ if letter.is_ascii_alphanumeric() => text.push(letter),
            _ => return None,
        }
    }
    Some(text)
}

/// A regular expression that means the whole text.
pub(crate) fn anchored(value: &str) -> Result<Regex, String> {
    // Alone first, so that a mistake is told without what stands around it, and `a)(b` is none.
    re2::compile(value)?;
    re2::compile(&format!("^(?:{value})$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_mean_the_whole_value_however_they_are_compiled() {
        let matches = |value: &str, text: &str| TextMatcher::new(MatchOp::Regex, value).unwrap().matches(text);
        for (value, yes, no) in [
            ("get|list", "list", "lists"),
            ("get|", "", "x"),
            ("ice.*", "icecream", "alice"),
            ("system:.+", "system:a", "system:"),
            (".*li", "li", "alice"),
            ("a.c", "abc", "abcd"),
            ("(?i)ALICE", "alice", "alice2"),
            ("x.*", "xy", "x\ny"),
            ("^(?:get|list)$", "get", "gets"),
            ("^get$", "get", "^get$"),
            (r"^me@example\.org$", "me@example.org", "me@exampleXorg"),
            (r"^a\$", "a$", "a"),
            ("^(?:a)|(?:b)$", "b", "a)|(?:b"),
            ("^(?:system:.+)$", "system:a", "system:"),
            (r"(?:a\.b.*)", "a.bc", "acb"),
        ] {
            assert!(matches(value, yes), "{value} {yes}");
            assert!(!matches(value, no), "{value} {no}");
            assert!(TextMatcher::new(MatchOp::NotRegex, value).unwrap().matches(no), "{value} {no}");
        }
        assert!(TextMatcher::new(MatchOp::Regex, "a)(b").is_err());
    }
}
