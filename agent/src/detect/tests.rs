//! Detection over a tree that is not this machine's own: absolute links, loops, dangling links, and what cannot be opened.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rustix::fs::{FileType, Mode, mknodat};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::*;

/// An empty host, mounted somewhere.
fn host() -> (tempfile::TempDir, HostRoot) {
    let directory = tempfile::tempdir().unwrap();
    let root = HostRoot::new(directory.path());
    (directory, root)
}

/// What was seen of the source.
fn seen(detected: &Detected, what: &str) -> Finding {
    detected.findings.iter().find(|finding| finding.what == what).unwrap().clone()
}

/// Without the capabilities that open everything: this thread alone, so that other tests keep theirs.
fn as_nobody_special() {
    let CapabilitySets { effective, permitted, inheritable } = capabilities(None).unwrap();
    let everything = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    set_capabilities(None, CapabilitySets { effective: effective - everything, permitted, inheritable }).unwrap();
}

#[test]
fn absolute_links_are_followed_inside_the_hosts_tree() {
    let (directory, root) = host();
    let top = directory.path();
    fs::create_dir_all(top.join("data/audit")).unwrap();
    fs::create_dir_all(top.join("data/pods")).unwrap();
    fs::create_dir_all(top.join("data/journal")).unwrap();
    fs::create_dir_all(top.join("data/vault")).unwrap();
    fs::create_dir_all(top.join("var/log/kubernetes")).unwrap();
    fs::create_dir(top.join("vault")).unwrap();
    fs::write(top.join("data/audit/audit.log"), "").unwrap();
    fs::write(top.join("data/vault/one.log"), "").unwrap();
    symlink("/data/audit/audit.log", top.join("var/log/kubernetes/audit.log")).unwrap();
    symlink("/data/pods", top.join("var/log/pods")).unwrap();
    symlink("/data/journal", top.join("var/log/journal")).unwrap();
    symlink("/data/vault", top.join("vault/audit")).unwrap();
    let detected = look(&root);
    assert!(detected.findings.iter().all(|finding| finding.found == Found::Found), "{:?}", detected.findings);
    assert_eq!(seen(&detected, "Vault audit log").place, "/vault/audit/*.log");
    assert_eq!(seen(&detected, "Kubernetes audit log").place, "/var/log/kubernetes/audit.log");
}

#[test]
fn what_a_link_would_find_outside_the_tree_is_not_there() {
    let (directory, root) = host();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("audit.log"), "").unwrap();
    fs::create_dir_all(directory.path().join("var/log")).unwrap();
    symlink(outside.path(), directory.path().join("var/log/kubernetes")).unwrap();
    symlink(outside.path(), directory.path().join("var/log/pods")).unwrap();
    let detected = look(&root);
    assert!(detected.findings.iter().all(|finding| matches!(finding.found, Found::Absent(_))), "{:?}", detected.findings);
    assert_eq!(detected.inputs, "logs:\n");
}

#[test]
fn a_loop_of_links_ends_and_is_said() {
    let (directory, root) = host();
    let top = directory.path();
    fs::create_dir_all(top.join("var/log/kubernetes")).unwrap();
    fs::create_dir(top.join("vault")).unwrap();
    symlink("/var/log/kubernetes/audit.log", top.join("var/log/kubernetes/audit.log")).unwrap();
    symlink("/vault/logs", top.join("vault/audit")).unwrap();
    symlink("/vault/audit", top.join("vault/logs")).unwrap();
    symlink("pods", top.join("var/log/pods")).unwrap();
    symlink("journal", top.join("var/log/journal")).unwrap();
    let detected = look(&root);
    for finding in &detected.findings {
        assert!(matches!(&finding.found, Found::Unreadable(why) if why.contains("links")), "{finding}");
    }
    assert!(detected.inputs.contains("kubernetes-audit"), "tried again, and counted as unreadable: {}", detected.inputs);
}

#[test]
fn what_cannot_be_opened_is_said_and_configured_all_the_same() {
    let (directory, root) = host();
    let top = directory.path();
    for closed in ["var/log/kubernetes", "var/log/pods", "var/log/journal", "vault/audit"] {
        fs::create_dir_all(top.join(closed)).unwrap();
        fs::write(top.join(closed).join("audit.log"), "").unwrap();
        fs::set_permissions(top.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
    }
    as_nobody_special();
    let detected = look(&root);
    for finding in &detected.findings {
        assert!(matches!(&finding.found, Found::Unreadable(why) if why.contains("denied")), "{finding}");
    }
    for input in ["kubernetes-audit", "vault-audit", "pods:", "journal:"] {
        assert!(detected.inputs.contains(input), "{input} in {}", detected.inputs);
    }
    // So that the directory can be removed.
    for closed in ["var/log/kubernetes", "var/log/pods", "var/log/journal", "vault/audit"] {
        fs::set_permissions(top.join(closed), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_fifo_or_a_directory_in_a_files_place_holds_up_nothing() {
    let (directory, root) = host();
    let top = directory.path();
    fs::create_dir_all(top.join("vault/audit")).unwrap();
    fs::create_dir_all(top.join("var/log/kubernetes/audit.log")).unwrap();
    mknodat(rustix::fs::CWD, top.join("vault/audit/a.log"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let detected = look(&root);
    for what in ["Vault audit log", "Kubernetes audit log"] {
        assert_eq!(seen(&detected, what).found, Found::Unreadable("not a regular file".to_owned()));
    }
}
