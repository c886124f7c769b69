//! What routes, inhibitions and silences ask of labels: `name op value`, where a label that is missing is the empty string.
//!
//! Regular expressions match the whole value.

use std::fmt;

use regex::Regex;

use crate::labels::LabelSet;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

impl MatchOp {
    /// Of the two flags of a silence's matcher.
    pub fn of(is_regex: bool, is_equal: bool) -> Self {
        match (is_regex, is_equal) {
            (false, true) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Matches,
            (true, false) => Self::MatchesNot,
        }
    }

    /// `=~` and `!~`.
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Matches | Self::MatchesNot)
    }

    /// `=` and `=~`.
    pub fn is_equal(self) -> bool {
        matches!(self, Self::Equal | Self::Matches)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Of which label.
    pub name: String,
    /// How.
    pub op: MatchOp,
    /// With what, as it was written.
    pub value: String,
    /// The value of `=~` and `!~`, anchored.
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// A condition; the words say why it is none.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, String> {
        if !is_label_name(name) {
            return Err(format!("`{name}` is no label name; it has letters, digits and underscores, and begins with no digit"));
        }
        let regex = if op.is_regex() {
            Some(anchored(value).map_err(|why| format!("`{value}` is no regular expression: {why}"))?)
        } else {
            None
        };
        Ok(Self { name: name.to_owned(), op, value: value.to_owned(), regex })
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &str) -> bool {
        match &self.regex {
            None => (self.value == value) == self.op.is_equal(),
            Some(regex) => regex.is_match(value) == self.op.is_equal(),
        }
    }
}

/// `name="value"`, as Alertmanager prints it.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}\"", self.name, self.op.as_str())?;
        for c in self.value.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Conditions that must all be met; none is met by everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(pub Vec<Matcher>);

impl Matchers {
    /// Whether the labels meet all.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or_default()))
    }

    /// Sorted as Alertmanager sorts them before it prints them.
    pub fn sort(&mut self) {
        self.0.sort_by(|left, right| (&left.name, &left.value, left.op).cmp(&(&right.name, &right.value, right.op)));
    }
}

/// `{a="b",c=~"d"}`.
impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, matcher) in self.0.iter().enumerate() {
            write!(f, "{}{matcher}", if place > 0 { "," } else { "" })?;
        }
        f.write_str("}")
    }
}

/// Reads one or several conditions, separated by commas, in braces or not: `a = b`, `{severity=~"warning|critical", a!="b"}`.
pub fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let trimmed = text.trim();
    let inner = match (trimmed.strip_prefix('{'), trimmed.strip_suffix('}')) {
        (Some(rest), Some(_)) => &rest[..rest.len().saturating_sub(1)],
        (None, _) => trimmed,
        (Some(_), None) => return Err(format!("`{trimmed}` has no closing brace")),
    };
    let mut parts = split_at_commas(inner);
    // A comma at the end is allowed, and so is nothing at all in braces.
    if parts.last().is_some_and(|part| part.trim().is_empty()) {
        parts.pop();
    }
    parts.into_iter().map(parse_one).collect()
}

/// At commas outside quotes.
fn split_at_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[from..place]);
                from = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn parse_one(text: &str) -> Result<Matcher, String> {
    const FORM: &str = "write a label name, one of =, !=, =~ and !~, and a value, for example severity=\"critical\"";
    let text = text.trim();
    let name_end = text.find(|c: char| !is_name_char(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let rest = rest.trim_start();
    let ops = [("=~", MatchOp::Matches), ("!~", MatchOp::MatchesNot), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    let found = ops.iter().find_map(|(sign, op)| rest.strip_prefix(sign).map(|value| (*op, value.trim())));
    let (Some((op, value)), false) = (found, name.is_empty()) else {
        return Err(format!("`{text}` is no condition on a label; {FORM}"));
    };
    Matcher::new(name, op, &unquoted(value)?)
}

/// The value without quotes and escapes; it may be written without them.
fn unquoted(value: &str) -> Result<String, String> {
    let (inner, quoted) = match value.strip_prefix('"') {
        Some(rest) => match rest.strip_suffix('"') {
            Some(inner) => (inner, true),
            None => return Err(format!("`{value}` has no closing quote")),
        },
        None => (value, false),
    };
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Err(format!("`{value}` has a quote in its middle; write \\\" there")),
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(c @ ('"' | '\\')) => plain.push(c),
                Some(other) => plain.extend(['\\', other]),
                None if quoted => return Err(format!("`{value}` has no closing quote")),
                None => plain.push('\\'),
            },
            c => plain.push(c),
        }
    }
    Ok(plain)
}

/// Whether it may stand as a label's name.
pub fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// A regular expression that has to match the whole text. The words say why it is none.
pub fn anchored(pattern: &str) -> Result<Regex, String> {
    // Compiled alone first: `a)(b` must not become right by what is put around it.
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .and_then(|_| regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build())
        .map_err(|error| error.to_string().lines().last().unwrap_or("it cannot be read").trim_start_matches("error: ").to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn conditions_are_read_in_every_form() {
        for (text, shown) in [
            ("a=b", r#"{a="b"}"#),
            (" a = b c ", r#"{a="b c"}"#),
            (r#"a="b\"c\\d\ne""#, r#"{a="b\"c\\d\ne"}"#),
            (r#"{severity=~"warning|critical", team!="x,y",}"#, r#"{severity=~"warning|critical",team!="x,y"}"#),
            ("a!~b.*,c=", r#"{a!~"b.*",c=""}"#),
            (r"a=~\d+", r#"{a=~"\\d+"}"#),
            ("{}", "{}"),
            ("lane=security", r#"{lane="security"}"#),
        ] {
            assert_eq!(parse(text).map(|matchers| Matchers(matchers).to_string()).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for (text, part) in [
            ("a", "is no condition"),
            ("=b", "is no condition"),
            ("a==b\"", "quote in its middle"),
            ("a=\"b", "no closing quote"),
            ("{a=b", "no closing brace"),
            ("a=~\"(\"", "is no regular expression"),
            ("a=~\"b)(c\"", "is no regular expression"),
            ("1a=b", "is no label name"),
            ("a=b,,c=d", "is no condition"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_missing_label_is_the_empty_string_and_regular_expressions_are_anchored() {
        let labels: LabelSet = [("a", "bc")].into_iter().collect();
        for (text, matched) in [
            ("a=bc", true),
            ("a=b", false),
            ("a!=b", true),
            ("a=~b", false),
            ("a=~b.", true),
            ("a=~x|bc", true),
            ("a!~b", true),
            ("z=", true),
            ("z!=\"\"", false),
            ("z=~.*", true),
            ("z=~.+", false),
            ("z!~.+", true),
        ] {
            assert_eq!(Matchers(parse(text).unwrap()).matches(&labels), matched, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_shown_is_read_back(text in "\\PC*", value in "\\PC*") {
            let _ = parse(&text);
            let matcher = Matcher::new("a", MatchOp::Equal, &value).unwrap();
            prop_assert_eq!(parse(&matcher.to_string()), Ok(vec![matcher]));
        }
    }
}
