//! What the file says → what the program runs on. Pure: no file is opened, no clock is read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use settings::problem::{At, Problems, quote};
use settings::quantity::{show_bytes, show_duration};
use settings::read::{Count, Size, Spanned};
use url::Url;

use super::checked::{Config, Engine, Limits, Notify, Rules, Tls};
use super::defaults;
use super::raw::{Raw, RawEmbedded, RawLimits, RawNotify, RawRules, RawTls};

/// A window of less holds not even the lines of one alert; one of more than a week belongs into Loki.
const LOGS_BOUNDS: [std::time::Duration; 2] = [std::time::Duration::from_mins(1), std::time::Duration::from_hours(7 * 24)];

/// The configuration, or everything that is wrong with it.
pub(super) fn check(raw: &Raw) -> Result<Config, Problems> {
    let mut check = Check(Problems::default());
    let listen = check.listen(raw.listen.as_ref());
    let tls = raw.tls.as_ref().and_then(|tls| check.tls(tls));
    let config = Config {
        listen,
        tokens: check.paths("tokens", raw.tokens.as_ref()),
        rules: raw.rules.as_ref().map(|rules| check.rules(&rules.value)).unwrap_or_default(),
        engine: check.engine(raw.engine.as_ref().and_then(|engine| engine.value.embedded.as_ref())),
        notify: raw.notify.as_ref().map_or(Notify::Nobody, |notify| check.notify(notify)),
        limits: check.limits(raw.limits.as_ref()),
        state_dir: raw
            .state_dir
            .as_ref()
            .and_then(|path| check.path("state_dir", path))
            .unwrap_or_else(|| PathBuf::from(defaults::STATE_DIR)),
        external_url: check.external_url(raw.external_url.as_ref(), listen, tls.is_some()),
        tls,
    };
    check.exposure(raw, &config);
    check.0.or(config)
}

/// The problems found so far.
struct Check(Problems);

impl Check {
    fn listen(&mut self, setting: Option<&Spanned<String>>) -> SocketAddr {
        let default = Spanned::new(defaults::LISTEN.to_owned(), At::default());
        let Spanned { value, at, .. } = setting.unwrap_or(&default);
        value.parse().unwrap_or_else(|_| {
            let hint = match value.rsplit_once(':') {
                Some(("", port)) => format!("0.0.0.0:{port} for all addresses, 127.0.0.1:{port} for this host alone"),
                Some(("localhost", port)) => format!("127.0.0.1:{port}"),
                _ => defaults::LISTEN.to_owned(),
            };
            self.0.push(at, format!("`listen`: {} is not an IP address and port; write {hint}", quote(value)));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    /// Whoever can reach the intake can raise alerts and silence them: beyond this host only those who show who they are.
    fn exposure(&mut self, raw: &Raw, config: &Config) {
        let damaged = raw.tls.as_ref().is_some_and(|tls| tls.damaged) || raw.tokens.as_ref().is_some_and(|tokens| tokens.damaged);
        if config.listen.ip().is_loopback() || config.asks_for_identity() || damaged {
            return;
        }
        let at = raw.listen.as_ref().map(|listen| listen.at.clone()).unwrap_or_default();
        let listen = config.listen;
        self.0.push(
            &at,
            format!(
                "`listen`: {listen} is reached from other hosts, and anybody there could raise and silence alerts: add \
                 `tokens: [FILE]` with a long random word in that file, or `tls` with `client_ca`; or listen on 127.0.0.1:{}",
                listen.port(),
            ),
        );
    }

    fn tls(&mut self, setting: &Spanned<RawTls>) -> Option<Tls> {
        let tls = &setting.value;
        let mut needed = |name: &str, file: Option<&Spanned<String>>| {
            if file.is_none() && !setting.damaged {
                self.0.push(&setting.at, format!("`{name}` is missing"));
            }
            file.and_then(|file| self.path(name, file))
        };
        let (certificate, key) = (needed("certificate", tls.certificate.as_ref()), needed("key", tls.key.as_ref()));
        let client_ca = tls.client_ca.as_ref().and_then(|file| self.path("client_ca", file));
        Some(Tls { certificate: certificate?, key: key?, client_ca })
    }

    fn rules(&mut self, rules: &RawRules) -> Rules {
        let logs = rules.logs.as_ref().map(|globs| globs.value.as_slice()).unwrap_or_default();
        for glob in logs {
            if let Err(why) = globset::Glob::new(&glob.value) {
                self.0.push(&glob.at, format!("`logs`: {} is no glob: {}", quote(&glob.value), why.kind()));
            }
        }
        Rules {
            logs: logs.iter().map(|glob| glob.value.clone()).collect(),
            values: rules.values.as_ref().and_then(|file| self.path("values", file)),
            silent_by_nature: match &rules.silent_by_nature {
                Some(jobs) => jobs.value.iter().map(|job| job.value.clone()).collect(),
                None => Rules::default().silent_by_nature,
            },
        }
    }

    fn engine(&mut self, setting: Option<&Spanned<RawEmbedded>>) -> Engine {
        let mut engine = Engine { logs: defaults::LOGS, memory: defaults::MEMORY };
        let Some(embedded) = setting.map(|setting| &setting.value) else { return engine };
        if let Some(logs) = &embedded.logs {
            self.bounded("logs", &logs.at, logs.value, LOGS_BOUNDS, show_duration);
            engine.logs = logs.value;
        }
        if let Some(memory) = &embedded.memory {
            engine.memory = self.size("memory", memory, [16 << 20, 1 << 40]);
        }
        engine
    }

    fn notify(&mut self, setting: &Spanned<RawNotify>) -> Notify {
        let notify = &setting.value;
        let listed = notify.alertmanagers.as_ref().map(|urls| urls.value.as_slice()).unwrap_or_default();
        let urls: Vec<Url> = listed.iter().filter_map(|url| self.url("alertmanagers", url)).collect();
        match &notify.config {
            Some(file) if !listed.is_empty() => {
                self.0.push(
                    &file.at,
                    "`config` is for the embedded router, which does what `alertmanagers` would: keep one of them".to_owned(),
                );
                Notify::Nobody
            }
            Some(file) => self.path("config", file).map_or(Notify::Nobody, Notify::Router),
            None if urls.is_empty() => Notify::Nobody,
            None => Notify::Alertmanagers(urls),
        }
    }

    fn limits(&mut self, setting: Option<&Spanned<RawLimits>>) -> Limits {
        let mut limits = Limits {
            body: defaults::BODY,
            line: defaults::LINE,
            rate: defaults::RATE,
            streams: defaults::STREAMS,
            connections: defaults::CONNECTIONS,
        };
        let Some(Spanned { value: raw, at, .. }) = setting else { return limits };
        let sizes = [
            ("body", &raw.body, &mut limits.body, [64 << 10, 256 << 20]),
            ("line", &raw.line, &mut limits.line, [1 << 10, 64 << 20]),
            ("rate", &raw.rate, &mut limits.rate, [1 << 10, 1 << 40]),
        ];
        for (name, setting, limit, bounds) in sizes {
            if let Some(setting) = setting {
                *limit = self.size(name, setting, bounds);
            }
        }
        let counts = [
            ("streams", &raw.streams, &mut limits.streams, [1, 1_000_000]),
            ("connections", &raw.connections, &mut limits.connections, [1, 10_000]),
        ];
        for (name, setting, limit, bounds) in counts {
            if let Some(Spanned { value: Count(count), at, .. }) = setting {
                self.bounded(name, at, *count, bounds, |count| count.to_string());
                *limit = *count;
            }
        }
        if limits.line > limits.body {
            let at = raw.line.as_ref().or(raw.body.as_ref()).map_or(at, |setting| &setting.at);
            self.0.push(
                at,
                format!("a line of `line` bytes does not fit into a request of `body: {}`", show_bytes(limits.body as u64)),
            );
        }
        limits
    }

    fn external_url(&mut self, setting: Option<&Spanned<String>>, listen: SocketAddr, tls: bool) -> Url {
        let own = || {
            let scheme = if tls { "https" } else { "http" };
            let host = if listen.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], listen.port())) } else { listen };
            Url::parse(&format!("{scheme}://{host}/"))
        };
        let configured = setting.filter(|text| !text.value.is_empty()).and_then(|text| self.url("external_url", text));
        #[expect(clippy::expect_used, reason = "a scheme and a socket address are a URL")]
        configured.unwrap_or_else(|| own().expect("a URL"))
    }

    fn url(&mut self, name: &str, text: &Spanned<String>) -> Option<Url> {
        let why = match Url::parse(&text.value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => return Some(url),
            Ok(_) => "has another scheme than http and https".to_owned(),
            Err(error) => format!("is no URL: {error}"),
        };
        self.0.push(&text.at, format!("`{name}`: {} {why}; write for example http://127.0.0.1:9093", quote(&text.value)));
        None
    }

    fn paths(&mut self, name: &str, setting: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<PathBuf> {
        let texts = setting.map(|setting| setting.value.as_slice()).unwrap_or_default();
        texts.iter().filter_map(|text| self.path(name, text)).collect()
    }

    fn path(&mut self, name: &str, text: &Spanned<String>) -> Option<PathBuf> {
        if text.value.is_empty() {
            self.0.push(&text.at, format!("`{name}` is empty; write the path of a file"));
            return None;
        }
        Some(Path::new(&text.value).to_owned())
    }

    fn size(&mut self, name: &str, setting: &Spanned<Size>, bounds: [u64; 2]) -> usize {
        self.bounded(name, &setting.at, setting.value.0, bounds, show_bytes);
        setting.value.0 as usize
    }

    /// Notes a value outside of the bounds.
    fn bounded<T: PartialOrd + Copy>(&mut self, name: &str, at: &At, value: T, [min, max]: [T; 2], show: impl Fn(T) -> String) {
        if value < min {
            self.0.push(at, format!("`{name}` is too small; at least {}", show(min)));
        } else if value > max {
            self.0.push(at, format!("`{name}` is too large; at most {}", show(max)));
        }
    }
}
