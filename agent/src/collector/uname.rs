//! `uname`: the node's name and kernel (uname(2)).
//!
//! In a container with a name of its own (and /proc/sys/kernel/hostname is always the reader's) the host's is the one that stands in
//! the host's /etc/hostname.

use std::io::Read as _;
use std::path::Path;

use proto::metric::{Desc, Families};

use super::host::Host;
use super::seldom::Seldom;
use super::{Collector, Failed, Round};
use crate::host_root::HostRoot;

static INFO: Desc = Desc::gauge(
    "node_uname_info",
    "The node's name and kernel, as uname has them.",
    &["sysname", "release", "version", "machine", "nodename", "domainname"],
);

pub(super) const FAMILIES: &[&Desc] = &[&INFO];

/// A host name has at most 64 bytes (gethostname(2)).
const HOSTNAME_MAX: u64 = 256;

pub(super) struct Uname {
    root: HostRoot,
    seldom: Seldom,
    hostname: Option<String>,
}

impl Uname {
    pub(super) fn new(host: &Host) -> Self {
        Self { root: host.root().clone(), seldom: Seldom::default(), hostname: None }
    }
}

impl Collector for Uname {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.seldom.is_due(round.now) {
            self.hostname = hostname(&self.root);
        }
        let uname = rustix::system::uname();
        let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
        let nodename = text(uname.nodename());
        let nodename = self.hostname.as_ref().unwrap_or(&nodename);
        give(
            [
                &text(uname.sysname()),
                &text(uname.release()),
                &text(uname.version()),
                &text(uname.machine()),
                nodename,
                &text(uname.domainname()),
            ],
            round.out,
        );
        Ok(())
    }
}

/// The host's name, if its tree is not our own.
fn hostname(root: &HostRoot) -> Option<String> {
    if root.locate(Path::new("/")) == Path::new("/") {
        return None;
    }
    let mut text = String::new();
    root.open(Path::new("/etc/hostname")).ok()?.take(HOSTNAME_MAX).read_to_string(&mut text).ok()?;
    // hostname(5): lines that begin with # are comments.
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

fn give(names: [&str; 6], out: &mut Families) {
    // What nobody has set.
    let names = names.map(|name| if name.is_empty() { "(none)" } else { name });
    out.sample(&INFO, &names, 1.0);
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::{collect, entry, host};

    #[test]
    fn the_name_is_the_hosts_where_its_tree_is_mounted_and_else_what_uname_says() {
        let tree = tempfile::tempdir().unwrap();
        let uname = rustix::system::uname();
        let given = || {
            let entry = entry("uname");
            collect(entry, &mut *(entry.make)(&host(tree.path()), &Default::default()))
        };
        let own = given();
        assert!(own.contains(&format!("nodename=\"{}\"", uname.nodename().to_str().unwrap())), "{own}");
        assert!(own.contains(&format!("sysname=\"Linux\",release=\"{}\"", uname.release().to_str().unwrap())), "{own}");
        std::fs::create_dir_all(tree.path().join("root/etc")).unwrap();
        std::fs::write(tree.path().join("root/etc/hostname"), "# the node\n\nnode-1\n").unwrap();
        assert!(given().contains("nodename=\"node-1\""), "{}", given());
    }
}
