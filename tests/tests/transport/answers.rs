//! What a proxy answers in Loki's place: pages, limits, redirections. None of it is a word of Loki's about an entry.

use std::fmt::Write as _;

use tests::loki::Loki;
use tests::metrics::Sample;
use tests::nginx::Nginx;
use tests::scene::{Scene, deliver, written};
use tests::wait;

use crate::stage::{RAW, SAID_MAX, Stage, says};

/// Every status of which nginx, another proxy or a wall of a provider's has a page; 444 is nginx's for a connection that it closes.
const STATUSES: [u16; 31] = [
    200, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 421, 422, 429, 444, 451, 494,
    495, 496, 497, 502, 503, 504,
];

/// One destination for each status: nothing is given up, whatever it is, and everything arrives afterwards.
#[test]
fn no_page_of_a_proxy_costs_a_line() {
    let Some(scene) = Scene::set("no_page_of_a_proxy_costs_a_line") else {
        return;
    };
    if !Nginx::is_installed() {
        return tests::skip::skipped(scene.name, "no nginx (Debian: nginx-light)");
    }
    let mut nginx = Nginx::set_up(&scene.path("nginx"));
    let lokis = STATUSES.map(|_| Loki::start());
    let mut log = scene.log("app.log", RAW, 1);
    log.append(300);
    let locations = |says_no: bool| {
        let mut text = format!("server {{ listen 127.0.0.1:{};\n", nginx.port(0));
        for (status, loki) in STATUSES.iter().zip(&lokis) {
            let answer = match status {
                _ if !says_no => format!("proxy_pass {}/;", loki.url()),
                // Pages of their own; nginx has none for what it does not know.
                200 | 402 | 406 | 409 | 418 | 422 | 451 => format!("return {status} '<html><title>Of a proxy</title></html>';"),
                301..=308 => format!("return {status} http://127.0.0.1:1/elsewhere;"),
                _ => format!("return {status};"),
            };
            writeln!(text, "location /{status}/ {{ default_type text/html; {answer} }}").unwrap();
        }
        text + "}"
    };
    let (no, yes) = (locations(true), locations(false));
    nginx.run(&no);
    let names = STATUSES.map(|status| format!("of-{status}"));
    let urls = STATUSES.map(|status| format!("http://127.0.0.1:{}/{status}/loki/api/v1/push", nginx.port(0)));
    let destinations: Vec<_> = names.iter().zip(&urls).map(|(name, url)| (name.as_str(), url.as_str(), "")).collect();
    scene.configure_urls(&[("app", log.path(), "raw")], &destinations);
    let agent = scene.start();
    for name in &names {
        says(&agent, &[&format!("destination={name} "), "reason="], 0);
    }
    let ledger = agent.metrics().unwrap().ledger().unwrap();
    assert_eq!((ledger.sum("shipped", None), ledger.sum("rejected", None)), (0, 0), "{ledger:?}");
    log.append(300);
    nginx.run(&yes);
    for loki in &lokis {
        let mut book = scene.book(&[(1, RAW)]);
        deliver(&mut book, loki, &[&log]);
        book.verdict(&written(&[&log])).assert_whole(0);
    }
    assert_eq!(scene.balance(&agent, Some(log.n_bytes())), Some(0));
    agent.terminate();
}

#[test]
fn a_small_limit_of_the_body_and_one_that_nothing_passes() {
    let Some(mut stage) = Stage::set("a_small_limit_of_the_body_and_one_that_nothing_passes") else {
        return;
    };
    let listen = stage.listen_plain();
    stage.serve(&format!("{listen} client_max_body_size 64;"));
    stage.configure("http", "");
    let agent = stage.scene.start();
    stage.hears(&agent, &["nothing is dropped", "client_max_body_size"]);
    stage.held(&agent);
    let refused = |stage: &Stage| stage.nginx.requests().iter().filter(|request| request.contains(" 413 ")).count();
    let n_refused = refused(&stage);
    stage.serve(&format!("{listen} client_max_body_size 4k;"));
    stage.log.append(1000);
    stage.arrives();
    assert!(refused(&stage) > n_refused, "the limit was met: {:#?}", stage.nginx.requests());
    stage.finish(agent);
}

/// Large bodies: nginx answers before it has read them, and what it does not read must not hide its answer.
#[test]
fn a_large_body_meets_the_answer_before_its_end() {
    let Some(mut stage) = Stage::set("a_large_body_meets_the_answer_before_its_end") else {
        return;
    };
    for _ in 0..200 {
        // Letters that do not compress: the whole batch of a megabyte travels.
        let noise: String = (0..20_000).map(|_| char::from(stage.scene.random.between(33, 127) as u8)).collect();
        stage.log.append_foreign(&noise);
    }
    let listen = stage.listen_plain();
    stage.serve(&format!("{listen} client_max_body_size 100k;"));
    stage.configure("http", "");
    let agent = stage.scene.start();
    wait::for_condition("all lines", SAID_MAX * 3, || stage.loki.n_stored() >= 1200);
    assert_eq!(stage.scene.balance(&agent, Some(stage.log.n_bytes())), Some(0));
    assert_eq!(stage.loki.n_stored(), 1200);
    let metrics = agent.metrics().unwrap();
    let answers = |status: &str| -> f64 {
        let of = |sample: &&Sample| sample.labels.get("status").is_some_and(|known| known == status);
        metrics.of("picket_agent_answers_total").filter(of).map(|sample| sample.value).sum()
    };
    assert!(answers("413") > 0.0 && answers("none") < 1.0, "{} times 413, {} times none", answers("413"), answers("none"));
    agent.terminate();
}

/// Logs and secrets go where the configuration says, and nowhere else: not even to the same host by TLS.
#[test]
fn a_redirection_is_said_and_not_followed() {
    for (name, status) in [("a_redirection_301_is_said", 301), ("a_redirection_308_is_said", 308)] {
        let Some(mut stage) = Stage::set(name) else {
            return;
        };
        let (here, there) = (stage.nginx.port(0), stage.nginx.port(1));
        let password = stage.file("password", "correct horse\n");
        let options = format!(", basic_auth: {{username: agent, password_file: {}}}", password.display());
        let hand_on = stage.hand_on();
        stage.nginx.run(&format!(
            "server {{ listen 127.0.0.1:{here}; return {status} http://127.0.0.1:{there}$request_uri?token=hidden; }}
             server {{ listen 127.0.0.1:{there}; location / {{ {hand_on} }} }}"
        ));
        stage.configure("http", &options);
        let agent = stage.scene.start();
        let target = format!("{status}: the server sends us on to http://127.0.0.1:{there}/loki/api/v1/push;");
        stage.hears(&agent, &["nothing is dropped", &target, "write it as `url`"]);
        stage.held(&agent);
        assert!(!agent.log().contains("hidden"), "a redirection's secrets are not for the log");
        assert_eq!(stage.loki.n_requests(), 0);
        // As it was told to.
        let url = format!("http://127.0.0.1:{there}");
        stage.scene.configure_urls(&[("app", stage.log.path(), "raw")], &[("main", &url, &options)]);
        agent.hang_up();
        stage.finish(agent);
    }
}
