//! UPSes, by the servers that know them.

use std::time::Duration;

use client::Secret;

use super::super::defaults;
use super::super::raw::metrics::{RawSnmpUser, RawUps};
use super::{Check, value_or};
use crate::collector::ups::{
    ApcupsdSettings, Login, NutNames, NutSettings, Server, SnmpAccess, SnmpAuth, SnmpPrivacy, SnmpSettings, SnmpUser, UpsSettings,
};
use settings::problem::{At, quote};
use settings::quantity::show_duration;
use settings::read::Spanned;

/// SNMP's names of users and contexts are no longer (RFC 3411, RFC 3414).
const SNMP_NAME_MAX: usize = 32;

/// What a UPS's server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UpsProtocol {
    Nut,
    Snmp,
    Apcupsd,
}

impl Check {
    /// The servers of UPSes, each once: a second item would give the same series again.
    pub(super) fn upses(&mut self, sections: &[Spanned<RawUps>]) -> Vec<UpsSettings> {
        let mut all: Vec<UpsSettings> = Vec::new();
        for section in sections {
            let Some(settings) = self.ups(section) else { continue };
            if all.iter().any(|other| gives_the_same(other, &settings)) {
                self.problems.push(&section.at, format!("{} is asked already; remove one of the items", settings.server()));
            }
            all.push(settings);
        }
        all
    }

    fn ups(&mut self, section: &Spanned<RawUps>) -> Option<UpsSettings> {
        let raw = &section.value;
        let places = [(UpsProtocol::Nut, &raw.nut), (UpsProtocol::Snmp, &raw.snmp), (UpsProtocol::Apcupsd, &raw.apcupsd)];
        let mut given = places.into_iter().filter_map(|(protocol, place)| Some((protocol, place.as_ref()?)));
        let Some((protocol, address)) = given.next() else {
            if !section.damaged {
                self.problems.push(&section.at, "one of `nut`, `snmp` and `apcupsd` is missing: where the UPS is asked");
            }
            return None;
        };
        if let Some((_, second)) = given.next() {
            self.problems.push(&second.at, "`nut`, `snmp` and `apcupsd` exclude each other; write an item for each");
        }
        let (name, port) = match protocol {
            UpsProtocol::Nut => ("nut", 3493),
            UpsProtocol::Snmp => ("snmp", 161),
            UpsProtocol::Apcupsd => ("apcupsd", 3551),
        };
        let server = Server::parse(&address.value, port);
        if server.is_none() {
            self.problems.push(&address.at, format!("`{name}`: {} is not HOST or HOST:PORT", quote(&address.value)));
        }
        if let Some(timeout) = &raw.timeout {
            self.bounded(
                "timeout",
                &timeout.at,
                timeout.value,
                Duration::from_millis(100),
                Duration::from_mins(1),
                show_duration,
            );
        }
        let foreign: [(&str, Option<&At>, bool); 6] = [
            ("names", raw.names.as_ref().map(|names| &names.at), protocol != UpsProtocol::Snmp),
            ("username", raw.username.as_ref().map(|user| &user.at), protocol == UpsProtocol::Nut),
            ("password_file", raw.password_file.as_ref().map(|file| &file.at), protocol == UpsProtocol::Nut),
            ("tls", raw.tls.as_ref().map(|tls| &tls.at), protocol == UpsProtocol::Nut),
            ("community_file", raw.community_file.as_ref().map(|file| &file.at), protocol == UpsProtocol::Snmp),
            ("v3", raw.v3.as_ref().map(|user| &user.at), protocol == UpsProtocol::Snmp),
        ];
        for (key, at, has) in foreign {
            if let (Some(at), false) = (at, has) {
                let place = if key == "username" && protocol == UpsProtocol::Snmp { ", or write it below `v3`" } else { "" };
                self.problems.push(at, format!("`{key}` means nothing to `{name}`; remove it{place}"));
            }
        }
        let login = self.ups_login(section);
        let tls = raw.tls.as_ref().map(|tls| self.tls(tls, None));
        let access = if protocol == UpsProtocol::Snmp { self.snmp_access(raw) } else { None };
        let server = server?;
        let timeout = value_or(raw.timeout.as_ref(), defaults::UPS_TIMEOUT);
        let names = value_or(raw.names.as_ref(), NutNames::default());
        Some(match protocol {
            UpsProtocol::Nut => UpsSettings::Nut(NutSettings { server, names, timeout, login, tls }),
            UpsProtocol::Snmp => UpsSettings::Snmp(SnmpSettings { server, access: access?, timeout }),
            UpsProtocol::Apcupsd => UpsSettings::Apcupsd(ApcupsdSettings { server, names, timeout }),
        })
    }

    fn ups_login(&mut self, section: &Spanned<RawUps>) -> Option<Login> {
        let raw = &section.value;
        if raw.username.is_none() && raw.password_file.is_none() {
            return None;
        }
        let user = self.needed(raw.username.as_ref(), "username", section);
        let file = self.needed(raw.password_file.as_ref(), "password_file", section);
        let file = file.and_then(|file| self.path("password_file", file));
        Some(Login { user: user?.value.clone(), password: Secret::File(file?.into()) })
    }

    /// As whom a card is asked.
    fn snmp_access(&mut self, raw: &RawUps) -> Option<SnmpAccess> {
        let community = raw.community_file.as_ref().and_then(|file| self.path("community_file", file));
        let Some(section) = &raw.v3 else {
            let default = || Secret::Inline(defaults::SNMP_COMMUNITY.to_owned());
            return Some(SnmpAccess::Community(community.map_or_else(default, |file| Secret::File(file.into()))));
        };
        if let Some(file) = &raw.community_file {
            self.problems.push(&file.at, "`community_file` and `v3` exclude each other: a community is of v2c");
        }
        Some(SnmpAccess::User(Box::new(self.snmp_user(section)?)))
    }

    fn snmp_user(&mut self, section: &Spanned<RawSnmpUser>) -> Option<SnmpUser> {
        let raw = &section.value;
        let name = self.needed(raw.username.as_ref(), "username", section).map(|name| name.value.clone());
        if let Some(name) = &raw.username
            && !(1..=SNMP_NAME_MAX).contains(&name.value.len())
        {
            self.problems.push(&name.at, format!("`username` has 1 to {SNMP_NAME_MAX} octets"));
        }
        if let Some(context) = &raw.context
            && context.value.len() > SNMP_NAME_MAX
        {
            self.problems.push(&context.at, format!("`context` has at most {SNMP_NAME_MAX} octets"));
        }
        let mut both = |key: &str, setting: Option<&At>, file: Option<&Spanned<String>>| match (setting, file) {
            (Some(at), None) if !section.damaged => {
                self.problems.push(at, format!("`{key}` needs `{key}_password_file` too"));
                None
            }
            (None, Some(file)) if !section.damaged => {
                self.problems.push(&file.at, format!("`{key}_password_file` needs `{key}` too: by what"));
                None
            }
            (_, file) => file.and_then(|file| self.path(&format!("{key}_password_file"), file)),
        };
        let password = both("auth", raw.auth.as_ref().map(|auth| &auth.at), raw.auth_password_file.as_ref());
        let privacy_password =
            both("privacy", raw.privacy.as_ref().map(|privacy| &privacy.at), raw.privacy_password_file.as_ref());
        let secret = |file: String| Secret::File(file.into());
        let privacy = raw.privacy.as_ref().zip(privacy_password);
        let privacy = privacy.map(|(protocol, file)| SnmpPrivacy { protocol: protocol.value, password: secret(file) });
        if let (None, None, Some(privacy), false) = (&raw.auth, &raw.auth_password_file, &raw.privacy, section.damaged) {
            self.problems.push(&privacy.at, "`privacy` needs `auth`: SNMP v3 encrypts nothing that is not signed");
        }
        let auth = raw.auth.as_ref().zip(password);
        let auth = auth.map(|(protocol, file)| SnmpAuth { protocol: protocol.value, password: secret(file), privacy });
        Some(SnmpUser { name: name?, context: value_or(raw.context.as_ref(), String::new()), auth })
    }
}

/// Whether two items give the same series. The same variables under both kinds of names are not the same.
fn gives_the_same(first: &UpsSettings, second: &UpsSettings) -> bool {
    let is_same = match (first, second) {
        (UpsSettings::Nut(first), UpsSettings::Nut(second)) => first.names == second.names,
        (UpsSettings::Apcupsd(first), UpsSettings::Apcupsd(second)) => first.names == second.names,
        (UpsSettings::Snmp(_), UpsSettings::Snmp(_)) => true,
        _ => false,
    };
    is_same && first.server() == second.server()
}
