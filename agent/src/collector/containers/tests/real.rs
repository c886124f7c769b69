//! Groups that the kernel really makes, of whichever version this machine has.

use std::io;
use std::time::Duration;

use ::tests::program::{Program, Running};
use ::tests::skip::skipped;
use ::tests::wait;

use super::*;
use crate::collector::containers::hierarchies::{Controller, Version};
use crate::host_root::HostRoot;

const SOON: Duration = Duration::from_secs(20);
/// In which groups are made.
const CONTROLLERS: [Controller; 4] = [Controller::Memory, Controller::Accounting, Controller::Cpu, Controller::Pids];

/// Groups that are taken away at the end, the last first, with what runs there.
struct Groups {
    hierarchies: Hierarchies,
    /// Tops of the trees, each once.
    tops: Vec<PathBuf>,
    made: Vec<String>,
    process: Option<Running>,
}

impl Groups {
    fn new(host: &Host) -> Self {
        let hierarchies = Hierarchies::find(host);
        let mut tops: Vec<PathBuf> = CONTROLLERS.iter().filter_map(|of| Some(hierarchies.of(*of)?.top.clone())).collect();
        tops.sort();
        tops.dedup();
        Self { hierarchies, tops, made: Vec::new(), process: None }
    }

    fn make(&mut self, id: &str) -> io::Result<()> {
        self.made.push(id.to_owned());
        self.tops.iter().try_for_each(|top| fs::create_dir(at(top, id)))
    }

    fn remove(&mut self, id: &str) {
        self.made.retain(|made| made != id);
        for top in &self.tops {
            // A process that has ended may be in its group for a moment more.
            wait::for_condition("a group is empty", SOON, || match fs::remove_dir(at(top, id)) {
                Err(error) => error.kind() != io::ErrorKind::ResourceBusy,
                Ok(()) => true,
            });
        }
    }

    /// A file of a group, in the tree of a controller.
    fn file(&self, of: Controller, id: &str, name: &str) -> PathBuf {
        at(&self.hierarchies.of(of).unwrap().top, id).join(name)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        drop(self.process.take());
        while let Some(id) = self.made.pop() {
            self.remove(&id);
        }
    }
}

/// A name for groups of this test alone.
fn top_of(test: &str) -> String {
    format!("/picket-test-{test}-{}", std::process::id())
}

fn measures_a_real_group(name: &str, host: &Host) {
    let Some(shell) = Program::find("sh") else { return skipped(name, "no sh") };
    let mut groups = Groups::new(host);
    if groups.tops.is_empty() {
        return skipped(name, "no control groups are mounted");
    }
    let (id, top) = ("ab".repeat(32), top_of(&format!("measured-{}", groups.tops.len())));
    let (pods, pod) = (below(&top, "kubepods"), format!("{top}/kubepods/pod{UID}"));
    let container = below(&pod, &id);
    for group in [&top, &pods, &pod, &container] {
        if let Err(error) = groups.make(group) {
            return skipped(name, &format!("no groups can be made here (that takes root): {error}"));
        }
    }
    let process = shell.start(["-c", "while :; do :; done"]);
    let pid = process.id().to_string();
    groups.process = Some(process);
    for top in &groups.tops {
        if let Err(error) = fs::write(at(top, &container).join("cgroup.procs"), &pid) {
            return skipped(name, &format!("no process can be moved to another group here: {error}"));
        }
    }
    let mut containers = Containers::new(host, ContainerSettings::default());
    let of_it = format!("container_cpu_usage_seconds_total{{id=\"{container}\",name=\"{id}\"");
    let mut round = 0;
    let mut text = || {
        round += 1;
        sample(&mut containers, round).1
    };
    wait::for_condition("it has run", SOON, || text().contains(&of_it));
    let now = text();
    assert!(now.lines().any(|line| line.starts_with("container_processes{") && line.contains(&id) && line.ends_with(" 1")));
    drop(groups.process.take());
    groups.remove(&container);
    assert!(!text().contains(&id));
    drop(groups);
    assert!(!Path::new("/sys/fs/cgroup/memory").join(top.trim_start_matches('/')).exists());
}

#[test]
fn a_real_group_is_measured_and_gone_when_it_is_gone() {
    let tree = tempfile::tempdir().unwrap();
    let root = HostRoot::new(tree.path().join("root"));
    let host = Host::new(Path::new("/proc"), Path::new("/sys"), Path::new("/run/udev"), root);
    measures_a_real_group("a_real_group_is_measured_and_gone_when_it_is_gone", &host);
}

#[test]
fn a_real_group_of_version_2_is_measured_on_a_hybrid_node_too() {
    const NAME: &str = "a_real_group_of_version_2_is_measured_on_a_hybrid_node_too";
    let unified = Path::new("/sys/fs/cgroup/unified");
    if !unified.join("cgroup.controllers").exists() {
        return skipped(NAME, "the node is not hybrid");
    }
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(tree.path().join("sys/fs")).unwrap();
    symlink(unified, tree.path().join("sys/fs/cgroup")).unwrap();
    measures_a_real_group(NAME, &host(tree.path()));
}

/// Turns a controller on for the groups below, which version 2 asks for.
fn delegate(groups: &Groups, id: &str) -> io::Result<()> {
    match groups.hierarchies.of(Controller::Memory).map(|hierarchy| hierarchy.version) {
        Some(Version::Two) => fs::write(groups.file(Controller::Memory, id, "cgroup.subtree_control"), "+memory"),
        _ => Ok(()),
    }
}

#[test]
fn a_real_kill_for_want_of_memory_is_counted_and_outlasts_its_container() {
    const NAME: &str = "a_real_kill_for_want_of_memory_is_counted_and_outlasts_its_container";
    const LIMIT: &str = "16777216";
    let tree = tempfile::tempdir().unwrap();
    let root = HostRoot::new(tree.path());
    let host = Host::new(Path::new("/proc"), Path::new("/sys"), Path::new("/run/udev"), root);
    let Some(shell) = Program::find("sh").filter(|_| Program::find("tail").is_some()) else {
        return skipped(NAME, "no sh, or no tail");
    };
    let mut groups = Groups::new(&host);
    let Some(memory) = groups.hierarchies.of(Controller::Memory).cloned() else {
        return skipped(NAME, "no control groups are mounted");
    };
    groups.tops = vec![memory.top.clone()];
    let top = top_of("killed");
    let (pods, pod) = (below(&top, "kubepods"), format!("{top}/kubepods/pod{UID}"));
    let [first, second] = ["a", "b"].map(|digit| below(&pod, &digit.repeat(64)));
    for group in ["/", &top, &pods, &pod] {
        let made = if group == "/" { Ok(()) } else { groups.make(group) };
        if let Err(error) = made.and_then(|()| delegate(&groups, group)) {
            return skipped(NAME, &format!("no groups with the controller memory can be made here (that takes root): {error}"));
        }
    }
    groups.make(&first).unwrap();
    let (limit, swap) = match memory.version {
        Version::One => ("memory.limit_in_bytes", ["memory.memsw.limit_in_bytes", LIMIT]),
        Version::Two => ("memory.max", ["memory.swap.max", "0"]),
    };
    if let Err(error) = fs::write(groups.file(Controller::Memory, &first, limit), LIMIT) {
        return skipped(NAME, &format!("memory cannot be limited here: {error}"));
    }
    // Where swap is not counted there is no such file.
    fs::write(groups.file(Controller::Memory, &first, swap[0]), swap[1]).ok();
    for group in [&first, &second] {
        let id = group.rsplit('/').next().unwrap();
        write(&tree.path().join(format!("var/log/containers/web_shop_app-{id}.log")), "");
    }
    let mut containers = Containers::new(&host, ContainerSettings::default());
    let mut round = 0;
    let mut counted = || {
        round += 1;
        let text = sample(&mut containers, round).1;
        let own = text.lines().filter(|line| line.contains(&format!("id=\"{pod}\""))).collect::<Vec<_>>().join("\n");
        kills(&own)
    };
    let nobody = || (String::new(), 0);
    let app = |kills| ("app".to_owned(), kills);
    assert_eq!(counted(), [nobody(), app(0)]);
    // Should the limit not hold, it ends by itself before the machine has no memory left.
    let script = "ulimit -v 400000; echo $$ > \"$1/cgroup.procs\" || exit 9; exec tail /dev/zero";
    let directory = at(&memory.top, &first);
    match shell.outcome_with(["-c", script, "sh", directory.to_str().unwrap()], &[]) {
        (None, _, _) => {}
        (Some(9), _, why) => return skipped(NAME, &format!("no process can be moved to another group here: {why}")),
        (code, _, errors) => panic!("it was not killed: {code:?} {errors}"),
    }
    // A group that does not count what happens below is asked before its container's is gone.
    if memory.counts_below {
        groups.remove(&first);
        assert_eq!(counted(), [nobody(), app(1)]);
    } else {
        assert_eq!(counted(), [nobody(), app(1)]);
        groups.remove(&first);
    }
    assert_eq!(counted(), [nobody(), app(1)], "it is gone");
    groups.make(&second).unwrap();
    assert_eq!((counted(), counted()), (vec![nobody(), app(1)], vec![nobody(), app(1)]), "started again");
}
