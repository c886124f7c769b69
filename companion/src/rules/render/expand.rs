//! What stands between `${` and `}` → the text that takes its place. One kind of expansion a function; the table is in [`super`].

use std::fmt::Write as _;

use ipnet::IpNet;
use settings::problem::{At, quote};
use settings::read::Spanned;

use super::values::Value;
use super::{Used, Values, unknown};

/// How many addresses of a list are looked at; a list with one more is an alert by itself.
const ADDRESSES: usize = 8;

/// Where components of the API server say that they come from; always inside. Addresses of version 6 are compared as the text
/// that Go prints.
const LOOPBACK: &str = r#"$!=ip("127.0.0.0/8") and $!=`::1`"#;

/// Matches no text at all, in Go and in Rust.
const NOTHING: &str = r"[^\x00-\x{10FFFF}]";

/// The kinds of expansions, for hints.
const KINDS: [&str; 10] =
    ["list", "regex", "exempt", "inside", "outside", "address", "last-address", "each-address", "clean-addresses", "any-outside"];

/// Why there is no text.
pub(super) enum Refusal {
    /// What the rule asks for is wrong; the caller knows the place.
    Source(String),
    /// A value is wrong, at its own place.
    Value(At, String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Source(reason)
    }
}

/// The text for `inner`.
pub(super) fn expand(inner: &str, values: &Values, used: &mut Used) -> Result<String, Refusal> {
    let parts: Vec<&str> = inner.split(':').collect();
    match parts[..] {
        ["clean-addresses"] => Ok(clean_addresses()),
        [name] => text(name, take(name, values, used)?),
        ["list", name] => Ok(list(take(name, values, used)?)),
        ["regex", name] => regex(name, take(name, values, used)?, false),
        ["exempt", name] => regex(name, take(name, values, used)?, true),
        ["inside", name, label] => inside(name, take(name, values, used)?, label_name(label)?),
        ["outside", name, label] => Ok(format!("({})", outside(name, take(name, values, used)?, label_name(label)?)?)),
        ["address", label] => Ok(in_template(&clean(&format!(".{}", label_name(label)?)))),
        ["last-address", label] => Ok(in_template(&clean(&last(label_name(label)?)))),
        ["each-address", path] => Ok(each_address(path)),
        ["any-outside", name] => any_outside(name, take(name, values, used)?),
        [kind, ..] if KINDS.contains(&kind) => Err(format!("{} has too few or too many parts for `{kind}`", quote(inner)).into()),
        [kind, ..] => Err(unknown("expansion", kind, &KINDS).into()),
        [] => Err("nothing stands between the braces".to_owned().into()),
    }
}

fn take<'v>(name: &str, values: &'v Values, used: &mut Used) -> Result<&'v Value, Refusal> {
    let Some(value) = values.get(name) else {
        let known: Vec<&str> = values.iter().map(|(name, _)| name).collect();
        return Err(unknown("value", name, &known).into());
    };
    used.insert(name.to_owned());
    Ok(value)
}

fn label_name(name: &str) -> Result<&str, Refusal> {
    let wrong = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    if name.is_empty() || name.contains(wrong) {
        return Err(format!("{} is no name of a label", quote(name)).into());
    }
    Ok(name)
}

fn text(name: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Text(text) => Ok(text.value.clone()),
        Value::List(..) => Err(format!("`{name}` is a list; write `${{regex:{name}}}`").into()),
    }
}

fn list(value: &Value) -> String {
    let items: Vec<&str> = value.items().iter().map(|item| item.value.as_str()).collect();
    items.join(",")
}

/// `(?:one|two)`. Anchors stand in the rule, where its reader sees them.
fn regex(name: &str, value: &Value, may_be_empty: bool) -> Result<String, Refusal> {
    let items: Vec<String> = value.items().iter().map(|item| pattern(&item.value)).collect();
    match items.is_empty() {
        false => Ok(format!("(?:{})", items.join("|"))),
        true if may_be_empty => Ok(format!("(?:{NOTHING})")),
        true => Err(empty(name, value)),
    }
}

/// The rule that asks for this list could never fire without an item.
fn empty(name: &str, value: &Value) -> Refusal {
    Refusal::Value(value.at().clone(), format!("`{name}` is empty, and a rule that needs it could never fire"))
}

/// An item of a list as a regular expression. `*` stops at colons, which part the pieces of Kubernetes' user names.
fn pattern(item: &str) -> String {
    item.chars().fold(String::with_capacity(item.len() + 8), |mut pattern, c| {
        match c {
            '*' => pattern.push_str("[^:]+"),
            '.' | '+' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => pattern.extend(['\\', c]),
            _ => pattern.push(c),
        }
        pattern
    })
}

/// The networks of a value, as they are written, each checked.
fn networks<'v>(name: &str, value: &'v Value) -> Result<Vec<&'v str>, Refusal> {
    value.items().iter().map(|item| network(name, item)).collect()
}

fn network<'v>(name: &str, item: &'v Spanned<String>) -> Result<&'v str, Refusal> {
    let refuse = |reason: String| Refusal::Value(item.at.clone(), format!("`{name}`: {} {reason}", quote(&item.value)));
    if item.value.parse::<std::net::IpAddr>().is_ok() {
        return Ok(&item.value);
    }
    let network: IpNet = item
        .value
        .parse()
        .map_err(|_| refuse("is neither a network nor an address; write for example 192.0.2.0/24 or 2001:db8::/32".to_owned()))?;
    if network.addr() != network.network() {
        return Err(refuse(format!("has bits beyond its length; is {} meant?", network.trunc())));
    }
    Ok(&item.value)
}

fn inside(name: &str, value: &Value, label: &str) -> Result<String, Refusal> {
    let networks = networks(name, value)?;
    if networks.is_empty() {
        return Err(empty(name, value));
    }
    let tests: Vec<String> = networks.iter().map(|network| format!("{label}=ip(\"{network}\")")).collect();
    Ok(format!("({})", tests.join(" or ")))
}

/// Without parentheses, to be joined with more.
fn outside(name: &str, value: &Value, label: &str) -> Result<String, Refusal> {
    let mut tests = String::new();
    for network in networks(name, value)? {
        let _ = write!(tests, "{label}!=ip(\"{network}\") and ");
    }
    Ok(tests + &LOOPBACK.replace('$', label))
}

fn each_address(path: &str) -> String {
    let expressions: Vec<String> = (0..=ADDRESSES).map(|index| format!("ip{index}=\"{path}[{index}]\"")).collect();
    expressions.join(", ")
}

/// An absent address is no address outside, and `ip()` would take it for one.
fn any_outside(name: &str, value: &Value) -> Result<String, Refusal> {
    let mut tests = String::new();
    for index in 0..ADDRESSES {
        let _ = write!(tests, "(ip{index}!=`` and {}) or ", outside(name, value, &format!("ip{index}"))?);
    }
    Ok(format!("({tests}ip{ADDRESSES}!=``)"))
}

fn clean_addresses() -> String {
    let assignments: Vec<String> =
        (0..ADDRESSES).map(|index| format!("ip{index}=`{}`", in_template(&clean(&format!(".ip{index}"))))).collect();
    assignments.join(", ")
}

/// A call that strips brackets with a port, a port, a zone, and then what makes an IPv4 address a mapped one.
fn clean(argument: &str) -> String {
    const DRESSED: &str = r"^(?:\\[([^\\]%]*)[^\\]]*\\](?::[0-9]+)?|([0-9.]+):[0-9]+|([^%\\[]*)%.*)$";
    format!(r#"regexReplaceAll "(?i)^::ffff:([0-9.]+)$" (regexReplaceAll "{DRESSED}" {argument} "${{1}}${{2}}${{3}}") "${{1}}""#)
}

/// A call that takes the last text of a JSON list, in parentheses.
fn last(label: &str) -> String {
    format!(r#"(regexReplaceAll "^.*\"([^\"]*)\"[^\"]*$" .{label} "${{1}}")"#)
}

fn in_template(call: &str) -> String {
    format!("{{{{ {call} }}}}")
}
