//! One NFS mount's part of mountstats, from bytes: what the kernel's `nfs_show_stats` and `rpc_clnt_show_stats` print.
//!
//! Lines of a kind that is not known, and those that are not as they should be, are stepped over; what they would have told is absent.

use std::ops::Range;

use crate::collector::mountinfo::unescape;
use crate::collector::text::{integer, text, words};

/// Operations of a mount at most: version 4.2 has some 75.
const OPERATIONS_MAX: usize = 128;
/// Connections of a mount at most: `nconnect` and `max_connect` are 16 at most each.
const TRANSPORTS_MAX: usize = 64;
/// Times may hold garbage near 2^64 (a negative sum); its bits above what a float holds are cut, as `node_exporter` does.
const FLOAT_BITS: u64 = 1 << 53;

/// What is told of a mount.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub export: String,
    pub mountpoint: String,
    pub fstype: String,
    /// `tcp`, `udp`, `rdma`; empty if none is told.
    pub protocol: String,
    /// Seconds since it was mounted.
    pub age: u64,
    /// Read and written: by programs, by programs past the cache, from and to the server, in pages.
    pub bytes: Option<[u64; 8]>,
    /// Of the kernel's `enum nfs_stat_eventcounters`.
    pub events: Option<[u64; 27]>,
    /// Bind, connect, idle seconds, sends, receives, bad ids, backlog, slots, sending, pending; of each connection.
    pub transports: Vec<[u64; 10]>,
    pub operations: Vec<Operation>,
    /// Names of operations, one behind the other.
    names: String,
}

/// What was counted of an operation.
#[derive(Debug)]
pub(super) struct Operation {
    name: Range<usize>,
    /// Requests, transmissions, major timeouts, bytes sent and received, milliseconds queued, until the answer, in all.
    pub values: [u64; 8],
}

/// Whether a file system's type is one of the client's.
pub(super) fn is_nfs(fstype: &[u8]) -> bool {
    fstype == b"nfs" || fstype == b"nfs4"
}

impl Block {
    /// Reads the next NFS mount; what stands behind it, or nothing if there is none.
    pub(super) fn read<'t>(&mut self, told: &'t [u8]) -> Option<&'t [u8]> {
        let mut rest = told;
        loop {
            let (line, after) = split_line(rest)?;
            rest = after;
            if self.begin(line) {
                break;
            }
        }
        let mut in_operations = false;
        while let Some((line, after)) = split_line(rest) {
            if line.starts_with(b"device ") || line.starts_with(b"no device ") {
                break;
            }
            rest = after;
            in_operations |= line.trim_ascii().starts_with(b"per-op statistics");
            self.take(line, in_operations);
        }
        Some(rest)
    }

    /// `device nas:/export mounted on /mnt with fstype nfs4 statvers=1.1`
    fn begin(&mut self, line: &[u8]) -> bool {
        let mut parts = words(line);
        let heads = |part: Option<&[u8]>, head: &[u8]| part == Some(head);
        if !heads(parts.next(), b"device") {
            return false;
        }
        let Some(export) = parts.next() else { return false };
        if !(heads(parts.next(), b"mounted") && heads(parts.next(), b"on")) {
            return false;
        }
        let Some(mountpoint) = parts.next() else { return false };
        if !(heads(parts.next(), b"with") && heads(parts.next(), b"fstype")) {
            return false;
        }
        let Some(fstype) = parts.next().filter(|fstype| is_nfs(fstype)) else { return false };
        for (to, from) in [(&mut self.export, export), (&mut self.mountpoint, mountpoint), (&mut self.fstype, fstype)] {
            to.clear();
            to.push_str(&text(&unescape(from)));
        }
        self.protocol.clear();
        self.names.clear();
        self.transports.clear();
        self.operations.clear();
        (self.age, self.bytes, self.events) = (0, None, None);
        true
    }

    fn take(&mut self, line: &[u8], in_operations: bool) {
        let mut parts = words(line);
        let Some(key) = parts.next().and_then(|key| key.strip_suffix(b":")) else { return };
        match key {
            // An operation may bear any name.
            _ if in_operations => self.take_operation(key, parts),
            b"age" => self.age = parts.next().and_then(integer).unwrap_or_default(),
            b"bytes" => self.bytes = numbers(parts),
            b"events" => self.events = numbers(parts),
            b"xprt" => self.take_transport(parts),
            _ => {}
        }
    }

    fn take_transport<'l>(&mut self, mut parts: impl Iterator<Item = &'l [u8]>) {
        let Some(protocol) = parts.next() else { return };
        // Which of the line's numbers are which; a 0 for those that the protocol does not have.
        let places: [usize; 10] = match protocol {
            b"tcp" => [1, 2, 4, 5, 6, 7, 9, 10, 11, 12],
            b"udp" => [1, NONE, NONE, 2, 3, 4, 6, 7, 8, 9],
            b"rdma" => [1, 2, 4, 5, 6, 7, 9, NONE, NONE, NONE],
            _ => return,
        };
        let mut told = [0; 13];
        let mut known = 0;
        for (to, part) in told.iter_mut().zip(parts) {
            let Some(value) = integer(part) else { return };
            (*to, known) = (value, known + 1);
        }
        // Of statvers 1.0 the last three are absent.
        let needed = places[6];
        if known <= needed || self.transports.len() == TRANSPORTS_MAX {
            return;
        }
        if self.protocol.is_empty() {
            self.protocol.push_str(&text(protocol));
        }
        let mut transport = places.map(|place| told.get(place).copied().unwrap_or_default());
        transport[2] %= FLOAT_BITS;
        self.transports.push(transport);
    }

    /// Eight numbers, since 5.3 nine.
    fn take_operation<'l>(&mut self, name: &[u8], parts: impl Iterator<Item = &'l [u8]>) {
        let Some(mut values) = numbers(parts) else { return };
        for time in &mut values[5..] {
            *time %= FLOAT_BITS;
        }
        if self.operations.len() < OPERATIONS_MAX {
            let start = self.names.len();
            self.names.push_str(&text(name));
            self.operations.push(Operation { name: start..self.names.len(), values });
        }
    }

    /// What an operation is called.
    pub(super) fn name(&self, operation: &Operation) -> &str {
        self.names.get(operation.name.clone()).unwrap_or_default()
    }
}

/// No place of a line.
const NONE: usize = usize::MAX;

fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

/// The first numbers of a line, if there are so many.
fn numbers<'l, const N: usize>(parts: impl Iterator<Item = &'l [u8]>) -> Option<[u64; N]> {
    let mut values = [0; N];
    let mut known = 0;
    for (to, part) in values.iter_mut().zip(parts) {
        (*to, known) = (integer(part)?, known + 1);
    }
    (known == N).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(told: &str) -> Vec<Block> {
        let mut rest = told.as_bytes();
        std::iter::from_fn(|| {
            let mut block = Block::default();
            rest = block.read(rest)?;
            Some(block)
        })
        .collect()
    }

    #[test]
    fn one_block_begins_where_the_next_device_stands() {
        let told = "device proc mounted on /proc with fstype proc\n\
                    device nas:/a\\040b mounted on /mnt/a with fstype nfs4 statvers=1.1\n\tage:\t7\n\tper-op statistics\n\t  READ: 1 2 3 4 5 6 7 8 9\n\
                    no device mounted on /x with fstype y\n\
                    device nas:/c mounted on /mnt/c with fstype nfs statvers=1.1\n\tage:\t8";
        let blocks = blocks(told);
        assert_eq!(blocks.iter().map(|block| &*block.export).collect::<Vec<_>>(), ["nas:/a b", "nas:/c"]);
        assert_eq!((blocks[0].age, blocks[0].name(&blocks[0].operations[0])), (7, "READ"));
        assert_eq!(blocks[0].operations[0].values, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(blocks[1].operations.is_empty());
    }

    #[test]
    fn each_protocol_has_its_own_order_of_numbers() {
        let xprt = |line: &str| blocks(&format!("device a mounted on b with fstype nfs\n\txprt:\t{line}\n")).remove(0).transports;
        for (line, transport) in [
            ("tcp 832 1 2 3 4 5 6 7 8 9 10 11 12", Some([1, 2, 4, 5, 6, 7, 9, 10, 11, 12])),
            ("tcp 832 1 2 3 4 5 6 7 8 9", Some([1, 2, 4, 5, 6, 7, 9, 0, 0, 0])),
            ("udp 832 1 2 3 4 5 6 7 8 9", Some([1, 0, 0, 2, 3, 4, 6, 7, 8, 9])),
            ("rdma 832 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", Some([1, 2, 4, 5, 6, 7, 9, 0, 0, 0])),
            ("tcp 832 1 2 3", None),
            ("tcp 832 1 2 3 x 5 6 7 8 9 10 11 12", None),
            ("local 832 1 2 3 4 5 6 7 8 9 10 11 12", None),
        ] {
            assert_eq!(xprt(line), transport.into_iter().collect::<Vec<_>>(), "{line}");
        }
    }

    #[test]
    fn what_is_damaged_costs_its_line() {
        let told = "device a mounted on b with fstype nfs\n\tage:\tx\n\tevents:\t1 2\n\tbytes:\t1 2 3 4 5 6 7 8\n\tper-op statistics\n\tREAD: 1 2\n\tWRITE: 1 1 0 0 0 0 0 18446743919241604546\n";
        let block = blocks(told).remove(0);
        assert_eq!((block.age, block.events, block.bytes), (0, None, Some([1, 2, 3, 4, 5, 6, 7, 8])));
        assert_eq!(block.operations.len(), 1);
        assert_eq!(block.operations[0].values[7], 18_446_743_919_241_604_546 % FLOAT_BITS);
        assert!(blocks("device a mounted on\ndevice\n\n\ndevice a mounted on b with fstype").is_empty());
    }
}
