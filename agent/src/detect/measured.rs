//! What of the node is measured: GPUs, UPSes, NFS, ZFS, containers. All but UPSes need no configuration; a dry run says what is there.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Detected, Finding, Found};
use crate::collector::host::Host;
use crate::collector::mountinfo::{Mount, unescape};
use crate::collector::{containers, gpu};

/// Where a NUT server is, unless somebody put it elsewhere.
const NUT: ([u8; 4], u16) = ([127, 0, 0, 1], 3493);
/// Loopback answers at once, or a firewall never does.
const CONNECT_WITHIN: Duration = Duration::from_millis(200);
/// Names that are said.
const NAMES_MAX: usize = 8;

/// Looks for everything.
pub fn look(host: &Host) -> Detected {
    let nut = nut(SocketAddr::from(NUT));
    let inputs = if nut.found == Found::Found { format!("metrics:\n  ups: [{{nut: {:?}}}]\n", nut.place) } else { String::new() };
    Detected { findings: vec![gpus(), nut, nfs(host), zfs(host), pods(host)], inputs }
}

fn gpus() -> Finding {
    let what = "NVIDIA's GPUs";
    match gpu::look(gpu::LIBRARY.as_ref()) {
        Ok(seen) => Finding { what, place: seen, found: Found::Found },
        Err(why) => Finding { what, place: gpu::LIBRARY.to_owned(), found: Found::Absent(why) },
    }
}

fn nut(address: SocketAddr) -> Finding {
    let found = match TcpStream::connect_timeout(&address, CONNECT_WITHIN) {
        Ok(_) => Found::Found,
        Err(error) => Found::Absent(super::in_words(&error)),
    };
    Finding { what: "NUT server", place: address.to_string(), found }
}

fn nfs(host: &Host) -> Finding {
    let mounts = fs::read(host.init("mountinfo")).unwrap_or_default();
    let mounts = mounts.split(|byte| *byte == b'\n').filter_map(Mount::of_line);
    let mounts = mounts.filter(|mount| matches!(mount.fstype, b"nfs" | b"nfs4"));
    let points = mounts.map(|mount| String::from_utf8_lossy(&unescape(mount.mountpoint)).into_owned());
    named("NFS mounts", points.collect(), "none is mounted", "/proc/1/mountinfo")
}

fn zfs(host: &Host) -> Finding {
    let place = "/proc/spl/kstat/zfs";
    let Ok(entries) = fs::read_dir(host.proc("spl/kstat/zfs")) else {
        return Finding { what: "ZFS", place: place.to_owned(), found: Found::Absent("the module is not loaded".to_owned()) };
    };
    let pools = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    named("ZFS", pools.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(), "no pool is imported", place)
}

fn pods(host: &Host) -> Finding {
    named("control groups of pods", containers::roots(host), "no group of the kubelet", "/sys/fs/cgroup")
}

/// What is called by these names; where it would be if there are none.
fn named(what: &'static str, mut names: Vec<String>, none: &str, place: &str) -> Finding {
    if names.is_empty() {
        return Finding { what, place: place.to_owned(), found: Found::Absent(none.to_owned()) };
    }
    names.sort_unstable();
    let left_out = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if left_out > 0 {
        names.push(format!("and {left_out} more"));
    }
    Finding { what, place: names.join(", "), found: Found::Found }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;

    use super::*;
    use crate::host_root::HostRoot;

    #[test]
    fn a_node_with_everything_says_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let tree = |path: &str| directory.path().join(path);
        for path in ["proc/1", "proc/spl/kstat/zfs/tank", "proc/spl/kstat/zfs/rpool", "sys/fs/cgroup/kubepods.slice"] {
            fs::create_dir_all(tree(path)).unwrap();
        }
        let mount = |point: &str, kind: &str| format!("36 35 0:47 / {point} rw - {kind} nas:/data rw,vers=4.2,addr=192.0.2.9\n");
        let mounts: String = (0..9).map(|number| mount(&format!("/mnt/{number}\\040a"), "nfs4")).collect();
        fs::write(tree("proc/1/mountinfo"), mounts + &mount("/mnt/other", "ext4")).unwrap();
        fs::write(tree("sys/fs/cgroup/cgroup.controllers"), "cpu memory\n").unwrap();
        let host = Host::new(&tree("proc"), &tree("sys"), &tree("udev"), HostRoot::new(directory.path()));
        let said = |finding: Finding| finding.to_string();
        assert_eq!(
            said(nfs(&host)),
            "NFS mounts: found, /mnt/0 a, /mnt/1 a, /mnt/2 a, /mnt/3 a, /mnt/4 a, /mnt/5 a, /mnt/6 a, /mnt/7 a, and 1 more"
        );
        assert_eq!(said(zfs(&host)), "ZFS: found, rpool, tank");
        assert_eq!(said(pods(&host)), "control groups of pods: found, /kubepods.slice");
    }

    #[test]
    fn a_node_without_says_where_it_was_looked_for() {
        let none = Path::new("/nowhere");
        let host = Host::new(none, none, none, HostRoot::new(none));
        assert_eq!(nfs(&host).to_string(), "NFS mounts: not found, none is mounted: /proc/1/mountinfo");
        assert_eq!(zfs(&host).to_string(), "ZFS: not found, the module is not loaded: /proc/spl/kstat/zfs");
        assert_eq!(pods(&host).to_string(), "control groups of pods: not found, no group of the kubelet: /sys/fs/cgroup");
    }

    #[test]
    fn a_nut_server_is_there_if_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(nut(address).found, Found::Found);
        drop(listener);
        assert_eq!(nut(address).to_string(), format!("NUT server: not found, connection refused: {address}"));
    }
}
