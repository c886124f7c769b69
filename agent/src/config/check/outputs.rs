//! The destinations.

use std::path::PathBuf;
use std::time::Duration;

use client::Tls;
use rustls::pki_types::ServerName;
use url::Url;

use super::super::checked::{Auth, LokiOutput};
use super::super::raw::{RawLoki, RawTls};
use super::super::{defaults, patterns};
use super::{Check, value_or};
use settings::problem::{At, quote};
use settings::quantity::{show_bytes, show_duration};
use settings::read::Spanned;

/// Longest name of a destination in bytes; it stands in every record of the position log.
const NAME_BYTES_MAX: usize = 200;
/// Parameters of a URL that hold secrets, in lower case.
const SECRET_PARAMETERS: [&str; 8] = ["access_token", "api_key", "apikey", "auth", "authkey", "password", "secret", "token"];

impl Check {
    pub(super) fn loki(&mut self, raw: &[Spanned<RawLoki>]) -> Vec<LokiOutput> {
        let mut outputs: Vec<(LokiOutput, &At)> = Vec::new();
        for output in raw {
            let Some(checked) = self.loki_output(output) else {
                continue;
            };
            let at = output.value.name.as_ref().map_or(&output.at, |name| &name.at);
            if let Some((first, first_at)) = outputs.iter().find(|(other, _)| other.name == checked.name) {
                let place = if first_at.line == 0 { first_at.file.to_string() } else { format!("line {}", first_at.line) };
                let message = format!(
                    "two outputs have the name {} (see {place}); positions belong to a name, so give one another `name`",
                    quote(&first.name)
                );
                self.problems.push(at, message);
            }
            outputs.push((checked, at));
        }
        outputs.into_iter().map(|(output, _)| output).collect()
    }

    fn loki_output(&mut self, section: &Spanned<RawLoki>) -> Option<LokiOutput> {
        let raw = &section.value;
        let url = self.needed(raw.url.as_ref(), "url", section).and_then(|url| self.url(url));
        let tenant = value_or(raw.tenant.as_ref(), String::new());
        if let Some(setting) = raw.tenant.as_ref().filter(|tenant| tenant.value.chars().any(|c| !c.is_ascii_graphic())) {
            self.problems.push(&setting.at, "`tenant` is sent as a header; it has printable ASCII characters without spaces");
        }
        let jobs = match &raw.jobs {
            None => patterns::name_globs(vec!["*".to_owned()]).unwrap_or_default(),
            Some(jobs) => {
                if jobs.value.is_empty() {
                    self.problems.push(&jobs.at, "`jobs` is empty: nothing would be sent; write [\"*\"] for all");
                }
                self.name_globs("jobs", Some(jobs), |_| Ok(()))
            }
        };
        let auth = self.auth(raw);
        let tls = raw.tls.as_ref().map(|tls| self.tls(tls, url.as_ref())).unwrap_or_default();
        if let Some(linger) = &raw.linger {
            self.bounded("linger", &linger.at, linger.value, Duration::ZERO, Duration::from_mins(1), show_duration);
        }
        if let Some(bytes) = &raw.batch_bytes {
            self.bounded("batch_bytes", &bytes.at, bytes.value.0, 4 << 10, 16 << 20, show_bytes);
        }
        if let Some(entries) = &raw.batch_entries {
            self.bounded("batch_entries", &entries.at, entries.value.0, 1, 100_000, |n| n.to_string());
        }
        if let Some(line) = &raw.max_line {
            self.bounded("max_line", &line.at, line.value.0, 1 << 10, 64 << 20, show_bytes);
        }
        if let Some(spool) = raw.spool.as_ref().filter(|spool| spool.value.0 != 0) {
            self.bounded("spool", &spool.at, spool.value.0, 1 << 20, 1 << 40, show_bytes);
        }
        if let Some(timeout) = &raw.timeout {
            self.bounded("timeout", &timeout.at, timeout.value, Duration::from_secs(1), Duration::from_mins(10), show_duration);
        }

        let url = url?;
        let name = match &raw.name {
            None => default_name(&url, &tenant),
            Some(name) => {
                let printable = !name.value.is_empty() && !name.value.contains(char::is_control);
                if !printable || name.value.len() > NAME_BYTES_MAX {
                    self.problems.push(&name.at, format!("`name` has 1 to {NAME_BYTES_MAX} bytes of printable text"));
                }
                name.value.clone()
            }
        };
        let max_entry_age = value_or(raw.max_entry_age.as_ref(), defaults::MAX_ENTRY_AGE);
        let order_window = value_or(raw.order_window.as_ref(), defaults::ORDER_WINDOW);
        Some(LokiOutput {
            name,
            url: url.into(),
            jobs,
            tenant,
            auth,
            tls,
            linger: value_or(raw.linger.as_ref(), defaults::LINGER),
            batch_bytes: raw.batch_bytes.as_ref().map_or(defaults::BATCH_BYTES, |bytes| bytes.value.0 as usize),
            batch_entries: raw.batch_entries.as_ref().map_or(defaults::BATCH_ENTRIES, |entries| entries.value.0),
            max_line: raw.max_line.as_ref().map_or(defaults::LOKI_MAX_LINE, |line| line.value.0 as usize),
            max_entry_age: (!max_entry_age.is_zero()).then_some(max_entry_age),
            order_window: (!order_window.is_zero()).then_some(order_window),
            spool: raw.spool.as_ref().map_or(defaults::SPOOL, |spool| spool.value.0),
            timeout: value_or(raw.timeout.as_ref(), defaults::TIMEOUT),
        })
    }

    /// The push endpoint. What is wrong is said without the URL itself, which may hold a secret.
    fn url(&mut self, setting: &Spanned<String>) -> Option<Url> {
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
                    url.set_path(defaults::LOKI_PATH);
                }
                return Some(url);
            }
        };
        self.problems.push(&setting.at, reason);
        None
    }

    fn auth(&mut self, raw: &RawLoki) -> Auth {
        let bearer = raw.bearer_token_file.as_ref().and_then(|file| self.path("bearer_token_file", file));
        let Some(section) = &raw.basic_auth else {
            return bearer.map_or(Auth::None, |file| Auth::Bearer { token_file: PathBuf::from(file) });
        };
        let basic = &section.value;
        if let Some(token) = &raw.bearer_token_file {
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

    fn tls(&mut self, Spanned { value: raw, at, .. }: &Spanned<RawTls>, url: Option<&Url>) -> Tls {
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
