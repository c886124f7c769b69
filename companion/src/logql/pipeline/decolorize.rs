//! `| decolorize`: takes the escape sequences of terminals out of a line.

use std::sync::LazyLock;

use regex::Regex;

use super::{Line, Passage};

/// A sequence begins with ESC or CSI. It is a command to the system, ended by BEL, or parameters and a final letter.
#[expect(clippy::expect_used, reason = "the expression is a constant, and a test compiles it")]
static SEQUENCE: LazyLock<Regex> = LazyLock::new(|| {
    let introducer = r"[\x1b\u{9b}][\[\]()#;?]*";
    let system_command = r"(?:[0-9A-Za-z]+(?:;[0-9A-Za-z]*)*)?\x07";
    let control = r"(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PR-TZcf-nq-uy=><~]";
    Regex::new(&format!("{introducer}(?:(?:{system_command})|(?:{control}))")).expect("a constant")
});

pub(super) fn run(passage: &mut Passage<'_, '_>) {
    let line = passage.line.text();
    if !line.contains(['\x1b', '\u{9b}']) {
        return;
    }
    passage.line = Line::Made(SEQUENCE.replace_all(line, "").into_owned());
}

#[cfg(test)]
mod tests {
    #[test]
    fn colours_and_titles_are_taken_out() {
        let plain = |text: &str| super::SEQUENCE.replace_all(text, "").into_owned();
        assert_eq!(plain("\x1b[31mred\x1b[0m \x1b[38;5;208mx\x1b[K"), "red x");
        assert_eq!(plain("a \x1b]0;title\x07b"), "a b");
    }
}
