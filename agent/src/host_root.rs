//! The host's file tree as this process sees it: `/`, or where it is mounted in a container.
//!
//! Paths in the configuration, in labels and in messages are the host's; only this module puts the mount in front. Links
//! are followed inside the tree, as the host would follow them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

/// Where the host's root directory is.
#[derive(Clone, Debug)]
pub struct HostRoot {
    mount: PathBuf,
    /// A directory of our own: it is where this process sees it, wherever the host's tree is.
    own: Option<PathBuf>,
}

impl Default for HostRoot {
    fn default() -> Self {
        Self { mount: PathBuf::from("/"), own: None }
    }
}

impl HostRoot {
    /// The host's tree, mounted at `mount`.
    pub fn new(mount: impl Into<PathBuf>) -> Self {
        let mount = mount.into();
        // What the kernel names has no links in it, and is compared with this.
        Self { mount: mount.canonicalize().unwrap_or(mount), own: None }
    }

    /// The same, but paths below `own` are taken as this process sees them: the state directory.
    #[must_use]
    pub fn with_own(self, own: &Path) -> Self {
        Self { own: Some(own.to_owned()), ..self }
    }

    fn is_own(&self, path: &Path) -> bool {
        self.own.as_ref().is_some_and(|own| path.starts_with(own))
    }

    /// Where this process finds the host's `path`.
    pub fn locate(&self, path: &Path) -> PathBuf {
        if self.is_own(path) {
            return path.to_owned();
        }
        self.mount.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The host's name of what this process knows as `located`.
    pub fn name(&self, located: &Path) -> PathBuf {
        if self.is_own(located) {
            return located.to_owned();
        }
        located.strip_prefix(&self.mount).map_or_else(|_| located.to_owned(), |rest| Path::new("/").join(rest))
    }

    /// Where this process finds what the host's `path` leads to, without links. Fails as the host's own tree would: nothing
    /// there, a loop, not allowed.
    pub fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        if self.is_seen_alike(path) {
            return path.canonicalize();
        }
        let found = self.open_inside(path, OFlags::PATH | OFlags::CLOEXEC)?;
        fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
    }

    /// Lists a directory of the host.
    pub fn read_dir(&self, path: &Path) -> io::Result<fs::ReadDir> {
        fs::read_dir(self.resolve(path)?)
    }

    /// Opens a regular file for reading. Never blocks on a FIFO, never takes a terminal.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        if self.is_seen_alike(path) {
            return Ok(File::from(rustix::fs::openat(CWD, path, flags, Mode::empty())?));
        }
        self.open_inside(path, flags).map(File::from)
    }

    /// Whether the host and this process mean the same by `path`.
    fn is_seen_alike(&self, path: &Path) -> bool {
        self.mount == Path::new("/") || self.is_own(path)
    }

    /// Opens what stands below the mount, with the mount for `/` in every link.
    fn open_inside(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let root = rustix::fs::open(&self.mount, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let inside = path.strip_prefix("/").unwrap_or(path);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        match rustix::fs::openat2(&root, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            // Kernels before 5.6, and sandboxes that refuse what they do not know: links are then followed as they come.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                Ok(rustix::fs::openat(CWD, self.locate(path), flags, Mode::empty())?)
            }
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree with `/var/log` → `/data/log` (absolute), where a file stands; and outside of it, at that very path, nothing.
    fn host() -> (tempfile::TempDir, HostRoot) {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::create_dir_all(top.join("data/log")).unwrap();
        fs::create_dir(top.join("var")).unwrap();
        symlink("/data/log", top.join("var/log")).unwrap();
        fs::write(top.join("data/log/a.log"), "inside").unwrap();
        let root = HostRoot::new(top);
        (directory, root)
    }

    #[test]
    fn absolute_links_lead_where_they_lead_on_the_host() {
        let (_directory, root) = host();
        let mut text = String::new();
        root.open(Path::new("/var/log/a.log")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        let real = root.resolve(Path::new("/var/log/a.log")).unwrap();
        assert_eq!(root.name(&real), Path::new("/data/log/a.log"));
        let names: Vec<_> = root.read_dir(Path::new("/var/log")).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["a.log"]);
        assert_eq!(root.name(&root.resolve(Path::new("/")).unwrap()), Path::new("/"));
    }

    #[test]
    fn no_link_leads_out_of_the_tree() {
        let (directory, root) = host();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "outside").unwrap();
        symlink(outside.path(), directory.path().join("absolute")).unwrap();
        symlink("../../../../../../../../../..", directory.path().join("up")).unwrap();
        assert!(root.open(Path::new("/absolute/secret")).is_err());
        assert_eq!(root.resolve(Path::new("/up/data")).unwrap(), root.resolve(Path::new("/data")).unwrap());
    }

    #[test]
    fn a_loop_is_an_error() {
        let (directory, root) = host();
        symlink("/two", directory.path().join("one")).unwrap();
        symlink("/one", directory.path().join("two")).unwrap();
        let loops = rustix::io::Errno::LOOP.raw_os_error();
        assert_eq!(root.open(Path::new("/one")).unwrap_err().raw_os_error(), Some(loops));
        assert_eq!(root.resolve(Path::new("/one/more")).unwrap_err().raw_os_error(), Some(loops));
    }

    #[test]
    fn a_mount_that_is_itself_a_link_gives_the_same_names() {
        let (directory, _) = host();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("host");
        symlink(directory.path(), &link).unwrap();
        let root = HostRoot::new(&link);
        assert_eq!(root.name(&root.resolve(Path::new("/var/log")).unwrap()), Path::new("/data/log"));
    }
}
