//! The configuration that the program runs on: every value there and valid, so that nothing else has to ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::rules::generated::SILENT_BY_NATURE;

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where everything answers; default 127.0.0.1:9095.
    pub listen: SocketAddr,
    /// Files of bearer tokens, one a line; with none (the default) no token is asked for.
    pub tokens: Vec<PathBuf>,
    /// TLS; default none.
    pub tls: Option<Tls>,
    /// Which rules.
    pub rules: Rules,
    /// How much is kept.
    pub engine: Engine,
    /// Who is told.
    pub notify: Notify,
    /// What intake takes.
    pub limits: Limits,
    /// Where what outlasts a restart is kept; default /var/lib/picket-companion.
    pub state_dir: PathBuf,
    /// Under which address people reach this companion, for links; default that of `listen`.
    pub external_url: Url,
}

/// The server's side of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate and those that signed it.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// PEM file with the authorities of clients; with it, who has no certificate of theirs is not let in.
    pub client_ca: Option<PathBuf>,
}

/// Which rules are evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Globs of files with LogQL rules; with none, the built-in ones.
    pub logs: Vec<String>,
    /// The values that are filled into them; with none, the rules stand for themselves (built-in ones have example values).
    pub values: Option<PathBuf>,
    /// Jobs that no `SourceSilent` is made for; default calico-flow and file-changes.
    pub silent_by_nature: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let silent_by_nature = SILENT_BY_NATURE.map(str::to_owned).to_vec();
        Self { logs: Vec::new(), values: None, silent_by_nature }
    }
}

/// The embedded engine's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// How far back lines are kept for queries; default 1h. Rules look back as far as they say, whatever this is.
    pub logs: Duration,
    /// Bytes that kept lines may take; default 512MiB. The oldest are given up first.
    pub memory: usize,
}

/// Who is told of alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Nobody: alerts are shown on the page and by the API alone.
    Nobody,
    /// Each of these Alertmanagers.
    Alertmanagers(Vec<Url>),
    /// The embedded router, by a file as Alertmanager's.
    Router(PathBuf),
}

/// What intake takes; above it answers 413, 429 or 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request, as sent and decompressed; default 16MiB.
    pub body: usize,
    /// Bytes of a line; default 4MiB.
    pub line: usize,
    /// Bytes of lines and metadata a second; default 64MiB. As much, at least a whole body, may come at once.
    pub rate: usize,
    /// Streams that had an entry within the last hour; default 5000.
    pub streams: usize,
    /// Open connections; default 256. What comes beyond waits.
    pub connections: usize,
}

impl Config {
    /// Whether clients have to show who they are.
    pub fn asks_for_identity(&self) -> bool {
        !self.tokens.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }
}
