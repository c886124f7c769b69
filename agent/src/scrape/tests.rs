//! Scrapes of servers that answer as they should, and of others.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use client::{Auth, Secret};
use proto::exposition::write_families;
use proto::metric::UnixMillis;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::job::Redirects;
use super::*;

/// What a server does with a request.
#[derive(Clone, Debug)]
enum Answer {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes and then nothing, and stays.
    Stalls(Vec<u8>),
    /// Sends these bytes, and then the others for ever.
    Endless(Vec<u8>, Vec<u8>),
}

/// A server on loopback that answers every request alike; it remembers what it was asked.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn new(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move { converse(stream, &seen, &*answer).await });
            }
        });
        Self { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests, in small letters.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// One connection: one request, one answer.
async fn converse<S>(mut stream: S, seen: &Mutex<Vec<String>>, answer: &impl Fn(&str) -> Answer)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let request = String::from_utf8(request).unwrap();
    seen.lock().unwrap().push(request.to_lowercase());
    match answer(&request) {
        Answer::Bytes(bytes) => {
            // Who has had enough goes away.
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
        }
        Answer::Stalls(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.read_u8().await.ok();
        }
        Answer::Endless(bytes, more) => {
            stream.write_all(&bytes).await.ok();
            while stream.write_all(&more).await.is_ok() {}
        }
    }
}

fn http(status: &str, headers: &str, body: &[u8]) -> Answer {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

fn ok(content_type: &str, body: &str) -> Answer {
    http("200 OK", &format!("Content-Type: {content_type}\r\n"), body.as_bytes())
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(body).unwrap();
    packer.finish().unwrap()
}

async fn scrape(job: &Job) -> Result<Scraped, ScrapeError> {
    Scraper::new(job).scrape(Families::new()).await.result
}

/// Why a scrape fails of a target that answers so.
async fn failure(answer: Answer) -> String {
    let server = Server::new(move |_| answer.clone()).await;
    let mut job = Job::new("a", server.url("/metrics"));
    job.limits.body_bytes = 1000;
    job.limits.samples = 3;
    scrape(&job).await.unwrap_err().to_string()
}

fn text(families: &Families) -> String {
    let mut text = String::new();
    write_families(families, &mut text);
    text
}

#[tokio::test]
async fn a_target_is_asked_as_prometheus_asks_and_read_as_it_says() {
    let server = Server::new(|request| {
        if request.starts_with("GET /open ") {
            ok("application/openmetrics-text; version=1.0.0; charset=utf-8", "# TYPE a counter\na_total 1 2.5\n# EOF\n")
        } else {
            ok("text/plain; version=0.0.4", "# TYPE a counter\na_total 1 2500\n")
        }
    })
    .await;
    let scraped = scrape(&Job::new("a", server.url("/open"))).await.unwrap();
    assert_eq!(text(&scraped.families), "# TYPE a_total counter\na_total 1 2500\n");
    assert_eq!((scraped.body_bytes, scraped.is_guessed), (37, false));
    let mut target = Scraper::new(&Job { honor_timestamps: false, ..Job::new("a", server.url("/text")) });
    let mut families = scraped.families;
    for _ in 0..2 {
        // What was scraped before is forgotten.
        let outcome = target.scrape(families).await;
        families = outcome.result.unwrap().families;
        assert_eq!(text(&families), "# TYPE a_total untyped\na_total 1\n");
    }
    let request = &server.requests()[0];
    for header in [
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n",
        "accept-encoding: gzip\r\n",
        "x-prometheus-scrape-timeout-seconds: 10\r\n",
        "user-agent: picket-agent/",
    ] {
        assert!(request.contains(header), "{header} is not in {request}");
    }
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn a_compressed_answer_and_one_that_does_not_say_what_it_is_are_read() {
    let server = Server::new(|_| http("200 OK", "Content-Encoding: gzip\r\n", &gzipped(b"a 1\n"))).await;
    let scraped = scrape(&Job::new("a", server.url("/metrics"))).await.unwrap();
    assert_eq!((text(&scraped.families).as_str(), scraped.body_bytes, scraped.is_guessed), ("# TYPE a untyped\na 1\n", 4, true));
}

#[tokio::test]
async fn an_odd_answer_is_a_failed_scrape_with_its_reason() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    let open = "application/openmetrics-text";
    for (answer, why) in [
        (http("503 Service Unavailable", "", b"a 1\n"), "the target answers with status 503, 200 was expected"),
        (http("204 No Content", "", b""), "the target answers with status 204, 200 was expected"),
        (
            ok("text/html", "<!doctype html>\n"),
            "the answer cannot be read as text format: line 1: the name of a metric was expected, not \"<!doctype html>\"",
        ),
        (ok(open, "a 1\n"), "the answer cannot be read as OpenMetrics: line 1: the text ends without `# EOF`: it is cut off"),
        (ok("text/plain", "a 1\nb 1\nc 1\nd 1\n"), "the answer cannot be read as text format: line 4: more than 3 samples"),
        (
            ok("text/plain", &"# long\n".repeat(200)),
            "the answer has more than 1000 bytes: have the target say less, or raise `body_limit`",
        ),
        (
            Answer::Endless(format!("{head}\r\n").into_bytes(), b"a 1\n".repeat(100)),
            "the answer has more than 1000 bytes: have the target say less, or raise `body_limit`",
        ),
        (
            http("200 OK", "Content-Encoding: gzip\r\n", &gzipped(&b"# bomb\n".repeat(100_000))[..900]),
            "the answer has more than 1000 bytes: have the target say less, or raise `body_limit`",
        ),
        (http("200 OK", "Content-Encoding: br\r\n", b"x"), "the answer is coded as \"br\", which was not asked for"),
        (http("302 Found", "", b""), "the target answers with status 302, 200 was expected"),
        (
            http("302 Found", "Location: ftp://x\r\n", b""),
            "the target sends us on to what is no http:// or https:// URL: write that as `url` if it is right",
        ),
        (http("308 Permanent Redirect", "Location: /again\r\n", b""), "the target sends us on more than 10 times"),
    ] {
        assert_eq!(failure(answer).await, why);
    }
    let cut = Answer::Bytes(format!("{head}Content-Length: 100\r\n\r\na 1\n").into_bytes());
    for (answer, beginning) in [
        (cut, "the answer is cut off: "),
        (
            Answer::Bytes(format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n").into_bytes()),
            "the answer is cut off: ",
        ),
        (http("200 OK", "Content-Encoding: gzip\r\n", &gzipped(b"a 1\n")[..15]), "the answer's gzip is damaged: "),
        (Answer::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "connection failed: "),
        (Answer::Bytes(Vec::new()), "connection failed: "),
    ] {
        let why = failure(answer).await;
        assert!(why.starts_with(beginning), "{why}");
    }
}

#[tokio::test]
async fn a_slow_target_is_given_up_at_its_time() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\na 1\n";
    for answer in [Answer::Stalls(Vec::new()), Answer::Stalls(head.to_vec())] {
        let server = Server::new(move |_| answer.clone()).await;
        let timeout = Duration::from_millis(150);
        let outcome = Scraper::new(&Job { timeout, ..Job::new("a", server.url("/")) }).scrape(Families::new()).await;
        assert!(outcome.duration >= timeout.mul_f64(0.9), "{outcome:?}");
        let why = outcome.result.unwrap_err().to_string();
        assert!(why.contains("within 150ms") || why.contains("no answer in time"), "{why}");
    }
}

#[tokio::test]
async fn who_we_are_goes_along_a_redirection_to_the_same_host_alone() {
    let other = Server::new(|_| ok("text/plain", "elsewhere 1\n")).await;
    // Another name of the same machine is another host.
    let location = format!("http://localhost:{}/metrics", other.address.port());
    let first = Server::new(move |request| match request.split(' ').nth(1) {
        Some("/away") => http("307 Temporary Redirect", &format!("Location: {location}\r\n"), b""),
        Some("/near") => http("301 Moved Permanently", "Location: metrics\r\n", b""),
        _ => ok("text/plain", "here 1\n"),
    })
    .await;
    let auth = Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::Inline("word".to_owned()) };
    let job = |path: &str, redirects| Job { auth: auth.clone(), redirects, ..Job::new("a", first.url(path)) };
    let mut target = Scraper::new(&job("/near", Redirects::SameHost));
    for _ in 0..2 {
        let scraped = target.scrape(Families::new()).await.result.unwrap();
        assert_eq!(text(&scraped.families), "# TYPE here untyped\nhere 1\n");
    }
    assert!(first.requests().iter().all(|request| request.contains("authorization: bearer word\r\n")));
    assert_eq!(first.requests().len(), 4);
    let scraped = scrape(&job("/away", Redirects::Any)).await.unwrap();
    assert_eq!(text(&scraped.families), "# TYPE elsewhere untyped\nelsewhere 1\n");
    assert!(!other.requests()[0].contains("authorization"), "{:?}", other.requests());
    for (path, redirects, to) in
        [("/away", Redirects::SameHost, "http://localhost"), ("/near", Redirects::None, "http://127.0.0.1")]
    {
        let why = scrape(&job(path, redirects)).await.unwrap_err().to_string();
        assert_eq!(why, format!("the target sends us on to {to}: write that as `url` if it is right"));
    }
    assert_eq!(other.requests().len(), 1);
}

#[tokio::test]
async fn a_token_is_read_again_when_its_file_has_changed() {
    let server = Server::new(|_| ok("text/plain", "a 1\n")).await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let auth = Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::File(token.clone()) };
    let mut target = Scraper::new(&Job { auth, ..Job::new("a", server.url("/metrics")) });
    let why = target.scrape(Families::new()).await.result.unwrap_err().to_string();
    assert!(why.contains("/token: "), "{why}");
    for text in ["one", "another"] {
        fs::write(&token, text).unwrap();
        target.scrape(Families::new()).await.result.unwrap();
    }
    let requests = server.requests();
    assert!(requests[0].contains("authorization: bearer one\r\n") && requests[1].contains("authorization: bearer another\r\n"));
}

#[tokio::test]
async fn tls_is_checked_against_the_authority_and_the_name() {
    use ::tests::authority::Authority;
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::TlsAcceptor;

    let (authority, foreign) = (Authority::new("one"), Authority::new("another"));
    let identity = authority.server(&["node.example.org"]);
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/metrics", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let seen = Mutex::new(Vec::new());
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, &seen, &|_| ok("text/plain", "a 1\n")).await;
            }
        }
    });

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        fs::write(directory.path().join(name), text).unwrap();
        Some(directory.path().join(name))
    };
    let (right, wrong) = (file("right.pem", authority.certificate()), file("wrong.pem", foreign.certificate()));
    let name = Some("node.example.org".to_owned());
    for (ca_file, server_name, insecure_skip_verify, works) in [
        (right.clone(), name.clone(), false, true),
        (right, None, false, false),
        (wrong, name, false, false),
        (None, None, true, true),
    ] {
        let mut job = Job::new("a", &url);
        job.tls = client::Tls { ca_file, server_name, insecure_skip_verify, ..client::Tls::default() };
        let result = scrape(&job).await;
        assert_eq!(result.is_ok(), works, "{:?}: {result:?}", job.tls);
    }
}

#[tokio::test]
async fn samples_keep_their_own_times_and_label_limits_hold() {
    let server = Server::new(|_| ok("text/plain", "a{b=\"c\",d=\"\"} 1 5\n")).await;
    let mut job = Job::new("a", server.url("/metrics"));
    let scraped = scrape(&job).await.unwrap();
    let sample = scraped.families.sample_at(0).unwrap();
    assert_eq!((sample.time(), sample.labels().len()), (Some(UnixMillis(5)), 1));
    job.honor_labels = true;
    assert_eq!(scrape(&job).await.unwrap().families.sample_at(0).unwrap().labels().len(), 2);
    job.limits.labels = 1;
    let why = scrape(&job).await.unwrap_err().to_string();
    assert_eq!(why, "the answer cannot be read as text format: line 1: more than 1 labels of one sample");
}

/// Real exporters, with some hundred series each.
#[tokio::test]
async fn real_exporters_are_scraped_whole() {
    use ::tests::program::Program;
    let mut missing = Vec::new();
    for (program, arguments, some) in [
        ("prometheus-node-exporter", vec!["--web.listen-address=127.0.0.1:PORT".to_owned()], "node_cpu_seconds_total"),
        (
            "prometheus",
            vec!["--web.listen-address=127.0.0.1:PORT".to_owned()],
            "prometheus_tsdb_compaction_duration_seconds_bucket",
        ),
    ] {
        let Some(found) = Program::find(program) else {
            missing.push(program);
            continue;
        };
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, "{}\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut arguments: Vec<String> = arguments.iter().map(|text| text.replace("PORT", &port.to_string())).collect();
        if program == "prometheus" {
            arguments.push(format!("--config.file={}", config.display()));
            arguments.push(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        }
        let running = found.serve(&arguments, &[], &directory.path().join("log"));
        let job = Job::new("a", format!("http://127.0.0.1:{port}/metrics"));
        let mut target = Scraper::new(&job);
        let deadline = Instant::now() + Duration::from_secs(30);
        let scraped = loop {
            match target.scrape(Families::new()).await.result {
                Ok(scraped) => break scraped,
                Err(ScrapeError::Unanswered(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{program}: {error}"),
            }
        };
        assert!(scraped.families.len() > 100, "{program}");
        assert!(scraped.families.samples().any(|sample| sample.name() == some), "{program}");
        assert!(!scraped.is_guessed, "{program}");
        drop(running);
    }
    if !missing.is_empty() {
        ::tests::skip::skipped("real_exporters_are_scraped_whole", &format!("not installed: {}", missing.join(", ")));
    }
}

#[tokio::test]
async fn the_kubelet_is_asked_with_its_token() {
    use super::pods::targets;
    use crate::kubelet::{Kubelet, KubeletSettings};
    let list = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/kubelet-pods/usual.json")).unwrap();
    let server = Server::new(move |request| {
        if request.to_lowercase().contains("authorization: bearer word\r\n") {
            ok("application/json", &list)
        } else {
            http("401 Unauthorized", "", b"Unauthorized")
        }
    })
    .await;
    let settings =
        |auth| KubeletSettings { url: server.url("/pods"), auth, tls: client::Tls::default(), timeout: Duration::from_secs(10) };
    let why = Kubelet::new(&settings(Auth::None)).pods().await.unwrap_err().to_string();
    assert_eq!(why, "the target answers with status 401, 200 was expected");
    let auth = Auth::Scheme { scheme: "Bearer".to_owned(), secret: Secret::Inline("word".to_owned()) };
    let found = targets(&Kubelet::new(&settings(auth)).pods().await.unwrap(), "node-1").unwrap();
    assert_eq!((found.targets.len(), found.problems.len()), (5, 0));
}
