//! Pod logs as the kubelet keeps them: partial lines, two streams in one file, rotation with gzip, and a rename taken back.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use tests::kubelet::{Kubelet, TOKEN};
use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::log_file::LogFile;
use tests::loki::Loki;
use tests::rotation::{Compression, Naming, Rotation};
use tests::stamp::{now_nanos, rfc3339_nanos};
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, deliver, scale};

const UID: &str = "0f5e3a1c-8f0f-4a37-9d55-3a1d2c4b5e6f";

fn container_log(scene: &Scene, container: &str, writer: u32) -> LogFile {
    let rotation = Rotation::new(Naming::Kubelet).compressing(Compression::GzipOlder);
    scene.log(&format!("pods/payments_worker-7d9_{UID}/{container}/0.log"), Shape::Cri, writer).rotating(rotation)
}

fn configure(scene: &Scene, loki: &Loki) {
    let logs = format!("  pods: {{root: \"{}\"}}\n", scene.path("pods").display());
    scene.configure_logs(&logs, &[Destination("main", loki, "")]);
}

#[test]
fn rotated_with_partial_lines_and_killed_in_the_middle() {
    let Some(mut scene) = Scene::set("rotated_with_partial_lines_and_killed_in_the_middle") else {
        return;
    };
    let loki = Loki::start();
    let (one, two) = (container_log(&scene, "worker", 1), container_log(&scene, "proxy", 11));
    configure(&scene, &loki);
    let book = scene.book(&[(1, Shape::Cri), (11, Shape::Cri)]);
    let (rate, turn) = (scale().rate / 2, Turn::Rotate(scale().rotate_every));
    let loads = [Load::start(one, rate, turn), Load::start(two, rate, turn)];
    let n_kills = scale().n_kills / 2;
    for _ in 0..n_kills {
        let agent = scene.start();
        let target = loads[0].n_records() + scene.random.between(rate / 2, rate * 2);
        wait::for_condition("the writers to go on", Duration::from_mins(1), || loads[0].n_records() >= target);
        agent.kill();
    }
    let agent = scene.start();
    let logs = loads.map(Load::stop);
    scene.finish(agent, &loki, book, &[&logs[0], &logs[1]], n_kills * REPEATS_PER_KILL_MAX);
    let streams = streams(&loki);
    assert_eq!(streams.len(), 4, "two containers with two streams each: {streams:?}");
    for label in ["namespace=\"payments\"", "pod=\"worker-7d9\"", "node=\"test-node\""] {
        assert!(streams.iter().all(|stream| stream.contains(label)), "{label} in {streams:?}");
    }
}

#[test]
fn a_rename_that_is_taken_back() {
    let Some(scene) = Scene::set("a_rename_that_is_taken_back") else {
        return;
    };
    let loki = Loki::start();
    let mut log = container_log(&scene, "worker", 1);
    configure(&scene, &loki);
    let mut book = scene.book(&[(1, Shape::Cri)]);
    let agent = scene.start();
    log.append(100);
    log.rename_away();
    log.append(100);
    deliver(&mut book, &loki, &[&log]);
    log.rename_back();
    log.append(100);
    deliver(&mut book, &loki, &[&log]);
    log.rotate();
    log.append(100);
    scene.finish(agent, &loki, book, &[&log], 0);
}

/// A line of a pod's only container, at its own time.
fn write(scene: &Scene, uid: &str, text: &str) {
    let directory = scene.path(&format!("pods/payments_pod-{uid}_{uid}/main"));
    fs::create_dir_all(&directory).unwrap();
    let mut log = fs::File::options().append(true).create(true).open(directory.join("0.log")).unwrap();
    let time = rfc3339_nanos(now_nanos());
    writeln!(log, "{time} stdout F {text}").unwrap();
}

/// `app` of the line, once it has arrived; of a line without, `-`.
fn app_of(loki: &Loki, text: &str) -> String {
    let arrived = wait::until(Duration::from_mins(1), || loki.stored_since(0).into_iter().find(|delivery| delivery.line == text));
    let metadata = arrived.unwrap_or_else(|| panic!("{text} does not arrive")).metadata.clone();
    assert!(metadata.iter().any(|(name, _)| name == "pod_uid"), "{metadata:?}");
    metadata.into_iter().find(|(name, _)| name == "app").map_or_else(|| "-".to_owned(), |(_, app)| app)
}

#[test]
fn lines_say_what_the_kubelet_calls_their_pod() {
    let Some(scene) = Scene::set("lines_say_what_the_kubelet_calls_their_pod") else {
        return;
    };
    let (loki, kubelet) = (Loki::start(), Kubelet::start(&[("u1", "worker")]));
    fs::write(scene.path("token"), TOKEN).unwrap();
    let logs = format!(
        "  pods: {{root: {:?}, app_labels: [app.kubernetes.io/name, app]}}\nkubelet: {{url: {:?}, bearer_token_file: {:?}}}\n",
        scene.path("pods"),
        kubelet.url(),
        scene.path("token"),
    );
    scene.configure_logs(&logs, &[Destination("main", &loki, "")]);
    write(&scene, "u1", "before the start");
    let agent = scene.start();
    assert_eq!(app_of(&loki, "before the start"), "worker");
    // A pod that the kubelet does not list yet: its lines wait for that.
    write(&scene, "u2", "of a new pod");
    let begun = std::time::Instant::now();
    wait::span(Duration::from_secs(1));
    assert!(loki.stored_since(0).iter().all(|delivery| delivery.line != "of a new pod"));
    kubelet.list(Some(&[("u1", "another"), ("u2", "late")]));
    assert_eq!(app_of(&loki, "of a new pod"), "late");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // What is decided stays, whatever the kubelet says later, and after a crash.
    agent.kill();
    write(&scene, "u1", "after a crash");
    let agent = scene.start();
    assert_eq!(app_of(&loki, "after a crash"), "worker");
    // One that is out of order holds nobody up for long.
    kubelet.list(None);
    write(&scene, "u3", "without a kubelet");
    assert_eq!(app_of(&loki, "without a kubelet"), "-");
    let said = agent.log();
    assert!(said.contains("lines of a pod go without `app`") && said.contains("500"), "{said}");
    assert!(!said.contains(TOKEN), "{said}");
    agent.terminate();
}

fn streams(loki: &Loki) -> Vec<String> {
    let mut streams: Vec<String> = loki.stored_since(0).iter().map(|delivery| delivery.stream.to_string()).collect();
    streams.sort();
    streams.dedup();
    streams
}
