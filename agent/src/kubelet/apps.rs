//! What pods are called by their labels: `app`, which every line of a pod carries as metadata.
//!
//! In: the ids of pods (the last part of the names of their log directories), and the kubelet's lists. Out: a name for each, or none.
//! The two rules: what is decided stays, over restarts too, so that a batch that is repeated after a crash is the same; and nobody
//! waits longer than [`PATIENCE`] for a kubelet that does not answer. Until then the files are the buffer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::warn;

use super::Kubelet;
use super::list::PodList;
use crate::scrape::ScrapeError;

/// How long a pod's lines wait for the kubelet to say what it is called.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two questions while pods wait.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Longest name in bytes: labels of Kubernetes have 63.
const NAME_BYTES_MAX: usize = 253;

/// The names of this node's pods.
#[derive(Debug)]
pub struct Apps {
    /// Labels of a pod that hold its name, best first.
    labels: Vec<String>,
    /// Where names outlast a restart.
    file: PathBuf,
    inner: Mutex<Inner>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// By id. A pod without such a label, or of which the kubelet knew nothing, has none for good.
    decided: BTreeMap<String, Option<String>>,
    /// Since when they wait.
    waiting: HashMap<String, Instant>,
}

impl Apps {
    /// With what an earlier run has decided. A damaged file is as good as none, which is said.
    pub fn open(file: PathBuf, labels: Vec<String>) -> Self {
        let read = std::fs::read(&file).map_err(|error| (error.kind() != io::ErrorKind::NotFound).then(|| error.to_string()));
        let read = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| Some(error.to_string())));
        let decided = read.unwrap_or_else(|why| {
            if let Some(why) = why {
                warn!(file = %file.display(), why, "what pods are called is not known any more, and asked anew");
            }
            BTreeMap::new()
        });
        Self { labels, file, inner: Mutex::new(Inner { decided, ..Inner::default() }), wanted: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is decided what that pod is called; if not, the kubelet is asked.
    pub fn is_decided(&self, uid: &str) -> bool {
        let mut inner = self.inner();
        if inner.decided.contains_key(uid) {
            return true;
        }
        if !inner.waiting.contains_key(uid) {
            inner.waiting.insert(uid.to_owned(), Instant::now());
            self.wanted.notify_one();
        }
        false
    }

    /// Whether some pod waits.
    pub fn is_waiting(&self) -> bool {
        !self.inner().waiting.is_empty()
    }

    /// What that pod is called.
    pub fn of(&self, uid: &str) -> Option<String> {
        self.inner().decided.get(uid).cloned().flatten()
    }

    /// Forgets all pods but these.
    pub fn keep(&self, uids: &HashSet<String>) {
        let mut inner = self.inner();
        inner.decided.retain(|uid, _| uids.contains(uid));
        inner.waiting.retain(|uid, _| uids.contains(uid));
    }

    /// Asks the kubelet whenever a pod waits; `look` is called when something was decided. Never ends.
    pub async fn run(&self, mut kubelet: Kubelet, look: impl Fn()) {
        loop {
            self.wanted.notified().await;
            while self.is_waiting() {
                let list = kubelet.pods().await;
                let named = list.and_then(|list| self.named(&list).map_err(ScrapeError::Pods));
                if self.settle(named.as_ref(), Instant::now()) {
                    self.save();
                    look();
                }
                if self.is_waiting() {
                    tokio::time::sleep(ASK_EVERY).await;
                }
            }
        }
    }

    /// What the pods of a list are called, by their ids.
    fn named(&self, list: &[u8]) -> Result<HashMap<String, Option<String>>, serde_json::Error> {
        let list: PodList<'_> = serde_json::from_slice(list)?;
        let mut named = HashMap::new();
        for pod in list.items.unwrap_or_default() {
            let labels = pod.metadata.labels.unwrap_or_default();
            let mut found = self.labels.iter().filter_map(|label| labels.get(label));
            let name = found.find(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX).cloned();
            if let Some(hash) = pod.metadata.annotations.and_then(|annotations| annotations.hash) {
                named.insert(hash.into_owned(), name.clone());
            }
            named.insert(pod.metadata.uid.into_owned(), name);
        }
        Ok(named)
    }

    /// Decides for those that the kubelet knows, and for those that have waited for too long. Whether there were any.
    fn settle(&self, named: Result<&HashMap<String, Option<String>>, &ScrapeError>, now: Instant) -> bool {
        let mut inner = self.inner();
        let Inner { decided, waiting } = &mut *inner;
        let mut given_up = 0;
        let before = decided.len();
        waiting.retain(|uid, since| {
            let known = named.ok().and_then(|named| named.get(uid)).cloned();
            let is_over = now.saturating_duration_since(*since) >= PATIENCE;
            given_up += usize::from(known.is_none() && is_over);
            let name = known.or_else(|| is_over.then_some(None));
            let Some(name) = name else { return true };
            decided.insert(uid.clone(), name);
            false
        });
        let has_changed = decided.len() > before;
        drop(inner);
        if given_up > 0 {
            let why = named.err().map_or_else(|| "it is not in the kubelet's list".to_owned(), ToString::to_string);
            warn!(pods = given_up, why, "lines of a pod go without `app`");
        }
        has_changed
    }

    fn save(&self) {
        let bytes = serde_json::to_vec(&self.inner().decided).unwrap_or_default();
        if let Err(error) = durable::file::replace(&self.file, &bytes) {
            warn!(file = %self.file.display(), %error, "what pods are called is asked anew after a restart");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"items":[
        {"metadata":{"name":"web","namespace":"shop","uid":"u1","labels":{"app":"old","app.kubernetes.io/name":"web"}}},
        {"metadata":{"name":"db","namespace":"shop","uid":"u2","labels":{"app":"db"}}},
        {"metadata":{"name":"etcd","namespace":"kube-system","uid":"m","annotations":{"kubernetes.io/config.hash":"u3"},"labels":{"app":"etcd"}}},
        {"metadata":{"name":"bare","namespace":"shop","uid":"u4"}}]}"#;

    fn apps(directory: &std::path::Path) -> Apps {
        let labels = ["app.kubernetes.io/name", "app"].map(str::to_owned);
        Apps::open(directory.join("pods.json"), labels.to_vec())
    }

    #[test]
    fn names_are_decided_once_and_outlast_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let first = apps(directory.path());
        let now = Instant::now();
        assert!(["u1", "u2", "u3", "u4", "u5"].iter().all(|uid| !first.is_decided(uid)));
        let named = first.named(LIST.as_bytes()).unwrap();
        assert!(first.settle(Ok(&named), now));
        let all = |apps: &Apps| ["u1", "u2", "u3", "u4"].map(|uid| apps.of(uid).unwrap_or_else(|| "-".to_owned())).join(" ");
        assert_eq!(all(&first), "web db etcd -");
        // Those without a label are decided too; one that is not in the list waits.
        assert!(first.is_decided("u4") && !first.is_decided("u5") && first.is_waiting());
        assert!(!first.settle(Ok(&named), now), "nothing new");
        assert!(first.settle(Ok(&named), now + 2 * PATIENCE), "given up");
        assert!(first.is_decided("u5") && !first.is_waiting());
        first.save();
        let second = apps(directory.path());
        assert!(second.is_decided("u1") && second.is_decided("u5"));
        assert_eq!(all(&second), "web db etcd -");
        second.keep(&HashSet::from(["u2".to_owned()]));
        assert!(!second.is_decided("u1") && second.is_decided("u2"));
    }

    #[test]
    fn a_kubelet_that_does_not_answer_holds_nobody_up_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let apps = apps(directory.path());
        assert!(!apps.is_decided("u1"));
        let now = Instant::now();
        assert!(!apps.settle(Err(&ScrapeError::Status(401)), now) && apps.is_waiting());
        assert!(apps.settle(Err(&ScrapeError::Status(401)), now + 2 * PATIENCE));
        assert_eq!((apps.is_decided("u1"), apps.of("u1")), (true, None));
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "{", "[1]", r#"{"u1": 3}"#] {
            std::fs::write(directory.path().join("pods.json"), text).unwrap();
            assert!(!apps(directory.path()).is_decided("u1"), "{text}");
        }
    }
}
