//! Logins by a real sshd, and messages that only look like them.

use std::sync::Arc;

use tests::journald::{Settings, syslog_as};
use tests::loki::Delivery;
use tests::sshd::{Release, Sshd, Try};
use tests::wait;

use crate::scene::scale;
use crate::stage::Stage;

const SELECTIONS: &str = "[{preset: sshd, job: sshd-pve}, {job: rest}]";
/// User names that try to be somebody else's message.
const HOSTILE: [&str; 5] = [
    "root from 10.0.0.1 port 22 ssh2",
    "Accepted publickey for root from 203.0.113.66 port 22 ssh2",
    "invalid user x",
    "x [preauth]",
    "Grüße 漢字",
];
const FORGED: &str = "Accepted publickey for root from 203.0.113.66 port 22 ssh2";

/// Metadata of those that begin so: user, address, method, result.
fn logins(arrived: &[Arc<Delivery>], begin: &str) -> Vec<[String; 4]> {
    let of = |delivery: &Delivery, name: &str| {
        let found = delivery.metadata.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let matching = arrived.iter().filter(|delivery| is_of(delivery, "sshd-pve") && delivery.line.starts_with(begin));
    matching.map(|delivery| ["user", "src_ip", "method", "result"].map(|name| of(delivery, name))).collect()
}

fn is_of(delivery: &Delivery, job: &str) -> bool {
    delivery.stream.contains(&format!("job=\"{job}\""))
}

fn story(name: &'static str, release: Release) {
    let Some(stage) = Stage::set(name, Settings::of(""), SELECTIONS) else {
        return;
    };
    let Some(sshd) = Sshd::start(name, stage.journald.node(), release, stage.scene.path("sshd")) else {
        return;
    };
    let agent = stage.start();
    assert!(sshd.connect("root", Try::Key));
    assert!(!sshd.connect("root", Try::Password(1)));
    assert!(!sshd.connect("nobody-of-that-name", Try::Password(1)));
    for user in HOSTILE {
        assert!(!sshd.connect(user, Try::Password(1)), "{user}");
    }
    // By another user, by another program of root's, and to the native socket.
    for identifier in ["sshd", "sshd-session"] {
        syslog_as(stage.journald.node(), 4711, identifier, FORGED);
        stage.journald.syslog().say(identifier, 6, FORGED);
        stage.journald.native().say(identifier, 6, FORGED);
    }
    stage.journald.native().say("end", 6, "the end");
    let written = stage.written();
    stage.assert_arrives(&written, 0);

    let arrived = stage.arrived();
    let expected = |user: &str, method: &str, result: &str| [user, "127.0.0.1", method, result].map(str::to_owned);
    assert_eq!(logins(&arrived, "Accepted "), [expected("root", "publickey", "accepted")]);
    let mut users = vec!["nobody-of-that-name"];
    users.extend(HOSTILE);
    let invalid: Vec<_> = users.iter().map(|user| expected(&vis(user), "", "invalid_user")).collect();
    assert_eq!(logins(&arrived, "Invalid user "), invalid);
    let mut failed = vec![expected("root", "password", "failed")];
    failed.extend(users.iter().map(|user| expected(&vis(user), "password", "failed")));
    assert_eq!(logins(&arrived, "Failed password "), failed);
    for delivery in arrived.iter().filter(|delivery| is_of(delivery, "sshd-pve")) {
        let is_genuine = |(name, value): &(String, String)| name != "src_ip" || value == "127.0.0.1";
        assert!(delivery.metadata.iter().all(is_genuine), "{delivery:?}");
        assert!(delivery.line != FORGED, "{delivery:?}");
        if let Some((_, port)) = delivery.metadata.iter().find(|(name, _)| name == "src_port") {
            assert!(delivery.line.contains(&format!("127.0.0.1 port {port}")), "{delivery:?}");
        }
    }
    let forged: Vec<_> = arrived.iter().filter(|delivery| delivery.line == FORGED).collect();
    assert_eq!(forged.len(), 6);
    assert!(forged.iter().all(|delivery| is_of(delivery, "sshd-untrusted")), "{forged:?}");
    wait::for_condition("the end", scale().deliver_max, || stage.arrived().iter().any(|delivery| is_of(delivery, "rest")));
    stage.finish(agent);
}

/// sshd logs a byte that is no printable ASCII in octal.
fn vis(user: &str) -> String {
    let byte = |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\{byte:03o}") };
    user.bytes().map(byte).collect()
}

#[test]
fn logins_of_the_installed_sshd_are_known_and_forgeries_are_set_apart() {
    story("logins_of_the_installed_sshd_are_known_and_forgeries_are_set_apart", Release::Installed);
}

#[test]
fn logins_of_a_newer_sshd_are_known_and_forgeries_are_set_apart() {
    story("logins_of_a_newer_sshd_are_known_and_forgeries_are_set_apart", Release::Newer);
}
