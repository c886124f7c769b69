//! TLS of one destination: its configuration and files become what rustls works with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::ClientError;

/// What a connection trusts, and what it shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the authorities to trust; those of the system if there is none.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our certificate chain.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// The name that TLS asks for (SNI) and expects in the server's certificate, if it is not the URL's host.
    pub server_name: Option<String>,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
}

impl Tls {
    /// What rustls works with, for connections that are not HTTP's.
    pub fn client_config(&self) -> Result<ClientConfig, ClientError> {
        client_config(self, true)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().flatten().map(PathBuf::as_path)
    }
}

/// What a connection to a destination trusts, and what it shows of itself. Without `is_https` nobody is asked for a certificate.
pub(crate) fn client_config(tls: &Tls, is_https: bool) -> Result<ClientConfig, ClientError> {
    let refused = |error: rustls::Error| ClientError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(refused)?;
    let verifier: Arc<dyn ServerCertVerifier> = if tls.insecure_skip_verify {
        Arc::new(Every { certificate: Verdict::Trusted, provider })
    } else {
        verifier(tls, is_https, provider)?
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|why| unusable(key, &why))?;
            let chain = certificates(cert)?;
            // While both files are being replaced, one may still be the old one; it is read again when the other changes.
            builder.with_client_auth_cert(chain, key).map_err(|why| unusable(cert, &why))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Trusts the configured authorities, or else those of the system.
fn verifier(tls: &Tls, is_https: bool, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, ClientError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|why| unusable(path, &why))?;
        }
    } else if is_https {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    if roots.is_empty() {
        return Ok(Arc::new(Every { certificate: Verdict::NoAuthority, provider }));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(verifier.map_err(|error| ClientError::Tls(error.to_string()))?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|why| unusable(path, &why))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|why| unusable(path, &why))?;
    if found.is_empty() { Err(unusable(path, &"no certificate")) } else { Ok(found) }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> ClientError {
    ClientError::Pem { path: path.to_owned(), why: why.to_string() }
}

/// Judges every certificate alike, whatever it says: `insecure_skip_verify`, or where no authority is known.
#[derive(Debug)]
struct Every {
    certificate: Verdict,
    provider: Arc<CryptoProvider>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Trusted,
    NoAuthority,
}

impl ServerCertVerifier for Every {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.certificate {
            Verdict::Trusted => Ok(ServerCertVerified::assertion()),
            Verdict::NoAuthority => Err(rustls::Error::General(
                "no certificate authority is known: install ca-certificates or set `ca_file`".to_owned(),
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
