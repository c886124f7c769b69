//! `| unpack`: undoes what an agent's `pack` stage did. Texts become labels and `_entry` the line, if there is one.

use super::json::JSON_ERROR;
use super::json_scan::{Go, Kind, members, push_unescaped, token};
use super::name::push_sanitized;
use super::{Line, Passage, Wanted};

const ENTRY: &str = "_entry";

pub(super) fn run(passage: &mut Passage<'_, '_>, wanted: &Wanted) {
    let text = passage.line.text().as_bytes();
    if text.is_empty() || *wanted == Wanted::None && !text.starts_with(b"{") {
        return;
    }
    if token(text, 0).and_then(|start| text.get(start)) != Some(&b'{') {
        passage.labels.fail_parsing(JSON_ERROR, Some("expecting json object(6), but it is not".to_owned()));
        return;
    }
    let mut entry = None;
    let mut found = Vec::new();
    let read = members(text, 0, |member| {
        if member.value.kind == Kind::Text {
            let mut key = String::new();
            push_unescaped(text.get(member.key.0 as usize..member.key.1 as usize).unwrap_or_default(), &mut key);
            let mut value = String::new();
            member.value.push_to(text, &mut value);
            if key == ENTRY {
                entry = Some(value);
            } else {
                found.push((key, value));
            }
        }
        Go::On
    });
    if let Err((fault, _)) = read {
        if *wanted != Wanted::None {
            passage.labels.fail_parsing(JSON_ERROR, Some(fault.words().to_owned()));
        }
        return;
    }
    let Some(entry) = entry else { return };
    let mut name = String::new();
    for (key, value) in found {
        name.clear();
        push_sanitized(&mut name, &key);
        if !name.is_empty() {
            passage.labels.parse_first(&name, |_| true, |out| out.push_str(&value));
        }
    }
    passage.line = Line::Made(entry);
}
