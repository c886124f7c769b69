//! Certificates: whom the agent trusts, what it shows of itself, and what it says when either is wrong.

use tests::authority::Authority;
use tests::wait;

use crate::stage::{SAID_MAX, Stage};

#[test]
fn an_own_authority_and_both_versions_of_tls() {
    for (name, protocol) in [("an_own_authority_tls_1_2", "TLSv1.2"), ("an_own_authority_tls_1_3", "TLSv1.3")] {
        let Some(mut stage) = Stage::set(name) else {
            return;
        };
        let authority = Authority::new("ours");
        let listen = stage.listen_tls(&authority.server(&["127.0.0.1"]));
        stage.serve(&format!("{listen} ssl_protocols {protocol};"));
        let ca = stage.file("ca.pem", &authority.certificate());
        stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
        let agent = stage.scene.start();
        stage.finish(agent);
    }
}

#[test]
fn an_unknown_authority_until_its_file_is_replaced() {
    let Some(mut stage) = Stage::set("an_unknown_authority_until_its_file_is_replaced") else {
        return;
    };
    let authority = Authority::new("ours");
    let listen = stage.listen_tls(&authority.server(&["127.0.0.1"]));
    stage.serve(&listen);
    let ca = stage.file("ca.pem", &Authority::new("another").certificate());
    stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
    let agent = stage.scene.start();
    stage.hears(&agent, &["nothing is dropped", "not signed by an authority in", &ca.display().to_string()]);
    stage.held(&agent);
    assert_eq!(stage.loki.n_requests(), 0);
    // A file without an authority is a fault by itself, and said by its own words.
    stage.file("ca.pem", "soon\n");
    stage.hears(&agent, &[&ca.display().to_string(), "no certificate"]);
    stage.file("ca.pem", &authority.certificate());
    stage.finish(agent);
}

#[test]
fn without_an_authority_of_ones_own_the_systems_are_asked() {
    let Some(mut stage) = Stage::set("without_an_authority_of_ones_own_the_systems_are_asked") else {
        return;
    };
    let authority = Authority::new("ours");
    let listen = stage.listen_tls(&authority.server(&["127.0.0.1"]));
    stage.serve(&listen);
    stage.configure("https", "");
    let agent = stage.scene.start();
    // With authorities of the system or, on a bare machine, without any.
    stage.hears(&agent, &["nothing is dropped", "ca_file`"]);
    stage.held(&agent);
    let ca = stage.file("ca.pem", &authority.certificate());
    stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
    agent.hang_up();
    stage.finish(agent);
}

#[test]
fn a_certificate_for_another_name_unless_that_is_expected() {
    let Some(mut stage) = Stage::set("a_certificate_for_another_name_unless_that_is_expected") else {
        return;
    };
    let authority = Authority::new("ours");
    let listen = stage.listen_tls(&authority.server(&["loki.example.org", "logs.example.org"]));
    stage.serve(&listen);
    let ca = stage.file("ca.pem", &authority.certificate());
    stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
    let agent = stage.scene.start();
    stage.hears(&agent, &["for loki.example.org, logs.example.org and not for 127.0.0.1", "`tls.server_name`"]);
    stage.held(&agent);
    // Now only who asks for the name gets an answer at all, as where many names share an address.
    let (port, hand_on) = (stage.nginx.port(0), stage.hand_on());
    stage.nginx.run(&format!(
        "server {{ listen 127.0.0.1:{port} ssl default_server; ssl_reject_handshake on; }}
         server {{ {listen} server_name loki.example.org; location / {{ {hand_on} }} }}
         server {{ {listen} server_name 127.0.0.1; location / {{ {hand_on} }} }}"
    ));
    stage.hears(&agent, &["the server knows no host of this name", "`tls.server_name`"]);
    stage.configure("https", &format!(", tls: {{ca_file: {}, server_name: loki.example.org}}", ca.display()));
    agent.hang_up();
    stage.arrives();
    wait::for_condition("nginx to have logged it", SAID_MAX, || !stage.nginx.requests().is_empty());
    let requests = stage.nginx.requests();
    let asked = format!("sni=loki.example.org host=127.0.0.1:{port} ");
    assert!(requests.iter().all(|request| request.contains(&asked)), "{requests:#?}");
    stage.finish(agent);
}

#[test]
fn an_expired_certificate_until_it_is_renewed() {
    let Some(mut stage) = Stage::set("an_expired_certificate_until_it_is_renewed") else {
        return;
    };
    let authority = Authority::new("ours");
    let listen = stage.listen_tls(&authority.expired_server(&["127.0.0.1"]));
    stage.serve(&listen);
    let ca = stage.file("ca.pem", &authority.certificate());
    stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
    let agent = stage.scene.start();
    stage.hears(&agent, &["nothing is dropped", "has expired at 2021-01-01T00:00:00Z", "clock"]);
    stage.held(&agent);
    let listen = stage.listen_tls(&authority.server(&["127.0.0.1"]));
    stage.serve(&listen);
    stage.finish(agent);
}

#[test]
fn a_client_certificate_is_shown_and_rotated() {
    let Some(mut stage) = Stage::set("a_client_certificate_is_shown_and_rotated") else {
        return;
    };
    let authority = Authority::new("ours");
    let (ca, listen) = (stage.file("ca.pem", &authority.certificate()), stage.listen_tls(&authority.server(&["127.0.0.1"])));
    stage.serve(&format!("{listen} ssl_verify_client on; ssl_client_certificate {};", ca.display()));
    stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
    let agent = stage.scene.start();
    stage.hears(&agent, &["nothing is dropped", "400: No required SSL certificate was sent"]);
    stage.held(&agent);

    // One that is signed by nobody they know.
    let show = |identity: &tests::authority::Identity| {
        (stage.file("client.key", &identity.key), stage.file("client.pem", &identity.certificate))
    };
    let (key, certificate) = show(&Authority::new("another").client("stranger"));
    let own = format!("cert_file: {}, key_file: {}", certificate.display(), key.display());
    stage.configure("https", &format!(", tls: {{ca_file: {}, {own}}}", ca.display()));
    agent.hang_up();
    stage.hears(&agent, &["nothing is dropped", "400: The SSL certificate error"]);
    stage.held(&agent);

    show(&authority.client("node-1"));
    stage.arrives();
    // nginx logs a request a moment after it was answered.
    let shown = |stage: &Stage, name: &str| {
        let is_it =
            |request: &String| request.contains(&format!(" 204 sni=- host=127.0.0.1:{} client=CN={name} ", stage.nginx.port(0)));
        wait::for_condition(&format!("nginx to have seen {name}"), SAID_MAX, || stage.nginx.requests().last().is_some_and(is_it));
    };
    shown(&stage, "node-1");

    // While it works: the key first, which does not fit for a moment, and then the certificate.
    let next = authority.client("node-2");
    stage.file("client.key", &next.key);
    let mut stage = stage;
    stage.log.append(500);
    stage.hears(&agent, &["nothing is dropped", &certificate.display().to_string()]);
    stage.file("client.pem", &next.certificate);
    stage.arrives();
    shown(&stage, "node-2");
    stage.finish(agent);
}

#[test]
fn http_where_https_is_spoken_and_the_other_way_round() {
    let Some(mut stage) = Stage::set("http_where_https_is_spoken_and_the_other_way_round") else {
        return;
    };
    let listen = stage.listen_tls(&Authority::new("ours").server(&["127.0.0.1"]));
    stage.serve(&listen);
    stage.configure("http", "");
    let agent = stage.scene.start();
    stage.hears(&agent, &["nothing is dropped", "400: The plain HTTP request was sent to HTTPS port"]);
    stage.held(&agent);
    stage.configure("https", "");
    agent.hang_up();
    stage.hears(&agent, &["nothing is dropped", "ca_file`"]);
    let listen = stage.listen_plain();
    stage.serve(&listen);
    stage.hears(&agent, &["nothing is dropped", "does not speak TLS", "http://"]);
    stage.held(&agent);
    stage.configure("http", "");
    agent.hang_up();
    wait::for_condition("the first lines", SAID_MAX, || stage.loki.n_stored() > 0);
    stage.finish(agent);
}
