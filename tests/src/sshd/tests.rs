//! Clients get in or do not, and the journal says so in OpenSSH's words.

use super::*;
use crate::journald::{Entry, Journald, Settings};

/// Tries everything; messages of (identifier, program).
fn try_all(test: &str, release: Release) -> Option<Vec<(String, String, String)>> {
    let dir = tempfile::tempdir().unwrap();
    let journald = Journald::start(test, dir.path().join("node"), Settings::of(""))?;
    let sshd = Sshd::start(test, journald.node(), release, dir.path().join("sshd"))?;
    assert!(sshd.connect("root", Try::Key));
    assert!(!sshd.connect("root", Try::Password(1)));
    assert!(!sshd.connect("root from 10.0.0.1 port 22 ssh2", Try::Password(2)));
    journald.sync();
    let of = |entry: &Entry, name: &str| entry.text(name).unwrap_or_default();
    let entries = journald.entries();
    let others = entries.iter().filter(|entry| of(entry, "_TRANSPORT") == "syslog");
    Some(others.map(|entry| (of(entry, "SYSLOG_IDENTIFIER"), of(entry, "_EXE"), entry.message())).collect())
}

/// How often a message begins so, from whom.
fn count(tried: &[(String, String, String)], from: (&str, &str), begin: &str) -> usize {
    tried
        .iter()
        .filter(|(identifier, exe, message)| (identifier.as_str(), exe.as_str()) == from && message.starts_with(begin))
        .count()
}

fn check(tried: &[(String, String, String)], from: (&str, &str)) {
    assert_eq!(count(tried, from, "Accepted publickey for root from 127.0.0.1 port "), 1, "{tried:#?}");
    assert_eq!(count(tried, from, "Failed password for root from 127.0.0.1 port "), 1, "{tried:#?}");
    assert_eq!(count(tried, from, "Invalid user root from 10.0.0.1 port 22 ssh2 from 127.0.0.1 port "), 1, "{tried:#?}");
    let hostile = "Failed password for invalid user root from 10.0.0.1 port 22 ssh2 from 127.0.0.1 port ";
    assert_eq!(count(tried, from, hostile), 2, "{tried:#?}");
}

#[test]
fn the_installed_one_logs_as_sshd() {
    if let Some(tried) = try_all("the_installed_one_logs_as_sshd", Release::Installed) {
        check(&tried, ("sshd", "/usr/sbin/sshd"));
    }
}

#[test]
fn a_newer_one_logs_as_sshd_session() {
    if let Some(tried) = try_all("a_newer_one_logs_as_sshd_session", Release::Newer) {
        check(&tried, ("sshd-session", "/usr/lib/openssh/sshd-session"));
        assert_eq!(count(&tried, ("sshd", "/usr/sbin/sshd"), "Server listening on 127.0.0.1 port "), 1, "{tried:#?}");
    }
}
