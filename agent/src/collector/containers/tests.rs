mod real;

use std::os::unix::fs::symlink;

use expect_test::expect_file;
use proto::exposition::write_families;

use super::*;
use crate::collector::testing::host;

const NOW: i64 = 1_700_000_000_000;
const INTERVAL: i64 = 15_000;
const UID: &str = "0f1e2d3c-0001-4002-8003-00000000000a";

fn fixtures(case: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/collector/containers")).join(case)
}

fn all() -> ContainerSettings {
    ContainerSettings { memory_failures: true, slices: true, pressure: true }
}

/// One sample as text, and whether pods were there. Every family has to be in the catalogue, and no series may come twice.
fn sample(containers: &mut Containers, round: i64) -> (bool, String) {
    let (mut out, mut text) = (Families::new(), String::new());
    let is_up = containers.sample(UnixMillis(NOW + round * INTERVAL), &mut out);
    let mut seen = std::collections::BTreeSet::new();
    for sample in out.samples() {
        let family = sample.family();
        let desc = FAMILIES.iter().find(|desc| desc.name == family.name && desc.kind == family.kind).unwrap();
        let labels: Vec<_> = sample.labels().collect();
        assert!(labels.iter().all(|(name, _)| desc.labels.contains(name)));
        assert!(seen.insert(format!("{} {labels:?}", family.name)), "twice: {} {labels:?}", family.name);
    }
    write_families(&out, &mut text);
    (is_up, text)
}

/// The lines of kills, without their name, by container.
fn kills(text: &str) -> Vec<(String, u64)> {
    let lines = text.lines().filter(|line| line.starts_with("container_oom_events_total{"));
    let mut kills: Vec<_> = lines
        .map(|line| {
            let container = line.split("container=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            (container.to_owned(), line.rsplit(' ').next().unwrap().parse().unwrap())
        })
        .collect();
    kills.sort();
    kills
}

#[test]
fn fixtures_of_every_driver_and_runtime() {
    for (case, settings, is_up) in [
        ("containerd", all(), true),
        ("crio", ContainerSettings::default(), true),
        ("cgroupfs_links", ContainerSettings::default(), true),
        ("kind_damaged", ContainerSettings::default(), true),
        ("version_1", all(), true),
        ("version_1_hybrid", all(), true),
        ("no_pods", ContainerSettings::default(), false),
    ] {
        let tree = fixtures(case);
        let host = host(&tree);
        let mut containers = Containers::new(&host, settings);
        let (first_up, first) = sample(&mut containers, 0);
        assert_eq!((first_up, containers.is_here()), (is_up, is_up), "{case}");
        assert_eq!(sample(&mut containers, 0), (is_up, first.clone()), "{case}, read again");
        let missing: Vec<_> = containers.missing().iter().map(|what| format!("# missing: {what}\n")).collect();
        let missing = missing.concat().replace(tree.to_str().unwrap(), case);
        expect_file![tree.join("expected.prom")].assert_eq(&format!("{first}{missing}"));
    }
}

#[test]
fn what_is_off_by_default_is_not_given() {
    let mut containers = Containers::new(&host(&fixtures("containerd")), ContainerSettings::default());
    let text = sample(&mut containers, 0).1;
    assert!(!text.contains("container_memory_failures_total") && !text.contains("id=\"/system.slice\""));
    assert!(text.contains("container_cpu_usage_seconds_total{id=\"/\",cpu=\"total\"} 900"));
}

#[test]
fn a_pod_says_what_the_kubelet_calls_it() {
    let state = tempfile::tempdir().unwrap();
    write(&state.path().join("pods.json"), &format!("{{{UID:?}: \"shop-web\", \"another\": \"x\"}}"));
    let apps = Arc::new(Apps::open(state.path().join("pods.json"), vec!["app".to_owned()]));
    let containers = Containers::new(&host(&fixtures("containerd")), ContainerSettings::default());
    let text = sample(&mut containers.with_apps(Some(apps)), 0).1;
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("picket_pod_app_info")).collect();
    let pod = format!("{{namespace=\"shop\",pod=\"web-7f-x2\",uid={UID:?},app=\"shop-web\"}}");
    assert_eq!(lines, [format!("picket_pod_app_info{pod} 1")]);
}

#[test]
fn a_process_is_its_containers() {
    let tree = tempfile::tempdir().unwrap();
    symlink(fixtures("containerd").join("root"), tree.path().join("root")).unwrap();
    let put = |pid: u32, path: &str| write(&tree.path().join(format!("proc/{pid}/cgroup")), &format!("0::{path}\n"));
    let app = "4a55606b76818c97a2adb8c3ced9e4effa05101b26313c47525d68737e89949f";
    put(7, &format!("/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{app}.scope/init", UID.replace('-', "_")));
    put(8, "/system.slice/ssh.service");
    put(9, &format!("/kubepods/pod{UID}/{}", "0".repeat(64)));
    let mut owners = Owners::new(&host(tree.path()));
    let web = Owner { namespace: "shop".to_owned(), pod: "web-7f-x2".to_owned(), container: "app".to_owned() };
    assert_eq!([7, 7, 8, 9, 10].map(|pid| owners.of(pid)), [Some(web.clone()), Some(web), None, None, None]);
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A tree in which one pod lives, and dies.
struct Life {
    tree: tempfile::TempDir,
}

impl Life {
    fn new() -> Self {
        let life = Self { tree: tempfile::tempdir().unwrap() };
        write(&life.tree.path().join("sys/fs/cgroup/cgroup.controllers"), "cpu memory\n");
        fs::create_dir_all(life.pod()).unwrap();
        life
    }

    fn pod(&self) -> PathBuf {
        self.tree.path().join(format!("sys/fs/cgroup/kubepods/pod{UID}"))
    }

    fn kills(&self, below: &str, kills: u64) {
        write(&self.pod().join(below).join("memory.events"), &format!("oom {kills}\noom_kill {kills}\n"));
    }

    fn begin(&self, digit: &str, name: &str) {
        let id = digit.repeat(64);
        self.kills(&id, 0);
        let link = format!("root/var/log/containers/web_shop_{name}-{id}.log");
        write(&self.tree.path().join(link), "");
    }

    fn end(&self, digit: &str) {
        fs::remove_dir_all(self.pod().join(digit.repeat(64))).unwrap();
    }
}

#[test]
fn kills_are_counted_from_0_and_survive_the_container() {
    let life = Life::new();
    life.kills("", 4);
    life.begin("a", "app");
    life.begin("b", "sidecar");
    let mut containers = Containers::new(&host(life.tree.path()), ContainerSettings::default());
    let mut round = 0;
    let mut next = || {
        round += 1;
        kills(&sample(&mut containers, round).1).into_iter().map(|(_, kills)| kills).collect::<Vec<_>>()
    };
    assert_eq!(next(), [0, 0, 0], "what was before us does not count");
    life.kills("", 5);
    life.end("a");
    assert_eq!(next(), [0, 1, 0], "it is gone with its own count");
    assert_eq!(next(), [0, 1, 0]);
    life.begin("c", "app");
    assert_eq!(next(), [0, 1, 0], "started again");
    life.kills("", 6);
    life.end("c");
    life.begin("d", "app");
    assert_eq!(next(), [0, 2, 0], "gone and started again between two looks");
    life.kills("", 7);
    life.kills(&"b".repeat(64), 1);
    assert_eq!(next(), [0, 2, 1], "a process that was not the container's first");
    life.kills("", 8);
    life.end("d");
    life.begin("e", "late");
    assert_eq!(next(), [0, 2, 0, 1], "a new series comes first");
    assert_eq!(next(), [0, 3, 0, 1], "and then what happened");
    fs::remove_dir_all(life.pod()).unwrap();
    assert_eq!(next(), Vec::<u64>::new());
}

#[test]
fn where_the_pods_group_does_not_count_its_containers_kills_theirs_are_added() {
    let tree = tempfile::tempdir().unwrap();
    let pod = tree.path().join(format!("sys/fs/cgroup/memory/kubepods/pod{UID}"));
    let kills_of = |below: &str, kills: u64| {
        write(&pod.join(below).join("memory.oom_control"), &format!("oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"));
    };
    let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(64));
    for (id, name) in [(&a, "app"), (&b, "sidecar"), (&c, "app")] {
        write(&tree.path().join(format!("root/var/log/containers/web_shop_{name}-{id}.log")), "");
    }
    kills_of("", 0);
    kills_of(&a, 3);
    kills_of(&b, 0);
    let mut containers = Containers::new(&host(tree.path()), ContainerSettings::default());
    let mut round = 0;
    let mut next = || {
        round += 1;
        kills(&sample(&mut containers, round).1).into_iter().map(|(_, kills)| kills).collect::<Vec<_>>()
    };
    assert_eq!((next(), next()), (vec![0, 0, 0], vec![0, 0, 0]), "what was before us does not count");
    kills_of(&a, 4);
    kills_of(&b, 2);
    assert_eq!((next(), next()), (vec![0, 1, 2], vec![0, 1, 2]));
    fs::remove_dir_all(pod.join(&a)).unwrap();
    kills_of(&c, 0);
    assert_eq!(next(), [0, 1, 2], "started again");
    kills_of(&c, 1);
    kills_of("", 1);
    assert_eq!((next(), next()), (vec![1, 2, 2], vec![1, 2, 2]), "a process in the pod's own group is nobody's");
}

#[test]
fn a_kubelet_that_starts_late_is_found_and_one_that_goes_is_down() {
    let life = Life::new();
    let pods = life.pod().parent().unwrap().to_owned();
    fs::remove_dir_all(&pods).unwrap();
    let mut containers = Containers::new(&host(life.tree.path()), ContainerSettings::default());
    let mut at = |round| {
        let (is_up, text) = sample(&mut containers, round);
        (is_up, text.contains("container_oom_events_total"), containers.is_here())
    };
    assert_eq!(at(0), (false, false, false));
    life.begin("a", "app");
    assert_eq!(at(1), (false, false, false), "it is looked for once a minute");
    assert_eq!(at(4), (true, true, true));
    fs::remove_dir_all(&pods).unwrap();
    assert_eq!(at(5), (false, false, true));
    life.begin("b", "app");
    assert_eq!((at(7), at(8)), ((false, false, true), (true, true, true)));
}

#[test]
fn a_group_without_any_file_is_not_seen() {
    let life = Life::new();
    fs::create_dir(life.pod().join("a".repeat(64))).unwrap();
    let mut containers = Containers::new(&host(life.tree.path()), ContainerSettings::default());
    assert!(!sample(&mut containers, 0).1.contains("container_last_seen"));
    write(&life.pod().join("a".repeat(64)).join("pids.current"), "3\n");
    let text = sample(&mut containers, 1).1;
    let of_it = |line: &&str| line.starts_with("container_last_seen{") && line.contains(&"a".repeat(64));
    assert_eq!(text.lines().filter(of_it).count(), 1, "{text}");
}

#[test]
fn a_pod_that_comes_with_a_kill_begins_at_0_too() {
    let life = Life::new();
    let mut containers = Containers::new(&host(life.tree.path()), ContainerSettings::default());
    fs::remove_dir(life.pod()).unwrap();
    sample(&mut containers, 0);
    life.begin("a", "app");
    life.kills("", 1);
    life.kills(&"a".repeat(64), 1);
    let of = |containers: &mut Containers, round| kills(&sample(containers, round).1);
    assert_eq!(of(&mut containers, 1), [(String::new(), 0), ("app".to_owned(), 0)]);
    assert_eq!(of(&mut containers, 2), [(String::new(), 0), ("app".to_owned(), 1)]);
}

#[test]
fn no_file_is_so_damaged_that_anything_panics_or_comes_twice() {
    let tree = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    copy(&fixtures("crio"), tree.path(), &mut files);
    for file in &files {
        let whole = fs::read(file).unwrap();
        let huge: Vec<u8> =
            whole.iter().flat_map(|byte| if byte.is_ascii_digit() { vec![b'9'; 20] } else { vec![*byte] }).collect();
        let strange = whole.iter().enumerate().map(|(at, byte)| if at % 7 == 3 { 0xff } else { *byte }).collect();
        for damaged in [Vec::new(), whole[..whole.len() / 2].to_vec(), huge, strange] {
            fs::write(file, damaged).unwrap();
            let mut containers = Containers::new(&host(tree.path()), all());
            sample(&mut containers, 0);
            sample(&mut containers, 1);
        }
        fs::write(file, whole).unwrap();
    }
    assert!(files.len() > 30, "{}", files.len());
}

fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_symlink() {
            symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else if from.is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&from, &to, files);
        } else {
            fs::copy(&from, &to).unwrap();
            files.push(to);
        }
    }
}
