//! Which logs there are: globs become paths, paths under `/var/log/pods` become containers. Reads directories, opens no file.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::host_root::HostRoot;

/// How deep `**` goes at most, in directories.
const DEPTH_MAX: usize = 16;
/// How many files one glob yields at most: beyond it lies a configuration mistake.
const PATHS_MAX: usize = 10_000;

/// A path with `*`, `?`, `[..]`, `{..}` or `**` in it, ready to be expanded.
#[derive(Clone, Debug)]
pub struct PathGlob {
    base: PathBuf,
    depth: usize,
    matcher: Option<GlobMatcher>,
}

impl PathGlob {
    /// Compiles a pattern. `*` does not cross a `/`; `**` does.
    pub fn new(pattern: &str) -> Result<Self, globset::Error> {
        let path = Path::new(pattern);
        if !is_glob(pattern) {
            return Ok(Self { base: path.to_owned(), depth: 0, matcher: None });
        }
        let base: PathBuf = path.components().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy())).collect();
        let depth = if pattern.contains("**") { DEPTH_MAX } else { path.components().count() - base.components().count() };
        let matcher = GlobBuilder::new(pattern).literal_separator(true).build()?.compile_matcher();
        Ok(Self { base, depth, matcher: Some(matcher) })
    }

    /// Whether more than one path can match.
    pub fn is_pattern(&self) -> bool {
        self.matcher.is_some()
    }

    /// Whether it is one of the paths that are meant, existing or not.
    pub fn is_match(&self, path: &Path) -> bool {
        self.matcher.as_ref().map_or_else(|| path == self.base, |matcher| matcher.is_match(path))
    }

    /// The paths that exist now and match, in order of name; for a path without pattern that path, existing or not.
    pub fn expand(&self, root: &HostRoot) -> Vec<PathBuf> {
        let Some(matcher) = &self.matcher else {
            return vec![self.base.clone()];
        };
        let mut found = Vec::new();
        walk(root, &self.base, self.depth, matcher, &mut found);
        found.sort_unstable();
        found
    }

    /// The directory in which the pattern begins: where a watch tells of new matches.
    pub fn watch_directory(&self) -> &Path {
        if self.matcher.is_some() { &self.base } else { self.base.parent().unwrap_or(Path::new("/")) }
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn walk(root: &HostRoot, directory: &Path, depth: usize, matcher: &GlobMatcher, found: &mut Vec<PathBuf>) {
    let Ok(entries) = root.read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = directory.join(entry.file_name());
        if found.len() >= PATHS_MAX {
            return;
        }
        let leads_to_directory = || root.resolve(&path).is_ok_and(|real| real.is_dir());
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && leads_to_directory()));
        if is_directory {
            if depth > 1 {
                walk(root, &path, depth - 1, matcher, found);
            }
        } else if matcher.is_match(&path) {
            found.push(path);
        }
    }
}

/// A container, as the directories of the kubelet name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Container {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Pod name.
    pub pod: String,
    /// Container name; init and ephemeral containers look alike.
    pub container: String,
}

/// Takes `<namespace>_<pod>_<uid>` apart. None of the three can hold a `_`.
pub fn pod_directory(name: &str) -> Option<(&str, &str, &str)> {
    let mut parts = name.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !namespace.is_empty() && !pod.is_empty() && !uid.is_empty()).then_some((namespace, pod, uid))
}

/// Restart count of a file in a container's directory: `3.log`, `3.log.20261123-101500`, with `.gz`.
pub fn restart_of(name: &str) -> Option<u64> {
    let (number, rest) = name.split_once('.')?;
    let after = rest.strip_prefix("log")?;
    (after.is_empty() || after.starts_with('.')).then_some(())?;
    number.parse().ok()
}

/// A path without `.` and `..` and double slashes; it need not exist.
pub fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn pod_directories_have_exactly_three_parts() {
        assert_eq!(pod_directory("vault_vault-0_5c6b"), Some(("vault", "vault-0", "5c6b")));
        for bad in ["vault_vault-0", "a_b_c_d", "_b_c", "lost+found", ""] {
            assert_eq!(pod_directory(bad), None, "{bad}");
        }
    }

    #[test]
    fn restart_counts_are_read_from_live_and_rotated_names() {
        assert_eq!(restart_of("0.log"), Some(0));
        assert_eq!(restart_of("12.log.20261123-101500.gz"), Some(12));
        for bad in ["0.logs", "log", "x.log", "0.txt", "current"] {
            assert_eq!(restart_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn globs_find_files_at_their_depth() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        for name in ["one.log", "two.txt", "a/three.log", "a/b/four.log"] {
            fs::write(top.join(name), "").unwrap();
        }
        let expand = |pattern: &str| {
            let glob = PathGlob::new(&format!("{}/{pattern}", top.display())).unwrap();
            let strip = |path: PathBuf| path.strip_prefix(top).unwrap().display().to_string();
            glob.expand(&HostRoot::default()).into_iter().map(strip).collect::<Vec<_>>()
        };
        assert_eq!(expand("*.log"), ["one.log"]);
        assert_eq!(expand("*/*.log"), ["a/three.log"]);
        assert_eq!(expand("**/*.log"), ["a/b/four.log", "a/three.log", "one.log"]);
        assert_eq!(expand("{one,two}.*"), ["one.log", "two.txt"]);
        assert_eq!(expand("not-there.log"), ["not-there.log"], "a plain path is itself, existing or not");
    }

    #[test]
    fn links_to_directories_are_followed_inside_the_hosts_tree() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::create_dir_all(top.join("data/shop")).unwrap();
        fs::create_dir_all(top.join("var/log")).unwrap();
        fs::write(top.join("data/shop/a.log"), "").unwrap();
        std::os::unix::fs::symlink("/data/shop", top.join("var/log/shop")).unwrap();
        std::os::unix::fs::symlink("/var/log/loop", top.join("var/log/loop")).unwrap();
        let found = PathGlob::new("/var/log/*/*.log").unwrap().expand(&HostRoot::new(top));
        assert_eq!(found, [Path::new("/var/log/shop/a.log")]);
    }
}
