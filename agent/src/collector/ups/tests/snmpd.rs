//! Against Net-SNMP's server with a recorded walk: v2c, and users of v3 with every pair of protocols that it has.

use std::fs;
use std::net::UdpSocket;
use std::thread;

use ::tests::program::{Program, Running};
use ::tests::skip::skipped;
use ::tests::wait;
use client::Secret;

use super::*;

const START_MAX: Duration = Duration::from_secs(20);
const AUTH: &str = "maplesyrup";
const PRIVACY: &str = "a \"quoted\" secret";

/// snmpd, in a directory of its own.
struct Snmpd {
    directory: tempfile::TempDir,
    port: u16,
    server: Option<Running>,
}

impl Snmpd {
    /// Starts it with those lines of configuration, and users; nothing where it is not installed, which is said.
    fn start(test: &str, access: &str, users: &str) -> Option<Self> {
        if Program::find("snmpd").is_none() {
            skipped(test, "snmpd is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut snmpd = Self { directory, port, server: None };
        let walk = fs::read_to_string(fixture("card.walk")).unwrap();
        snmpd.write("access.conf", &format!("agentaddress udp:127.0.0.1:{port}\n{access}"));
        snmpd.write("walk.conf", &overrides(&walk));
        // Where it keeps users, keys and how often it has started.
        snmpd.write("snmpd.conf", users);
        snmpd.serve();
        Some(snmpd)
    }

    fn serve(&mut self) {
        let here = self.directory.path().to_str().unwrap();
        let files = ["access", "walk", "snmpd"].map(|name| format!("{here}/{name}.conf")).join(",");
        let log = format!("{here}/snmpd.log");
        fs::remove_file(&log).ok();
        let args = ["-f", "-C", "-c", &files, "-Lf", &log, "-p", &format!("{here}/pid")].map(str::to_owned);
        let environment = [("SNMP_PERSISTENT_DIR".to_owned(), here.to_owned()), ("MIBS".to_owned(), String::new())];
        let program = Program::find("snmpd").unwrap();
        self.server = Some(program.serve(args, &environment, &self.directory.path().join("log")));
        wait::for_condition("snmpd runs", START_MAX, || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("NET-SNMP version"))
        });
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn ups(&self, access: SnmpAccess) -> Ups {
        Ups::new(UpsSettings::Snmp(SnmpSettings { server: here(self.port), access, timeout: TIMEOUT }))
    }

    /// How often it has started, as it remembers it.
    fn boots(&self) -> u32 {
        let text = fs::read_to_string(self.directory.path().join("snmpd.conf")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("engineBoots ")).unwrap().parse().unwrap()
    }
}

/// A configuration of snmpd that answers the walk: an `override` for each object.
fn overrides(walk: &str) -> String {
    let one = |line: &str| {
        let (object, value) = line.split_once(" = ").unwrap();
        let (kind, value) = value.split_once(": ").unwrap();
        let (kind, value) = match kind {
            "INTEGER" => ("integer", value),
            "Counter32" => ("counter", value),
            "Gauge32" => ("unsigned", value),
            "Timeticks" => ("timeticks", value.trim_start_matches('(').split(')').next().unwrap()),
            "STRING" => ("octet_str", value),
            "OID" => ("object_id", value),
            other => panic!("{other}"),
        };
        format!("override -rw {object} {kind} {value}\n")
    };
    // snmpd has an uptime of its own.
    walk.lines().skip(1).map(one).collect()
}

/// A user whose passwords are those of these tests.
fn user(name: &str, auth: Option<AuthProtocol>, privacy: Option<PrivacyProtocol>) -> SnmpUser {
    let secret = |text: &str| Secret::Inline(text.to_owned());
    let privacy = privacy.map(|protocol| SnmpPrivacy { protocol, password: secret(PRIVACY) });
    let auth = auth.map(|protocol| SnmpAuth { protocol, password: secret(AUTH), privacy });
    SnmpUser { name: name.to_owned(), context: String::new(), auth }
}

fn without_uptime(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("ups_sysUpTime ")).map(|line| format!("{line}\n"));
    lines.collect()
}

/// What the walk gives.
fn expected() -> String {
    without_uptime(&fs::read_to_string(fixture("card.prom")).unwrap())
}

/// The line that makes a user.
fn created(name: &str, auth: &str, privacy: Option<&str>) -> String {
    let privacy = privacy.map(|privacy| format!(" {privacy} '{PRIVACY}'")).unwrap_or_default();
    format!("createUser {name} {auth} \"{AUTH}\"{privacy}\n")
}

#[test]
fn net_snmps_server_is_walked_with_a_community() {
    let Some(snmpd) = Snmpd::start("net_snmps_server_is_walked_with_a_community", "rocommunity secret 127.0.0.1\n", "") else {
        return;
    };
    let mut ups = snmpd.ups(SnmpAccess::Community(Secret::Inline("secret".to_owned())));
    let (is_up, text) = sample(&mut ups);
    assert!(is_up && text.contains("ups_sysUpTime "), "{:?}", ups.missing());
    assert_eq!(without_uptime(&text), expected());
}

#[test]
fn net_snmps_server_is_walked_by_every_kind_of_user() {
    let auths = ["MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"];
    let privacies = ["DES", "AES", "AES-192", "AES-256", "AES-192-C", "AES-256-C"];
    let mut users = vec![(user("open", None, None), "createUser open\n".to_owned())];
    for (auth, (auth_name, auth_protocol)) in auths.iter().zip(AuthProtocol::NAMES) {
        users.push((user(auth_name, Some(auth_protocol), None), created(auth_name, auth, None)));
        for (privacy, (privacy_name, protocol)) in privacies.iter().zip(PrivacyProtocol::NAMES) {
            let name = format!("{auth_name}-{privacy_name}");
            users.push((user(&name, Some(auth_protocol), Some(protocol)), created(&name, auth, Some(privacy))));
        }
    }
    let access: Vec<String> = users.iter().map(|(user, _)| format!("rouser {} noauth\n", user.name)).collect();
    let lines: String = users.iter().map(|(_, line)| line.as_str()).collect();
    let Some(snmpd) = Snmpd::start("net_snmps_server_is_walked_by_every_kind_of_user", &access.concat(), &lines) else { return };
    for (user, _) in users {
        let name = user.name.clone();
        let mut ups = snmpd.ups(SnmpAccess::User(Box::new(user)));
        let (is_up, text) = sample(&mut ups);
        assert!(is_up, "{name}: {:?}", ups.missing());
        assert_eq!(without_uptime(&text), expected(), "{name}");
    }
}

#[test]
fn net_snmps_server_is_walked_on_after_it_was_killed() {
    let access = "rouser monitor priv\n";
    let name = "net_snmps_server_is_walked_on_after_it_was_killed";
    let Some(mut snmpd) = Snmpd::start(name, access, &created("monitor", "SHA-256", Some("AES"))) else { return };
    let user = user("monitor", Some(AuthProtocol::Sha256), Some(PrivacyProtocol::Aes));
    let mut ups = snmpd.ups(SnmpAccess::User(Box::new(user)));
    assert!(sample(&mut ups).0, "{:?}", ups.missing());
    let boots = snmpd.boots();
    // Between two samples, with another value: not one is lost.
    snmpd.server = None;
    let walk = fs::read_to_string(snmpd.directory.path().join("walk.conf")).unwrap();
    let object = ".1.3.6.1.2.1.33.1.2.4.0 integer ";
    let (before, after) = walk.split_once(object).unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    snmpd.write("walk.conf", &format!("{before}{object}61\n{after}"));
    snmpd.serve();
    assert!(snmpd.boots() > boots);
    let (is_up, text) = sample(&mut ups);
    assert!(is_up && text.contains("ups_upsEstimatedChargeRemaining 61\n"), "{text} {:?}", ups.missing());
    // Over a sample.
    snmpd.server = None;
    assert_eq!(sample(&mut ups), (false, String::new()));
    snmpd.serve();
    assert!(sample(&mut ups).0 && ups.missing().is_empty(), "{:?}", ups.missing());
}

#[test]
fn what_net_snmps_server_refuses_is_said() {
    let access = "rouser signed auth\nrouser encrypted priv\n";
    let users = created("signed", "SHA", None) + &created("encrypted", "SHA", Some("AES")) + &created("barred", "SHA", None);
    let Some(snmpd) = Snmpd::start("what_net_snmps_server_refuses_is_said", access, &users) else { return };
    let (sha, aes) = (Some(AuthProtocol::Sha), Some(PrivacyProtocol::Aes));
    let mut wrong = user("signed", sha, None);
    wrong.auth.as_mut().unwrap().password = Secret::Inline("not maplesyrup".to_owned());
    let mut undecipherable = user("encrypted", sha, aes);
    undecipherable.auth.as_mut().unwrap().privacy.as_mut().unwrap().password = Secret::Inline("not the secret".to_owned());
    let mut short = user("signed", sha, None);
    short.auth.as_mut().unwrap().password = Secret::Inline("sevenoc".to_owned());
    let elsewhere = SnmpUser { context: "elsewhere".to_owned(), ..user("signed", sha, None) };
    let cases = [
        (user("nobody", sha, None), "does not know the user (unknownUserNames)"),
        (wrong, "password of authentication is wrong, or `auth` is (wrongDigests)"),
        (user("signed", Some(AuthProtocol::Sha256), None), "`auth` is (wrongDigests)"),
        (undecipherable, "look at `privacy` and its password"),
        (user("encrypted", sha, Some(PrivacyProtocol::Des)), "look at `privacy` and its password"),
        (user("signed", sha, aes), "(unsupportedSecLevels); look at `auth` and `privacy`"),
        (elsewhere, "look at `context`"),
        (user("barred", sha, None), "may not read UPS-MIB"),
        (user("encrypted", sha, None), "may not read UPS-MIB"),
        (short, "8 octets"),
    ];
    // At once, since silence takes its time.
    thread::scope(|scope| {
        for (user, words) in cases {
            let (name, snmpd) = (format!("{} {words}", user.name), &snmpd);
            scope.spawn(move || {
                let mut ups = snmpd.ups(SnmpAccess::User(Box::new(user)));
                assert_eq!(sample(&mut ups), (false, String::new()), "{name}");
                assert!(ups.missing().len() == 1 && ups.missing()[0].contains(words), "{name}: {:?}", ups.missing());
            });
        }
    });
}
