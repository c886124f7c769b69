//! A disk of 8 MiB, and how to fill it.

use std::path::{Path, PathBuf};

/// Writes until there is no room left; says where.
pub fn fill(dir: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = dir.join("ballast");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// A tmpfs of 8 MiB; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` where nothing can be mounted: that takes root and `CAP_SYS_ADMIN`.
    pub fn mount(dir: &'a Path) -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        mount("tmpfs", dir, "tmpfs", MountFlags::empty(), Some(c"size=8m")).ok()?;
        Some(Self(dir))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0, rustix::mount::UnmountFlags::DETACH).ok();
    }
}
