//! One destination's HTTP: a client that is made anew when certificates or secrets change, and one attempt at a request.
//!
//! Secrets are read from their files for as long as a client lives, and stand in no message. Nothing is followed: what is
//! configured is the only place that gets logs and secrets, so a redirection is an answer like any other, held and said.

use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use thiserror::Error;
use url::Url;

use crate::config::checked::{Auth, LokiOutput, Tls};

mod credentials;
mod failure;
mod tls;

pub use failure::Failure;

/// More of an answer's body is not read: Loki's longest lists of refused entries are some 100 KiB.
const ANSWER_MAX: usize = 1 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Unused connections are closed before proxies commonly close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Why no client can be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no certificate or key.
    #[error("{path}: no usable certificate or key in it ({why})", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file holds no secret (yet).
    #[error("{path}: is empty, a secret is expected in it", path = path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// A secret that no header can carry.
    #[error("{path}: holds characters that no HTTP header can carry", path = path.display())]
    Secret {
        /// Which.
        path: PathBuf,
    },
    /// The tenant is no header's value.
    #[error("`tenant` holds characters that no HTTP header can carry")]
    Tenant,
    /// The name cannot stand in a URL.
    #[error("`tls.server_name` is no host name")]
    ServerName,
    /// TLS refuses what it was given.
    #[error("TLS: {0}")]
    Tls(String),
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// `Retry-After`, as it stands.
    pub retry_after: Option<String>,
    /// The body, as text; at most [`ANSWER_MAX`] bytes. Of a redirection, in our words, where it leads.
    pub body: String,
}

/// The HTTP side of one destination.
pub struct Http {
    url: String,
    tenant: String,
    auth: Auth,
    tls: Tls,
    timeout: Duration,
    client: Option<Client>,
    /// The files as they were when the client was made, or could not be made.
    stamps: Vec<Stamp>,
}

/// What a request is sent with.
#[derive(Clone)]
struct Client {
    connections: reqwest::Client,
    /// With `tls.server_name` as its host, if there is one.
    url: Url,
    headers: HeaderMap,
}

/// What tells that a file changed: its time, size and inode, behind all links (Kubernetes swaps a link).
type Stamp = (PathBuf, Option<(SystemTime, u64, u64)>);

impl Http {
    /// For a destination; nothing is opened or read yet.
    pub fn new(output: &LokiOutput) -> Self {
        Self {
            url: output.url.clone(),
            tenant: output.tenant.clone(),
            auth: output.auth.clone(),
            tls: output.tls.clone(),
            timeout: output.timeout,
            client: None,
            stamps: Vec::new(),
        }
    }

    /// Sends one body.
    pub async fn post(&mut self, body: Bytes) -> Result<Reply, Failure> {
        let Client { connections, url, headers } = self.client()?;
        let failure = |error: &reqwest::Error| Failure::of(error, &self.tls);
        let request = connections.post(url).headers(headers).timeout(self.timeout).body(body);
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let header = |name: &HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (retry_after, coding, location) = (header(&RETRY_AFTER), header(&CONTENT_ENCODING), header(&LOCATION));
        let mut answer = Vec::new();
        while answer.len() < ANSWER_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.extend_from_slice(&chunk),
                // The status says what matters; but a success whose end is missing may be a proxy's.
                Err(error) if (200..300).contains(&status) && status != 204 => return Err(failure(&error)),
                Ok(None) | Err(_) => break,
            }
        }
        answer.truncate(ANSWER_MAX);
        let body = match location {
            Some(location) if (300..400).contains(&status) => redirection(&self.url, &location),
            _ => decoded(&answer, coding.as_deref()),
        };
        Ok(Reply { status, retry_after, body })
    }

    /// Whether a file that the client comes from is another one than when it was last read.
    pub fn has_new_files(&self) -> bool {
        self.stamps() != self.stamps
    }

    /// The client, made anew if a file that it comes from has changed.
    fn client(&mut self) -> Result<Client, ClientError> {
        let stamps = self.stamps();
        if let Some(client) = &self.client
            && stamps == self.stamps
        {
            return Ok(client.clone());
        }
        // Before the files are read: what changes meanwhile is found the next time.
        self.stamps = stamps;
        self.client = None;
        let client = self.new_client()?;
        Ok(self.client.insert(client).clone())
    }

    fn new_client(&self) -> Result<Client, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        // Without it, any coding of the answer would be fine.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !self.tenant.is_empty() {
            let tenant = HeaderValue::from_str(&self.tenant).map_err(|_| ClientError::Tenant)?;
            headers.insert(HeaderName::from_static("x-scope-orgid"), tenant);
        }
        if let Some(value) = credentials::authorization(&self.auth)? {
            headers.insert(AUTHORIZATION, value);
        }
        let mut url = Url::parse(&self.url).map_err(|error| ClientError::Tls(error.to_string()))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(&self.tls, url.scheme() == "https")?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .tcp_nodelay(true)
            .user_agent(concat!("picket-agent/", env!("CARGO_PKG_VERSION")));
        if let Some(name) = &self.tls.server_name {
            let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|_| ClientError::ServerName)?);
            builder =
                builder.dns_resolver(Arc::new(Elsewhere(url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned())));
            url.set_host(Some(name)).map_err(|_| ClientError::ServerName)?;
        }
        let connections = builder.build().map_err(|error| ClientError::Tls(error.to_string()))?;
        Ok(Client { connections, url, headers })
    }

    fn stamps(&self) -> Vec<Stamp> {
        let secret = match &self.auth {
            Auth::None => None,
            Auth::Basic { password_file, .. } => Some(password_file),
            Auth::Bearer { token_file } => Some(token_file),
        };
        let files = [secret, self.tls.ca_file.as_ref(), self.tls.cert_file.as_ref(), self.tls.key_file.as_ref()];
        files.into_iter().flatten().map(|path| (path.clone(), stamp(path))).collect()
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// `server_name`: the connection goes to this host, whatever the name that TLS asks for and checks. So a server with several
/// certificates shows the right one.
struct Elsewhere(String);

impl Resolve for Elsewhere {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            // Port 0 stands for the URL's.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An answer's body as text. It was asked for without any coding; some proxies compress all the same.
fn decoded(body: &[u8], coding: Option<&str>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match coding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => text(body),
        Some("gzip" | "x-gzip") => {
            let mut plain = Vec::new();
            // Torn at its end, it still says something.
            let _ = flate2::read::MultiGzDecoder::new(body).take(ANSWER_MAX as u64).read_to_end(&mut plain);
            text(&plain)
        }
        Some(other) => format!("(an answer in the coding {other:?}, which was not asked for)"),
    }
}

/// Where an answer leads that is not followed. Without what may be secret in the new address.
fn redirection(url: &str, location: &str) -> String {
    let target = Url::parse(url).and_then(|url| url.join(location)).ok().and_then(|mut target| {
        target.set_query(None);
        target.set_fragment(None);
        target.set_username("").ok()?;
        target.set_password(None).ok()?;
        Some(target)
    });
    let target = target.map_or_else(|| "somewhere".to_owned(), String::from);
    format!(
        "the server sends us on to {target}; redirections are not followed, since logs and secrets go only where the configuration says: if that is right, write it as `url`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_is_told_without_its_secrets() {
        let url = "http://loki.example.org/loki/api/v1/push";
        let words = redirection(url, "https://user:word@loki.example.org/loki/api/v1/push?token=abc#x");
        assert!(words.contains("on to https://loki.example.org/loki/api/v1/push; "), "{words}");
        assert!(redirection(url, "/login").contains("on to http://loki.example.org/login; "));
        assert!(redirection(url, "https://[").contains("on to somewhere; "));
    }

    #[test]
    fn an_answer_is_text_even_if_it_was_compressed() {
        use std::io::Write as _;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"no org id").unwrap();
        let bytes = packer.finish().unwrap();
        assert_eq!(decoded(&bytes, Some("gzip")), "no org id");
        assert_eq!(decoded(b"no org id", None), "no org id");
        assert_eq!(decoded(b"\xff\x00", Some("gzip")), "");
        assert!(decoded(b"\xff", Some("br")).contains("\"br\""));
    }
}
