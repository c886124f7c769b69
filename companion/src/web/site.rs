//! Who answers which path.

use std::sync::{Arc, PoisonError, RwLock};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use proto::exposition::{Exposition, Kind};
use proto::time::UnixNanos;
use serde_json::json;
use tokio::sync::Semaphore;

use super::answer::{self, Answer};
use super::page::{self, View};
use super::parameters::Parameters;
use super::server::Handler;
use super::{loki, prometheus, reading, view};
use crate::clock;
use crate::evaluator::Desk;
use crate::intake::push::Intake;
use crate::notify::notifier::{Notifier, Status};
use crate::window::Window;

/// A query, a form, a silence.
const BODY_BYTES: usize = 1 << 20;
/// How the names of all metrics begin.
const METRICS: &str = "picket_companion_";
/// Queries that are read at a time, beside everything else.
const QUERIES: usize = 2;

/// Everything that can be asked.
pub struct Site {
    intake: Arc<Intake>,
    window: Arc<RwLock<Window>>,
    desk: Desk,
    notifier: Arc<RwLock<Option<Notifier>>>,
    queries: Arc<Semaphore>,
    started: UnixNanos,
}

impl Site {
    /// Over what runs.
    pub fn new(intake: Arc<Intake>, window: Arc<RwLock<Window>>, desk: Desk, notifier: Arc<RwLock<Option<Notifier>>>) -> Self {
        Self { intake, window, desk, notifier, queries: Arc::new(Semaphore::new(QUERIES)), started: clock::now() }
    }

    fn notifier(&self) -> Option<Notifier> {
        self.notifier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Below `/api/v2/`, in Alertmanager's words.
    fn alertmanager(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> Answer {
        let notifier = self.notifier();
        if let Some(said) = notifier.as_ref().and_then(|notifier| notifier.api(method.as_str(), path, query, body)) {
            let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return said.body.map_or_else(|| answer::plain(status, ""), |body| answer::json_with(status, &body));
        }
        match (path, notifier.map(|notifier| notifier.status())) {
            ("status", _) => answer::json(&json!({
                "cluster": {"name": "", "peers": [], "status": "disabled"}, "config": {"original": ""},
                "uptime": clock::rfc3339(self.started),
                "versionInfo": {
                    "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "", "version": env!("CARGO_PKG_VERSION"),
                },
            })),
            (_, Some(Status::Alertmanagers(instances))) => {
                let urls: Vec<&str> = instances.iter().map(|instance| instance.url.as_str()).collect();
                let words =
                    format!("silences and notifications are those of the Alertmanager that tells people: {}", urls.join(", "));
                answer::json_with(StatusCode::NOT_FOUND, &json!(words))
            }
            (_, None) => answer::json_with(
                StatusCode::NOT_FOUND,
                &json!("nobody is told of alerts, so nothing can be silenced; set `notify`"),
            ),
            _ => answer::json_with(StatusCode::NOT_FOUND, &json!("there are silences, silence/ID, alerts and status")),
        }
    }

    async fn page(&self) -> Answer {
        let (window, notifier, now) = (Arc::clone(&self.window), self.notifier(), clock::now());
        let rules = self.desk.look(move |engine| {
            let window = window.read().unwrap_or_else(PoisonError::into_inner);
            let alerts = view::alerts(engine, notifier.as_ref(), now);
            let selectors = reading::selectors(engine, &window, now);
            (alerts, view::groups(engine, &window), view::sources(&window), selectors, window.measure())
        });
        let Some((alerts, groups, sources, selectors, measure)) = rules.await else {
            return answer::after(
                answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the rules are behind; ask again\n"),
                Some(std::time::Duration::from_secs(1)),
            );
        };
        let view = View {
            now,
            started: self.started,
            alerts,
            groups,
            sources,
            selectors,
            receivers: self.notifier().map(|notifier| view::receivers(&notifier.status())).unwrap_or_default(),
            entries: measure.entries,
            bytes: measure.bytes,
        };
        let mut answer = answer::text(StatusCode::OK, "text/html; charset=utf-8", page::render(&view));
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";
        answer.headers_mut().insert("content-security-policy", hyper::header::HeaderValue::from_static(policy));
        answer
    }

    async fn metrics(&self) -> Answer {
        let mut out = Exposition::new(METRICS);
        let counters = &self.intake.counters;
        for (status, count) in counters.answers.rows() {
            out.sample(
                "pushes_total",
                Kind::Counter,
                "Pushes by the status of their answer.",
                &[("status", &status)],
                count as f64,
            );
        }
        for (reason, count) in counters.refused.rows() {
            out.sample(
                "refused_entries_total",
                Kind::Counter,
                "Entries that were refused, by reason.",
                &[("reason", &reason)],
                count as f64,
            );
        }
        out.counter("entries_total", "Entries that were taken.", counters.entries.value() as f64);
        out.counter("entry_bytes_total", "Bytes of their lines and metadata.", counters.bytes.value() as f64);
        let (held, active) = self.intake.load();
        out.gauge("request_bytes", "Bytes of requests that are held.", held as f64);
        out.gauge("active_streams", "Streams that had an entry within the last hour.", active as f64);
        let measure = self.window.read().unwrap_or_else(PoisonError::into_inner).measure();
        out.gauge("window_streams", "Streams with kept entries.", measure.streams as f64);
        out.gauge("window_entries", "Entries that are kept.", measure.entries as f64);
        out.gauge("window_bytes", "Memory that they take.", measure.bytes as f64);
        out.gauge("window_line_bytes", "Bytes of their lines.", measure.line_bytes as f64);
        out.counter(
            "window_given_up_total",
            "Entries that went before their time because the window was full.",
            measure.given_up as f64,
        );
        out.counter("window_too_old_total", "Entries that were older than the window when they came.", measure.too_old as f64);
        out.counter("window_known_total", "Entries that were there already.", measure.known as f64);
        out.gauge(
            "state_failing",
            "1 while state cannot be saved, and pushes are not acknowledged.",
            f64::from(u8::from(self.desk.trouble().is_some())),
        );
        if let Some(bytes) = resident() {
            out.gauge("resident_memory_bytes", "Resident memory.", bytes as f64);
        }
        out.sample("build_info", Kind::Gauge, "1, with the version.", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        let text = out.finish() + &self.notifier().map(|notifier| notifier.metrics()).unwrap_or_default();
        let rules = self.desk.look(|engine| {
            let mut out = Exposition::new(METRICS);
            view::rule_metrics(engine, &mut out);
            out.finish()
        });
        // What the rules say is left out while they are behind; the rest says that they are.
        let text = text + &rules.await.unwrap_or_default();
        answer::text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
    }

    fn ready(&self) -> Answer {
        match self.desk.trouble() {
            None => answer::plain(StatusCode::OK, "ready\n"),
            Some(why) => answer::plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    }

    /// Reads the window beside the sockets, so many at a time.
    async fn logql(
        &self,
        parameters: Parameters,
        ask: impl FnOnce(&Parameters, &RwLock<Window>) -> Result<Answer, String> + Send + 'static,
    ) -> Answer {
        let place = Arc::clone(&self.queries).acquire_owned().await;
        let window = Arc::clone(&self.window);
        let asked = tokio::task::spawn_blocking(move || {
            let _place = place;
            ask(&parameters, &window)
        });
        match asked.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(wrong)) => loki::refused(&wrong),
            Err(error) => answer::plain(StatusCode::INTERNAL_SERVER_ERROR, format!("the query broke off: {error}\n")),
        }
    }

    async fn rules(&self, ask: impl FnOnce(&crate::rules::engine::Engine) -> serde_json::Value + Send + 'static) -> Answer {
        match self.desk.look(ask).await {
            Some(value) => answer::json(&value),
            None => prometheus::busy(),
        }
    }

    async fn get(self: Arc<Self>, path: &str, parameters: Parameters) -> Answer {
        match path {
            "/loki/api/v1/query" => self.logql(parameters, loki::instant).await,
            "/loki/api/v1/query_range" => self.logql(parameters, loki::range).await,
            "/loki/api/v1/labels" | "/loki/api/v1/label" => self.logql(parameters, loki::labels).await,
            "/loki/api/v1/series" => self.logql(parameters, loki::series).await,
            "/loki/api/v1/index/stats" => self.logql(parameters, loki::stats).await,
            "/loki/api/v1/rules" => match self.desk.look(prometheus::loki_rules).await {
                Some(text) => answer::text(StatusCode::OK, "application/yaml", text),
                None => prometheus::busy(),
            },
            "/loki/api/v1/status/buildinfo" => answer::json(&prometheus::loki_build_info()),
            "/api/v1/rules" | "/prometheus/api/v1/rules" | "/loki/prometheus/api/v1/rules" => {
                self.rules(move |engine| prometheus::rules(engine, &parameters)).await
            }
            "/api/v1/alerts" | "/prometheus/api/v1/alerts" | "/loki/prometheus/api/v1/alerts" => {
                self.rules(prometheus::alerts).await
            }
            "/api/v1/query" | "/prometheus/api/v1/query" => numbers(prometheus::query(&parameters, false)),
            "/api/v1/query_range" | "/prometheus/api/v1/query_range" => numbers(prometheus::query(&parameters, true)),
            "/api/v1/labels" => self.rules(prometheus::alert_label_names).await,
            "/api/v1/series" | "/api/v1/label/__name__/values" => prometheus::empty_list(),
            "/api/v1/metadata" => prometheus::empty_map(),
            "/api/v1/status/buildinfo" | "/prometheus/api/v1/status/buildinfo" => answer::json(&prometheus::build_info()),
            _ => match path.strip_prefix("/loki/api/v1/label/").and_then(|rest| rest.strip_suffix("/values")) {
                Some(name) => {
                    let name = name.to_owned();
                    self.logql(parameters, move |parameters, window| loki::values(&name, parameters, window)).await
                }
                None => answer::plain(
                    StatusCode::NOT_FOUND,
                    "there is no such page; the page is at /, the APIs are those of Loki, Prometheus and Alertmanager\n",
                ),
            },
        }
    }
}

fn numbers(value: Result<serde_json::Value, String>) -> Answer {
    match value {
        Ok(value) => answer::json(&value),
        Err(wrong) => prometheus::refused(&wrong),
    }
}

impl Handler for Site {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let is_get = matches!(head.method, Method::GET | Method::HEAD);
        match (path, is_get) {
            ("/loki/api/v1/push", false) if head.method == Method::POST => {
                let said = self.intake.push(&head.headers, body).await;
                let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let answer = if said.message.is_empty() { answer::nothing() } else { answer::plain(status, said.message + "\n") };
                return answer::after(answer, said.retry_after);
            }
            ("/loki/api/v1/push", _) => return answer::plain(StatusCode::METHOD_NOT_ALLOWED, "pushes are POSTed here\n"),
            ("/", true) => return self.page().await,
            ("/metrics", true) => return self.metrics().await,
            ("/healthz", true) => return answer::plain(StatusCode::OK, "ok\n"),
            ("/readyz" | "/ready", true) => return self.ready(),
            _ => {}
        }
        let body = match tokio::time::timeout(std::time::Duration::from_secs(30), Limited::new(body, BODY_BYTES).collect()).await
        {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return answer::plain(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}\n")),
            Err(_) => return answer::plain(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n"),
        };
        if let Some(rest) = path.strip_prefix("/api/v2/").or_else(|| path.strip_prefix("/alertmanager/api/v2/")) {
            return self.alertmanager(&head.method, rest, head.uri.query().unwrap_or_default(), &body);
        }
        if !is_get && head.method != Method::POST {
            return answer::json_with(StatusCode::METHOD_NOT_ALLOWED, &json!({"status": "error", "error": "only GET and POST"}));
        }
        let form = if is_get { &[][..] } else { &body };
        let parameters = Parameters::new(head.uri.query(), form);
        let path = path.to_owned();
        self.get(&path, parameters).await
    }
}

/// Resident memory of this process, bytes (proc(5), statm).
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
