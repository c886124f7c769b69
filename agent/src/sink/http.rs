//! One destination's HTTP: a client that is made anew when certificates or secrets change, and one attempt at a request.
//!
//! Secrets are read from their files for as long as a client lives, and stand in no message.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;

use crate::config::checked::{Auth, LokiOutput, Tls};

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
    /// A secret that no header can carry.
    #[error("{path}: holds characters that no HTTP header can carry", path = path.display())]
    Secret {
        /// Which.
        path: PathBuf,
    },
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
    /// The body, as text; at most [`ANSWER_MAX`] bytes.
    pub body: String,
}

/// The HTTP side of one destination.
pub struct Http {
    url: String,
    headers: Vec<(HeaderName, String)>,
    auth: Auth,
    tls: Tls,
    timeout: Duration,
    client: Option<(reqwest::Client, HeaderMap, Vec<Stamp>)>,
}

/// What tells that a file changed: its time, size and inode, behind all links (Kubernetes swaps a link).
type Stamp = (PathBuf, Option<(SystemTime, u64, u64)>);

impl Http {
    /// For a destination; nothing is opened or read yet.
    pub fn new(output: &LokiOutput) -> Self {
        let tenant = (!output.tenant.is_empty()).then(|| (HeaderName::from_static("x-scope-orgid"), output.tenant.clone()));
        Self {
            url: output.url.clone(),
            headers: tenant.into_iter().collect(),
            auth: output.auth.clone(),
            tls: output.tls.clone(),
            timeout: output.timeout,
            client: None,
        }
    }

    /// Sends one body. `Err` in words, when there is no answer: nobody knows whether it arrived.
    pub async fn post(&mut self, body: Bytes) -> Result<Reply, String> {
        let timeout = self.timeout;
        let url = self.url.clone();
        let (client, headers) = self.client().map_err(|error| error.to_string())?;
        let request = client.post(url).headers(headers).timeout(timeout).body(body);
        let mut response = request.send().await.map_err(|error| in_words(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = Vec::new();
        while answer.len() < ANSWER_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.extend_from_slice(&chunk),
                // The status says what matters; but a success whose end is missing may be a proxy's.
                Err(error) if (200..300).contains(&status) && status != 204 => return Err(in_words(&error)),
                Ok(None) | Err(_) => break,
            }
        }
        answer.truncate(ANSWER_MAX);
        Ok(Reply { status, retry_after, body: String::from_utf8_lossy(&answer).into_owned() })
    }

    /// The client and the headers, made anew if a file that they come from has changed.
    fn client(&mut self) -> Result<(reqwest::Client, HeaderMap), ClientError> {
        let stamps = self.stamps();
        if let Some((client, headers, known)) = &self.client
            && *known == stamps
        {
            return Ok((client.clone(), headers.clone()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).map_err(|error| ClientError::Tls(format!("tenant: {error}")))?;
            headers.insert(name.clone(), value);
        }
        if let Some(value) = authorization(&self.auth)? {
            headers.insert(AUTHORIZATION, value);
        }
        let tls = client_config(&self.tls)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .tcp_nodelay(true)
            .user_agent(concat!("picket-agent/", env!("CARGO_PKG_VERSION")));
        let client = builder.build().map_err(|error| ClientError::Tls(error.to_string()))?;
        self.client = Some((client.clone(), headers.clone(), stamps));
        Ok((client, headers))
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

/// A failure with its causes, without the URL (which may hold what is secret).
fn in_words(error: &reqwest::Error) -> String {
    let mut words = if error.is_timeout() { "no answer in time".to_owned() } else { "connection failed".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

fn read(path: &Path) -> Result<String, ClientError> {
    fs::read_to_string(path).map_err(|source| ClientError::File { path: path.to_owned(), source })
}

fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, ClientError> {
    let (text, path) = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { user, password_file } => {
            let password = read(password_file)?;
            (format!("Basic {}", base64(format!("{user}:{}", password.trim_end_matches(['\r', '\n'])).as_bytes())), password_file)
        }
        Auth::Bearer { token_file } => (format!("Bearer {}", read(token_file)?.trim()), token_file),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| ClientError::Secret { path: path.clone() })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// RFC 4648 section 4, for the one header that needs it.
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

fn client_config(tls: &Tls) -> Result<ClientConfig, ClientError> {
    let refused = |error: rustls::Error| ClientError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(refused)?;
    let verifier: Arc<dyn ServerCertVerifier> = if tls.insecure_skip_verify {
        Arc::new(AnyCertificate(provider))
    } else {
        let verifier = verifier(tls, provider)?;
        match &tls.server_name {
            None => verifier,
            Some(name) => {
                let name =
                    ServerName::try_from(name.clone()).map_err(|error| ClientError::Tls(format!("server_name: {error}")))?;
                Arc::new(NamedCertificate { name, verifier })
            }
        }
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let key =
                PrivateKeyDer::from_pem_file(key).map_err(|why| ClientError::Pem { path: key.clone(), why: why.to_string() })?;
            builder.with_client_auth_cert(certificates(cert)?, key).map_err(refused)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Trusts the configured authorities, or else those of the system.
fn verifier(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, ClientError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|why| ClientError::Pem { path: path.clone(), why: why.to_string() })?;
        }
    } else {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    if roots.is_empty() {
        // Plain HTTP needs none; an https URL will then fail with a word about an unknown issuer.
        return Ok(Arc::new(NoCertificate(provider)));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(verifier.map_err(|error| ClientError::Tls(error.to_string()))?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let pem = |why: String| ClientError::Pem { path: path.to_owned(), why };
    let found = CertificateDer::pem_file_iter(path).map_err(|why| pem(why.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|why| pem(why.to_string()))?;
    if found.is_empty() { Err(pem("no certificate".to_owned())) } else { Ok(found) }
}

/// `insecure_skip_verify`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

/// No authority is known.
#[derive(Debug)]
struct NoCertificate(Arc<CryptoProvider>);

/// `server_name`: the certificate is for another name than the URL's.
#[derive(Debug)]
struct NamedCertificate {
    name: ServerName<'static>,
    verifier: Arc<dyn ServerCertVerifier>,
}

macro_rules! checks_signatures_with {
    ($provider:tt) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls12_signature(message, cert, dss, &self.$provider.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, cert, dss, &self.$provider.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    checks_signatures_with!(0);
}

impl ServerCertVerifier for NoCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::General("no certificate authority is known: install ca-certificates or set tls.ca_file".to_owned()))
    }

    checks_signatures_with!(0);
}

impl ServerCertVerifier for NamedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(end_entity, intermediates, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_is_encoded_as_the_rfc_says() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_missing_secret_is_an_error_that_names_the_file() {
        let error = authorization(&Auth::Bearer { token_file: "/nonexistent/token".into() }).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/token: "), "{error}");
    }
}
