//! TLS of the listener: files become what rustls works with. Who has to show a certificate and has none is not let in at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;

use crate::config::checked::Tls;

/// Why TLS cannot be spoken.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("tls: {path}: {why}", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The files do not go together.
    #[error("tls: {0}")]
    Refused(String),
}

/// What the listener shows, and whom it trusts.
pub fn server_config(tls: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let refused = |error: rustls::Error| TlsError::Refused(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(refused)?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|why| TlsError::Pem { path: path.clone(), why: why.to_string() })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| TlsError::Refused(error.to_string()))?)
        }
    };
    let key =
        PrivateKeyDer::from_pem_file(&tls.key).map_err(|why| TlsError::Pem { path: tls.key.clone(), why: why.to_string() })?;
    let mut config = builder.with_single_cert(certificates(&tls.certificate)?, key).map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |why: String| TlsError::Pem { path: path.to_owned(), why };
    let found = CertificateDer::pem_file_iter(path).map_err(|why| pem(why.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|why| pem(why.to_string()))?;
    if found.is_empty() { Err(pem("no certificate".to_owned())) } else { Ok(found) }
}
