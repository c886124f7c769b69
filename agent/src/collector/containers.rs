//! Containers and pods, by their control groups, under cAdvisor's names and kubelet's labels. Which version of groups a node has is known
//! to `hierarchies.rs` alone, and what their files mean to `version_1.rs` and `version_2.rs`.
//!
//! In: the tree of groups, files of runtimes and kubelet that say what containers are called (`names.rs`), /proc of one process of each
//! pod (`network.rs`). Out: samples of the target `cadvisor`: of each container, of each pod (without `container` and `image`), of the
//! root. Kills for want of memory survive the container (`oom.rs`). One that comes or goes between two reads costs its own samples.

mod cgroup;
mod families;
mod figures;
mod files;
mod hierarchies;
mod names;
mod network;
mod oom;
mod owners;
mod path;
mod settings;
mod version_1;
mod version_2;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::metric::{Families, UnixMillis};
use tracing::{info, warn};

use self::cgroup::{Cgroup, Devices, With};
pub use self::families::FAMILIES;
use self::families::{MACHINE_CORES, MACHINE_MEMORY, OOM, POD_APP, Whose};
use self::hierarchies::Hierarchies;
pub use self::names::Owner;
use self::names::{Names, Naming};
use self::network::Networks;
use self::oom::{Own, PodKills};
pub use self::owners::Owners;
use self::path::{Place, place};
pub use self::settings::ContainerSettings;
use super::host::Host;
use super::kept::KeptFile;
use super::rounds::booted;
use super::seldom::Seldom;
use super::text::{integer, lines, list, words};
use crate::kubelet::apps::Apps;
use crate::measure::Sampler;

/// Pods at most; kubelet's default is 110.
const PODS_MAX: usize = 1024;
/// Containers of a pod at most.
const CONTAINERS_MAX: usize = 256;
/// Where the pods' group is looked for: so deep, and in so many directories.
const DEPTH_MAX: usize = 4;
const DIRECTORIES_MAX: usize = 4096;
/// A name that is not known is asked for in so many rounds, from then on once a minute.
const EARLY_ROUNDS: u32 = 4;

/// The containers of this node.
pub struct Containers {
    settings: ContainerSettings,
    host: Host,
    hierarchies: Arc<Hierarchies>,
    booted: UnixMillis,
    /// Groups that pods' groups stand in, and those of classes.
    roots: Vec<String>,
    /// The root's own and, if they are wanted, those of slices.
    slices: BTreeMap<String, Cgroup>,
    pods: BTreeMap<String, Pod>,
    naming: Naming,
    late_names: Seldom,
    networks: Networks,
    devices: Devices,
    online: KeptFile,
    meminfo: KeptFile,
    buffer: Vec<u8>,
    /// Whether pods that are new were there before us.
    is_first: bool,
    /// When the pods' group was looked for.
    late_roots: Seldom,
    /// Whether it was there the last time, and whether ever.
    is_found: bool,
    is_here: bool,
    /// What the kubelet calls pods.
    apps: Option<Arc<Apps>>,
}

/// A pod.
struct Pod {
    uid: String,
    cgroup: Cgroup,
    owner: Option<Owner>,
    /// By the name of the directory.
    containers: BTreeMap<String, Container>,
    kills: PodKills,
    /// Kills of containers that were settled.
    kills_below: u64,
    /// When its kills began to be counted.
    first_seen: UnixMillis,
    /// Images by container, also of those that are gone.
    images: BTreeMap<String, String>,
    /// Containers that are gone since kills were settled.
    gone: Vec<String>,
}

/// A container, or what holds the pod's namespaces.
struct Container {
    id: String,
    cgroup: Cgroup,
    names: Option<Names>,
    rounds: u32,
    /// Kills of its own that are settled.
    settled: u64,
}

/// Directories below one, by name.
fn directories(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// The path of a group below another one.
fn below(id: &str, name: &str) -> String {
    format!("{}/{name}", id.trim_end_matches('/'))
}

fn at(top: &Path, id: &str) -> PathBuf {
    top.join(id.trim_start_matches('/'))
}

/// The groups of all pods of that node, as paths below its tree of groups.
pub fn roots(host: &Host) -> Vec<String> {
    Hierarchies::find(host).main().map(|main| pods_roots(&main.top)).unwrap_or_default()
}

/// The groups of all pods. They are at the top mostly; `cgroupRoot` and kind put them deeper.
fn pods_roots(top: &Path) -> Vec<String> {
    let (mut roots, mut left) = (Vec::new(), DIRECTORIES_MAX);
    let mut level = vec!["/".to_owned()];
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for id in level {
            for name in directories(&at(top, &id)) {
                match place(&name) {
                    Place::Pods => roots.push(below(&id, &name)),
                    Place::Other if left > 0 => {
                        left -= 1;
                        next.push(below(&id, &name));
                    }
                    _ => {}
                }
            }
        }
        level = next;
    }
    roots
}

impl Containers {
    /// Nothing is known yet.
    pub fn new(host: &Host, settings: ContainerSettings) -> Self {
        Self {
            settings,
            host: host.clone(),
            hierarchies: Arc::default(),
            booted: booted(host),
            roots: Vec::new(),
            slices: BTreeMap::new(),
            pods: BTreeMap::new(),
            naming: Naming::new(host.root()),
            late_names: Seldom::default(),
            networks: Networks::new(host),
            devices: Devices::new(host),
            online: KeptFile::new(host.sys("devices/system/cpu/online")),
            meminfo: KeptFile::new(host.proc("meminfo")),
            buffer: Vec::new(),
            is_first: true,
            late_roots: Seldom::default(),
            is_found: false,
            is_here: false,
            apps: None,
        }
    }

    /// With what the kubelet calls pods, if it is asked.
    #[must_use]
    pub fn with_apps(self, apps: Option<Arc<Apps>>) -> Self {
        Self { apps, ..self }
    }

    /// The directory of the first group, in the tree in which groups are looked for.
    fn top(&self) -> PathBuf {
        self.hierarchies.main().map(|main| main.top.clone()).unwrap_or_default()
    }

    /// Looks who is there.
    fn look(&mut self, now: UnixMillis) {
        let top = self.top();
        self.roots.retain(|root| at(&top, root).is_dir());
        if self.roots.is_empty() && self.late_roots.is_due(now) {
            let found = Hierarchies::find(&self.host);
            if found != *self.hierarchies {
                self.hierarchies = Arc::new(found);
                self.slices.clear();
                self.pods.clear();
            }
            if self.hierarchies.main().is_some() {
                self.roots = pods_roots(&self.top());
            }
        }
        let top = self.top();
        let mut slices = vec!["/".to_owned()];
        let mut found = Vec::new();
        for root in &self.roots {
            let mut classes = vec![root.clone()];
            while let Some(class) = classes.pop() {
                for name in directories(&at(&top, &class)) {
                    match place(&name) {
                        // A class in a class is none.
                        Place::Class if class == *root => classes.push(below(&class, &name)),
                        Place::Pod(uid) if found.len() < PODS_MAX => found.push((below(&class, &name), path::uid(uid))),
                        _ => {}
                    }
                }
                slices.push(class);
            }
        }
        if self.settings.slices {
            let at_top = directories(&top).into_iter().filter(|name| name.strip_suffix(".slice").is_some());
            slices.extend(at_top.map(|name| below("/", &name)));
        } else {
            slices.truncate(1);
        }
        self.slices.retain(|id, _| slices.contains(id));
        for id in slices {
            self.slices.entry(id).or_insert_with_key(|id| Cgroup::new(&self.hierarchies, id, self.booted, now));
        }
        self.pods.retain(|id, _| found.iter().any(|(found, _)| found == id));
        for (id, uid) in found {
            let mut with = Looking {
                hierarchies: &self.hierarchies,
                booted: self.booted,
                now,
                is_first: self.is_first,
                buffer: &mut self.buffer,
            };
            let pod = self.pods.entry(id).or_insert_with_key(|id| Pod::new(id, uid, &mut with));
            pod.look(&top, &mut with);
        }
    }

    /// Asks for names that are not known.
    fn name(&mut self, now: UnixMillis) {
        let is_late_due = self.late_names.is_due(now);
        let mut has_looked = false;
        for pod in self.pods.values_mut() {
            for container in pod.containers.values_mut().filter(|container| container.names.is_none()) {
                if container.rounds >= EARLY_ROUNDS && !is_late_due {
                    continue;
                }
                container.rounds = container.rounds.saturating_add(1);
                container.names = self.naming.by_runtime(&container.id);
                if container.names.is_none() {
                    if !has_looked {
                        self.naming.look();
                        has_looked = true;
                    }
                    container.names = self.naming.by_link(&container.id);
                }
            }
            if pod.owner.is_none() {
                let named = pod.containers.values().find_map(|container| container.names.as_ref());
                let owner = named.map(|names| Owner { container: String::new(), ..names.owner.clone() });
                pod.owner = owner.or_else(|| self.naming.of_pod(&pod.uid));
            }
        }
    }

    fn sample_machine(&mut self, out: &mut Families) -> Option<u64> {
        if let Ok(online) = self.online.read(&mut self.buffer) {
            out.sample(&MACHINE_CORES, &[], list(online).count() as f64);
        }
        let (mut total, mut free) = (None, None);
        for line in lines(self.meminfo.read(&mut self.buffer).ok()?) {
            let mut words = words(line);
            match words.next() {
                Some(b"MemTotal:") => total = words.next().and_then(integer),
                Some(b"MemFree:") => free = words.next().and_then(integer),
                _ => {}
            }
        }
        let total = total?.saturating_mul(1024);
        out.sample(&MACHINE_MEMORY, &[], total as f64);
        Some(total.saturating_sub(free?.saturating_mul(1024)))
    }
}

/// What is needed to take in what is found.
struct Looking<'l> {
    hierarchies: &'l Arc<Hierarchies>,
    booted: UnixMillis,
    now: UnixMillis,
    /// Whether what is found was there before us.
    is_first: bool,
    buffer: &'l mut Vec<u8>,
}

impl Looking<'_> {
    fn cgroup(&self, id: &str) -> Cgroup {
        Cgroup::new(self.hierarchies, id, self.booted, self.now)
    }

    /// Kills that are not ours to count.
    fn kills_before(&mut self, cgroup: &mut Cgroup) -> u64 {
        if self.is_first { cgroup.kills(self.buffer).unwrap_or(0) } else { 0 }
    }
}

impl Pod {
    fn new(id: &str, uid: String, with: &mut Looking<'_>) -> Self {
        let mut cgroup = with.cgroup(id);
        // What happened before we began is not counted; what happened since the last round is, from the next one on.
        let before = with.kills_before(&mut cgroup);
        let now = with.now;
        Self {
            uid,
            cgroup,
            owner: None,
            containers: BTreeMap::new(),
            kills: PodKills::new(before),
            kills_below: 0,
            first_seen: now,
            images: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// Looks which containers there are.
    fn look(&mut self, top: &Path, with: &mut Looking<'_>) {
        let found = directories(&at(top, self.cgroup.id()));
        let gone = &mut self.gone;
        self.containers.retain(|name, container| {
            let is_there = found.contains(name);
            let of = container.names.as_ref().map_or("", |names| names.owner.container.as_str());
            if !is_there && !of.is_empty() && !gone.iter().any(|known| known == of) && gone.len() < CONTAINERS_MAX {
                gone.push(of.to_owned());
            }
            is_there
        });
        for name in found {
            let Place::Container(id) = place(&name) else { continue };
            if self.containers.contains_key(&name) || self.containers.len() >= CONTAINERS_MAX {
                continue;
            }
            let mut cgroup = with.cgroup(&below(self.cgroup.id(), &name));
            let settled = with.kills_before(&mut cgroup);
            let container = Container { id: id.to_owned(), cgroup, names: None, rounds: 0, settled };
            self.containers.insert(name, container);
        }
    }

    /// Adds kills that are new, unless somebody is new too: a series has to begin at 0.
    fn settle_kills(&mut self, now: UnixMillis, buffer: &mut Vec<u8>) {
        let mut is_anybody_new = self.first_seen == now;
        for names in self.containers.values().filter_map(|container| container.names.as_ref()) {
            let name = &names.owner.container;
            if !name.is_empty() && !self.images.contains_key(name) {
                self.kills.see(name);
                is_anybody_new = true;
            }
            if !name.is_empty() && (self.images.len() < CONTAINERS_MAX || self.images.contains_key(name)) {
                self.images.insert(name.clone(), names.image.clone());
            }
        }
        if is_anybody_new {
            return;
        }
        let Some(counted) = self.cgroup.kills(buffer) else { return };
        let mut own = Vec::new();
        for container in self.containers.values_mut() {
            let Some(names) = &container.names else { continue };
            if let Some(kills) = container.cgroup.kills(buffer)
                && kills > container.settled
            {
                own.push(Own { name: &names.owner.container, new: kills - container.settled });
                container.settled = kills;
            }
        }
        self.kills_below = self.kills_below.saturating_add(own.iter().map(|container| container.new).sum());
        // Where the pod's group does not count what happens below, only what its containers say is known.
        let total = if self.cgroup.counts_below() { counted } else { counted.saturating_add(self.kills_below) };
        self.kills.settle(total, &own, &self.gone);
        self.gone.clear();
    }

    fn sample(&mut self, networks: &Networks, with: &mut With<'_>, out: &mut Families) {
        self.settle_kills(with.now, with.buffer);
        let owner = self.owner.as_ref();
        let (pod, namespace) = owner.map_or(("", ""), |owner| (owner.pod.as_str(), owner.namespace.as_str()));
        let mut network = None;
        for container in self.containers.values_mut() {
            let Container { id, cgroup, names, .. } = container;
            let (image, name) = names.as_ref().map_or(("", ""), |names| (names.image.as_str(), names.owner.container.as_str()));
            let path = cgroup.id().to_owned();
            let whose: Whose<'_> = [&path, id, image, name, pod, namespace];
            cgroup.sample(&whose, with, out);
            let is_sandbox = names.as_ref().is_some_and(|names| names.is_sandbox);
            if (is_sandbox || network.is_none())
                && let Some(pid) = cgroup.process(with.buffer)
            {
                let of_sandbox = is_sandbox.then(|| (path, id.clone(), image.to_owned()));
                network = Some((pid, cgroup.created, of_sandbox));
            }
        }
        let path = self.cgroup.id().to_owned();
        let whose: Whose<'_> = [&path, "", "", "", pod, namespace];
        self.cgroup.sample(&whose, with, out);
        if let Some((pid, created, of_sandbox)) = network {
            let before = out.counters_since(created);
            match &of_sandbox {
                Some((id, name, image)) => {
                    networks.sample(pid, &[id, name, image, "", pod, namespace], with.buffer, out);
                }
                None => networks.sample(pid, &whose, with.buffer, out),
            }
            out.counters_since(before);
        }
        let before = out.counters_since(self.first_seen);
        for (container, kills) in self.kills.counts() {
            let image = self.images.get(container).map_or("", String::as_str);
            // Neither the group nor the id of a container: those change when it is started again.
            out.sample(&OOM, &[&path, "", image, container, pod, namespace], kills as f64);
        }
        out.counters_since(before);
    }
}

impl Sampler for Containers {
    fn sample(&mut self, now: UnixMillis, out: &mut Families) -> bool {
        self.look(now);
        let (was_first, was_found) = (std::mem::take(&mut self.is_first), self.is_found);
        self.is_found = !self.roots.is_empty();
        self.is_here |= self.is_found;
        if !self.is_here {
            return false;
        }
        self.name(now);
        let node_memory = self.sample_machine(out);
        let mut with = With { settings: &self.settings, devices: &mut self.devices, buffer: &mut self.buffer, now, node_memory };
        for (id, slice) in &mut self.slices {
            slice.sample(&[id, "", "", "", "", ""], &mut with, out);
        }
        for pod in self.pods.values_mut() {
            pod.sample(&self.networks, &mut with, out);
        }
        for pod in self.pods.values() {
            if let (Some(owner), Some(app)) = (&pod.owner, self.apps.as_ref().and_then(|apps| apps.of(&pod.uid))) {
                out.sample(&POD_APP, &[&owner.namespace, &owner.pod, &pod.uid, &app], 1.0);
            }
        }
        match (was_found, self.is_found) {
            (false, true) => {
                let containers: usize = self.pods.values().map(|pod| pod.containers.len()).sum();
                info!(pods = self.pods.len(), containers, late = !was_first, "containers are measured");
            }
            (true, false) => warn!("the group of all pods is gone; containers are measured again when it is back"),
            _ => {}
        }
        self.is_found
    }

    fn is_here(&self) -> bool {
        self.is_here
    }

    fn missing(&self) -> Vec<String> {
        let containers = || self.pods.values().flat_map(|pod| pod.containers.values());
        let unnamed = containers().filter(|container| container.names.is_none()).count();
        let without_image =
            containers().filter(|container| container.names.as_ref().is_some_and(|names| names.image.is_empty())).count();
        let mut missing = Vec::new();
        if self.roots.is_empty() {
            missing.push(match self.hierarchies.main() {
                Some(main) => format!("no pods in control groups below {}", main.top.display()),
                None => "no control groups are mounted".to_owned(),
            });
        }
        if unnamed > 0 {
            missing.push(format!(
                "{unnamed} containers have no name: neither a config.json of containerd or CRI-O below /run can be read, nor is there \
                 a link in /var/log/containers"
            ));
        }
        if without_image > 0 {
            missing.push(format!(
                "{without_image} containers have no image, which most dashboards ask for: it stands in the config.json of \
                 containerd or CRI-O below /run alone"
            ));
        }
        missing
    }
}
