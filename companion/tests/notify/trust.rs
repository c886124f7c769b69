//! TLS of receivers: who is trusted, what we show of ourselves, and files that are replaced while we run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use client::{Auth, Endpoint, Secret, Tls};
use companion::notify::http::Http;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::double::Double;

/// A certificate with its key, and the files of both.
struct Identity {
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
    cert: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn make(dir: &Path, name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Self { made, cert, key }
    }
}

/// A server that lets in only whom it knows.
fn server(own: &Identity, client: &Identity) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client.made.cert.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::try_from(own.made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![own.made.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_shown_our_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (own, client, other) = (
        Identity::make(dir.path(), "hooks.example.org"),
        Identity::make(dir.path(), "companion"),
        Identity::make(dir.path(), "other"),
    );
    let double = Double::secret(server(&own, &client)).await;
    let http = |tls: Tls| {
        let url = Secret::Inline(format!("https://localhost:{}/s3cr3t", double.address.port()));
        Http::new(Endpoint { url, auth: Auth::None, tls, timeout: Duration::from_secs(10) })
    };
    // Its certificate is for another name than that of the address.
    let whole = Tls {
        ca_file: Some(own.cert.clone()),
        cert_file: Some(client.cert.clone()),
        key_file: Some(client.key.clone()),
        server_name: Some("hooks.example.org".to_owned()),
        insecure_skip_verify: false,
    };
    let reply = http(whole.clone()).post_json("{}".into()).await.unwrap();
    assert_eq!((reply.status, double.asked().len()), (200, 1));

    for (tls, part) in [
        (Tls { ca_file: Some(other.cert.clone()), ..whole.clone() }, "invalid peer certificate"),
        (Tls { ca_file: None, ..whole.clone() }, "certificate"),
        (Tls { server_name: None, ..whole.clone() }, "hooks.example.org"),
        (Tls { cert_file: None, key_file: None, ..whole.clone() }, "CertificateRequired"),
        (Tls { ca_file: Some("/nonexistent/ca.pem".into()), ..whole.clone() }, "/nonexistent/ca.pem"),
    ] {
        let error = http(tls).post_json("{}".into()).await.unwrap_err();
        assert!(error.contains(part) && !error.contains("s3cr3t"), "{part}: {error}");
    }
    assert_eq!(double.asked().len(), 1, "nothing was said to whom is not trusted");

    // A file that is replaced is read again.
    let replaced = dir.path().join("ca.pem");
    std::fs::copy(&other.cert, &replaced).unwrap();
    let http = http(Tls { ca_file: Some(replaced.clone()), ..whole });
    http.post_json("{}".into()).await.unwrap_err();
    std::fs::rename(&own.cert, &replaced).unwrap();
    assert_eq!(http.post_json("{}".into()).await.unwrap().status, 200);
}
