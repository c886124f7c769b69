//! Tells Alertmanagers: every one of them, each with a queue and a task of its own, so that one that is down holds up no other.
//!
//! What is not taken is kept and tried again, with growing waits; what is refused (400) is halved until the alert is found that is
//! refused, which is then counted and said and not sent again.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use client::backoff::{Backoff, Pace, random};
use client::{Auth, Endpoint, Secret, Tls};
use proto::time::UnixNanos;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tracing::{error, info, warn};
use twox_hash::XxHash3_64;
use url::Url;

use super::alert::Alert;
use super::clock::now;
use super::http::{Http, Reply};
use super::receiver::webhook::{object, time};
use super::state_file::{Found, StateError, StateFile};
use queue::{BATCH_MAX, Batch, Queue};

pub mod queue;

const PATH: &str = "/api/v2/alerts";

/// One Alertmanager.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address, without `/api/v2/alerts`.
    pub url: Url,
    /// As whom.
    pub auth: Auth,
    /// What is trusted.
    pub tls: Tls,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Target {
    /// At an address, as nobody, with the system's authorities, within ten seconds.
    pub fn at(url: Url) -> Self {
        Self { url, auth: Auth::None, tls: Tls::default(), timeout: Duration::from_secs(10) }
    }

    /// Its address as it may be shown.
    fn name(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // Only of URLs that cannot have them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string().trim_end_matches('/').to_owned()
    }
}

/// What became of one Alertmanager's alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Its address, without what may be secret.
    pub url: String,
    /// Alerts that it took.
    pub sent: u64,
    /// Alerts that it refused.
    pub rejected: u64,
    /// Alerts that were given up because too many waited.
    pub given_up: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Alerts that wait.
    pub pending: usize,
    /// The last failure, and when.
    pub last_error: Option<(UnixNanos, String)>,
    /// When it last took something.
    pub last_success: Option<UnixNanos>,
}

/// One Alertmanager, its queue and its account.
#[derive(Debug)]
pub struct Instance {
    http: Http,
    queue: Mutex<Queue>,
    status: Mutex<InstanceStatus>,
    news: Notify,
    file: StateFile,
}

impl Instance {
    /// With what waited in an earlier run; nothing is sent yet.
    pub fn open(target: &Target, state_dir: &Path) -> Result<Self, StateError> {
        let refused = |source| StateError::of(state_dir, source);
        let name = format!("alertmanager-{:016x}.state", XxHash3_64::oneshot(target.name().as_bytes()));
        let file = StateFile::open(state_dir, &name).map_err(refused)?;
        let queue = match file.load(Queue::decode, now()).map_err(refused)? {
            Found::Nothing => Queue::default(),
            Found::Whole(queue) => queue,
            Found::SetAside(damage, aside) => {
                warn!(alertmanager = target.name(), set_aside = %aside.display(), why = %damage, "what waited for it is not known");
                Queue::default()
            }
        };
        let mut url = target.url.clone();
        let auth = match (&target.auth, url.username(), url.password()) {
            (Auth::None, user, Some(password)) if !user.is_empty() => {
                Auth::Basic { user: user.to_owned(), password: Secret::Inline(password.to_owned()) }
            }
            (auth, _, _) => auth.clone(),
        };
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let http = Endpoint { url: Secret::Inline(url.to_string()), auth, tls: target.tls.clone(), timeout: target.timeout };
        let status = InstanceStatus { url: target.name(), ..InstanceStatus::default() };
        Ok(Self { http: Http::new(http), queue: Mutex::new(queue), status: Mutex::new(status), news: Notify::new(), file })
    }

    /// News of alerts. Waits for nothing.
    pub fn push(&self, alerts: &[Alert], now: UnixNanos) {
        self.with_queue(|queue| queue.push(alerts.iter().cloned(), now));
        self.news.notify_one();
    }

    /// What became of the alerts so far.
    pub fn status(&self) -> InstanceStatus {
        let (pending, given_up) = self.with_queue(|queue| (queue.len(), queue.given_up()));
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        InstanceStatus { given_up, pending, ..status.clone() }
    }

    /// Whether it answers and is ready.
    pub async fn check(&self) -> Result<(), String> {
        match self.http.get("/-/ready").await? {
            Reply { status: 200, .. } => Ok(()),
            reply => Err(format!("answers {} to /-/ready", reply.status)),
        }
    }

    fn with_queue<T>(&self, look: impl FnOnce(&mut Queue) -> T) -> T {
        look(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, change: impl FnOnce(&mut InstanceStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sends what waits, until it is dropped. What cannot be sent is on disk after each attempt, and gone from there afterwards.
    pub async fn run(self: Arc<Self>) {
        let mut backoff = Backoff::new(Pace::PATIENT, random());
        let mut is_down = false;
        let mut is_saved = !self.with_queue(|queue| queue.is_empty());
        loop {
            let Some(batch) = self.with_queue(|queue| queue.next_batch(BATCH_MAX, now())) else {
                if std::mem::take(&mut is_saved) {
                    self.save(None).await;
                }
                self.news.notified().await;
                continue;
            };
            let name = self.with_status(|status| status.url.clone());
            match self.send(batch).await {
                Ok(()) => {
                    backoff.worked();
                    if std::mem::take(&mut is_down) {
                        info!(alertmanager = %name, "takes alerts again");
                    }
                }
                Err((words, asked)) => {
                    let wait = backoff.failed(asked);
                    if !std::mem::replace(&mut is_down, true) {
                        warn!(alertmanager = %name, error = %words, "does not take alerts: they are kept and tried again");
                    }
                    self.note(|status| {
                        status.failed_attempts = status.failed_attempts.saturating_add(1);
                        status.last_error = Some((now(), words));
                    });
                    is_saved = true;
                    self.save(Some(self.with_queue(|queue| queue.encode()))).await;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Saves what waits, at the end of the program.
    pub fn keep(&self) -> std::io::Result<()> {
        match self.with_queue(|queue| (!queue.is_empty()).then(|| queue.encode())) {
            Some(waiting) => self.file.save(&waiting),
            None => Ok(()),
        }
    }

    /// What waits, or that nothing does.
    async fn save(&self, waiting: Option<Vec<u8>>) {
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || waiting.map_or_else(|| file.remove(), |waiting| file.save(&waiting)));
        let words = match written.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        error!(error = words, "what waits for an Alertmanager cannot be saved: a restart would lose it");
    }

    fn with_status<T>(&self, look: impl FnOnce(&InstanceStatus) -> T) -> T {
        look(&self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One batch, and its halves where it is refused. What is not taken is back in the queue.
    async fn send(&self, batch: Batch) -> Result<(), (String, Option<Duration>)> {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let answer = self.http.post_json_to(PATH, Bytes::from(body(&part.alerts))).await;
            let failed = match answer {
                Ok(Reply { status: 200..300, .. }) => {
                    let at = now();
                    self.with_queue(|queue| queue.delivered(&part, at));
                    self.note(|status| {
                        status.sent = status.sent.saturating_add(part.len() as u64);
                        status.last_success = Some(at);
                    });
                    continue;
                }
                Ok(Reply { status: 400 | 422, body, .. }) => match part.halves() {
                    Ok((first, second)) => {
                        parts.extend([second, first]);
                        continue;
                    }
                    Err(refused) => {
                        let words = body.trim().chars().take(300).collect::<String>().replace(char::is_control, " ");
                        let labels = refused.alerts.first().map(|alert| alert.labels.to_string()).unwrap_or_default();
                        warn!(%labels, error = %words, "Alertmanager refuses an alert: it is not sent again");
                        self.note(|status| {
                            status.rejected = status.rejected.saturating_add(1);
                            status.last_error = Some((now(), format!("400: {words}")));
                        });
                        continue;
                    }
                },
                Ok(reply) => {
                    let body: String = reply.body.trim().chars().take(200).collect();
                    (format!("answers {}: {}", reply.status, body.replace(char::is_control, " ")), reply.retry_after)
                }
                Err(words) => (words, None),
            };
            self.with_queue(|queue| {
                for later in parts {
                    queue.put_back(later);
                }
                queue.put_back(part);
            });
            return Err(failed);
        }
        Ok(())
    }
}

/// The body of a request.
fn body(alerts: &[Alert]) -> Vec<u8> {
    let alerts: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            let mut shown = json!({"labels": object(&alert.labels), "annotations": object(&alert.annotations)});
            if alert.starts_at.0 != 0 {
                shown["startsAt"] = time(alert.starts_at).into();
            }
            if alert.ends_at.0 != 0 {
                shown["endsAt"] = time(alert.ends_at).into();
            }
            // Alertmanager wants a URI there, or nothing.
            if Url::parse(&alert.generator_url).is_ok() {
                shown["generatorURL"] = alert.generator_url.clone().into();
            }
            shown
        })
        .collect();
    Value::Array(alerts).to_string().into_bytes()
}
