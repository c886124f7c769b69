mod apcupsd;
mod nut;
mod snmp;
mod snmpd;
mod starttls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::exposition::write_families;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ups").join(name)
}

/// A server on this machine.
fn here(port: u16) -> Server {
    Server { host: "127.0.0.1".to_owned(), port }
}

/// One sample, as text. Every family has to be in the catalogue.
fn sample(ups: &mut Ups) -> (bool, String) {
    let (mut out, mut text) = (Families::new(), String::new());
    let is_up = ups.sample(UnixMillis(1), &mut out);
    for sample in out.samples() {
        let family = sample.family();
        if family.name == UP.name {
            continue;
        }
        let mut known = families().filter(|desc| desc.describes(family.name) && desc.kind == family.kind);
        assert!(
            known.any(|desc| sample.labels().all(|(label, _)| desc.labels.contains(&label))),
            "{} is not in the catalogue as it is given",
            family.name
        );
    }
    write_families(&out, &mut text);
    (is_up, text)
}

const TIMEOUT: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(300);
