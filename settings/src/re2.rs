//! Regular expressions as Go's RE2 reads them, for the `regex` crate: those of LogQL, of rules and of relabelling, which people bring
//! along from Loki and Prometheus.
//!
//! The two differ in little, and in that little a rule may depend on it: RE2's `\d`, `\w`, `\s` and `\b` are ASCII's; `[[]`,
//! `[a&&b]` and `{` not followed by a count are plain characters; `\Q…\E` quotes.

use regex::Regex;

/// Compiles a regular expression written for RE2.
pub fn compile(text: &str) -> Result<Regex, String> {
    let plain = format!("`{text}` is no regular expression");
    Regex::new(&translate(text)).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("{plain}: it is too large"),
        // The last line says what is wrong; those before draw it.
        other => {
            let told = other.to_string();
            let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("{plain}: {last}")
        }
    })
}

/// The same expression as the `regex` crate writes it.
fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match first {
            '\\' => {
                let Some(second) = rest[1..].chars().next() else {
                    out.push('\\');
                    break;
                };
                taken += second.len_utf8();
                match second {
                    'd' => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
                    'w' => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                    's' => out.push_str(if in_class { r"\t\n\x0c\r " } else { r"[\t\n\x0c\r ]" }),
                    'D' => out.push_str("[^0-9]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    'S' => out.push_str(r"[^\t\n\x0c\r ]"),
                    'b' if !in_class => out.push_str(r"(?-u:\b)"),
                    'B' if !in_class => out.push_str(r"(?-u:\B)"),
                    'Q' => {
                        let quoted = rest[2..].split(r"\E").next().unwrap_or_default();
                        out.push_str(&regex::escape(quoted));
                        taken += quoted.len();
                        taken += if rest[taken..].starts_with(r"\E") { 2 } else { 0 };
                    }
                    // Go takes a backslash before any sign for the sign itself.
                    sign if sign.is_ascii_punctuation() => out.push_str(&regex::escape(sign.encode_utf8(&mut [0; 4]))),
                    other => {
                        out.push('\\');
                        out.push(other);
                    }
                }
            }
            '[' if in_class => {
                let is_named = rest[1..].starts_with(':') && rest.contains(":]");
                if is_named {
                    taken = rest.find(":]").map_or(1, |end| end + 2);
                    out.push_str(&rest[..taken]);
                } else {
                    out.push_str(r"\[");
                }
            }
            '[' => {
                in_class = true;
                out.push('[');
                // A bracket right after the start is a character, in Go as here.
                for start in ["^]", "]", "^"] {
                    if rest[1..].starts_with(start) {
                        out.push_str(&start.replace(']', r"\]"));
                        taken += start.len();
                        break;
                    }
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            sign @ ('&' | '~') if in_class => {
                out.push('\\');
                out.push(sign);
            }
            '-' if in_class && rest[1..].starts_with('-') => out.push_str(r"\-"),
            '{' if !in_class && !is_count(&rest[1..]) => out.push_str(r"\{"),
            '}' if !in_class && !out_ends_count(&out) => out.push_str(r"\}"),
            '(' if !in_class && rest.starts_with("(?") => {
                out.push_str("(?");
                taken = 2;
            }
            other => out.push(other),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Whether `3}`, `3,}` or `3,4}` follows.
fn is_count(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty() && least.bytes().chain(most.bytes()).all(|byte| byte.is_ascii_digit())
}

/// Whether a closing brace after this ends a count.
fn out_ends_count(out: &str) -> bool {
    let body = out.trim_end_matches(|digit: char| digit.is_ascii_digit() || digit == ',');
    body.len() < out.len() && body.ends_with('{') && !body.ends_with(r"\{")
        // A name of characters, such as `\p{L}`, ends so too.
        || out.rfind('{').is_some_and(|start| {
            let before = &out.as_bytes()[..start];
            matches!(before.last(), Some(b'p' | b'P' | b'x')) && before.get(before.len().wrapping_sub(2)) == Some(&b'\\')
                && out[start + 1..].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'^')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        let matches = |regex: &str, text: &str| compile(regex).unwrap().is_match(text);
        assert!(matches(r"^\d+$", "12") && !matches(r"^\d+$", "١٢"));
        assert!(matches(r"^[\w-]+$", "a-b") && !matches(r"^\w$", "é"));
        assert!(matches(r"^[[]$", "[") && matches(r"^[]a]+$", "]a") && matches(r"^[^]]$", "x"));
        assert!(matches(r"^[a&&b]$", "&") && matches(r"^[[:alpha:]]$", "x"));
        assert!(matches(r"^a{2}b{x$", "aab{x") && matches(r"^\{[^{}]*\}$", "{x}") && matches("^}$", "}"));
        assert!(matches(r"^\Qa.b\E.$", "a.bc") && !matches(r"^\Qa.b\E$", "axb"));
        assert!(matches(r"^a\-b\/c\_$", "a-b/c_") && matches(r"^\x{41}$", "A"));
        assert!(matches(r"(?i)^K$", "k") && matches(r"(?P<n>x)", "x") && matches(r"^a.c$", "abc") && !matches("a.c", "a\nc"));
        assert!(compile("[").is_err() && compile("(?P<a>").is_err() && compile(r"a{1,").is_ok());
    }
}
