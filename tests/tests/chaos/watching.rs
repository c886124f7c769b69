//! Where inotify says nothing: its limits are reached, or the file system is silent. Then the agent looks, and nothing is lost.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tests::agent::Agent;
use tests::line::Shape;
use tests::load::{Load, Turn};
use tests::log_file::LogFile;
use tests::loki::Loki;
use tests::program::Program;
use tests::rotation::{Naming, Rotation};
use tests::skip::skipped;
use tests::wait;

use crate::scene::{Destination, Scene, scale};

const RAW: Shape = Shape::Raw { bytes: 100 };
/// A look a second, and a machine that runs other tests beside this one.
const DELAY_MS_MAX: i64 = 5000;

/// Two logs in directories of their own, rotated under load; the agent is started by the caller.
fn play(scene: &Scene, directories: [&str; 2], start: impl FnOnce(&Scene) -> Agent) -> String {
    let rotating = |directory: &str, writer| {
        scene.log(&format!("{directory}/audit.log"), RAW, writer).rotating(Rotation::new(Naming::Lumberjack))
    };
    let logs = [rotating(directories[0], 1), rotating(directories[1], 11)];
    // Slower than the looking, or a file may come and go unseen.
    let turn = Turn::Rotate(Duration::from_millis(2500));
    play_logs(scene, logs.map(|log| (log.path().to_owned(), log)), turn, start)
}

/// The same, with the paths by which the agent knows the logs. Gives what the agent logged.
fn play_logs(scene: &Scene, logs: [(PathBuf, LogFile); 2], turn: Turn, start: impl FnOnce(&Scene) -> Agent) -> String {
    let files = [("one", logs[0].0.as_path(), "raw"), ("two", logs[1].0.as_path(), "raw")];
    let loki = Loki::start();
    scene.configure(&files, &[Destination("main", &loki, "")]);
    let agent = start(scene);
    let rate = scale().rate / 5;
    let loads = logs.map(|(_, log)| Load::start(log, rate, turn));
    wait::for_condition("six seconds of lines", Duration::from_mins(2), || loads.iter().all(|load| load.n_records() >= rate * 6));
    let logs = loads.map(Load::stop);
    let mut book = scene.book(&[(1, RAW), (11, RAW)]);
    crate::scene::deliver(&mut book, &loki, &[&logs[0], &logs[1]]);
    let (delay_max, _) = book.delay_ms();
    assert!(delay_max <= DELAY_MS_MAX, "looked too seldom: {delay_max} ms at most");
    let said = agent.log();
    scene.finish(agent, &loki, book, &[&logs[0], &logs[1]], 0);
    said
}

/// A user namespace in which inotify has these limits: those of everybody else stay as they are.
fn limited(limits: &str) -> Option<Vec<String>> {
    let unshare = Program::find("unshare")?;
    let script = format!("{limits} && exec \"$@\"");
    let arguments = ["--user", "--map-root-user", "sh", "-c", &script, "sh"];
    let (code, _, _) = unshare.outcome_with(arguments.iter().chain(&["true"]), &[]);
    (code == Some(0)).then(|| ["unshare"].iter().chain(&arguments).map(|argument| (*argument).to_owned()).collect())
}

fn within_limits(name: &'static str, limits: &str, complaint: &str) {
    let Some(scene) = Scene::set(name) else {
        return;
    };
    let Some(through) = limited(limits) else {
        return skipped(scene.name, "no user namespace with limits of its own can be had here");
    };
    let start = |scene: &Scene| {
        let mut launch = scene.launch(&[]);
        launch.through = through.into_iter().map(Into::into).collect();
        launch.start_listening()
    };
    let said = play(&scene, ["a", "b"], start);
    assert!(said.contains(complaint), "it says so: {said}");
}

#[test]
fn the_limit_of_inotify_watches_is_reached() {
    let limits = "echo 1 > /proc/sys/user/max_inotify_watches";
    within_limits("the_limit_of_inotify_watches_is_reached", limits, "cannot watch: it is looked at once a second");
}

#[test]
fn no_inotify_instance_is_left() {
    let limits = "echo 0 > /proc/sys/user/max_inotify_instances";
    within_limits("no_inotify_instance_is_left", limits, "no inotify: files are looked at once a second");
}

#[test]
fn inotify_is_switched_off() {
    let Some(scene) = Scene::set("inotify_is_switched_off") else {
        return;
    };
    play(&scene.without_inotify(), ["a", "b"], Scene::start);
}

/// Unmounted when dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).ok();
    }
}

#[test]
fn logs_on_an_overlay() {
    let Some(scene) = Scene::set("logs_on_an_overlay") else {
        return;
    };
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| scene.path(name));
    for directory in [&lower, &upper, &work, &merged] {
        fs::create_dir(directory).unwrap();
    }
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    let options = CString::new(options).unwrap();
    if mount("overlay", &merged, "overlay", MountFlags::empty(), Some(options.as_c_str())).is_err() {
        return skipped(scene.name, "no overlay can be mounted here (that takes root and CAP_SYS_ADMIN)");
    }
    let _merged = Mounted(merged);
    play(&scene, ["merged/a", "merged/b"], Scene::start);
}

/// What is written on the other side of a FUSE file system (or a network's) tells nothing on this side. Nothing is rotated: this
/// one knows an open file by its path, and gives another file's size for it after a rename on the other side.
#[test]
fn logs_on_a_file_system_that_tells_nothing() {
    let Some(scene) = Scene::set("logs_on_a_file_system_that_tells_nothing") else {
        return;
    };
    let (source, seen) = (scene.path("source"), scene.path("seen"));
    fs::create_dir_all(source.join("a")).unwrap();
    fs::create_dir_all(source.join("b")).unwrap();
    fs::create_dir(&seen).unwrap();
    let Some(_bindfs) = bind(&source, &seen) else {
        return skipped(scene.name, "no bindfs (Debian package bindfs), or no FUSE");
    };
    let log = |directory: &str, writer| {
        let log = scene.log(&format!("source/{directory}/audit.log"), RAW, writer);
        (seen.join(directory).join("audit.log"), log)
    };
    play_logs(&scene, [log("a", 1), log("b", 11)], Turn::Never, Scene::start);
}

fn bind(source: &Path, seen: &Path) -> Option<Mounted> {
    let (code, _, _) = Program::find("bindfs")?.outcome_with([source.as_os_str(), seen.as_os_str()], &[]);
    let magic = rustix::fs::statfs(seen).ok()?.f_type;
    (code == Some(0) && magic == 0x6573_5546).then(|| Mounted(seen.to_owned()))
}
