//! `nfs`: what the NFS client counts over all mounts (/proc/net/rpc/nfs; kernel's `net/sunrpc/stats.c`).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{integer, lines, words};
use super::{Collector, Failed, Round};

static PACKETS: Desc = Desc::counter("node_nfs_packets_total", "Packets of the client, by transport.", &["protocol"]);
static CONNECTIONS: Desc = Desc::counter("node_nfs_connections_total", "TCP connections of the client.", &[]);
static RPCS: Desc = Desc::counter("node_nfs_rpcs_total", "Calls of the client.", &[]);
static RETRANSMISSIONS: Desc = Desc::counter("node_nfs_rpc_retransmissions_total", "Calls that were sent again.", &[]);
static REFRESHES: Desc = Desc::counter("node_nfs_rpc_authentication_refreshes_total", "Credentials that were renewed.", &[]);
static REQUESTS: Desc =
    Desc::counter("node_nfs_requests_total", "Calls of the client, by version and procedure.", &["proto", "method"]);

pub(super) const FAMILIES: &[&Desc] = &[&PACKETS, &CONNECTIONS, &RPCS, &RETRANSMISSIONS, &REFRESHES, &REQUESTS];

/// Procedures of version 2 (RFC 1094), which the server counts too.
pub(super) const V2: [&str; 18] = [
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove", "Rename", "Link",
    "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];
/// Procedures of version 3 (RFC 1813), which the server counts too.
pub(super) const V3: [&str; 22] = [
    "Null",
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];
/// The client's calls of version 4, in the order of the kernel's `NFSPROC4_CLNT_*`.
const V4: [&str; 71] = [
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "LayoutGet",
    "GetDeviceInfo",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
    "Copy",
    "OffloadCancel",
    "Lookupp",
    "LayoutError",
    "CopyNotify",
    "Getxattr",
    "Setxattr",
    "Listxattrs",
    "Removexattr",
    "ReadPlus",
    "OffloadStatus",
    "ZeroRange",
];
/// Calls of version 4 that are given although an older kernel does not count them, as `node_exporter` does.
const V4_ALWAYS: usize = 59;

pub(super) struct Nfs {
    file: KeptFile,
}

impl Nfs {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.net("rpc/nfs")) }
    }
}

impl Collector for Nfs {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let out = &mut *round.out;
        for line in lines(self.file.read(round.buffer)?) {
            let mut parts = words(line);
            let key = parts.next().unwrap_or_default();
            let mut values = parts.map_while(integer).map(|value| value as f64);
            match key {
                b"net" => {
                    // The first is the sum of both.
                    let [Some(_), Some(udp), Some(tcp), Some(connections)] = [(); 4].map(|()| values.next()) else { continue };
                    out.sample(&PACKETS, &["udp"], udp);
                    out.sample(&PACKETS, &["tcp"], tcp);
                    out.sample(&CONNECTIONS, &[], connections);
                }
                b"rpc" => {
                    for (desc, value) in [&RPCS, &RETRANSMISSIONS, &REFRESHES].into_iter().zip(values) {
                        out.sample(desc, &[], value);
                    }
                }
                b"proc2" => procedures(&REQUESTS, "2", &V2, values, out),
                b"proc3" => procedures(&REQUESTS, "3", &V3, values, out),
                b"proc4" => {
                    // How many there are is not needed to know which is which.
                    if values.next().is_none() {
                        continue;
                    }
                    for (place, name) in V4.iter().enumerate() {
                        match values.next() {
                            Some(value) => out.sample(&REQUESTS, &["4", name], value),
                            None if place < V4_ALWAYS => out.sample(&REQUESTS, &["4", name], 0.0),
                            None => break,
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Counts of a version's procedures, behind their number.
pub(super) fn procedures(
    desc: &'static Desc,
    version: &str,
    names: &[&str],
    mut values: impl Iterator<Item = f64>,
    out: &mut proto::metric::Families,
) {
    // How many there are is not needed to know which is which.
    values.next();
    for (name, value) in names.iter().zip(values) {
        out.sample(desc, &[version, name], value);
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("nfs", &["usual", "old_kernel", "damaged", "absent"]);
    }
}
