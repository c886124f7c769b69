//! `nfsd`: what the NFS server counts (/proc/net/rpc/nfsd; kernel's `fs/nfsd/stats.c`).

use proto::metric::{Desc, Families};

use super::host::Host;
use super::kept::KeptFile;
use super::nfs::{V2, V3, procedures};
use super::text::{integer, lines, words};
use super::{Collector, Failed, Round};

static HITS: Desc =
    Desc::counter("node_nfsd_reply_cache_hits_total", "Requests that came again and were answered from memory.", &[]);
static MISSES: Desc = Desc::counter("node_nfsd_reply_cache_misses_total", "Requests whose answers are remembered.", &[]);
static NOCACHE: Desc =
    Desc::counter("node_nfsd_reply_cache_nocache_total", "Requests whose answers need not be remembered.", &[]);
static STALE: Desc = Desc::counter("node_nfsd_file_handles_stale_total", "Stale file handles.", &[]);
static READ: Desc = Desc::counter("node_nfsd_disk_bytes_read_total", "Bytes read for clients.", &[]);
static WRITTEN: Desc = Desc::counter("node_nfsd_disk_bytes_written_total", "Bytes written for clients.", &[]);
static THREADS: Desc = Desc::gauge("node_nfsd_server_threads", "Threads of the server.", &[]);
static AHEAD_SIZE: Desc = Desc::gauge("node_nfsd_read_ahead_cache_size_blocks", "Size of the read-ahead cache, in blocks.", &[]);
static AHEAD_MISSES: Desc =
    Desc::counter("node_nfsd_read_ahead_cache_not_found_total", "Reads that the read-ahead cache did not have.", &[]);
// The client's label is called `protocol`: dashboards know both.
static PACKETS: Desc = Desc::counter("node_nfsd_packets_total", "Packets of the server, by transport.", &["proto"]);
static CONNECTIONS: Desc = Desc::counter("node_nfsd_connections_total", "TCP connections of the server.", &[]);
static ERRORS: Desc =
    Desc::counter("node_nfsd_rpc_errors_total", "Bad calls, by what was bad: format, authentication, client.", &["error"]);
static RPCS: Desc = Desc::counter("node_nfsd_server_rpcs_total", "Calls of the server.", &[]);
static REQUESTS: Desc =
    Desc::counter("node_nfsd_requests_total", "Calls of the server, by version and procedure.", &["proto", "method"]);

pub(super) const FAMILIES: &[&Desc] = &[
    &HITS,
    &MISSES,
    &NOCACHE,
    &STALE,
    &READ,
    &WRITTEN,
    &THREADS,
    &AHEAD_SIZE,
    &AHEAD_MISSES,
    &PACKETS,
    &CONNECTIONS,
    &ERRORS,
    &RPCS,
    &REQUESTS,
];

/// Operations of version 4.0 by their numbers, which begin at 3 (RFC 7530); those that only change the current file are not given.
const V4: [Option<&str>; 37] = [
    Some("Access"),
    Some("Close"),
    Some("Commit"),
    Some("Create"),
    Some("DelegPurge"),
    Some("DelegReturn"),
    Some("GetAttr"),
    Some("GetFH"),
    Some("Link"),
    Some("Lock"),
    Some("Lockt"),
    Some("Locku"),
    Some("Lookup"),
    Some("LookupRoot"),
    Some("Nverify"),
    Some("Open"),
    Some("OpenAttr"),
    Some("OpenConfirm"),
    Some("OpenDgrd"),
    Some("PutFH"),
    None,
    None,
    Some("Read"),
    Some("ReadDir"),
    Some("ReadLink"),
    Some("Remove"),
    Some("Rename"),
    Some("Renew"),
    Some("RestoreFH"),
    Some("SaveFH"),
    Some("SecInfo"),
    Some("SetAttr"),
    Some("SetClientID"),
    Some("SetClientIDConfirm"),
    Some("Verify"),
    Some("Write"),
    Some("RelLockOwner"),
];
/// Slots of numbers that no operation has.
const V4_UNUSED: usize = 3;

pub(super) struct Nfsd {
    file: KeptFile,
}

impl Nfsd {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.net("rpc/nfsd")) }
    }
}

impl Collector for Nfsd {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        for line in lines(self.file.read(round.buffer)?) {
            let mut parts = words(line);
            let key = parts.next().unwrap_or_default();
            // `th` goes on with fractions.
            give(key, parts.map_while(integer).map(|value| value as f64), round.out);
        }
        Ok(())
    }
}

fn give(key: &[u8], mut values: impl Iterator<Item = f64>, out: &mut Families) {
    let mut in_order = |descs: &[&'static Desc], values: &mut dyn Iterator<Item = f64>| {
        for (desc, value) in descs.iter().zip(values) {
            out.sample(desc, &[], value);
        }
    };
    match key {
        b"rc" => in_order(&[&HITS, &MISSES, &NOCACHE], &mut values),
        b"fh" => in_order(&[&STALE], &mut values),
        b"io" => in_order(&[&READ, &WRITTEN], &mut values),
        b"th" => in_order(&[&THREADS], &mut values),
        b"ra" => {
            in_order(&[&AHEAD_SIZE], &mut values);
            // Between them how deep in the cache what was read stood, in tenths.
            in_order(&[&AHEAD_MISSES], &mut values.skip(10));
        }
        b"net" => {
            let [Some(_), Some(udp), Some(tcp), Some(connections)] = [(); 4].map(|()| values.next()) else { return };
            out.sample(&PACKETS, &["udp"], udp);
            out.sample(&PACKETS, &["tcp"], tcp);
            out.sample(&CONNECTIONS, &[], connections);
        }
        b"rpc" => {
            // The second is the sum of the others.
            let [Some(calls), Some(_), Some(format), Some(authentication), Some(client)] = [(); 5].map(|()| values.next()) else {
                return;
            };
            out.sample(&RPCS, &[], calls);
            out.sample(&ERRORS, &["fmt"], format);
            out.sample(&ERRORS, &["auth"], authentication);
            out.sample(&ERRORS, &["cInt"], client);
        }
        // Nobody calls nothing of a server but to see whether it is there.
        b"proc2" => procedures(&REQUESTS, "2", &V2[1..], values.skip(1), out),
        b"proc3" => procedures(&REQUESTS, "3", &V3[1..], values.skip(1), out),
        b"proc4ops" => {
            for (name, value) in V4.iter().zip(values.skip(1 + V4_UNUSED)) {
                if let Some(name) = name {
                    out.sample(&REQUESTS, &["4", name], value);
                }
            }
        }
        b"wdeleg_getattr" => {
            if let Some(value) = values.next() {
                out.sample(&REQUESTS, &["4", "WdelegGetattr"], value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("nfsd", &["usual", "old_kernel", "damaged", "absent"]);
    }
}
