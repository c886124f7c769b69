//! The host's file tree as this process sees it: `/`, or where it is mounted in a container.
//!
//! Paths in the configuration, in labels and in messages are the host's; only this module puts the mount in front. Links
//! are followed inside the tree, as the host would follow them.

use std::fs::File;
use std::io;
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
        Self { mount: mount.into(), own: None }
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

    /// Opens a regular file for reading. Never blocks on a FIFO, never takes a terminal.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = if self.mount == Path::new("/") || self.is_own(path) {
            rustix::fs::openat(CWD, path, flags, Mode::empty())?
        } else {
            let root = rustix::fs::open(&self.mount, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let inside = path.strip_prefix("/").unwrap_or(path);
            match rustix::fs::openat2(&root, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                // Kernels before 5.6, and sandboxes that refuse what they do not know: links are then followed as they come.
                Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                    rustix::fs::openat(CWD, self.locate(path), flags, Mode::empty())?
                }
                other => other?,
            }
        };
        Ok(File::from(fd))
    }
}
