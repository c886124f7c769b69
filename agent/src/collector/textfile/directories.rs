//! Directories of text files: a path, or one with patterns in it, which stand for those that there are now.

use std::path::{Component, Path, PathBuf};

use globset::GlobMatcher;

use crate::config::patterns::name_glob;
use crate::host_root::HostRoot;

/// More directories of one pattern are not looked into.
const DIRECTORIES_MAX: usize = 1000;

/// One that was written.
#[derive(Debug)]
pub(super) struct Pattern {
    text: PathBuf,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Name(PathBuf),
    Glob(GlobMatcher),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let part = |part: Component<'_>| {
            let name = part.as_os_str().to_string_lossy();
            let glob = name.contains(['*', '?', '[', '{']).then(|| name_glob(&name).ok()).flatten();
            // What is no glob may still be a name.
            glob.map_or_else(|| Part::Name(PathBuf::from(part.as_os_str())), Part::Glob)
        };
        let text = Path::new(text);
        Self { text: text.to_owned(), parts: text.components().map(part).collect() }
    }

    /// Those that match, by name; if none does, what was written, which is then found missing.
    pub(super) fn directories(&self, root: &HostRoot) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for part in &self.parts {
            found = match part {
                Part::Name(name) => found.iter().map(|path| path.join(name)).collect(),
                Part::Glob(glob) => found.iter().flat_map(|path| within(root, path, glob)).take(DIRECTORIES_MAX).collect(),
            };
        }
        if found.is_empty() { vec![self.text.clone()] } else { found }
    }
}

fn within(root: &HostRoot, path: &Path, glob: &GlobMatcher) -> Vec<PathBuf> {
    let Ok(entries) = root.read_dir(path) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name()).filter(|name| glob.is_match(name));
    let mut paths: Vec<PathBuf> = names.map(|name| path.join(name)).collect();
    paths.sort_unstable();
    paths
}
