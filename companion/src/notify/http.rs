//! One HTTP destination: a client that is made anew when a certificate or secret changes, and one request at a time.
//!
//! Secrets are read from their files for as long as a client lives, and stand in no message; neither does a URL, which may hold
//! one. Redirections are not followed: alerts and secrets go only where the configuration says.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use tokio::sync::Mutex;
use url::Url;

use super::config::{HttpConfig, Secret};

mod tls;

/// More of an answer is not read.
const ANSWER_MAX: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// As whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// As nobody.
    #[default]
    None,
    /// With user and password.
    Basic {
        /// Who.
        user: String,
        /// The password.
        password: Secret,
    },
    /// With a token.
    Scheme {
        /// `Bearer`, mostly.
        scheme: String,
        /// The token.
        secret: Secret,
    },
}

/// What a connection trusts, and what it shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities; those of the system if there is none.
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The name in the server's certificate, if it is not the URL's.
    pub server_name: Option<String>,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
}

impl Tls {
    /// The files that it comes from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().flatten().map(PathBuf::as_path)
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// `Retry-After` in seconds, if it is a number.
    pub retry_after: Option<Duration>,
    /// The body, as text, cut.
    pub body: String,
}

/// The HTTP side of one destination.
#[derive(Debug)]
pub struct Http {
    config: HttpConfig,
    client: Mutex<Option<(Vec<Stamp>, Client)>>,
}

#[derive(Clone, Debug)]
struct Client {
    connections: reqwest::Client,
    url: Url,
    headers: HeaderMap,
}

/// What tells that a file changed: its time, size and inode.
type Stamp = (PathBuf, Option<(SystemTime, u64, u64)>);

impl Http {
    /// For a destination; nothing is opened or read yet.
    pub fn new(config: HttpConfig) -> Self {
        Self { config, client: Mutex::new(None) }
    }

    /// Sends JSON to the destination. The words of an error hold no secret.
    pub async fn post_json(&self, body: Bytes) -> Result<Reply, String> {
        self.request(Method::POST, "", Some(body)).await
    }

    /// Asks for what is at the destination, with this behind its path.
    pub async fn get(&self, path: &str) -> Result<Reply, String> {
        self.request(Method::GET, path, None).await
    }

    /// As [`Http::post_json`], with this behind the destination's path.
    pub async fn post_json_to(&self, path: &str, body: Bytes) -> Result<Reply, String> {
        self.request(Method::POST, path, Some(body)).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Reply, String> {
        let Client { connections, mut url, headers } = self.client().await?;
        if !path.is_empty() {
            let joined = format!("{}{path}", url.path().trim_end_matches('/'));
            url.set_path(&joined);
        }
        let mut request = connections.request(method, url).headers(headers).timeout(self.config.timeout);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = request.send().await.map_err(|error| words(&error))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut answer = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            answer.extend_from_slice(&chunk);
            if answer.len() >= ANSWER_MAX {
                break;
            }
        }
        answer.truncate(ANSWER_MAX);
        let body = if status.is_redirection() {
            "it sends us elsewhere; redirections are not followed, write the right address".to_owned()
        } else {
            String::from_utf8_lossy(&answer).into_owned()
        };
        Ok(Reply { status: status.as_u16(), retry_after: retry_after.map(Duration::from_secs), body })
    }

    /// The client, made anew if a file that it comes from has changed.
    async fn client(&self) -> Result<Client, String> {
        let mut kept = self.client.lock().await;
        // Before the files are read: what changes meanwhile is found the next time.
        let stamps = self.stamps();
        if let Some((made_of, client)) = &*kept
            && *made_of == stamps
        {
            return Ok(client.clone());
        }
        *kept = None;
        let client = self.new_client()?;
        *kept = Some((stamps, client.clone()));
        Ok(client)
    }

    fn new_client(&self) -> Result<Client, String> {
        let config = &self.config;
        let text = config.url.read()?;
        let mut url = Url::parse(text.trim())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| match config.url.file() {
                Some(path) => format!("{}: holds no http:// or https:// URL", path.display()),
                None => "its address is no http:// or https:// URL".to_owned(),
            })?;
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization(&config.auth)? {
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(&config.tls, url.scheme() == "https")?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("picket-companion/", env!("CARGO_PKG_VERSION")));
        if let Some(name) = &config.tls.server_name {
            const WRONG: &str = "`server_name` is no host name";
            let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|_| WRONG)?);
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            builder = builder.dns_resolver(Arc::new(Elsewhere(host)));
            url.set_host(Some(name)).map_err(|_| WRONG)?;
        }
        let connections = builder.build().map_err(|error| format!("TLS: {error}"))?;
        Ok(Client { connections, url, headers })
    }

    fn stamps(&self) -> Vec<Stamp> {
        let secret = match &self.config.auth {
            Auth::None => None,
            Auth::Basic { password: secret, .. } | Auth::Scheme { secret, .. } => secret.file(),
        };
        let files = self.config.tls.files().chain(secret).chain(self.config.url.file());
        files.map(|path| (path.to_owned(), stamp(path))).collect()
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// The value of `Authorization`, marked so that nothing prints it.
fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, String> {
    let (text, secret) = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { user, password } => {
            (format!("Basic {}", base64(format!("{user}:{}", password.read()?).as_bytes())), password)
        }
        Auth::Scheme { scheme, secret } => (format!("{scheme} {}", secret.read()?.trim()), secret),
    };
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| format!("{secret:?} holds characters that no HTTP header can carry"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { ALPHABET[sextet as usize] as char } else { '=' });
        }
    }
    text
}

/// Why there is no answer, without the URL.
fn words(error: &reqwest::Error) -> String {
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

/// Whether a status says that the same may work later.
pub fn is_passing(status: u16) -> bool {
    status >= 500 || matches!(StatusCode::from_u16(status), Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT))
}

/// `server_name`: the connection goes to this host, whatever the name that TLS asks for and checks.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_their_files_and_marked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "open sesame\n").unwrap();
        let secret = Secret::File(file.clone());
        let basic = authorization(&Auth::Basic { user: "Aladdin".to_owned(), password: secret.clone() }).unwrap().unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(basic.is_sensitive());
        for (text, part) in [("", "is empty"), ("two\nlines", "no HTTP header")] {
            fs::write(&file, text).unwrap();
            let error = authorization(&Auth::Scheme { scheme: "Bearer".to_owned(), secret: secret.clone() }).unwrap_err();
            assert!(error.contains(part) && error.contains("token") && !error.contains("lines"), "{error}");
        }
    }
}
