//! The embedded router as it runs: the dispatcher behind a lock, one task that wakes when a group's time has come, and a task for
//! each notification under way.
//!
//! There are never more of those than groups and ways of telling, since a group waits for its answers; of one way, four run at a
//! time. State is saved at most once a second, and not at all while nothing changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::backoff::{Backoff, Pace, random};
use proto::time::UnixNanos;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::alert::{Alert, AlertStatus};
use super::clock::now;
use super::config::Config;
use super::decide::after;
use super::dispatch::{Dispatcher, Notification};
use super::receiver::{Failure, Message, Sender};
use super::state;
use super::state_file::{Found, StateError, StateFile};
use crate::labels::LabelSet;

/// Attempts of one way of telling that run at a time.
const CONCURRENT: usize = 4;
/// The longest sleep: a clock that is set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// State is not saved more often.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// How often what is old is forgotten.
const PRUNE_INTERVAL: Duration = Duration::from_mins(15);
/// How long is waited for what is under way when the program stops.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What became of one way of telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// The receiver's name.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: String,
    /// Notifications that were delivered.
    pub delivered: u64,
    /// Notifications that were not delivered in their time; their alerts are told at the group's next look.
    pub failed: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Notifications under way.
    pub pending: usize,
    /// The last failure, and when.
    pub last_error: Option<(UnixNanos, String)>,
    /// When something was last delivered.
    pub last_success: Option<UnixNanos>,
}

/// One way of telling, and its account.
#[derive(Debug)]
struct Way {
    sender: Sender,
    places: Semaphore,
    /// It goes on when the configuration changes.
    status: Arc<Mutex<ReceiverStatus>>,
}

/// Every way of telling, by receiver and integration.
type Ways = BTreeMap<(String, String), Arc<Way>>;

/// How people are told.
#[derive(Debug)]
struct Telling {
    ways: Ways,
    external_url: String,
}

impl Telling {
    /// As a configuration says; the accounts of `before` go on.
    fn new(config: &Config, external_url: &str, before: &Ways) -> Self {
        let integrations = config
            .receivers
            .iter()
            .flat_map(|receiver| receiver.integrations.iter().map(move |integration| (receiver.name.clone(), integration)));
        let ways = integrations.map(|(receiver, integration)| {
            let key = (receiver, integration.id.clone());
            let begin = || {
                let (receiver, integration) = key.clone();
                Arc::new(Mutex::new(ReceiverStatus { receiver, integration, ..ReceiverStatus::default() }))
            };
            let status = before.get(&key).map_or_else(begin, |way| Arc::clone(&way.status));
            let way = Way { sender: Sender::new(integration), places: Semaphore::new(CONCURRENT), status };
            (key, Arc::new(way))
        });
        Self { ways: ways.collect(), external_url: external_url.to_owned() }
    }
}

impl Way {
    fn note(&self, change: impl FnOnce(&mut ReceiverStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn status(&self) -> ReceiverStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The router.
#[derive(Debug)]
pub struct Router {
    dispatcher: Mutex<Dispatcher>,
    telling: Mutex<Arc<Telling>>,
    file: StateFile,
    news: Notify,
    stop: Notify,
    /// Whether something changed that is not on disk.
    is_unsaved: AtomicBool,
    /// Whether the last attempt to save failed; it is said once.
    cannot_save: AtomicBool,
}

impl Router {
    /// With what an earlier run knew.
    pub fn open(config: Config, state_dir: &Path, external_url: &str) -> Result<Self, StateError> {
        let refused = |source| StateError::of(state_dir, source);
        let file = StateFile::open(state_dir, state::NAME).map_err(refused)?;
        let config = Arc::new(config);
        let mut dispatcher = Dispatcher::new(Arc::clone(&config));
        match file.load(state::decode, now()).map_err(refused)? {
            Found::Nothing => {}
            Found::Whole(saved) => saved.give_to(&mut dispatcher, now()),
            Found::SetAside(damage, aside) => {
                warn!(set_aside = %aside.display(), why = %damage, "what was notified is not known: starting anew, some may be told twice");
            }
        }
        Ok(Self {
            dispatcher: Mutex::new(dispatcher),
            telling: Mutex::new(Arc::new(Telling::new(&config, external_url, &Ways::new()))),
            file,
            news: Notify::new(),
            stop: Notify::new(),
            is_unsaved: AtomicBool::new(true),
            cannot_save: AtomicBool::new(false),
        })
    }

    /// Looks at the dispatcher, and perhaps changes it. Not for long: alerts wait meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&mut Dispatcher) -> T) -> T {
        look(&mut self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn telling(&self) -> Arc<Telling> {
        Arc::clone(&self.telling.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another configuration from now on. What is known stays known; what is under way is still told as it was meant.
    pub fn reconfigure(&self, config: Config, external_url: &str) {
        let telling = Arc::new(Telling::new(&config, external_url, &self.telling().ways));
        let config = Arc::new(config);
        self.with(|dispatcher| {
            *dispatcher = dispatcher.reconfigured(&config, now());
            *self.telling.lock().unwrap_or_else(PoisonError::into_inner) = telling;
        });
        self.changed();
    }

    /// News of alerts. Waits for nothing.
    pub fn push(&self, alerts: Vec<Alert>) {
        self.with(|dispatcher| dispatcher.take(alerts, now()));
        self.changed();
    }

    /// Something changed: it is looked at, and saved.
    pub fn changed(&self) {
        self.is_unsaved.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// What became of each way of telling.
    pub fn status(&self) -> Vec<ReceiverStatus> {
        self.telling().ways.values().map(|way| way.status()).collect()
    }

    /// Tells every receiver that this is a test; one attempt each, all at a time.
    pub async fn send_test(&self) -> Vec<(String, Result<(), String>)> {
        let mut tests = JoinSet::new();
        let telling = self.telling();
        for ((receiver, integration), way) in telling.ways.clone() {
            let external_url = telling.external_url.clone();
            tests.spawn(async move {
                let labels: LabelSet = [("alertname", "PicketTest"), ("severity", "info")].into_iter().collect();
                let alert = Alert {
                    labels: labels.clone(),
                    annotations: [("summary", "a test: notifications from this companion arrive here")].into_iter().collect(),
                    starts_at: now(),
                    ends_at: UnixNanos(0),
                    generator_url: external_url.clone(),
                };
                let alerts = [(alert, AlertStatus::Firing)];
                let message = Message {
                    receiver: &receiver,
                    group_key: "{}/test:{}",
                    group_labels: &labels,
                    alerts: &alerts,
                    external_url: &external_url,
                };
                let sent = way.sender.send(&message, now()).await.map_err(|failure| failure.words);
                if let Err(words) = &sent {
                    way.note(|status| status.last_error = Some((now(), format!("test: {words}"))));
                }
                (format!("{receiver}/{integration}"), sent)
            });
        }
        let mut outcomes = tests.join_all().await;
        outcomes.sort_by(|(left, _), (right, _)| left.cmp(right));
        outcomes
    }

    /// Runs until [`Router::stop`].
    pub async fn run(self: Arc<Self>) {
        let mut under_way: JoinSet<(Notification, bool)> = JoinSet::new();
        let mut next_save = Instant::now();
        let mut next_prune = Instant::now() + PRUNE_INTERVAL;
        loop {
            let (due, wake) = self.with(|dispatcher| {
                let due = dispatcher.poll(now());
                (due, dispatcher.next_wake())
            });
            for notification in due {
                self.is_unsaved.store(true, Ordering::Release);
                self.begin(notification, &mut under_way);
            }
            if Instant::now() >= next_prune {
                self.with(|dispatcher| dispatcher.prune(now()));
                next_prune = Instant::now() + PRUNE_INTERVAL;
            }
            if Instant::now() >= next_save {
                self.save().await;
                next_save = Instant::now() + SAVE_INTERVAL;
            }
            let until_wake =
                wake.map_or(SLEEP_MAX, |wake| Duration::from_nanos(wake.0.saturating_sub(now().0).max(0).unsigned_abs()));
            tokio::select! {
                Some(answer) = under_way.join_next() => {
                    self.settle(answer);
                }
                () = self.news.notified() => {}
                () = tokio::time::sleep(until_wake.min(SLEEP_MAX)) => {}
                () = tokio::time::sleep_until(next_save), if self.is_unsaved.load(Ordering::Acquire) => {}
                () = self.stop.notified() => break,
            }
        }
        // What is under way may still arrive; what does not is told by the next run.
        let settle = async {
            while let Some(answer) = under_way.join_next().await {
                self.settle(answer);
            }
        };
        let _ = tokio::time::timeout(STOP_MAX, settle).await;
        self.save().await;
    }

    /// Ends [`Router::run`], which saves.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    fn settle(&self, answer: Result<(Notification, bool), JoinError>) {
        match answer {
            Ok((notification, delivered)) => {
                self.with(|dispatcher| dispatcher.settle(&notification, delivered, now()));
                self.is_unsaved.store(true, Ordering::Release);
            }
            // A task that was torn down with the runtime; there is no other way to get here.
            Err(error) => error!(%error, "a notification's task ended without an answer"),
        }
    }

    async fn save(&self) {
        if !self.is_unsaved.swap(false, Ordering::AcqRel) {
            return;
        }
        let bytes = self.with(|dispatcher| state::encode(dispatcher));
        let file = self.file.clone();
        let words = match tokio::task::spawn_blocking(move || file.save(&bytes)).await {
            Ok(Ok(())) => {
                if self.cannot_save.swap(false, Ordering::AcqRel) {
                    info!("what was notified is saved again");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.is_unsaved.store(true, Ordering::Release);
        if !self.cannot_save.swap(true, Ordering::AcqRel) {
            error!(error = words, "what was notified cannot be saved: after a restart some may be told twice");
        }
    }

    fn begin(&self, notification: Notification, under_way: &mut JoinSet<(Notification, bool)>) {
        let key = (notification.receiver.clone(), notification.integration.clone());
        let telling = self.telling();
        let Some(way) = telling.ways.get(&key).map(Arc::clone) else {
            // Both come from the same configuration, unless it was changed just now: then the new one tells.
            self.settle(Ok((notification, false)));
            return;
        };
        way.note(|status| status.pending += 1);
        let external_url = telling.external_url.clone();
        under_way.spawn(async move {
            let delivered = deliver(&way, &notification, &external_url).await;
            let at = now();
            way.note(|status| {
                status.pending = status.pending.saturating_sub(1);
                if delivered {
                    (status.delivered, status.last_success) = (status.delivered.saturating_add(1), Some(at));
                } else {
                    status.failed = status.failed.saturating_add(1);
                }
            });
            (notification, delivered)
        });
    }
}

/// Attempts until it is delivered, refused, or its time is up.
async fn deliver(way: &Way, notification: &Notification, external_url: &str) -> bool {
    let left = || Duration::from_nanos(notification.deadline.0.saturating_sub(now().0).max(0).unsigned_abs());
    // It is never closed.
    let Ok(Ok(_place)) = tokio::time::timeout(left(), way.places.acquire()).await else {
        way.note(|status| status.last_error = Some((now(), "too many notifications wait for this receiver".to_owned())));
        return false;
    };
    let message = Message::of(notification, external_url);
    let mut backoff = Backoff::new(Pace::PATIENT, random());
    let mut attempts = 0_u32;
    loop {
        attempts = attempts.saturating_add(1);
        let sent = tokio::time::timeout(left(), way.sender.send(&message, now())).await;
        let failure = match sent {
            Ok(Ok(())) => {
                info!(receiver = notification.receiver, integration = notification.integration, reason = ?notification.reason, alerts = notification.alerts.len(), attempts, "told");
                return true;
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::passing("no answer in time"),
        };
        way.note(|status| {
            status.failed_attempts = status.failed_attempts.saturating_add(1);
            status.last_error = Some((now(), failure.words.clone()));
        });
        let wait = backoff.failed(failure.retry_after);
        let is_last = !failure.may_pass || after(now(), wait) >= notification.deadline;
        if is_last || attempts == 1 {
            let (receiver, integration) = (&notification.receiver, &notification.integration);
            let then = if is_last { "it is told at the group's next look" } else { "trying again" };
            warn!(%receiver, %integration, error = failure.words, "cannot tell: {then}");
        }
        if is_last {
            return false;
        }
        tokio::time::sleep(wait).await;
    }
}
