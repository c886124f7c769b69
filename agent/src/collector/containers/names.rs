//! What containers are called, without asking the API server: from what runtimes and kubelet leave on the node.
//!
//! First the runtime's own description of the container (config.json of the OCI bundle, whose annotations are containerd's
//! `io.kubernetes.cri.*` or CRI-O's `io.kubernetes.*`): it has everything. Else kubelet's links in /var/log/containers, which have no
//! image. Else the directories of /var/log/pods, which know pods alone.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::host_root::HostRoot;

/// Where a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name; empty for the pod's sandbox.
    pub container: String,
}

/// What is known of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) owner: Owner,
    pub(super) image: String,
    pub(super) is_sandbox: bool,
}

/// Bundles, each with its place before and behind the id.
const BUNDLES: [(&str, &str); 3] = [
    ("/run/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"),
    ("/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"),
    ("/run/containers/storage/overlay-containers", "userdata/config.json"),
];
/// A longer description is not read.
const BUNDLE_MAX: u64 = 4 << 20;
/// Entries of a directory of logs that are looked at.
const ENTRIES_MAX: usize = 16_384;

/// What is wanted of a bundle's config.json (OCI runtime specification, `config.md`).
#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Where names are looked up.
pub(super) struct Naming {
    root: HostRoot,
    /// By container id, of /var/log/containers.
    links: HashMap<String, Owner>,
    /// By uid, of /var/log/pods.
    pods: HashMap<String, Owner>,
}

impl Naming {
    pub(super) fn new(root: &HostRoot) -> Self {
        Self { root: root.clone(), links: HashMap::new(), pods: HashMap::new() }
    }

    /// Of a container, as the runtime describes it.
    pub(super) fn by_runtime(&self, id: &str) -> Option<Names> {
        BUNDLES.iter().find_map(|(directory, file)| {
            let path = Path::new(directory).join(id).join(file);
            let mut text = Vec::new();
            self.root.open(&path).ok()?.take(BUNDLE_MAX).read_to_end(&mut text).ok()?;
            of_annotations(&serde_json::from_slice::<Bundle>(&text).ok()?.annotations)
        })
    }

    /// Of a container, as kubelet's link to its log says. `look` comes before.
    pub(super) fn by_link(&self, id: &str) -> Option<Names> {
        self.links.get(id).map(|owner| Names { owner: owner.clone(), ..Names::default() })
    }

    /// Of a pod, as the directory of its logs says. `look` comes before.
    pub(super) fn of_pod(&self, uid: &str) -> Option<Owner> {
        self.pods.get(uid).cloned()
    }

    /// Lists both directories of logs.
    pub(super) fn look(&mut self) {
        self.links = self.list("/var/log/containers", of_link);
        self.pods = self.list("/var/log/pods", of_log_directory);
    }

    fn list(&self, directory: &str, read: fn(&str) -> Option<(String, Owner)>) -> HashMap<String, Owner> {
        let entries = self.root.read_dir(Path::new(directory)).into_iter().flatten().flatten().take(ENTRIES_MAX);
        entries.filter_map(|entry| read(entry.file_name().to_str()?)).collect()
    }
}

/// By the annotations of containerd or CRI-O.
fn of_annotations(annotations: &BTreeMap<String, String>) -> Option<Names> {
    let get = |key: &str| annotations.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let first = |keys: &[&str]| keys.iter().find_map(|key| get(key)).unwrap_or_default().to_owned();
    let is_sandbox = get("io.kubernetes.cri.container-type")
        .or(get("io.kubernetes.cri-o.ContainerType"))
        .is_some_and(|kind| kind == "sandbox");
    let pod = get("io.kubernetes.cri.sandbox-name").or(get("io.kubernetes.pod.name"))?.to_owned();
    let namespace = first(&["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"]);
    let container = first(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name"]);
    let image = first(&[
        "io.kubernetes.cri.image-name",
        "io.kubernetes.cri.podsandbox.image-name",
        "io.kubernetes.cri-o.ImageName",
        "io.kubernetes.cri-o.Image",
    ]);
    // CRI-O calls the sandbox POD; kubelet gives it no name.
    let container = if is_sandbox { String::new() } else { container };
    Some(Names { owner: Owner { namespace, pod, container }, image, is_sandbox })
}

/// `<pod>_<namespace>_<container>-<id>.log`; neither name has a `_`.
fn of_link(name: &str) -> Option<(String, Owner)> {
    let (names, id) = name.strip_suffix(".log")?.rsplit_once('-')?;
    let mut names = names.splitn(3, '_').map(str::to_owned);
    let (pod, namespace, container) = (names.next()?, names.next()?, names.next()?);
    Some((id.to_owned(), Owner { namespace, pod, container }))
}

/// `<namespace>_<pod>_<uid>`.
fn of_log_directory(name: &str) -> Option<(String, Owner)> {
    let mut names = name.splitn(3, '_').map(str::to_owned);
    let (namespace, pod, uid) = (names.next()?, names.next()?, names.next()?);
    Some((uid, Owner { namespace, pod, container: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_a_directory_of_logs_say_whose_they_are() {
        let (id, owner) = of_link("web-7f-x2_shop_app-main-0123abcd.log").unwrap();
        assert_eq!((id.as_str(), owner.namespace.as_str(), owner.pod.as_str()), ("0123abcd", "shop", "web-7f-x2"));
        assert_eq!(owner.container, "app-main");
        let (uid, owner) = of_log_directory("shop_web-7f-x2_0f1e-22").unwrap();
        assert_eq!((uid.as_str(), owner.namespace.as_str(), owner.pod.as_str()), ("0f1e-22", "shop", "web-7f-x2"));
        for odd in ["", "x.log", "a_b.log", "a_b-c.log", "web.txt"] {
            assert!(of_link(odd).is_none(), "{odd}");
        }
        assert!(of_log_directory("lost+found").is_none());
    }
}
