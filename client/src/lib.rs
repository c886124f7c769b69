//! One HTTP destination, as both programs reach theirs: TLS, credentials, and connections that are made anew when a file changes
//! that they come from. What is sent and what an answer means is the caller's.
//!
//! Secrets are read from their files for as long as a connection lives, and stand in no message; neither does a URL, which may
//! hold one. Nothing is followed: what is configured is the only place that is spoken to, so a redirection is an answer like any
//! other.

use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use thiserror::Error;
use url::{Position, Url};

pub mod backoff;
mod credentials;
mod tls;

pub use credentials::{Auth, Secret};
pub use tls::Tls;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Unused connections are closed before proxies commonly close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// More unused ones are not kept: a destination is asked one thing at a time, or two.
const IDLE_MAX: usize = 2;

/// Why nothing can be sent.
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
    #[error("{0:?} holds characters that no HTTP header can carry")]
    Secret(Secret),
    /// The address is none.
    #[error("{0:?} holds no http:// or https:// URL")]
    Url(Secret),
    /// The name cannot stand in a URL.
    #[error("`server_name` is no host name")]
    ServerName,
    /// TLS refuses what it was given.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Where requests go, and as whom.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The address. Some hold a secret.
    pub url: Secret,
    /// As whom.
    pub auth: Auth,
    /// What is trusted.
    pub tls: Tls,
    /// How long one request may take, its answer included.
    pub timeout: Duration,
}

impl Endpoint {
    /// The files that it comes from, all of them read again when one changes.
    fn files(&self) -> impl Iterator<Item = &Path> {
        self.tls.files().chain(self.auth.secret().and_then(Secret::file)).chain(self.url.file())
    }
}

/// What reaches one destination.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    user_agent: &'static str,
    connection: Option<Connection>,
    /// The files as they were when the connection was made, or could not be made.
    stamps: Vec<Stamp>,
}

/// What a request is sent with.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Where; with `server_name` as its host, if there is one.
    pub url: Url,
    connections: reqwest::Client,
    headers: HeaderMap,
    timeout: Duration,
}

/// What tells that a file changed: its time, size and inode, behind all links (Kubernetes swaps a link).
type Stamp = (PathBuf, Option<(SystemTime, u64, u64)>);

impl Client {
    /// For a destination; nothing is opened or read yet.
    pub fn new(endpoint: Endpoint, user_agent: &'static str) -> Self {
        Self { endpoint, user_agent, connection: None, stamps: Vec::new() }
    }

    /// Whether a file that the connection comes from is another one than when it was last read.
    pub fn has_new_files(&self) -> bool {
        self.stamps() != self.stamps
    }

    /// What to send with, made anew if a file that it comes from has changed.
    pub fn connection(&mut self) -> Result<Connection, ClientError> {
        let stamps = self.stamps();
        if let Some(connection) = &self.connection
            && stamps == self.stamps
        {
            return Ok(connection.clone());
        }
        // Before the files are read: what changes meanwhile is found the next time.
        self.stamps = stamps;
        self.connection = None;
        let connection = self.connect()?;
        Ok(self.connection.insert(connection).clone())
    }

    fn connect(&self) -> Result<Connection, ClientError> {
        let Endpoint { url, auth, tls, timeout } = &self.endpoint;
        let text = url.read()?;
        let mut url = Url::parse(text.trim())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ClientError::Url(url.clone()))?;
        let mut headers = HeaderMap::new();
        if let Some(value) = auth.header()? {
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(tls, url.scheme() == "https")?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .tcp_nodelay(true)
            .user_agent(self.user_agent);
        if let Some(name) = &tls.server_name {
            let authority = url[Position::BeforeHost..Position::AfterPort].to_owned();
            headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|_| ClientError::ServerName)?);
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            builder = builder.dns_resolver(Arc::new(Elsewhere(host)));
            url.set_host(Some(name)).map_err(|_| ClientError::ServerName)?;
        }
        let connections = builder.build().map_err(|error| ClientError::Tls(error.to_string()))?;
        Ok(Connection { url, connections, headers, timeout: *timeout })
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.endpoint.files().map(|path| (path.to_owned(), stamp(path))).collect()
    }
}

impl Connection {
    /// A request to the address, proving who we are.
    pub fn request(self, method: Method) -> RequestBuilder {
        self.connections.request(method, self.url).headers(self.headers).timeout(self.timeout)
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

/// The first `limit` bytes of an answer's body, and what broke it off, if it did not end by itself.
pub async fn body(response: &mut Response, limit: usize) -> (Vec<u8>, Option<reqwest::Error>) {
    let mut body = Vec::new();
    let mut broken = None;
    while body.len() < limit {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    body.truncate(limit);
    (body, broken)
}

/// Why there is no answer, in words without the URL.
pub fn words(error: &reqwest::Error) -> String {
    let mut words = if error.is_timeout() { "no answer in time".to_owned() } else { "connection failed".to_owned() };
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // The layer between says no more than its own name.
        if !text.starts_with("client error (") && !words.ends_with(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: Secret) -> Endpoint {
        Endpoint { url, auth: Auth::None, tls: Tls::default(), timeout: Duration::from_secs(1) }
    }

    #[test]
    fn a_connection_is_made_anew_when_a_file_changes_that_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let (address, token) = (dir.path().join("url"), dir.path().join("token"));
        let auth = Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::File(token.clone()) };
        let mut client = Client::new(Endpoint { auth, ..to(Secret::File(address.clone())) }, "test");
        fs::write(&address, "http://a.example.org/x\n").unwrap();
        assert!(client.connection().unwrap_err().to_string().contains("/token: "));
        assert!(!client.has_new_files(), "what is not there yet is no news");
        fs::write(&token, "one").unwrap();
        assert!(client.has_new_files());
        let connection = client.connection().unwrap();
        assert_eq!(connection.url.as_str(), "http://a.example.org/x");
        assert_eq!(connection.headers[AUTHORIZATION], "Bearer one");
        assert!(!client.has_new_files());
        fs::write(&token, "another").unwrap();
        fs::write(&address, "http://other.example.org").unwrap();
        let connection = client.connection().unwrap();
        assert_eq!(connection.url.as_str(), "http://other.example.org/");
        assert_eq!(connection.headers[AUTHORIZATION], "Bearer another");
    }

    #[test]
    fn another_name_is_asked_of_the_same_host() {
        let tls = Tls { server_name: Some("b.example.org".to_owned()), ..Tls::default() };
        let endpoint = Endpoint { tls, ..to(Secret::Inline("http://a.example.org:81/x".to_owned())) };
        let connection = Client::new(endpoint, "test").connection().unwrap();
        assert_eq!(connection.url.as_str(), "http://b.example.org:81/x");
        assert_eq!(connection.headers[HOST], "a.example.org:81");
    }

    #[test]
    fn what_is_no_address_is_said_without_it() {
        for text in ["s3cr3t", "ftp://s3cr3t.example.org", "http://"] {
            let error = Client::new(to(Secret::Inline(text.to_owned())), "test").connection().unwrap_err().to_string();
            assert_eq!(error, "<secret> holds no http:// or https:// URL");
        }
    }
}
