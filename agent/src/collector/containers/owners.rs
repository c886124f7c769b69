//! In which container a process runs: for what is known by process alone, as memory of a GPU is.

use std::collections::HashMap;

use super::names::{Naming, Owner};
use super::path::of_process;
use crate::collector::host::Host;
use crate::collector::kept::read_once;

/// Containers that are remembered.
const KNOWN_MAX: usize = 4096;

/// Looks processes up, and remembers what their containers are called.
pub struct Owners {
    host: Host,
    naming: Naming,
    known: HashMap<String, Owner>,
    buffer: Vec<u8>,
}

impl Owners {
    /// Of this host.
    pub fn new(host: &Host) -> Self {
        Self { host: host.clone(), naming: Naming::new(host.root()), known: HashMap::new(), buffer: Vec::new() }
    }

    /// Where a process runs, by <procfs>/<pid>/cgroup; nothing if it is in no pod, or if the pod's name is not known.
    pub fn of(&mut self, pid: u32) -> Option<Owner> {
        let text = read_once(&self.host.proc(&format!("{pid}/cgroup")), &mut self.buffer).ok()?;
        let (uid, id) = of_process(std::str::from_utf8(text).ok()?)?;
        if let Some(owner) = self.known.get(id) {
            return Some(owner.clone());
        }
        let owner = self.naming.by_runtime(id).map(|names| names.owner).or_else(|| {
            self.naming.look();
            self.naming.by_link(id).map(|names| names.owner).or_else(|| self.naming.of_pod(&uid))
        })?;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(id.to_owned(), owner.clone());
        Some(owner)
    }
}
