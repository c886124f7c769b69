//! Connections that end, of themselves or by force, and what old proxies put on them.

use std::time::Duration;

use tests::authority::Authority;
use tests::line;
use tests::load::{Load, Turn};
use tests::loki::Behaviour;
use tests::scene::{REPEATS_PER_KILL_MAX, scale};
use tests::wait;

use crate::old_proxy::{OldProxy, Style};
use crate::stage::{RAW, SAID_MAX, Stage};

/// By TLS, where a new connection costs something and can break in more ways.
fn by_tls(name: &'static str, lines: &str) -> Option<Stage> {
    let mut stage = Stage::set(name)?;
    let authority = Authority::new("ours");
    let listen = stage.listen_tls(&authority.server(&["127.0.0.1"]));
    stage.serve(&format!("{listen} {lines}"));
    let ca = stage.file("ca.pem", &authority.certificate());
    stage.configure("https", &format!(", tls: {{ca_file: {}}}", ca.display()));
    Some(stage)
}

#[test]
fn connections_that_nginx_ends_after_three_requests() {
    let Some(stage) = by_tls("connections_that_nginx_ends_after_three_requests", "keepalive_requests 3;") else {
        return;
    };
    let load = Load::start(stage.log, scale().rate, Turn::Never);
    let agent = stage.scene.start();
    wait::for_condition("twenty requests", SAID_MAX, || stage.loki.n_requests() >= 20);
    let log = load.stop();
    stage.scene.finish(agent, &stage.loki, stage.scene.book(&[(1, RAW)]), &[&log], 0);
    let requests = stage.nginx.requests();
    let connections: std::collections::BTreeSet<&str> = requests.iter().filter_map(|request| request.split(' ').next()).collect();
    let n_pushes = requests.iter().filter(|request| request.contains(" 204 ")).count();
    // Nothing is asked of a proxy that an old one cannot do.
    assert!(
        requests.iter().all(|request| request.ends_with("expect=- coding=identity") || !request.contains(" 204 ")),
        "{requests:#?}"
    );
    assert!(
        connections.len() > 5 && connections.len() <= n_pushes.div_ceil(3) + 2,
        "{} connections, {n_pushes} requests",
        connections.len()
    );
}

#[test]
fn a_connection_is_used_again_until_it_is_idle_too_long_for_nginx() {
    let Some(mut stage) = by_tls("a_connection_is_used_again_until_it_is_idle_too_long_for_nginx", "keepalive_timeout 1s;")
    else {
        return;
    };
    let agent = stage.scene.start();
    stage.arrives();
    for round in 0..4 {
        // Around the moment at which nginx closes: both sides may act at once.
        wait::span(Duration::from_millis(980 + 20 * round));
        stage.log.append(10);
        stage.arrives();
    }
    stage.finish(agent);
}

#[test]
fn nobody_behind_nginx_for_a_while() {
    let Some(mut stage) = Stage::set("nobody_behind_nginx_for_a_while") else {
        return;
    };
    let listen = stage.listen_plain();
    stage.serve(&listen);
    stage.configure("http", "");
    stage.loki.close();
    let agent = stage.scene.start();
    stage.hears(&agent, &["trying again", "502: Bad Gateway"]);
    stage.loki.open();
    stage.arrives();
    // And one that has the request and does not answer in nginx's time.
    stage.serve(&format!("{listen} proxy_read_timeout 1s;"));
    stage.loki.behave(Behaviour::AcceptAfter(Duration::from_secs(3)));
    stage.log.append(500);
    stage.hears(&agent, &["trying again", "504: Gateway Time-out"]);
    stage.loki.behave(Behaviour::Accept);
    stage.log.append(500);
    let book = stage.scene.book(&[(1, RAW)]);
    stage.scene.finish(agent, &stage.loki, book, &[&stage.log], 4 * REPEATS_PER_KILL_MAX);
}

#[test]
fn nginx_starts_anew_under_load() {
    let Some(mut stage) = by_tls("nginx_starts_anew_under_load", "") else {
        return;
    };
    let load = Load::start(stage.log, scale().rate, Turn::Never);
    let agent = stage.scene.start();
    let n_restarts = 5;
    for _ in 0..n_restarts {
        let target = stage.loki.n_stored() + 1000;
        wait::for_condition("the next thousand lines", scale().deliver_max, || stage.loki.n_stored() >= target);
        stage.nginx.stop();
        stage.nginx.start();
    }
    let log = load.stop();
    // What was under way when nginx ended may have been stored; the book sees to it that it is repeated byte for byte.
    let n_repeats_max = n_restarts * REPEATS_PER_KILL_MAX;
    stage.scene.finish(agent, &stage.loki, stage.scene.book(&[(1, RAW)]), &[&log], n_repeats_max);
}

#[test]
fn a_proxy_of_an_older_time() {
    for (name, style) in [
        ("a_proxy_that_ends_each_answer", Style::Ended),
        ("a_proxy_that_answers_in_chunks", Style::Chunked),
        ("a_proxy_that_compresses_unasked", Style::Compressed),
    ] {
        let Some(stage) = Stage::set(name) else {
            return;
        };
        // What is refused stands in the body, which has to be read to its end.
        stage.loki.behave(Behaviour::RefuseEntries(|text| line::parse(text).is_ok_and(|mark| mark.seq % 100 == 7)));
        let proxy = OldProxy::start(style, stage.loki.url().trim_start_matches("http://").to_owned());
        stage.scene.configure_urls(&[("app", stage.log.path(), "raw")], &[("main", &proxy.url(), "")]);
        let agent = stage.scene.start();
        wait::for_condition("990 lines", SAID_MAX, || stage.loki.n_stored() >= 990);
        let n_rejected = stage.scene.balance(&agent, Some(stage.log.n_bytes()));
        assert_eq!(n_rejected, Some(10 * 101), "ten lines of 100 bytes and a line end");
        assert_eq!((stage.loki.n_stored(), stage.loki.refused().len()), (990, 10));
        agent.terminate();
    }
}
