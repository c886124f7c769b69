//! Where a destination is and how it is spoken to: what all kinds of destinations have in common.

use std::path::PathBuf;
use std::time::Duration;

use client::Tls;
use rustls::pki_types::ServerName;
use url::Url;

use super::super::checked::{Auth, Place};
use super::super::raw::{RawBasicAuth, RawTls};
use super::{Check, value_or};
use settings::problem::quote;
use settings::quantity::show_duration;
use settings::read::Spanned;

/// Longest name of a destination in bytes; it stands in every record of the position log.
const NAME_BYTES_MAX: usize = 200;
/// Parameters of a URL that hold secrets, in lower case.
const SECRET_PARAMETERS: [&str; 8] = ["access_token", "api_key", "apikey", "auth", "authkey", "password", "secret", "token"];

/// What the file says of a place.
pub(super) struct RawPlace<'r> {
    pub(super) name: Option<&'r Spanned<String>>,
    pub(super) url: Option<&'r Spanned<String>>,
    pub(super) tenant: Option<&'r Spanned<String>>,
    pub(super) basic_auth: Option<&'r Spanned<RawBasicAuth>>,
    pub(super) bearer_token_file: Option<&'r Spanned<String>>,
    pub(super) tls: Option<&'r Spanned<RawTls>>,
    pub(super) timeout: Option<&'r Spanned<Duration>>,
}

impl Check {
    /// The place and its name. `path` is added to a URL without one, `timeout` is the default.
    pub(super) fn place<S>(
        &mut self,
        raw: &RawPlace<'_>,
        section: &Spanned<S>,
        path: &str,
        timeout: Duration,
    ) -> Option<(String, Place)> {
        let url = self.needed(raw.url, "url", section).and_then(|url| self.url(url, path));
        let tenant = value_or(raw.tenant, String::new());
        if let Some(setting) = raw.tenant.filter(|tenant| tenant.value.chars().any(|c| !c.is_ascii_graphic())) {
            self.problems.push(&setting.at, "`tenant` is sent as a header; it has printable ASCII characters without spaces");
        }
        let auth = self.auth(raw);
        let tls = raw.tls.map(|tls| self.tls(tls, url.as_ref())).unwrap_or_default();
        if let Some(timeout) = raw.timeout {
            self.bounded("timeout", &timeout.at, timeout.value, Duration::from_secs(1), Duration::from_mins(10), show_duration);
        }
        let url = url?;
        let name = match raw.name {
            None => default_name(&url, &tenant),
            Some(name) => {
                let printable = !name.value.is_empty() && !name.value.contains(char::is_control);
                if !printable || name.value.len() > NAME_BYTES_MAX {
                    self.problems.push(&name.at, format!("`name` has 1 to {NAME_BYTES_MAX} bytes of printable text"));
                }
                name.value.clone()
            }
        };
        Some((name, Place { url: url.into(), tenant, auth, tls, timeout: value_or(raw.timeout, timeout) }))
    }

    /// The endpoint. What is wrong is said without the URL itself, which may hold a secret.
    fn url(&mut self, setting: &Spanned<String>, path: &str) -> Option<Url> {
        let reason = match Url::parse(&setting.value) {
            Err(url::ParseError::RelativeUrlWithoutBase) => "`url` has no scheme; write http:// or https:// before the host".to_owned(),
            Err(error) => format!("`url` is not a URL: {error}"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                // `loki:3100` is a URL by the letter, with the scheme "loki".
                "`url` must begin with http:// or https://".to_owned()
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "`url` holds credentials, which would end up in logs; write them as `basic_auth: {username: ..., password_file: ...}`".to_owned()
            }
            Ok(url) if url.query_pairs().any(|(name, _)| SECRET_PARAMETERS.contains(&name.to_lowercase().as_str())) => {
                "`url` holds a secret in its query, which would end up in logs; write it as `bearer_token_file` or `basic_auth`".to_owned()
            }
            Ok(url) if url.fragment().is_some() => "`url` has a fragment (`#`), which is never sent; remove it".to_owned(),
            Ok(mut url) => {
                if url.path() == "/" {
                    url.set_path(path);
                }
                return Some(url);
            }
        };
        self.problems.push(&setting.at, reason);
        None
    }

    fn auth(&mut self, raw: &RawPlace<'_>) -> Auth {
        let bearer = raw.bearer_token_file.and_then(|file| self.path("bearer_token_file", file));
        let Some(section) = raw.basic_auth else {
            return bearer.map_or(Auth::None, |file| Auth::Bearer { token_file: PathBuf::from(file) });
        };
        let basic = &section.value;
        if let Some(token) = raw.bearer_token_file {
            self.problems.push(&token.at, "`bearer_token_file` and `basic_auth` exclude each other; remove one");
        }
        let user = self.needed(basic.username.as_ref(), "username", section).map(|user| user.value.clone());
        let file =
            self.needed(basic.password_file.as_ref(), "password_file", section).and_then(|file| self.path("password_file", file));
        if let Some(name) = basic.username.as_ref().filter(|name| name.value.contains(':')) {
            // The header joins the two by a colon: the server would take the rest of the name for the password's start.
            self.problems.push(&name.at, "`username` cannot have a colon");
        }
        match (user, file) {
            (Some(user), Some(file)) => Auth::Basic { user, password_file: PathBuf::from(file) },
            _ => Auth::None,
        }
    }

    /// What TLS trusts and shows.
    pub(super) fn tls(&mut self, Spanned { value: raw, at, .. }: &Spanned<RawTls>, url: Option<&Url>) -> Tls {
        if url.is_some_and(|url| url.scheme() == "http") {
            self.problems.push(at, "`tls` without https: the URL says http");
        }
        match (&raw.cert_file, &raw.key_file) {
            (Some(cert), None) => self.problems.push(&cert.at, "`cert_file` needs `key_file` too"),
            (None, Some(key)) => self.problems.push(&key.at, "`key_file` needs `cert_file` too"),
            _ => {}
        }
        if let Some(name) = &raw.server_name {
            // It is what TLS asks for, and there only names can be asked for.
            let problem = match ServerName::try_from(name.value.as_str()) {
                Ok(ServerName::DnsName(_)) => None,
                Ok(_) => Some("`server_name` is a name, not an address; write an address as the host in `url`".to_owned()),
                Err(_) => Some(format!("`server_name` is not a host name: {}", quote(&name.value))),
            };
            if let Some(problem) = problem {
                self.problems.push(&name.at, problem);
            }
        }
        let mut file =
            |name: &str, setting: Option<&Spanned<String>>| setting.and_then(|file| self.path(name, file)).map(PathBuf::from);
        Tls {
            ca_file: file("ca_file", raw.ca_file.as_ref()),
            cert_file: file("cert_file", raw.cert_file.as_ref()),
            key_file: file("key_file", raw.key_file.as_ref()),
            server_name: raw.server_name.as_ref().map(|name| name.value.clone()),
            insecure_skip_verify: value_or(raw.insecure_skip_verify.as_ref(), false),
        }
    }
}

/// Host and port, and the tenant: what makes two destinations different in most configurations.
fn default_name(url: &Url, tenant: &str) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    if tenant.is_empty() { format!("{host}:{port}") } else { format!("{host}:{port}/{tenant}") }
}
