//! Runs a collector over recorded trees: `fixtures/collector/<name>/<case>/` with `proc`, `sys`, `udev` and `root` in it, and what it
//! has to give in `expected.prom`. `UPDATE_EXPECT=1 cargo test` writes that file anew; read it before it is committed.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use proto::exposition::write_families;
use proto::metric::{Families, UnixMillis};

use super::host::Host;
use super::registry::{COLLECTORS, Entry};
use super::settings::Settings;
use super::{Collector, Round};
use crate::host_root::HostRoot;

/// The collector of that name over each of the cases, with default settings.
pub(crate) fn check(name: &str, cases: &[&str]) {
    check_with(name, cases, &Settings::default());
}

/// The same with other settings.
pub(crate) fn check_with(name: &str, cases: &[&str], settings: &Settings) {
    let entry = entry(name);
    for case in cases {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector").join(name).join(case);
        assert!(tree.is_dir(), "no {}", tree.display());
        let mut collector = (entry.make)(&host(&tree), settings);
        // Twice, since descriptors are kept: the second time has to give the same.
        let first = collect(entry, &mut *collector);
        assert_eq!(first, collect(entry, &mut *collector), "{case}, read again");
        expect_file![tree.join("expected.prom")].assert_eq(&first);
    }
}

/// What is known of the collector of that name.
pub(crate) fn entry(name: &str) -> &'static Entry {
    COLLECTORS.iter().find(|entry| entry.name == name).unwrap()
}

/// The host whose trees stand below a directory.
pub(crate) fn host(tree: &Path) -> Host {
    let root = tree.join("root");
    // What a case does not have must not be found on the machine that tests it.
    Host::new(&tree.join("proc"), &tree.join("sys"), &tree.join("udev"), HostRoot::new(root))
}

/// One round, as text; a failure is its last line. Every family has to be in the catalogue.
pub(crate) fn collect(entry: &Entry, collector: &mut dyn Collector) -> String {
    let (mut out, mut buffer) = (Families::new(), Vec::new());
    let result = collector.collect(&mut Round { out: &mut out, buffer: &mut buffer, now: UnixMillis(1_700_000_000_000) });
    for sample in out.samples() {
        let family = sample.family();
        let desc = entry.families.iter().find(|desc| desc.describes(family.name) && desc.kind == family.kind);
        let desc = desc.unwrap_or_else(|| panic!("{} is not in the catalogue of {}", family.name, entry.name));
        for (label, _) in sample.labels() {
            assert!(desc.labels.contains(&label), "the catalogue has no label {label} of {}", family.name);
        }
    }
    let mut text = String::new();
    write_families(&out, &mut text);
    if let Err(failed) = result {
        // The path to the fixtures is that of this machine.
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
        let _ = writeln!(text, "# failed: {}", failed.to_string().replace(directory, ""));
    }
    text
}
