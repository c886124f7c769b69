//! Looks for the journal's files: in the directories of machines and namespaces below each root, or in the root itself.
//!
//! `<machine id>/` and `<machine id>.<namespace>/` are journald's, as sd-journal knows them; what a configured directory holds
//! itself is read too, which is how collections of other hosts' journals are laid out.

use std::path::Path;
use std::sync::Arc;

use super::{Round, Scout};
use crate::config::checked::JournalInput;
use crate::tail::chain::Candidate;
use crate::tail::origin::Origin;
use crate::tail::rotation::Encoding;
use crate::tail::segment::{file_id, mtime_ns};

impl Scout {
    pub(super) fn look_at_journal(&mut self, input: &Arc<JournalInput>, round: &mut Round) {
        let catalog = Arc::clone(&self.catalog);
        let mut found = Vec::new();
        for root in &input.directories {
            self.watch_directory(root, round);
            self.list_journals(root, &mut found, round);
        }
        let origin = Origin::Journal { input: Arc::clone(input) };
        let is_there = !found.is_empty() || catalog.has_saved(&origin);
        let chain = if is_there { catalog.chain(&origin) } else { catalog.known(&origin) };
        let Some(chain) = chain else { return };
        let mut complaints = Vec::new();
        chain.update_set(&catalog.root, &found, std::time::Instant::now(), |path, error| {
            complaints.push((path.to_owned(), error.to_string()));
        });
        for candidate in &found {
            self.unreadable.clear(&candidate.path);
        }
        for (path, error) in complaints {
            self.complain(&path, &std::io::Error::other(error));
        }
        for segment in chain.segments() {
            round.targets.insert(catalog.root.locate(&segment.path()), chain.index);
        }
        // A journal file's size does not show its entries: whether there are new ones, its header says to whoever reads it.
        self.lanes.iter().for_each(|lane| lane.mark(chain.index));
    }

    fn list_journals(&mut self, root: &Path, found: &mut Vec<Candidate>, round: &mut Round) {
        let catalog = Arc::clone(&self.catalog);
        let entries = match catalog.root.read_dir(root) {
            Ok(entries) => entries,
            Err(error) => return self.complain(root, &error),
        };
        self.unreadable.clear(root);
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = root.join(&name);
            if is_journal(&name) {
                see(&path, &entry, found);
            } else if is_machine(&name) {
                self.watch_directory(&path, round);
                match catalog.root.read_dir(&path) {
                    Ok(entries) => {
                        self.unreadable.clear(&path);
                        for entry in entries.flatten() {
                            let name = entry.file_name();
                            if name.to_str().is_some_and(is_journal) {
                                see(&path.join(&name), &entry, found);
                            }
                        }
                    }
                    Err(error) => self.complain(&path, &error),
                }
            }
        }
    }
}

fn see(path: &Path, entry: &std::fs::DirEntry, found: &mut Vec<Candidate>) {
    // One that is gone again was vacuumed. Links are not followed: nobody makes any, and one could lead anywhere.
    let Some(metadata) = entry.metadata().ok().filter(std::fs::Metadata::is_file) else { return };
    let (id, len, mtime_ns) = (file_id(&metadata), metadata.len(), mtime_ns(&metadata));
    found.push(Candidate { path: path.to_owned(), id, encoding: Encoding::Journal, len, mtime_ns });
}

/// Active, archived, or set aside after an unclean end.
fn is_journal(name: &str) -> bool {
    name.ends_with(".journal") || name.ends_with(".journal~")
}

/// `<machine id>` or `<machine id>.<namespace>`.
fn is_machine(name: &str) -> bool {
    let id = name.split_once('.').map_or(name, |(id, _)| id);
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_read() {
        for name in ["system.journal", "user-1000.journal", "system@0005-00.journal", "system@00-1.journal~"] {
            assert!(is_journal(name), "{name}");
        }
        for name in ["system.journal.tmp", "journal", ".#system.journal.x", "fss"] {
            assert!(!is_journal(name), "{name}");
        }
        assert!(is_machine("0123456789abcdef0123456789abcdef") && is_machine("0123456789abcdef0123456789abcdef.web"));
        assert!(!is_machine("remote") && !is_machine("0123456789abcdef"));
    }
}
