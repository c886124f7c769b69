//! `netstat`: what the kernel has counted of each protocol (/proc/net/netstat, /proc/net/snmp, /proc/net/snmp6; RFC 1213 and
//! Linux's own), of the host's network.

use proto::metric::{Desc, Families};

use super::fields::Fields;
use super::host::Host;
use super::kept::KeptFile;
use super::settings::Settings;
use super::text::{lines, number, words};
use super::{Collector, Failed, Round};

static FIELD: Desc = Desc::untyped("node_netstat_*", "As /proc/net/netstat, snmp and snmp6 have it.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&FIELD];

pub(super) struct NetStat {
    netstat: KeptFile,
    snmp: KeptFile,
    snmp6: KeptFile,
    fields: Fields,
}

impl NetStat {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        let file = |name| KeptFile::new(host.net(name));
        Self {
            netstat: file("netstat"),
            snmp: file("snmp"),
            snmp6: file("snmp6"),
            fields: Fields::new("node_netstat_", &settings.netstat_fields),
        }
    }
}

impl Collector for NetStat {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.fields.again();
        pairs(self.netstat.read(round.buffer)?, &mut self.fields, round.out);
        pairs(self.snmp.read(round.buffer)?, &mut self.fields, round.out);
        match self.snmp6.read(round.buffer) {
            Ok(text) => single(text, &mut self.fields, round.out),
            // Without IPv6.
            Err(Failed::NoData(_)) => {}
            Err(failed) => return Err(failed),
        }
        Ok(())
    }
}

/// A line of names and a line of values, both after `Tcp:`. A line without its like is left out.
fn pairs(text: &[u8], fields: &mut Fields, out: &mut Families) {
    let mut lines = lines(text).peekable();
    while let Some(line) = lines.next() {
        let mut names = words(line);
        let Some(protocol) = names.next() else { continue };
        let Some(values) = lines.next_if(|values| words(values).next() == Some(protocol)) else { continue };
        let Some(group) = protocol.strip_suffix(b":") else { continue };
        for (name, value) in names.zip(words(values).skip(1)) {
            // Tcp_MaxConn is -1.
            if let (Some(family), Some(value)) = (fields.family(group, name), number(value)) {
                out.named(&FIELD, family, &[], value);
            }
        }
    }
}

/// A name and a value a line: `Ip6InReceives 12`, of the group Ip6.
fn single(text: &[u8], fields: &mut Fields, out: &mut Families) {
    for line in lines(text) {
        let mut words = words(line);
        let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
        let Some(six) = name.iter().position(|byte| *byte == b'6') else { continue };
        let (group, name) = name.split_at(six + 1);
        if let (Some(family), Some(value)) = (fields.family(group, name), number(value)) {
            out.named(&FIELD, family, &[], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("netstat", &["usual", "without_ipv6", "malformed", "absent"]);
    }
}
