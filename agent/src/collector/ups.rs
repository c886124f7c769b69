//! UPSes of one server: NUT's upsd, a card that speaks SNMP (UPS-MIB), or apcupsd.
//!
//! In: answers over TCP or UDP, each sample with one deadline. Out: samples of the target `ups`, under the names of the exporter that
//! dashboards know. A UPS whose driver is dead or whose data is stale has `up` 0 and nothing else; the others of its server go on.

mod apcupsd;
mod ber;
mod nut;
mod nut_base_units;
mod nut_line;
mod nut_names;
mod server;
mod snmp;
mod timed;
mod ups_mib;
mod variables;

#[cfg(test)]
mod tests;

use std::io;

use proto::metric::{Desc, Families, UnixMillis};
use thiserror::Error;
use tracing::{info, warn};

pub use apcupsd::ApcupsdSettings;
pub use nut::{Login, NutSettings};
pub use server::Server;
pub use snmp::SnmpSettings;

use crate::measure::Sampler;
use crate::target::UP;
use variables::Variables;

/// The server that is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpsSettings {
    /// NUT's upsd, with all its UPSes.
    Nut(NutSettings),
    /// One UPS, by SNMP v2c.
    Snmp(SnmpSettings),
    /// One UPS, by apcupsd's network information server.
    Apcupsd(ApcupsdSettings),
}

impl UpsSettings {
    /// Where it is; as text, the label `instance`.
    pub fn server(&self) -> &Server {
        match self {
            Self::Nut(settings) => &settings.server,
            Self::Snmp(settings) => &settings.server,
            Self::Apcupsd(settings) => &settings.server,
        }
    }
}

/// Under which names NUT's variables are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NutNames {
    /// `network_ups_tools_*`: every variable that is a number, as it is.
    #[default]
    NutExporter,
    /// `nut_*`: a list of variables, in base units.
    BaseUnits,
}

/// Every family that UPSes give.
pub fn families() -> impl Iterator<Item = &'static Desc> {
    nut_names::FAMILIES.iter().copied().chain(nut_base_units::families()).chain(ups_mib::families())
}

/// Why a server or one of its UPSes gave nothing.
#[derive(Debug, Error)]
enum UpsError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Client(#[from] client::ClientError),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("it was refused: {0}")]
    Refused(String),
    #[error("what answers does not speak {protocol}: {why}; look at host and port")]
    Odd { protocol: &'static str, why: &'static str },
    #[error("more {0} than a server has")]
    TooMany(&'static str),
}

/// A UPS as a server told of it.
#[derive(Debug, Default)]
struct Told {
    name: String,
    description: String,
    variables: Variables,
    /// Why its variables say nothing of now.
    away: Option<String>,
}

/// The UPSes of one server.
pub struct Ups {
    server: Server,
    source: Source,
    /// What was said last, of the server and of its UPSes.
    said: Vec<String>,
}

enum Source {
    Nut(Box<nut::Nut>, NutNames),
    Snmp(Box<snmp::Snmp>),
    Apcupsd(apcupsd::Apcupsd, NutNames),
}

impl Ups {
    /// Nobody is asked yet.
    pub fn new(settings: UpsSettings) -> Self {
        let server = settings.server().clone();
        let source = match settings {
            UpsSettings::Nut(settings) => {
                let names = settings.names;
                Source::Nut(Box::new(nut::Nut::new(settings)), names)
            }
            UpsSettings::Snmp(settings) => Source::Snmp(Box::new(snmp::Snmp::new(settings))),
            UpsSettings::Apcupsd(settings) => {
                let names = settings.names;
                Source::Apcupsd(apcupsd::Apcupsd::new(settings), names)
            }
        };
        Self { server, source, said: Vec::new() }
    }

    /// Says what is new.
    fn say(&mut self, now: Vec<String>) {
        for what in now.iter().filter(|what| !self.said.contains(what)) {
            warn!(server = %self.server, "{what}");
        }
        if now.is_empty() && !self.said.is_empty() {
            info!(server = %self.server, "all UPSes are measured again");
        }
        self.said = now;
    }
}

impl Sampler for Ups {
    fn sample(&mut self, _: UnixMillis, out: &mut Families) -> bool {
        let mut faults = Vec::new();
        let asked = match &mut self.source {
            Source::Nut(nut, names) => nut.ask().map(|()| {
                names.server(nut.version(), out);
                give(nut.told(), *names, out, &mut faults);
            }),
            Source::Snmp(snmp) => snmp.ask(out),
            Source::Apcupsd(apcupsd, names) => {
                apcupsd.ask().map(|told| give(std::slice::from_ref(told), *names, out, &mut faults))
            }
        };
        if let Err(error) = &asked {
            faults.push(error.to_string());
        }
        self.say(faults);
        asked.is_ok()
    }

    fn missing(&self) -> Vec<String> {
        self.said.iter().map(|what| format!("{}: {what}", self.server)).collect()
    }
}

impl NutNames {
    /// What is known of the server itself.
    fn server(self, version: &str, out: &mut Families) {
        match self {
            Self::NutExporter => {}
            Self::BaseUnits => nut_base_units::server(version, out),
        }
    }
}

/// Samples of UPSes, each with its own `up`.
fn give(all: &[Told], names: NutNames, out: &mut Families, faults: &mut Vec<String>) {
    let mut name = String::new();
    for told in all {
        out.sample(&UP, &[], f64::from(u8::from(told.away.is_none())));
        out.static_label("ups", &told.name);
        match &told.away {
            Some(why) => faults.push(format!("UPS {}: {why}", told.name)),
            None => match names {
                NutNames::NutExporter => nut_names::give(told, &mut name, out),
                NutNames::BaseUnits => nut_base_units::give(told, out),
            },
        }
    }
}
