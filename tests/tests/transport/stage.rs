//! The stage of these tests: a scene with one log, a Loki, and an nginx before it.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tests::agent::Agent;
use tests::authority::Identity;
use tests::line::Shape;
use tests::log_file::LogFile;
use tests::loki::Loki;
use tests::nginx::Nginx;
use tests::scene::{Scene, deliver, written};
use tests::skip::skipped;
use tests::wait;

/// What is written in most of these tests.
pub(crate) const RAW: Shape = Shape::Raw { bytes: 100 };
/// Until the agent has tried and said what it got.
pub(crate) const SAID_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    // In the order in which they go: the scene takes the directory with it.
    pub(crate) nginx: Nginx,
    pub(crate) loki: Loki,
    pub(crate) log: LogFile,
    pub(crate) scene: Scene,
    /// Bytes of the agent's log.
    heard: Cell<usize>,
}

impl Stage {
    /// With 1000 lines to ship. `None`, said aloud, where something is not installed.
    pub(crate) fn set(name: &'static str) -> Option<Self> {
        Self::on(Scene::set(name)?)
    }

    pub(crate) fn on(scene: Scene) -> Option<Self> {
        if !Nginx::is_installed() {
            skipped(scene.name, "no nginx (Debian: nginx-light)");
            return None;
        }
        let nginx = Nginx::set_up(&scene.path("nginx"));
        let mut log = scene.log("app.log", RAW, 1);
        log.append(1000);
        Some(Self { nginx, loki: Loki::start(), log, scene, heard: Cell::new(0) })
    }

    /// A file of the stage, replaced as a whole, as everyone does it who replaces certificates and secrets.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.scene.path(name), self.scene.path("new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, &path).unwrap();
        path
    }

    /// `listen` and the certificate of a server on the first port.
    pub(crate) fn listen_tls(&self, identity: &Identity) -> String {
        let certificate = self.file("server.pem", &identity.certificate);
        let key = self.file("server.key", &identity.key);
        let port = self.nginx.port(0);
        format!("listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {};", certificate.display(), key.display())
    }

    /// `listen` of a server without TLS on the first port.
    pub(crate) fn listen_plain(&self) -> String {
        format!("listen 127.0.0.1:{};", self.nginx.port(0))
    }

    /// What hands requests on to Loki.
    pub(crate) fn hand_on(&self) -> String {
        format!("proxy_pass {};", self.loki.url())
    }

    /// Runs nginx with one server: these lines, and everything handed on.
    pub(crate) fn serve(&mut self, lines: &str) {
        let server = format!("server {{ {lines} location / {{ {} }} }}", self.hand_on());
        self.nginx.run(&server);
    }

    /// The destination is nginx, by this scheme and with these further options.
    pub(crate) fn configure(&self, scheme: &str, options: &str) {
        let url = format!("{scheme}://127.0.0.1:{}", self.nginx.port(0));
        self.scene.configure_urls(&[("app", self.log.path(), "raw")], &[("main", &url, options)]);
    }

    /// Everything written by now, and some lines more, arrives: once, whole and in order.
    pub(crate) fn finish(mut self, agent: Agent) {
        self.log.append(1000);
        let book = self.scene.book(&[(1, RAW)]);
        self.scene.finish(agent, &self.loki, book, &[&self.log], 0);
    }

    /// Everything written by now has arrived, without repeats, and the agent runs on.
    pub(crate) fn arrives(&self) {
        let mut book = self.scene.book(&[(1, RAW)]);
        deliver(&mut book, &self.loki, &[&self.log]);
        book.verdict(&written(&[&self.log])).assert_whole(0);
    }

    /// Waits until the agent has said all of this in one line, after what was heard before.
    pub(crate) fn hears(&self, agent: &Agent, words: &[&str]) {
        self.heard.set(says(agent, words, self.heard.get()));
    }

    /// Loki has got nothing, and nothing was given up: all that was read is pending, and whoever looks is told so.
    pub(crate) fn held(&self, agent: &Agent) {
        let metrics = agent.metrics().unwrap();
        let ledger = metrics.ledger().unwrap();
        assert_eq!(self.loki.n_stored(), 0);
        assert_eq!((ledger.sum("shipped", None), ledger.sum("rejected", None)), (0, 0), "{ledger:?}");
        assert!(ledger.sum("pending", None) > 0, "{ledger:?}");
        let held: f64 = metrics.of("picket_agent_held").map(|sample| sample.value).sum();
        assert!((held - 1.0).abs() < f64::EPSILON, "picket_agent_held is {held}");
    }
}

/// Waits until the agent has said all of this in one line, in its log from this byte on; where that line ends.
pub(crate) fn says(agent: &Agent, words: &[&str], from: usize) -> usize {
    let said = wait::until(SAID_MAX, || {
        let log = agent.log();
        let mut end = from;
        for line in log.get(from..)?.split_inclusive('\n').take_while(|line| line.ends_with('\n')) {
            end += line.len();
            if words.iter().all(|word| line.contains(word)) {
                return Some(end);
            }
        }
        None
    });
    said.unwrap_or_else(|| panic!("waited {SAID_MAX:?} in vain for the agent to say {words:?}"))
}
