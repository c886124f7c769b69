//! Where the trees of control groups are, and which version each controller is of (cgroups(7)): with version 2 all in one tree, with
//! version 1 one or some in each, on a hybrid node both.
//!
//! In: the mounts of the host; where those do not say, the usual places. Out: the top of a controller's tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::collector::host::Host;
use crate::collector::kept::read_once;
use crate::collector::mountinfo::{Mount, unescape};
use crate::collector::text::lines;

/// Whose files are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    /// Quotas and weights of processors.
    Cpu,
    /// What they were used for; a part of `Cpu` in version 2.
    Accounting,
    /// Memory.
    Memory,
    /// Disks.
    Io,
    /// How many processes and threads there may be.
    Pids,
    /// What version 2 has without a controller: pressure.
    Unified,
}

/// By place: the name in version 1, which `Unified` does not have.
const CONTROLLERS: [(Controller, &str); 6] = [
    (Controller::Cpu, "cpu"),
    (Controller::Accounting, "cpuacct"),
    (Controller::Memory, "memory"),
    (Controller::Io, "blkio"),
    (Controller::Pids, "pids"),
    (Controller::Unified, ""),
];

/// How a controller's files are called, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A tree of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The directory of its first group.
    pub(super) top: PathBuf,
    pub(super) version: Version,
    /// Whether kills for want of memory are counted in the groups above too.
    pub(super) counts_below: bool,
}

/// The tree of each controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hierarchies {
    by_controller: [Option<Hierarchy>; CONTROLLERS.len()],
}

impl Hierarchies {
    /// Of this host, as it is now.
    pub(super) fn find(host: &Host) -> Self {
        let mut buffer = Vec::new();
        let mounted = read_once(&host.init("mountinfo"), &mut buffer).map(|text| Self::of_mounts(text, host));
        mounted.ok().filter(|mounted| *mounted != Self::default()).unwrap_or_else(|| Self::of_places(&host.sys("fs/cgroup")))
    }

    /// By the text of a mountinfo. What is mounted first counts: later ones are containers' own.
    fn of_mounts(text: &[u8], host: &Host) -> Self {
        let (mut found, mut unified) = (Self::default(), None);
        for mount in lines(text).filter_map(Mount::of_line) {
            let top = || {
                let mountpoint = unescape(mount.mountpoint);
                let path = Path::new(OsStr::from_bytes(&mountpoint));
                // The host's /sys may be somewhere else here.
                path.strip_prefix("/sys").map_or_else(|_| host.root().locate(path), |rest| host.sys("").join(rest))
            };
            match mount.fstype {
                b"cgroup2" if unified.is_none() => {
                    unified = Some(version_2(top(), !mount.has_super_option(b"memory_localevents")));
                }
                b"cgroup" => {
                    for ((_, name), place) in CONTROLLERS.iter().zip(&mut found.by_controller) {
                        if place.is_none() && mount.has_super_option(name.as_bytes()) {
                            *place = Some(version_1(top()));
                        }
                    }
                }
                _ => {}
            }
        }
        found.with_unified(unified.as_ref())
    }

    /// By what stands where distributions mount them.
    fn of_places(top: &Path) -> Self {
        let mut found = Self::default();
        let unified = top.join("cgroup.controllers").exists().then(|| version_2(top.to_owned(), true));
        for ((_, name), place) in CONTROLLERS.iter().zip(&mut found.by_controller) {
            let top = top.join(name);
            if unified.is_none() && !name.is_empty() && top.is_dir() {
                *place = Some(version_1(top));
            }
        }
        found.with_unified(unified.as_ref())
    }

    /// What version 1 does not have is version 2's.
    fn with_unified(mut self, unified: Option<&Hierarchy>) -> Self {
        for place in &mut self.by_controller {
            if place.is_none() {
                *place = unified.cloned();
            }
        }
        self
    }

    /// The tree of a controller.
    pub(super) fn of(&self, controller: Controller) -> Option<&Hierarchy> {
        let found = CONTROLLERS.iter().zip(&self.by_controller).find(|((known, _), _)| *known == controller);
        found.and_then(|(_, hierarchy)| hierarchy.as_ref())
    }

    /// The tree in which groups are looked for: that of memory, which every runtime limits.
    pub(super) fn main(&self) -> Option<&Hierarchy> {
        self.of(Controller::Memory).or_else(|| self.by_controller.iter().flatten().next())
    }
}

fn version_1(top: PathBuf) -> Hierarchy {
    Hierarchy { top, version: Version::One, counts_below: false }
}

fn version_2(top: PathBuf, counts_below: bool) -> Hierarchy {
    Hierarchy { top, version: Version::Two, counts_below }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::testing::host;

    fn shown(text: &str) -> Vec<String> {
        let host = host(Path::new("/tree"));
        let found = Hierarchies::of_mounts(text.as_bytes(), &host);
        let show = |hierarchy: &Hierarchy| format!("{:?} {}", hierarchy.version, hierarchy.top.display());
        CONTROLLERS.iter().map(|(controller, _)| found.of(*controller).map_or("-".to_owned(), show)).collect()
    }

    const UNIFIED: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const CPU: &str = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct\n";
    const MEMORY: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const NAMED: &str = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
    const LATER: &str = "99 31 0:32 / /run/nested/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn each_controller_is_where_it_is_mounted() {
        let one = |name: &str| format!("One /tree/sys/fs/cgroup/{name}");
        let two = || "Two /tree/sys/fs/cgroup/unified".to_owned();
        let none = || "-".to_owned();
        assert_eq!(
            shown(&[NAMED, MEMORY, CPU, LATER].concat()),
            [one("cpu,cpuacct"), one("cpu,cpuacct"), one("memory"), none(), none(), none()]
        );
        assert_eq!(
            shown(&[UNIFIED, MEMORY, NAMED].concat()),
            [two(), two(), one("memory"), two(), two(), two()],
            "what is not in version 1 is in version 2"
        );
        assert_eq!(shown("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"), vec!["Two /tree/sys/fs/cgroup"; 6]);
        assert_eq!(shown("1 0 0:7 / /cgroup/memory rw - cgroup none rw,memory")[2], "One /tree/root/cgroup/memory");
        assert_eq!(shown("damaged\n"), vec!["-"; 6]);
    }

    #[test]
    fn kills_are_counted_above_unless_the_mount_says_otherwise() {
        let counts = |options: &str| {
            let text = format!("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,{options}");
            Hierarchies::of_mounts(text.as_bytes(), &host(Path::new("/tree"))).main().unwrap().counts_below
        };
        assert_eq!(["nsdelegate", "nsdelegate,memory_localevents"].map(counts), [true, false]);
    }

    #[test]
    fn without_mounts_the_usual_places_are_looked_at() {
        let tree = tempfile::tempdir().unwrap();
        let found = || Hierarchies::find(&host(tree.path())).main().map(|main| (main.version, main.top.clone()));
        assert_eq!(found(), None);
        let top = tree.path().join("sys/fs/cgroup");
        std::fs::create_dir_all(top.join("pids")).unwrap();
        assert_eq!(found(), Some((Version::One, top.join("pids"))));
        std::fs::create_dir_all(top.join("memory")).unwrap();
        assert_eq!(found(), Some((Version::One, top.join("memory"))));
        std::fs::write(top.join("cgroup.controllers"), "memory\n").unwrap();
        assert_eq!(found(), Some((Version::Two, top)));
    }
}
