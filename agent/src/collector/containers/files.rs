//! The files of one control group, each in the tree of its controller. The name of a file is its version's; what stands in it is
//! `version_1.rs` and `version_2.rs`'s to know. A file that is not there, since the controller is not enabled or the kernel is older, is
//! nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hierarchies::{Controller, Hierarchies, Version};
use crate::collector::kept::{KeptFile, read_once};
use crate::collector::text::{integer, lines, trim, words};

/// Files that are kept open: those that cost most and are always there.
const KEPT: [(Version, Controller, &str); 6] = [
    (Version::One, Controller::Accounting, "cpuacct.usage"),
    (Version::One, Controller::Memory, "memory.usage_in_bytes"),
    (Version::One, Controller::Memory, "memory.stat"),
    (Version::Two, Controller::Cpu, "cpu.stat"),
    (Version::Two, Controller::Memory, "memory.current"),
    (Version::Two, Controller::Memory, "memory.stat"),
];
/// Groups that a container made below its own, and that are looked at.
const BELOW_MAX: usize = 64;

/// The files of a group.
pub(super) struct Files {
    /// Its path from the root of all groups.
    id: String,
    hierarchies: Arc<Hierarchies>,
    kept: Vec<(Controller, &'static str, KeptFile)>,
    /// For the paths of files that are not kept.
    path: PathBuf,
}

impl Files {
    /// Of the group at that path.
    pub(super) fn new(hierarchies: &Arc<Hierarchies>, id: &str) -> Self {
        let kept = KEPT.iter().filter_map(|(version, controller, name)| {
            let hierarchy = hierarchies.of(*controller).filter(|hierarchy| hierarchy.version == *version)?;
            Some((*controller, *name, KeptFile::new(directory(&hierarchy.top, id).join(name))))
        });
        Self { id: id.to_owned(), hierarchies: Arc::clone(hierarchies), kept: kept.collect(), path: PathBuf::new() }
    }

    /// Its path from the root of all groups: the label `id`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The version that a controller is of; nothing if it has no tree.
    pub(super) fn version(&self, controller: Controller) -> Option<Version> {
        self.hierarchies.of(controller).map(|hierarchy| hierarchy.version)
    }

    /// Whether kills in groups below are counted in this one too.
    pub(super) fn counts_below(&self) -> bool {
        self.hierarchies.of(Controller::Memory).is_some_and(|hierarchy| hierarchy.counts_below)
    }

    /// The directory in which the groups below it are looked for.
    pub(super) fn directory(&self) -> PathBuf {
        self.hierarchies.main().map(|main| directory(&main.top, &self.id)).unwrap_or_default()
    }

    /// What stands in a controller's file now.
    pub(super) fn read<'b>(&mut self, of: Controller, file: &str, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        if let Some((_, _, kept)) = self.kept.iter_mut().find(|(controller, name, _)| (*controller, *name) == (of, file)) {
            return kept.read(buffer).ok();
        }
        let hierarchy = self.hierarchies.of(of)?;
        self.path.clear();
        self.path.push(&hierarchy.top);
        self.path.push(self.id.trim_start_matches('/'));
        self.path.push(file);
        read_once(&self.path, buffer).ok()
    }

    /// A file with a number in it.
    pub(super) fn number(&mut self, of: Controller, file: &str, buffer: &mut Vec<u8>) -> Option<u64> {
        integer(trim(self.read(of, file, buffer)?))
    }

    /// A field of a file of lines `key value`.
    pub(super) fn field(&mut self, of: Controller, file: &str, key: &[u8], buffer: &mut Vec<u8>) -> Option<u64> {
        fields(self.read(of, file, buffer)?).find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Processes of the group itself, in the order of the kernel.
    pub(super) fn processes<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Option<impl Iterator<Item = u64> + use<'b>> {
        self.path.clear();
        self.path.push(&self.hierarchies.main()?.top);
        self.path.push(self.id.trim_start_matches('/'));
        self.path.push("cgroup.procs");
        Some(lines(read_once(&self.path, buffer).ok()?).filter_map(integer))
    }

    /// The lists of processes of groups right below.
    pub(super) fn below(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories.take(BELOW_MAX).map(|entry| entry.path().join("cgroup.procs"))
    }
}

fn directory(top: &Path, id: &str) -> PathBuf {
    top.join(id.trim_start_matches('/'))
}

/// Lines `key value`.
pub(super) fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    lines(text).filter_map(|line| {
        let mut words = words(line);
        Some((words.next()?, integer(words.next()?)?))
    })
}
