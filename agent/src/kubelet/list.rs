//! The kubelet's list of pods (`v1.PodList` as JSON): of each, what is needed here; everything else is read over.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// `v1.PodList`.
#[derive(Deserialize)]
pub struct PodList<'l> {
    /// Absent or null if there are none.
    #[serde(borrow)]
    pub items: Option<Vec<Pod<'l>>>,
}

/// A pod.
#[derive(Deserialize)]
pub struct Pod<'l> {
    /// Who it is.
    #[serde(borrow)]
    pub metadata: Metadata<'l>,
    /// What it is to be.
    #[serde(borrow, default)]
    pub spec: Spec<'l>,
    /// What it is.
    #[serde(borrow, default)]
    pub status: Status<'l>,
}

/// Who it is.
#[derive(Deserialize)]
pub struct Metadata<'l> {
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'l, str>,
    /// Kubernetes namespace.
    #[serde(borrow)]
    pub namespace: Cow<'l, str>,
    /// As in the names of its directories.
    #[serde(borrow, default)]
    pub uid: Cow<'l, str>,
    /// Its labels.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    /// What it asks of whoever scrapes, and where it comes from.
    #[serde(borrow, default)]
    pub annotations: Option<Annotations<'l>>,
}

/// What it asks of whoever scrapes, and where it comes from.
#[derive(Default, Deserialize)]
pub struct Annotations<'l> {
    /// `true` if it wants to be scraped.
    #[serde(borrow, rename = "prometheus.io/scrape")]
    pub scrape: Option<Cow<'l, str>>,
    /// Of which port.
    #[serde(borrow, rename = "prometheus.io/port")]
    pub port: Option<Cow<'l, str>>,
    /// Under which path.
    #[serde(borrow, rename = "prometheus.io/path")]
    pub path: Option<Cow<'l, str>>,
    /// http or https.
    #[serde(borrow, rename = "prometheus.io/scheme")]
    pub scheme: Option<Cow<'l, str>>,
    /// The name of its directories, if it comes from a manifest.
    #[serde(borrow, rename = "kubernetes.io/config.hash")]
    pub hash: Option<Cow<'l, str>>,
}

/// What it is to be.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'l> {
    /// They run first; sidecars go on.
    #[serde(borrow, default)]
    pub init_containers: Option<Vec<Container<'l>>>,
    /// The others.
    #[serde(borrow, default)]
    pub containers: Option<Vec<Container<'l>>>,
}

/// One of its containers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container<'l> {
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'l, str>,
    /// What it declares.
    #[serde(default)]
    pub ports: Option<Vec<ContainerPort>>,
    /// `Always` makes an init container a sidecar.
    #[serde(borrow, default)]
    pub restart_policy: Option<Cow<'l, str>>,
}

/// A port that a container declares.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// Its number.
    pub container_port: u16,
    /// TCP unless it says otherwise.
    #[serde(default)]
    pub protocol: Protocol,
}

/// What is spoken there.
#[derive(Default, Deserialize, PartialEq, Eq)]
pub enum Protocol {
    /// What HTTP goes over.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP, SCTP.
    #[serde(other)]
    Other,
}

/// What it is.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status<'l> {
    /// `Running`, `Succeeded`, …
    #[serde(borrow, default)]
    pub phase: Cow<'l, str>,
    /// Empty before it has one.
    #[serde(borrow, default, rename = "podIP")]
    pub pod_ip: Cow<'l, str>,
}
