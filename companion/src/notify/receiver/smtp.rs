//! Sends an e-mail to its server: STARTTLS unless told otherwise, TLS from the first byte on port 465.
//!
//! A password goes only over an encrypted connection, or to this machine.

use std::fs;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Identity, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::Failure;
use super::email::Mail;
use crate::notify::config::EmailConfig;

/// For each step; a notification's deadline bounds the whole.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The port on which TLS comes first.
const IMPLICIT_TLS: u16 = 465;

/// One attempt.
pub async fn send(config: &EmailConfig, mail: &Mail) -> Result<(), Failure> {
    let hello = config.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
    let tls = tls(config).map_err(Failure::lasting)?;
    let implicit = (config.port == IMPLICIT_TLS).then(|| tls.clone());
    let server = (config.host.as_str(), config.port);
    let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(TIMEOUT), &hello, implicit, None)
        .await
        .map_err(|error| failure(&error))?;
    let sent = tokio::time::timeout(TIMEOUT * 3, talk(&mut connection, config, tls, &hello, mail)).await;
    // Whatever happened, the connection is dropped here: after a failed handshake it has no stream left to say goodbye on.
    sent.unwrap_or_else(|_| Err(Failure::passing("no answer in time")))
}

async fn talk(
    connection: &mut AsyncSmtpConnection,
    config: &EmailConfig,
    tls: TlsParameters,
    hello: &ClientId,
    mail: &Mail,
) -> Result<(), Failure> {
    if !connection.is_encrypted() {
        if connection.can_starttls() {
            connection.starttls(tls, hello).await.map_err(|error| failure(&error))?;
        } else if config.require_tls {
            return Err(Failure::lasting(
                "the server does not offer STARTTLS; use another port, or set `require_tls: false` if the way there is safe",
            ));
        }
    }
    if let Some((user, password)) = &config.auth {
        if !connection.is_encrypted() && !is_this_machine(&config.host) {
            return Err(Failure::lasting("the connection is not encrypted: the password is not sent"));
        }
        let credentials = Credentials::new(user.clone(), password.read().map_err(|error| Failure::passing(error.to_string()))?);
        connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| failure(&error))?;
    }
    connection.send(&mail.envelope, &mail.bytes).await.map_err(|error| failure(&error))?;
    // It is delivered, whatever the server says to our goodbye.
    let _ = connection.quit().await;
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Built for each attempt: files are read again.
fn tls(config: &EmailConfig) -> Result<TlsParameters, String> {
    let name = config.tls.server_name.clone().unwrap_or_else(|| config.host.clone());
    let read = |path: &std::path::Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut builder = TlsParameters::builder(name).dangerous_accept_invalid_certs(config.tls.insecure_skip_verify);
    if let Some(path) = &config.tls.ca_file {
        let authority = Certificate::from_pem(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        builder =
            builder.certificate_store(lettre::transport::smtp::client::CertificateStore::None).add_root_certificate(authority);
    }
    if let (Some(cert), Some(key)) = (&config.tls.cert_file, &config.tls.key_file) {
        let identity = Identity::from_pem(&read(cert)?, &read(key)?).map_err(|error| format!("{}: {error}", cert.display()))?;
        builder = builder.identify_with(identity);
    }
    builder.build().map_err(|error| format!("TLS: {error}"))
}

/// 4xx may pass, 5xx does not; a broken connection may.
fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    use std::error::Error as _;
    let mut words = format!("SMTP: {error}");
    if let Some(cause) = error.source()
        && !words.contains(&cause.to_string())
    {
        words = format!("{words}: {cause}");
    }
    let words = words.replace(char::is_control, " ");
    if error.is_permanent() || error.is_client() { Failure::lasting(words) } else { Failure::passing(words) }
}
