//! The way in for the rest of the program: alerts go in, and somebody is told, through Alertmanagers or the embedded router.
//!
//! All tasks and queues of notification are made here: one task and one queue for each Alertmanager
//! ([`queue::PENDING_MAX`](super::alertmanager::queue::PENDING_MAX) alerts), or the router's task and its table of alerts
//! ([`ALERTS_MAX`](super::dispatch::ALERTS_MAX)).

use std::path::PathBuf;
use std::sync::Arc;

use proto::time::UnixNanos;
use tokio::task::JoinHandle;
use tracing::error;

use super::alert::Alert;
use super::alertmanager::{Instance, InstanceStatus, Target};
use super::api::{self, Answer};
use super::clock::now;
use super::config::Config;
use super::metrics;
use super::router::{ReceiverStatus, Router};
use super::silence::Silence;
use super::state_file::StateError;
use crate::labels::LabelSet;

/// Who tells people.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Alertmanagers, every one of them.
    Alertmanagers(Vec<Target>),
    /// The embedded router.
    Router(Box<Config>),
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the router keeps what it knows, and what waits for Alertmanagers that are down.
    pub state_dir: PathBuf,
    /// Where people can look at this program: `externalURL` of notifications.
    pub external_url: String,
}

/// What became of alerts so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Of each Alertmanager.
    Alertmanagers(Vec<InstanceStatus>),
    /// Of the embedded router.
    Router(RouterStatus),
}

/// Of the embedded router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterStatus {
    /// Of each way of telling.
    pub receivers: Vec<ReceiverStatus>,
    /// How many alerts are known.
    pub alerts: usize,
    /// How many groups have something that nobody could be told of, so far.
    pub owing: usize,
    /// How many alerts were refused because too many are known.
    pub refused: u64,
    /// Silences: active, pending, expired.
    pub silences: [usize; 3],
}

/// The handle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    destination: Running,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
enum Running {
    Alertmanagers(Vec<Arc<Instance>>),
    Router(Arc<Router>),
}

/// Starts it. To be called within a tokio runtime.
pub fn spawn(destination: Destination, options: &Options) -> Result<Notifier, StateError> {
    let inner = match destination {
        Destination::Alertmanagers(targets) => {
            let open = |target| Instance::open(target, &options.state_dir).map(Arc::new);
            let instances: Vec<Arc<Instance>> = targets.iter().map(open).collect::<Result<_, _>>()?;
            let tasks = instances.iter().map(|instance| tokio::spawn(Arc::clone(instance).run())).collect();
            Inner { destination: Running::Alertmanagers(instances), tasks }
        }
        Destination::Router(config) => {
            let router = Arc::new(Router::open(*config, &options.state_dir, &options.external_url)?);
            let tasks = vec![tokio::spawn(Arc::clone(&router).run())];
            Inner { destination: Running::Router(router), tasks }
        }
    };
    Ok(Notifier { inner: Arc::new(inner) })
}

impl Notifier {
    /// News of alerts: new ones, the same again, or that they are over. Waits for nothing.
    pub fn alerts(&self, alerts: Vec<Alert>) {
        match &self.inner.destination {
            Running::Alertmanagers(instances) => instances.iter().for_each(|instance| instance.push(&alerts, now())),
            Running::Router(router) => router.push(alerts),
        }
    }

    /// What became of alerts so far.
    pub fn status(&self) -> Status {
        match &self.inner.destination {
            Running::Alertmanagers(instances) => {
                Status::Alertmanagers(instances.iter().map(|instance| instance.status()).collect())
            }
            Running::Router(router) => {
                let receivers = router.status();
                Status::Router(router.with(|dispatcher| {
                    let now = now();
                    let mut silences = [0; 3];
                    for silence in dispatcher.silences.0.values() {
                        silences[silence.state(now) as usize] += 1;
                    }
                    RouterStatus {
                        receivers,
                        alerts: dispatcher.view(now).len(),
                        owing: dispatcher.owing(),
                        refused: dispatcher.refused(),
                        silences,
                    }
                }))
            }
        }
    }

    /// The silence that such an alert is under, of several the one that ends last. Alertmanagers keep theirs to themselves.
    pub fn silence_of(&self, labels: &LabelSet, now: UnixNanos) -> Option<Silence> {
        let Running::Router(router) = &self.inner.destination else { return None };
        router.with(|dispatcher| {
            let silences = dispatcher.silences.of(labels, now).into_iter().filter_map(|id| dispatcher.silences.get(id));
            silences.max_by_key(|silence| silence.ends_at).cloned()
        })
    }

    /// The status in Prometheus' text format.
    pub fn metrics(&self) -> String {
        metrics::text(&self.status())
    }

    /// Answers a request below `/api/v2/` of Alertmanager's API: silences, and which alerts are known. Nothing where alerts go to
    /// real Alertmanagers, which are to be asked themselves, and nothing for a name that is not there.
    pub fn api(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Option<Answer> {
        let Running::Router(router) = &self.inner.destination else { return None };
        let answer = router.with(|dispatcher| api::answer(dispatcher, method, path, query, body, now()));
        if method != "GET" {
            router.changed();
        }
        answer
    }

    /// Tells every receiver that this is a test, or asks every Alertmanager whether it is ready; says how that went.
    pub async fn send_test(&self) -> Vec<(String, Result<(), String>)> {
        match &self.inner.destination {
            Running::Alertmanagers(instances) => {
                let mut outcomes = Vec::new();
                for instance in instances {
                    outcomes.push((instance.status().url, instance.check().await));
                }
                outcomes
            }
            Running::Router(router) => router.send_test().await,
        }
    }

    /// Another file for the embedded router, which keeps all that it knows; gives it back where there is none.
    pub fn reconfigure(&self, config: Box<Config>, external_url: &str) -> Result<(), Box<Config>> {
        let Running::Router(router) = &self.inner.destination else { return Err(config) };
        router.reconfigure(*config, external_url);
        Ok(())
    }

    /// Ends its tasks: what is under way has five seconds, then the state is saved.
    pub async fn stop(&self) {
        match &self.inner.destination {
            Running::Alertmanagers(instances) => {
                self.inner.tasks.iter().for_each(JoinHandle::abort);
                for instance in instances {
                    if let Err(error) = instance.keep() {
                        error!(%error, "what waits for an Alertmanager cannot be saved");
                    }
                }
            }
            Running::Router(router) => {
                router.stop();
                while self.inner.tasks.iter().any(|task| !task.is_finished()) {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
