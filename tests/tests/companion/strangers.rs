//! Who is not let in, and what is not taken: without a token, without a certificate, too much, too fast, too many, garbage.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tests::authority::Authority;
use tests::companion::{ask, push};
use tests::program::Program;
use tests::skip::skipped;

use crate::stage::{SECOND, Stage, now};

const TOKEN: &str = "a-long-random-word-of-this-test";

#[test]
fn beyond_this_host_it_does_not_start_without_asking_who_is_there() {
    let Some(stage) = Stage::set("beyond_this_host_it_does_not_start_without_asking_who_is_there") else { return };
    let (code, errors) = stage.refusal("listen: 0.0.0.0:0\n");
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("companion.yaml:1:9: `listen`") && errors.contains("tokens: [FILE]"), "{errors}");
}

#[test]
fn without_the_token_nothing_is_taken_and_nothing_is_said() {
    let Some(stage) = Stage::set("without_the_token_nothing_is_taken_and_nothing_is_said") else { return };
    let file = stage.file("token", &format!("{TOKEN}\n"));
    let companion = stage.start(&format!("tokens: [{}]\n", file.display()));
    let address = companion.address().unwrap().to_owned();
    let line = [(now(), "line".to_owned())];
    for wrong in ["X-Nothing: 1", "Authorization: Bearer wrong", "Authorization: Basic cGlja2V0Ondyb25n"] {
        assert_eq!(push(&address, "job", &line, &[wrong]).unwrap().status, 401, "{wrong}");
        for path in ["/", "/metrics", "/api/v1/alerts", "/loki/api/v1/labels", "/api/v2/silences"] {
            assert_eq!(ask(&address, "GET", path, &[wrong], b"").unwrap().status, 401, "{path}");
        }
    }
    let right = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(push(&address, "job", &line, &[&right]).unwrap().status, 204);
    assert_eq!(ask(&address, "GET", "/metrics", &[&right], b"").unwrap().status, 200);
    assert_eq!(ask(&address, "GET", "/healthz", &[], b"").unwrap().status, 200, "the kubelet has no token");
    // Another token by reload; a bad file changes nothing.
    std::fs::write(&file, "another-long-random-word\n").unwrap();
    companion.hang_up();
    let another = "Authorization: Bearer another-long-random-word";
    tests::wait::for_condition("the other token", Duration::from_secs(10), || {
        push(&address, "job", &line, &[another]).is_ok_and(|answer| answer.status == 204)
    });
    assert_eq!(push(&address, "job", &line, &[&right]).unwrap().status, 401);
    assert!(!companion.log().contains(TOKEN), "no secret in the log");
    companion.terminate();
}

#[test]
fn with_certificates_only_those_of_the_authority_are_let_in() {
    let name = "with_certificates_only_those_of_the_authority_are_let_in";
    let Some(stage) = Stage::set(name) else { return };
    let Some(curl) = Program::find("curl") else { return skipped(name, "no curl") };
    let (servers, clients, others) = (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let server = servers.server(&["localhost"]);
    let identity = |name: &str, identity: &tests::authority::Identity| {
        (stage.file(&format!("{name}.pem"), &identity.certificate), stage.file(&format!("{name}.key"), &identity.key))
    };
    let (certificate, key) = identity("server", &server);
    let ca = stage.file("clients-ca.pem", &clients.certificate());
    let servers_ca = stage.file("servers-ca.pem", &servers.certificate());
    let companion = stage.start(&format!(
        "tls: {{certificate: {}, key: {}, client_ca: {}}}\n",
        certificate.display(),
        key.display(),
        ca.display()
    ));
    let port = companion.address().unwrap().rsplit(':').next().unwrap().to_owned();
    let status = |client: Option<&tests::authority::Identity>| {
        let mut args: Vec<String> = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"].map(str::to_owned).to_vec();
        args.push(servers_ca.display().to_string());
        if let Some(client) = client {
            let (certificate, key) = identity("client", client);
            args.extend(["--cert".to_owned(), certificate.display().to_string(), "--key".to_owned(), key.display().to_string()]);
        }
        args.push(format!("https://localhost:{port}/metrics"));
        let (_, output, _) = curl.outcome_with(args, &[]);
        output
    };
    assert_eq!(status(Some(&clients.client("agent"))), "200");
    assert_eq!(status(Some(&others.client("agent"))), "000", "the handshake fails");
    assert_eq!(status(None), "000");
    companion.terminate();
}

#[test]
fn what_is_above_the_limits_is_answered_in_lokis_words() {
    let Some(stage) = Stage::set("what_is_above_the_limits_is_answered_in_lokis_words") else { return };
    let companion = stage.start("limits: {body: 64KiB, line: 1KiB, rate: 64KiB, streams: 2}\n");
    let address = companion.address().unwrap().to_owned();
    let time = now();
    let line = |text: String| [(time, text)];
    let long = push(&address, "a", &line("x".repeat(2000)), &[]).unwrap();
    assert!(long.status == 400 && long.body.contains("max entry size '1024' bytes exceeded"), "{long:?}");
    let large = push(&address, "a", &line("x".repeat(100_000)), &[]).unwrap();
    assert!(large.status == 413 && large.body.contains("request body too large"), "{large:?}");
    let future = push(&address, "a", &[(time + 700 * SECOND, "later".to_owned())], &[]).unwrap();
    assert!(future.status == 400 && future.body.contains("has timestamp too new"), "{future:?}");
    assert_eq!(push(&address, "a", &line("one".to_owned()), &[]).unwrap().status, 204);
    assert_eq!(push(&address, "b", &line("two".to_owned()), &[]).unwrap().status, 204);
    let third = push(&address, "c", &line("three".to_owned()), &[]).unwrap();
    assert!(third.status == 429 && third.body.contains("maximum active stream limit exceeded"), "{third:?}");
    let much: Vec<(i64, String)> = (0..50).map(|n| (time + n, "y".repeat(1000))).collect();
    let fast = std::iter::repeat_with(|| push(&address, "a", &much, &[]).unwrap()).take(20).find(|answer| answer.status == 429);
    let fast = fast.expect("one of twenty is too fast");
    assert!(
        fast.body.contains("ingestion rate limit exceeded") && fast.head.to_ascii_lowercase().contains("retry-after: "),
        "{fast:?}"
    );
    let metrics = ask(&address, "GET", "/metrics", &[], b"").unwrap().body;
    for reason in ["line_too_long", "too_far_in_future", "stream_limit", "rate_limited"] {
        assert!(
            metrics.contains(&format!("picket_companion_refused_entries_total{{reason=\"{reason}\"}}")),
            "{reason}: {metrics}"
        );
    }
    companion.terminate();
}

#[test]
fn garbage_is_refused_and_harms_nobody() {
    let Some(stage) = Stage::set("garbage_is_refused_and_harms_nobody") else { return };
    let companion = stage.start("limits: {body: 1MiB, line: 64KiB}\n");
    let address = companion.address().unwrap().to_owned();
    let json = "Content-Type: application/json";
    let protobuf = "Content-Type: application/x-protobuf";
    for (headers, body) in [
        (vec![protobuf], &b"\xff\xff\xff\xff\x0f garbage"[..]),
        (vec![protobuf], b""),
        (vec![json], b"{\"streams\":"),
        (vec![json], b"[]"),
        (vec![json], b"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"x\"]]}]}"),
        (vec![json], b"{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"now\",\"x\"]]}]}"),
        (vec![json, "Content-Encoding: gzip"], b"not gzip"),
        (vec![json, "Content-Encoding: br"], b"{}"),
        (vec![], b"{}"),
    ] {
        let answer = ask(&address, "POST", "/loki/api/v1/push", &headers, body).unwrap();
        // The first begins with a length of gigabytes.
        assert!(matches!(answer.status, 400 | 413 | 422), "{headers:?} {answer:?}");
    }
    for path in ["/loki/api/v1/query?query=%7B", "/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D&start=x", "/loki/api/v1/query"]
    {
        assert_eq!(ask(&address, "GET", path, &[], b"").unwrap().status, 400, "{path}");
    }
    assert_eq!(ask(&address, "GET", "/nothing", &[], b"").unwrap().status, 404);
    assert_eq!(ask(&address, "GET", "/", &["Origin: https://evil.example.com"], b"").unwrap().status, 403);
    assert_eq!(push(&address, "a", &[(now(), "still here".to_owned())], &[]).unwrap().status, 204);
    companion.terminate();
}

#[test]
fn who_connects_and_asks_nothing_keeps_nobody_out() {
    let Some(stage) = Stage::set("who_connects_and_asks_nothing_keeps_nobody_out") else { return };
    let companion = stage.start("limits: {connections: 8}\n");
    let address = companion.address().unwrap().to_owned();
    // More than there are places, and some that have begun to ask.
    let mut idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for connection in idle.iter_mut().skip(16) {
        // It may have been sent away already.
        let _ = connection.write_all(b"POST /loki/api/v1/push HT");
    }
    let begin = Instant::now();
    for number in 0..20 {
        let answer = push(&address, "job", &[(now(), number.to_string())], &[]).unwrap();
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    // Idle connections are cut off after half a minute only.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    companion.terminate();
}
