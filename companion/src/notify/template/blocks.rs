//! Whether every block of a template is closed, and nothing else is. The parser takes the end of the text for the end of every open
//! block, and an `end` too many for the end of the text: both would change what a message says without a word.

/// The place in bytes and the words of the first mistake.
pub(super) fn check(source: &str) -> Result<(), (usize, String)> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some(begin) = source[at..].find("{{").map(|found| at + found) {
        let inside = begin + 2;
        let end = end_of_action(source, inside).unwrap_or(source.len());
        let action = source[inside..end].trim_start_matches('-').trim_start();
        let word = action.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match word {
            "if" | "range" | "with" | "define" | "block" => open.push((begin, word)),
            "end" => {
                open.pop().ok_or((begin, "this `end` closes nothing".to_owned()))?;
            }
            "else" if !matches!(open.last(), Some((_, "if" | "range" | "with"))) => {
                return Err((begin, "this `else` belongs to nothing".to_owned()));
            }
            _ => {}
        }
        at = end;
    }
    match open.pop() {
        Some((begin, word)) => Err((begin, format!("this `{word}` has no `end`"))),
        None => Ok(()),
    }
}

/// Where the action's braces close, outside of texts and comments.
fn end_of_action(source: &str, begin: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let comment = source[begin..].trim_start_matches('-').trim_start();
    if comment.starts_with("/*") {
        let after = source[begin..].find("*/")? + begin;
        return source[after..].find("}}").map(|found| after + found);
    }
    let mut at = begin;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            b'`' => at += bytes.get(at + 1..)?.iter().position(|byte| *byte == b'`')? + 1,
            quote @ (b'"' | b'\'') => {
                at += 1;
                while bytes.get(at)? != quote {
                    at += if bytes.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_counted_outside_of_texts_and_comments() {
        for source in [
            "",
            "{{ if .A }}{{ else if .B }}{{ else }}{{ end }}",
            "{{- range .A -}}{{- with . }}x{{ end }}{{- end -}}",
            r#"{{ define "x" }}{{ end }}{{ "{{ if }}" }}{{ `}} {{ if` }}{{/* {{ if }} */}}{{- /* if */ -}}"#,
            r#"{{ .end }}{{ printf "\"}}{{ if" }}{{ '}' }}"#,
            "{{ ending }}",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
        for (source, at, words) in [
            ("a{{ if .A }}b", 1, "this `if` has no `end`"),
            ("a{{ if .A }}b{{ end }}{{ end }} and more", 22, "this `end` closes nothing"),
            ("{{ else }}", 0, "this `else` belongs to nothing"),
            ("{{ define \"x\" }}{{ else }}{{ end }}", 16, "this `else` belongs to nothing"),
        ] {
            assert_eq!(check(source), Err((at, words.to_owned())), "{source}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(source in "[{}a-z \"'`\\\\/*äö-]{0,40}") {
            let _ = check(&source);
        }
    }
}
