//! Makes an event fit that is longer than a destination takes, as one valid JSON object that still says who did what.
//!
//! What is long and of little use goes first, and no more goes than must: the steps of each format are in its file
//! below. The result is a function of line and limit alone, marked with `"picket_truncated":true` and
//! `"picket_original_bytes"`. Works on spans of the line; beside it and the output, memory is a few words for each
//! member at the top.

mod kube_audit;
mod vault_audit;
mod write;

#[cfg(test)]
mod tests;

use crate::json::{self, Key, Raw, Scanner};
use std::fmt::Write as _;
use write::{Cut, Keep, Part};

/// The smallest limit in bytes: what is left of an audit event when all else is gone always fits in it.
pub const MIN_LIMIT: usize = 4096;

/// The format of a line: what in it matters most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`crate::kube_audit`].
    KubeAudit,
    /// See [`crate::vault_audit`].
    VaultAudit,
    /// Any JSON object: its largest members go first.
    Json,
}

/// What was done to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// Length of the line before, in bytes.
    pub original: usize,
    /// Whether even what matters most had to be cut: long lists to their last elements, long strings to their start
    /// with `…`.
    pub core_cut: bool,
}

/// How a format is reduced, step by step.
struct Plan {
    /// What a step keeps of a member at the top. Each keeps less than the one before.
    steps: &'static [fn(&Key<'_>, &Event<'_>) -> Keep],
    /// What is kept to the last. Other members go before, the largest first.
    core: &'static [Part],
}

/// What a step may look at.
struct Event<'a> {
    /// The value of the member at hand.
    value: Raw<'a>,
    /// Whether the request changes a part of an object, and so carries no object but the change.
    is_patch: bool,
}

const JSON: Plan = Plan { steps: &[|_, _| Keep::Whole], core: &[] };

/// How hard the core is cut, if it must be. The last one fits into [`MIN_LIMIT`] whatever the event.
const CUTS: [Cut; 3] =
    [Cut { string_bytes: 1024, elements: 64 }, Cut { string_bytes: 256, elements: 32 }, Cut { string_bytes: 64, elements: 8 }];

/// Writes `line` to `out`, whose content is replaced, in at most `limit` bytes.
///
/// A line that fits already is copied unchanged and unmarked. `None` when the line is no valid JSON object in UTF-8
/// nested at most [`json::MAX_DEPTH`] deep, or `limit` is below [`MIN_LIMIT`]; `out` is empty then.
pub fn reduce(kind: Kind, line: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<Reduced> {
    out.clear();
    let is_object = line.trim_ascii_start().starts_with(b"{");
    if limit < MIN_LIMIT || !is_object || json::validate(line).is_err() || str::from_utf8(line).is_err() {
        return None;
    }
    let original = line.len();
    if original <= limit {
        out.extend_from_slice(line);
        return Some(Reduced { original, core_cut: false });
    }
    let plan = match kind {
        Kind::KubeAudit => kube_audit::PLAN,
        Kind::VaultAudit => vault_audit::PLAN,
        Kind::Json => JSON,
    };
    let mut mark = String::new();
    // Writing to a String cannot fail.
    let _ = write!(mark, "\"picket_truncated\":true,\"picket_original_bytes\":{original}}}");
    // One byte for the comma before the mark.
    let room = limit - mark.len() - 1;
    let fitted = fit(&plan, line, room, out).ok();
    let Some(core_cut) = fitted else {
        out.clear();
        return None;
    };
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(mark.as_bytes());
    Some(Reduced { original, core_cut })
}

/// Writes an object without its closing brace in at most `room` bytes, and says whether its core was cut.
fn fit(plan: &Plan, line: &[u8], room: usize, out: &mut Vec<u8>) -> Result<bool, json::Error> {
    let is_patch = is_patch(line)?;
    let mut members = Vec::new();
    for step in plan.steps {
        members.clear();
        out.clear();
        out.push(b'{');
        Scanner::new(line).object(|scanner, key| {
            let value = scanner.value()?;
            let is_mark = key.is("picket_truncated") || key.is("picket_original_bytes");
            let keep = if is_mark { Keep::Nothing } else { step(&key, &Event { value, is_patch }) };
            let start = out.len();
            if let Some(value_start) = write::member(key.raw(), value, keep, Cut::NONE, out)? {
                let is_core = plan.core.iter().any(|part| key.is(part.name));
                // Without the comma that may have been put before it.
                let start = start + usize::from(out[start] == b',');
                members.push(Member { start, value_start, end: out.len(), is_core, fate: Fate::Stays });
            }
            Ok(())
        })?;
        if out.len() <= room {
            return Ok(false);
        }
    }
    drop_largest(&mut members, room, out);
    if out.len() <= room {
        return Ok(false);
    }
    for cut in CUTS {
        out.clear();
        out.push(b'{');
        write::parts(Raw::of(line), plan.core, cut, out)?;
        if out.len() <= room {
            break;
        }
    }
    Ok(true)
}

fn is_patch(line: &[u8]) -> Result<bool, json::Error> {
    let mut is_patch = false;
    Scanner::new(line).object(|scanner, key| {
        let value = scanner.value()?;
        is_patch |= key.is("verb") && value.is("patch");
        Ok(())
    })?;
    Ok(is_patch)
}

/// Where in the output a member at the top lies, and what becomes of it.
struct Member {
    start: usize,
    value_start: usize,
    end: usize,
    is_core: bool,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    /// A string of which that many bytes are kept, between its quotes.
    IsCutTo(usize),
}

/// Takes members out of `out` until it fits in `room`, the largest first. The last of them, if it is a string, is cut
/// to what room there is.
fn drop_largest(members: &mut [Member], room: usize, out: &mut Vec<u8>) {
    // Below this it is of no use to keep the start of a string.
    const SHORTEST_CUT: usize = 256;
    let mut excess = out.len().saturating_sub(room);
    let mut by_size: Vec<usize> = (0..members.len()).filter(|index| !members[*index].is_core).collect();
    by_size.sort_by_key(|index| (std::cmp::Reverse(members[*index].end - members[*index].start), *index));
    for index in by_size {
        if excess == 0 {
            break;
        }
        let member = &mut members[index];
        let value = &out[member.value_start..member.end];
        let content = value.len().saturating_sub(2);
        let kept = content.saturating_sub(excess + write::ELLIPSIS.len());
        if value.starts_with(b"\"") && kept >= SHORTEST_CUT {
            member.fate = Fate::IsCutTo(json::boundary(&value[1..=content], kept));
            break;
        }
        member.fate = Fate::Goes;
        // Its comma goes as well, or the one after it.
        excess = excess.saturating_sub(member.end - member.start + 1);
    }
    // Everything moves towards the front, so that it can be done in place.
    let mut end = 1;
    for member in members.iter().filter(|member| member.fate != Fate::Goes) {
        if end > 1 {
            out[end] = b',';
            end += 1;
        }
        let kept = match member.fate {
            Fate::IsCutTo(length) => member.start..member.value_start + 1 + length,
            Fate::Stays | Fate::Goes => member.start..member.end,
        };
        out.copy_within(kept.clone(), end);
        end += kept.len();
        if member.fate != Fate::Stays {
            let close = [write::ELLIPSIS.as_bytes(), b"\""].concat();
            out[end..end + close.len()].copy_from_slice(&close);
            end += close.len();
        }
    }
    out.truncate(end);
}
