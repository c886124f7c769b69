//! STARTTLS: against a real upsd with a certificate of NSS, as Debian builds it, and against a server of the test's own.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use ::tests::authority::Authority;
use ::tests::program::Program;
use ::tests::skip::skipped;
use client::{Secret, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::nut::{Upsd, settings, ups, usual};
use super::*;

/// What NSS wants for its database.
const DATABASE_PASSWORD: &str = "of the database";

/// Makes a database with an authority and a certificate of this machine, signed by it; the authority's certificate as PEM. Nothing
/// where NSS's tools are not installed, which is said.
fn certificates(test: &str, directory: &Path) -> Option<String> {
    let Some(certutil) = Program::find("certutil") else {
        skipped(test, "certutil is not installed");
        return None;
    };
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("certificates")).unwrap();
    fs::write(path("password"), DATABASE_PASSWORD).unwrap();
    fs::write(path("noise"), "keys of a test need none, and these bytes are as many as are read").unwrap();
    let run = |command: &str, further: &[&str]| {
        let (database, password, noise) = (path("certificates"), path("password"), path("noise"));
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend(["-d", &database, "-f", &password]);
        if command.starts_with("-S") {
            args.extend(["-z", &noise]);
        }
        args.extend(further);
        certutil.run(args)
    };
    run("-N", &[]);
    // An authority says that it is one: `basicConstraints` with CA:TRUE, which certutil asks for only in a dialogue.
    fs::write(path("constraints"), b"\x30\x03\x01\x01\xff").unwrap();
    let constraints = format!("2.5.29.19:critical:{}", path("constraints"));
    run("-S -n authority -x -t CT,, -m 1 -k rsa -g 2048", &["-s", "CN=UPSes", "--extGeneric", &constraints]);
    run("-S -n server -c authority -t ,, -m 2 -k rsa -g 2048 --extSAN ip:127.0.0.1", &["-s", "CN=ups"]);
    Some(run("-L -n authority -a", &[]))
}

/// A server before the other one, which passes everything on and keeps what the client sends; its port. It runs until the test program
/// ends.
fn recorder(port: u16) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&sent);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let record = Arc::clone(&record);
            thread::spawn(move || io::copy(&mut back, &mut forth));
            thread::spawn(move || pass_on(client, server, &record));
        }
    });
    (own, sent)
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, record: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        record.lock().unwrap().extend(&buffer[..length]);
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    server.shutdown(Shutdown::Both).ok();
}

#[test]
fn upsd_with_a_certificate_is_asked_over_tls_or_not_at_all() {
    let name = "upsd_with_a_certificate_is_asked_over_tls_or_not_at_all";
    let directory = tempfile::tempdir().unwrap();
    let Some(authority) = certificates(name, directory.path()) else { return };
    let lines = format!("CERTPATH {}/certificates\nCERTIDENT server \"{DATABASE_PASSWORD}\"\n", directory.path().display());
    let (right, wrong) = (directory.path().join("right.pem"), directory.path().join("wrong.pem"));
    fs::write(&right, authority).unwrap();
    fs::write(&wrong, Authority::new("somebody else").certificate()).unwrap();
    let Some(upsd) = Upsd::start_in(name, directory, &lines) else { return };
    // Each by a recorder of its own, since the last bytes may come late.
    let by_way = |ca_file: &Path, server_name: Option<&str>| {
        let (port, sent) = recorder(upsd.port);
        let login = Login { user: "monitor".to_owned(), password: Secret::Inline("a password".to_owned()) };
        let (ca_file, server_name) = (Some(ca_file.to_owned()), server_name.map(str::to_owned));
        let tls = Tls { ca_file, server_name, ..Tls::default() };
        (ups(NutSettings { login: Some(login), tls: Some(tls), ..settings(port) }), sent)
    };
    let (mut trusted, sent) = by_way(&right, None);
    let (is_up, text) = sample(&mut trusted);
    assert!(is_up && text.contains("network_ups_tools_battery_charge{ups=\"homeups\"}"), "{:?}", trusted.missing());
    // The same connection again.
    assert!(sample(&mut trusted).0 && trusted.missing().is_empty());
    assert_eq!(in_clear(&sent.lock().unwrap()), None);

    // Who is not trusted, or under another name, hears nothing of who asks.
    for (ca_file, server_name, words) in
        [(&wrong, None, "UnknownIssuer"), (&right, Some("ups.example.org"), "not valid for name \"ups.example.org\"")]
    {
        let (mut distrusted, sent) = by_way(ca_file, server_name);
        assert_eq!(sample(&mut distrusted), (false, String::new()));
        let said = distrusted.missing();
        assert!(said.len() == 1 && said[0].contains("certificate") && said[0].contains(words), "{said:?}");
        assert_eq!(in_clear(&sent.lock().unwrap()), None);
    }
}

/// What was sent in clear beside the command for TLS; nothing before that is not right either.
fn in_clear(sent: &[u8]) -> Option<&'static str> {
    let Some(hello) = sent.strip_prefix(b"STARTTLS\n").filter(|rest| rest.len() > 100) else { return Some("no TLS") };
    let words = ["USERNAME", "monitor", "PASSWORD", "a password", "VER", "LIST"];
    words.into_iter().find(|word| hello.windows(word.len()).any(|part| part == word.as_bytes()))
}

#[test]
fn a_connection_is_encrypted_if_that_is_asked_for() {
    let authority = Authority::new("UPSes");
    let identity = authority.server(&["127.0.0.1"]);
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, authority.certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut command = [0; 9];
            stream.read_exact(&mut command).unwrap();
            assert_eq!(&command, b"STARTTLS\n");
            stream.write_all(b"OK STARTTLS\n").unwrap();
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            let mut line = Vec::new();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() {
                if byte != *b"\n" {
                    line.extend(byte);
                    continue;
                }
                let Some(answer) = usual(&String::from_utf8(std::mem::take(&mut line)).unwrap()) else { break };
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    let with = |ca_file| ups(NutSettings { tls: Some(Tls { ca_file, ..Tls::default() }), ..settings(port) });
    let mut trusted = with(Some(ca_file));
    let (is_up, text) = sample(&mut trusted);
    assert!(is_up && text.contains("network_ups_tools_ups_load{ups=\"a\"} 5"), "{text} {:?}", trusted.missing());
    // The same connection again.
    assert!(sample(&mut trusted).0);
    let mut other = with(None);
    drop(trusted);
    assert!(!sample(&mut other).0);
    assert!(other.missing()[0].contains("certificate"), "{:?}", other.missing());
}
