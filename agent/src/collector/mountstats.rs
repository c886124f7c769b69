//! `mountstats`: what the NFS client counts for each mount (`/proc/<pid>/mountstats`, kernel's `nfs_show_stats`). Off by default
//! upstream, on here: it gives nothing on a node without NFS, and the rule about slow servers reads it.
//!
//! In: the mounts of the first process. Out: once for each export, protocol and address of a server, however often it is mounted.
//! An operation is given once it was ever used, since a mount has some sixty and uses ten.

mod block;
mod families;

#[cfg(test)]
mod tests;

use proto::metric::{Families, UnixMillis};

use self::block::Block;
use self::families::{AGE, BYTES, EVENTS, MOUNTPOINT, OPERATIONS, TRANSPORTS};
use super::host::Host;
use super::kept::KeptFile;
use super::mountinfo::{Mount, unescape};
use super::settings::Settings;
use super::text::{Decimal, lines, text};
use super::{Collector, Failed, Round};

pub(super) use self::families::FAMILIES;

/// The age of a mount is told in whole seconds: a beginning that moves by less has not moved.
const BEGINNING_MOVES: u64 = 2_000;
/// From there on an operation's numbers are milliseconds.
const TIMES: usize = 5;

pub(super) struct MountStats {
    mountstats: KeptFile,
    mountinfo: KeptFile,
    all_operations: bool,
    mounts: Vec<Server>,
    connections: Vec<Connection>,
    block: Block,
}

/// Of what server a mount is.
struct Server {
    mountpoint: String,
    fstype: String,
    address: String,
    /// Whether this round has given its mount point.
    is_given: bool,
}

/// What all mounts of an export over one protocol share, and their counters too.
struct Connection {
    export: String,
    protocol: String,
    address: String,
    /// When its counters began.
    began: UnixMillis,
    /// Operations that were ever used, by their place in the list.
    used: u128,
    /// Whether this round has given it.
    is_given: bool,
}

impl MountStats {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            mountstats: KeptFile::new(host.init("mountstats")),
            mountinfo: KeptFile::new(host.init("mountinfo")),
            all_operations: settings.mountstats_all_operations,
            mounts: Vec::new(),
            connections: Vec::new(),
            block: Block::default(),
        }
    }

    /// Takes in which server each NFS mount is of.
    fn look(&mut self, buffer: &mut Vec<u8>) -> Result<(), Failed> {
        self.mounts.clear();
        for line in lines(self.mountinfo.read(buffer)?) {
            let Some(mount) = Mount::of_line(line).filter(|mount| block::is_nfs(mount.fstype)) else { continue };
            self.mounts.push(Server {
                mountpoint: text(&unescape(mount.mountpoint)).into_owned(),
                fstype: text(mount.fstype).into_owned(),
                address: text(mount.super_option(b"addr").unwrap_or_default()).into_owned(),
                is_given: false,
            });
        }
        Ok(())
    }

    /// Gives the mount that was read last.
    fn give(&mut self, out: &mut Families, now: UnixMillis) {
        let block = &self.block;
        // A mount of which no connection is told has nothing to be told by.
        if block.protocol.is_empty() {
            return;
        }
        // Of mounts over each other the last is seen. It stands in mountinfo, unless it was mounted just now.
        let is_it = |mount: &Server| mount.mountpoint == block.mountpoint && mount.fstype == block.fstype;
        let mount = self.mounts.iter_mut().rfind(|mount| is_it(mount));
        let (address, is_given) =
            mount.map_or(("", false), |mount| (&*mount.address, std::mem::replace(&mut mount.is_given, true)));
        if is_given {
            return;
        }
        let labels = [&*block.export, &*block.protocol, address];
        let [export, protocol, _] = labels;
        out.sample(&MOUNTPOINT, &[export, protocol, address, &block.mountpoint], 1.0);
        let connection = connection(&mut self.connections, labels);
        if !std::mem::replace(&mut connection.is_given, true) {
            let boot = out.counters_since(connection.began(block.age, now));
            connection.give(block, self.all_operations, out);
            out.counters_since(boot);
        }
    }
}

impl Collector for MountStats {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look(round.buffer)?;
        for connection in &mut self.connections {
            connection.is_given = false;
        }
        let mut rest = self.mountstats.read(round.buffer)?;
        while let Some(after) = self.block.read(rest) {
            rest = after;
            self.give(round.out, round.now);
        }
        // Unmounted: what is mounted there later begins anew.
        self.connections.retain(|connection| connection.is_given);
        Ok(())
    }
}

/// What is known of the connection with these labels.
fn connection<'k>(known: &'k mut Vec<Connection>, labels: [&str; 3]) -> &'k mut Connection {
    let is_it = |known: &Connection| [&*known.export, &*known.protocol, &*known.address] == labels;
    let place = known.iter().position(is_it).unwrap_or(known.len());
    if place == known.len() {
        let [export, protocol, address] = labels.map(str::to_owned);
        known.push(Connection { export, protocol, address, began: UnixMillis(i64::MIN), used: 0, is_given: false });
    }
    &mut known[place]
}

impl Connection {
    /// When its counters began, which is `age` seconds ago.
    fn began(&mut self, age: u64, now: UnixMillis) -> UnixMillis {
        let age = i64::try_from(age).unwrap_or_default().saturating_mul(1000);
        let began = now.0.saturating_sub(age);
        if began.abs_diff(self.began.0) > BEGINNING_MOVES {
            self.began = UnixMillis(began);
        }
        self.began
    }

    fn give(&mut self, block: &Block, all_operations: bool, out: &mut Families) {
        let (export, protocol, address) = (&*self.export, &*self.protocol, &*self.address);
        let labels = [export, protocol, address];
        out.sample(&AGE, &labels, block.age as f64);
        for (desc, value) in BYTES.into_iter().zip(block.bytes.iter().flatten()) {
            out.sample(desc, &labels, *value as f64);
        }
        for (desc, value) in EVENTS.into_iter().zip(block.events.iter().flatten()) {
            if let Some(desc) = desc {
                out.sample(desc, &labels, *value as f64);
            }
        }
        let mut index = Decimal::default();
        for (number, transport) in block.transports.iter().enumerate() {
            let index = index.write(number as u64);
            for (desc, value) in TRANSPORTS.into_iter().zip(transport) {
                out.sample(desc, &[export, protocol, address, index], *value as f64);
            }
        }
        for (place, operation) in block.operations.iter().enumerate() {
            // A list has no more than there are bits.
            let bit = 1_u128.checked_shl(place as u32).unwrap_or_default();
            if operation.values.iter().any(|value| *value != 0) {
                self.used |= bit;
            }
            if !all_operations && self.used & bit == 0 {
                continue;
            }
            let labels = [export, protocol, address, block.name(operation)];
            for (place, (desc, value)) in OPERATIONS.into_iter().zip(operation.values).enumerate() {
                let value = value as f64;
                out.sample(desc, &labels, if place < TIMES { value } else { value / 1000.0 });
            }
        }
    }
}
