//! Pods of this node that ask to be scraped, by their annotations: `prometheus.io/scrape: "true"`, and `port`, `path`, `scheme`.
//!
//! In: the kubelet's list of pods (`/pods`), of which only what is needed is kept. Out: targets with labels namespace, pod, container
//! and node. Who writes an annotation chooses a path on his own pod and nothing else: the address is the kubelet's word, no credentials
//! go there, and no other host is reached through it. Without a port, each TCP port that a container declares is a target.

use std::net::IpAddr;

use client::Auth;
use url::Url;

use super::Job;
use super::job::Redirects;
use crate::kubelet::list::{Annotations, Container, Pod, PodList, Protocol};

/// More targets are left out.
const TARGETS_MAX: usize = 1000;

/// A target that a pod asks to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTarget {
    /// Where its metrics are.
    pub url: String,
    /// Namespace, pod, container, node.
    pub labels: Vec<(String, String)>,
}

/// What the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Targets, in the order of the list.
    pub targets: Vec<PodTarget>,
    /// Pods that ask and cannot be scraped, and why.
    pub problems: Vec<String>,
}

impl PodTarget {
    /// As a job: what is not the pod's is the template's. It is scraped as nobody, and stays where it is.
    pub fn job(&self, template: &Job) -> Job {
        let mut labels = self.labels.clone();
        labels.extend(template.labels.iter().filter(|(name, _)| self.labels.iter().all(|(own, _)| own != name)).cloned());
        Job { url: self.url.clone(), labels, auth: Auth::None, redirects: Redirects::SameHost, ..template.clone() }
    }
}

/// Targets of a list of pods (`v1.PodList` as JSON).
pub fn targets(list: &[u8], node: &str) -> Result<Found, serde_json::Error> {
    let list: PodList<'_> = serde_json::from_slice(list)?;
    let mut found = Found::default();
    for pod in list.items.unwrap_or_default() {
        // A pod that is over is no target, and one that has no address yet will be one.
        if pod.asks() && pod.status.phase == "Running" && !pod.status.pod_ip.is_empty() {
            let name = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
            match pod.targets(node) {
                Ok(targets) => found.targets.extend(targets),
                Err(why) => found.problems.push(format!("pod {name}: {why}")),
            }
        }
    }
    if found.targets.len() > TARGETS_MAX {
        found.problems.push(format!("{} targets, of which the first {TARGETS_MAX} are scraped", found.targets.len()));
        found.targets.truncate(TARGETS_MAX);
    }
    Ok(found)
}

impl Pod<'_> {
    fn asks(&self) -> bool {
        let scrape = self.metadata.annotations.as_ref().and_then(|annotations| annotations.scrape.as_deref());
        scrape == Some("true")
    }

    fn targets(&self, node: &str) -> Result<Vec<PodTarget>, String> {
        let empty = Annotations::default();
        let annotations = self.metadata.annotations.as_ref().unwrap_or(&empty);
        let scheme = match annotations.scheme.as_deref() {
            None | Some("" | "http") => "http",
            Some("https") => "https",
            Some(other) => return Err(format!("prometheus.io/scheme is {other:?}, and has to be http or https")),
        };
        let address: IpAddr = self.status.pod_ip.parse().map_err(|_| format!("its address {:?} is none", self.status.pod_ip))?;
        let port = annotations.port.as_deref().filter(|port| !port.is_empty());
        let port: Option<u16> = port
            .map(|port| port.parse().map_err(|_| format!("prometheus.io/port is {port:?}, and has to be the number of a port")))
            .transpose()?;
        let places = self.places(port);
        let target = |(container, port): (Option<&str>, Option<u16>)| {
            let mut url = Url::parse(&format!("{scheme}://localhost")).ok()?;
            url.set_ip_host(address).ok()?;
            url.set_port(port).ok()?;
            let (path, query) = path(annotations.path.as_deref().unwrap_or_default());
            url.set_path(path);
            url.set_query(query);
            let labels = [
                ("namespace", &*self.metadata.namespace),
                ("pod", &*self.metadata.name),
                ("container", container.unwrap_or_default()),
                ("node", node),
            ];
            let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
            Some(PodTarget { url: url.into(), labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() })
        };
        Ok(places.into_iter().filter_map(target).collect())
    }

    /// Container and port of each target.
    fn places(&self, port: Option<u16>) -> Vec<(Option<&str>, Option<u16>)> {
        // An init container runs on only if it is a sidecar.
        let sidecars = self.spec.init_containers.iter().flatten();
        let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let containers: Vec<&Container<'_>> = self.spec.containers.iter().flatten().chain(sidecars).collect();
        let declared = containers.iter().flat_map(|container| {
            let ports = container.ports.iter().flatten().filter(|port| port.protocol == Protocol::Tcp);
            ports.map(|port| (Some(&*container.name), Some(port.container_port)))
        });
        let mut declared: Vec<_> = declared.collect();
        let alone = || if let [container] = containers.as_slice() { Some(&*container.name) } else { None };
        if port.is_some() {
            let owner = declared.iter().find(|(_, declared)| *declared == port);
            return vec![(owner.map_or_else(alone, |(container, _)| *container), port)];
        }
        if declared.is_empty() {
            declared.push((alone(), None));
        }
        declared
    }
}

/// A path and what stands behind its `?`.
fn path(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (if path.is_empty() { "/metrics" } else { path }, Some(query)),
        None => (if text.is_empty() { "/metrics" } else { text }, None),
    }
}

#[cfg(test)]
mod tests;
