//! E-mail, with a mail server's double: plain, with STARTTLS, and with TLS from the first byte.

use std::sync::{Arc, Mutex};

use companion::notify::config::{Config, EmailConfig, IntegrationKind};
use companion::notify::receiver::email::Mail;
use companion::notify::receiver::smtp;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::double::{firing, read, until};
use crate::told::router;

/// What the server was told, line by line, with `(TLS)` where the connection became secret.
type Said = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Server {
    said: Said,
    tls: Option<TlsAcceptor>,
    /// Answers `RCPT TO` with it.
    recipient: &'static str,
}

impl Server {
    async fn start(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = self.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n").await;
                    if server.talk(&mut stream, server.tls.is_some()).await == Some(true) {
                        let acceptor = server.tls.clone().unwrap();
                        let Ok(stream) = acceptor.accept(stream.into_inner()).await else { return };
                        server.said.lock().unwrap().push("(TLS)".to_owned());
                        server.talk(&mut BufReader::new(stream), false).await;
                    }
                });
            }
        });
        port
    }

    /// Until the other side goes, or wants TLS.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>, offers_tls: bool) -> Option<bool> {
        let mut is_data = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            self.said.lock().unwrap().push(line.clone());
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "." if is_data => {
                    is_data = false;
                    "250 taken"
                }
                _ if is_data => continue,
                "EHLO" if offers_tls => "250-mail.example.org\r\n250 STARTTLS",
                "EHLO" => "250-mail.example.org\r\n250 AUTH PLAIN LOGIN",
                "STARTTLS" => {
                    stream.write_all(b"220 go\r\n").await.ok()?;
                    return Some(true);
                }
                "AUTH" => "235 welcome",
                "RCPT" => self.recipient,
                "DATA" => {
                    is_data = true;
                    "354 go"
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        }
    }
}

fn config(port: u16, more: &str) -> Config {
    read(&format!(
        "route: {{receiver: team, group_wait: 0s}}\n\
         receivers: [{{name: team, email_configs: [{{to: ops@example.org, from: picket@example.org, smarthost: 'localhost:{port}', hello: me.example.org{more}}}]}}]\n"
    ))
}

fn email(config: &Config) -> EmailConfig {
    match &config.receivers[0].integrations[0].kind {
        IntegrationKind::Email(config) => (**config).clone(),
        other => panic!("{other:?}"),
    }
}

fn mail() -> Mail {
    let address = |text: &str| text.parse().unwrap();
    let envelope = lettre::address::Envelope::new(Some(address("picket@example.org")), vec![address("ops@example.org")]).unwrap();
    Mail { envelope, bytes: b"Subject: x\r\n\r\nbody\r\n".to_vec() }
}

/// A certificate for localhost and the file of its authority.
fn authority(dir: &std::path::Path) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = dir.join("ca.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), file.display().to_string())
}

#[tokio::test]
async fn an_alert_arrives_as_an_e_mail() {
    let said = Said::default();
    let port = Server { said: Arc::clone(&said), tls: None, recipient: "250 fine" }.start().await;
    let dir = tempfile::tempdir().unwrap();
    let notifier = router(config(port, ", require_tls: false, auth_username: u, auth_password: p"), dir.path());
    notifier.alerts(vec![firing("alertname=K4 severity=critical")]);
    let said = until("an e-mail", || {
        let said = said.lock().unwrap().clone();
        said.contains(&".".to_owned()).then_some(said)
    })
    .await;
    for line in [
        "EHLO me.example.org",
        "AUTH PLAIN AHUAcA==",
        "MAIL FROM:<picket@example.org>",
        "RCPT TO:<ops@example.org>",
        "Subject: [FIRING:1] K4 (critical)",
        "Auto-Submitted: auto-generated",
        "Firing: K4 happened",
    ] {
        assert!(said.iter().any(|said| said == line), "{line} is not in {said:#?}");
    }
    notifier.stop().await;
}

#[tokio::test]
async fn nothing_is_said_to_a_server_without_starttls() {
    let said = Said::default();
    let port = Server { said: Arc::clone(&said), tls: None, recipient: "250 fine" }.start().await;
    let failure = smtp::send(&email(&config(port, ", auth_username: u, auth_password: p")), &mail()).await.unwrap_err();
    assert!(!failure.may_pass && failure.words.contains("STARTTLS"), "{failure:?}");
    assert!(said.lock().unwrap().iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")));
}

#[tokio::test]
async fn a_password_goes_only_through_tls_and_only_to_whom_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (acceptor, authority) = authority(dir.path());
    let said = Said::default();
    let port = Server { said: Arc::clone(&said), tls: Some(acceptor), recipient: "250 fine" }.start().await;
    let auth = ", auth_username: u, auth_password: p";
    let stranger = smtp::send(&email(&config(port, auth)), &mail()).await.unwrap_err();
    assert!(stranger.words.contains("certificate") || stranger.words.contains("Issuer"), "{stranger:?}");
    said.lock().unwrap().clear();
    smtp::send(&email(&config(port, &format!("{auth}, tls_config: {{ca_file: '{authority}'}}"))), &mail()).await.unwrap();
    let said = said.lock().unwrap().clone();
    let place = |begin: &str| said.iter().position(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin}: {said:?}"));
    assert!(place("STARTTLS") < place("(TLS)") && place("(TLS)") < place("AUTH"), "{said:?}");
}

#[tokio::test]
async fn what_the_server_says_decides_whether_it_is_tried_again() {
    for (recipient, may_pass) in [("550 no such user", false), ("450 later", true)] {
        let port = Server { said: Said::default(), tls: None, recipient }.start().await;
        let failure = smtp::send(&email(&config(port, ", require_tls: false")), &mail()).await.unwrap_err();
        assert_eq!(failure.may_pass, may_pass, "{failure:?}");
        assert!(failure.words.contains(recipient.split_once(' ').unwrap().1), "{failure:?}");
    }
}
