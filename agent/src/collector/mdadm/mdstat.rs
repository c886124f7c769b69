//! /proc/mdstat, from bytes: a line for an array, and indented lines that go on about it (kernel's `md_seq_show`).

use crate::collector::text::{integer, lines, words};

/// What an array does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Active,
    Inactive,
    Recovering,
    Resync,
    Check,
}

impl Activity {
    pub(super) const ALL: [Self; 5] = [Self::Active, Self::Inactive, Self::Recovering, Self::Resync, Self::Check];

    /// The label `state`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Recovering => "recovering",
            Self::Resync => "resync",
            Self::Check => "check",
        }
    }
}

/// An array.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array<'t> {
    pub name: &'t [u8],
    /// Nothing while it is reshaped, or if its state is none of those.
    pub activity: Option<Activity>,
    pub active: u64,
    pub required: u64,
    pub failed: u64,
    pub spare: u64,
    /// Of 1 KiB.
    pub blocks: u64,
    pub synced: u64,
}

/// All arrays whose size is told. `unused devices` and `Personalities` are none.
pub(super) fn arrays(mdstat: &[u8]) -> impl Iterator<Item = Array<'_>> {
    let mut lines = lines(mdstat).peekable();
    std::iter::from_fn(move || {
        loop {
            let head = lines.next()?;
            if head.starts_with(b" ") || head.starts_with(b"unused") || head.starts_with(b"Personalities") {
                continue;
            }
            let mut array = begin(head);
            let mut is_told = false;
            while let Some(line) = lines.next_if(|line| line.starts_with(b" ")) {
                if let (Some(array), false) = (&mut array, is_told) {
                    is_told = array.take_size(head, line);
                } else if let Some(array) = &mut array {
                    array.take_progress(line);
                }
            }
            if let (Some(array), true) = (array, is_told) {
                return Some(array);
            }
        }
    })
}

/// `md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]`
fn begin(head: &[u8]) -> Option<Array<'_>> {
    let mut parts = words(head);
    let name = parts.next()?;
    if parts.next()? != b":" {
        return None;
    }
    let activity = match parts.next()? {
        b"active" => Some(Activity::Active),
        b"inactive" => Some(Activity::Inactive),
        _ => None,
    };
    let (failed, spare) = (count(head, b"(F)"), count(head, b"(S)"));
    Some(Array { name, activity, active: 0, required: 0, failed, spare, blocks: 0, synced: 0 })
}

impl Array<'_> {
    /// `195310144 blocks super 1.2 [2/1] [U_]`
    fn take_size(&mut self, head: &[u8], line: &[u8]) -> bool {
        let Some(blocks) = words(line).next().and_then(integer) else { return false };
        (self.blocks, self.synced) = (blocks, blocks);
        let has_no_spares = |kind: &[u8]| kind == b"raid0" || kind == b"linear";
        if words(head).any(has_no_spares) {
            // They work as long as all disks do, and say nothing more of them.
            self.required = count(head, b"[");
            self.active = self.required;
        } else if self.activity != Some(Activity::Inactive) {
            let of_disks = words(line).find_map(|word| {
                let (required, active) = split(word.strip_prefix(b"[")?.strip_suffix(b"]")?)?;
                Some((required, active))
            });
            let Some((required, active)) = of_disks else { return false };
            (self.required, self.active) = (required, active);
        }
        true
    }

    /// `[=>....]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec`, or `resync=DELAYED`
    fn take_progress(&mut self, line: &[u8]) {
        let activity = words(line).find_map(|word| match word.split(|byte| *byte == b'=').next() {
            Some(b"recovery") => Some(Some(Activity::Recovering)),
            Some(b"resync") => Some(Some(Activity::Resync)),
            Some(b"check") => Some(Some(Activity::Check)),
            Some(b"reshape") => Some(None),
            _ => None,
        });
        let Some(activity) = activity else { return };
        self.activity = activity;
        let done = words(line).find_map(|word| split(word.strip_prefix(b"(")?.strip_suffix(b")")?));
        // What is delayed or pending has not begun.
        self.synced = done.map_or(0, |(done, _)| done);
    }
}

/// `2/1`
fn split(pair: &[u8]) -> Option<(u64, u64)> {
    let at = pair.iter().position(|byte| *byte == b'/')?;
    Some((integer(&pair[..at])?, integer(&pair[at + 1..])?))
}

fn count(text: &[u8], what: &[u8]) -> u64 {
    text.windows(what.len()).filter(|window| *window == what).count() as u64
}
