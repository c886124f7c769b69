//! A line of NUT's protocol (NUT's developer guide, "Network protocol information"), without I/O.
//!
//! Words are separated by spaces; one with spaces stands in double quotes, in which `\"` and `\\` are escaped.

use std::borrow::Cow;

/// What a server answers to what is asked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<'l> {
    /// `BEGIN LIST …`
    Begin,
    /// `END LIST …`
    End,
    /// `UPS name "description"`
    Ups { name: Cow<'l, str>, description: Cow<'l, str> },
    /// `VAR ups name "value"`
    Variable { name: Cow<'l, str>, value: Cow<'l, str> },
    /// `OK …`
    Ok,
    /// `ERR TOKEN …`
    Refused(&'l str),
    /// Anything else.
    Other,
}

impl<'l> Answer<'l> {
    /// Reads a line, without its end.
    pub(super) fn read(line: &'l str) -> Self {
        let line = line.trim_end_matches(['\r', '\n']);
        let mut words = Words(line);
        match words.next().as_deref() {
            Some("BEGIN") => Self::Begin,
            Some("END") => Self::End,
            Some("OK") => Self::Ok,
            Some("ERR") => Self::Refused(line.get(4..).unwrap_or_default().trim()),
            Some("UPS") => match words.next() {
                Some(name) if !name.is_empty() => Self::Ups { name, description: words.next().unwrap_or_default() },
                _ => Self::Other,
            },
            Some("VAR") => match (words.next(), words.next(), words.next()) {
                (Some(_), Some(name), Some(value)) if !name.is_empty() => Self::Variable { name, value },
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// The version in what `VER` answers: `Network UPS Tools upsd 2.8.0 - http://…`.
pub(super) fn version(line: &str) -> &str {
    let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "upsd");
    words.nth(1).unwrap_or_default()
}

/// The words of a line. What is not closed is no word. Whatever is cut here is cut where a character begins.
struct Words<'l>(&'l str);

impl<'l> Iterator for Words<'l> {
    type Item = Cow<'l, str>;

    fn next(&mut self) -> Option<Cow<'l, str>> {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let (word, is_quoted) = rest.strip_prefix('"').map_or((rest, false), |rest| (rest, true));
        if word.is_empty() {
            return None;
        }
        let mut unescaped: Option<String> = None;
        let mut chars = word.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => {
                    let (_, escaped) = chars.next()?;
                    unescaped.get_or_insert_with(|| word[..at].to_owned()).push(escaped);
                }
                '"' if is_quoted => {
                    self.0 = &word[at + 1..];
                    return Some(unescaped.map_or(Cow::Borrowed(&word[..at]), Cow::Owned));
                }
                ' ' | '\t' if !is_quoted => {
                    self.0 = &word[at..];
                    return Some(unescaped.map_or(Cow::Borrowed(&word[..at]), Cow::Owned));
                }
                _ => {
                    if let Some(text) = &mut unescaped {
                        text.push(char);
                    }
                }
            }
        }
        self.0 = "";
        if is_quoted { None } else { Some(unescaped.map_or(Cow::Borrowed(word), Cow::Owned)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ups<'l>(name: &'l str, description: &'l str) -> Answer<'l> {
        Answer::Ups { name: name.into(), description: description.into() }
    }

    fn variable<'l>(name: &'l str, value: &'l str) -> Answer<'l> {
        Answer::Variable { name: name.into(), value: value.into() }
    }

    #[test]
    fn lines_are_read_as_the_protocol_has_them() {
        for (line, answer) in [
            ("BEGIN LIST UPS\n", Answer::Begin),
            ("END LIST VAR homeups", Answer::End),
            ("OK", Answer::Ok),
            ("OK STARTTLS", Answer::Ok),
            ("ERR DRIVER-NOT-CONNECTED", Answer::Refused("DRIVER-NOT-CONNECTED")),
            ("ERR ACCESS-DENIED extra words", Answer::Refused("ACCESS-DENIED extra words")),
            ("ERR", Answer::Refused("")),
            (r#"UPS homeups "Rack UPS \"A\"""#, ups("homeups", r#"Rack UPS "A""#)),
            ("UPS homeups", ups("homeups", "")),
            (r#"UPS homeups """#, ups("homeups", "")),
            (r#"VAR homeups battery.charge "97""#, variable("battery.charge", "97")),
            (r#"VAR homeups ups.status "OL CHRG""#, variable("ups.status", "OL CHRG")),
            (r#"VAR homeups ups.id "a\\b\"c""#, variable("ups.id", r#"a\b"c"#)),
            (r#"VAR homeups ups.id "Büro""#, variable("ups.id", "Büro")),
            ("VAR homeups battery.charge 97\r\n", variable("battery.charge", "97")),
            (r#"VAR homeups battery.charge "97"#, Answer::Other),
            (r#"VAR homeups battery.charge "97\"#, Answer::Other),
            ("VAR homeups battery.charge", Answer::Other),
            ("UPS", Answer::Other),
            (r#"UPS """#, Answer::Other),
            ("", Answer::Other),
            ("HTTP/1.1 400 Bad Request", Answer::Other),
        ] {
            assert_eq!(Answer::read(line), answer, "{line}");
        }
    }

    #[test]
    fn the_version_stands_behind_the_name() {
        assert_eq!(version("Network UPS Tools upsd 2.8.0 - http://www.networkupstools.org/"), "2.8.0");
        assert_eq!(version("something else"), "");
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_fault(line in "(UPS|VAR a b|ERR|BEGIN|\\PC)?[ \"\\\\a-zü\\t]{0,40}") {
            Answer::read(&line);
            version(&line);
        }

        #[test]
        fn what_was_quoted_comes_back(value in "\\PC{0,40}") {
            let line = format!("VAR u v \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
            let is_same = matches!(Answer::read(&line), Answer::Variable { value: read, .. } if read == value);
            prop_assert!(is_same);
        }
    }
}
