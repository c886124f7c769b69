//! Where the host's trees are as this process sees them: in a container they are mounted somewhere else.

use std::path::{Path, PathBuf};

use crate::host_root::HostRoot;

/// The host's file trees.
#[derive(Clone, Debug)]
pub struct Host {
    procfs: PathBuf,
    sysfs: PathBuf,
    udev: PathBuf,
    root: HostRoot,
}

impl Default for Host {
    fn default() -> Self {
        Self::new(Path::new("/proc"), Path::new("/sys"), Path::new("/run/udev"), HostRoot::default())
    }
}

impl Host {
    /// The trees at these places.
    pub fn new(procfs: &Path, sysfs: &Path, udev: &Path, root: HostRoot) -> Self {
        Self { procfs: procfs.to_owned(), sysfs: sysfs.to_owned(), udev: udev.to_owned(), root }
    }

    /// A file of /proc: `stat`.
    pub fn proc(&self, path: &str) -> PathBuf {
        self.procfs.join(path)
    }

    /// A file of /sys: `class/net`.
    pub fn sys(&self, path: &str) -> PathBuf {
        self.sysfs.join(path)
    }

    /// A file of /run/udev: `data/b8:0`.
    pub fn udev(&self, path: &str) -> PathBuf {
        self.udev.join(path)
    }

    /// The host's /.
    pub fn root(&self) -> &HostRoot {
        &self.root
    }

    /// A file of the first process, whose mounts and network are the host's: `mountinfo`, `net/dev`. Where that process is hidden,
    /// of our own, which is the same unless we are in a container.
    pub fn init(&self, path: &str) -> PathBuf {
        let of_init = self.procfs.join("1").join(path);
        // `exists` would follow what the kernel may refuse to show.
        if std::fs::File::open(&of_init).is_ok() { of_init } else { self.procfs.join("self").join(path) }
    }

    /// A file of the host's network: `dev` for /proc/net/dev.
    pub fn net(&self, path: &str) -> PathBuf {
        let of_init = self.procfs.join("1/net").join(path);
        if std::fs::File::open(&of_init).is_ok() { of_init } else { self.procfs.join("net").join(path) }
    }
}
