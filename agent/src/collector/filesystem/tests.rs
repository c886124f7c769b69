use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ::tests::program::Program;
use ::tests::skip::skipped;
use ::tests::wait;
use expect_test::expect_file;

use super::*;
use crate::collector::testing::{collect, entry, host};

/// Answers by the name of the mount point, so that nothing is told of the machine that tests.
fn scripted() -> Ask {
    Arc::new(|path| {
        let path = path.to_string_lossy();
        match &*path {
            path if path.ends_with("denied") => Err(error_text(Errno::ACCESS)),
            path => {
                let unit = 4096.0;
                let blocks = path.rsplit_once("/root/").map_or(0, |(_, path)| path.len()) as f64;
                Ok(Space { size: blocks * unit, free: unit, avail: 0.0, files: blocks, files_free: 1.0 })
            }
        }
    })
}

fn file_system(tree: &Path, settings: &Settings, ask: Ask) -> FileSystem {
    FileSystem { ask, ..FileSystem::new(&host(tree), settings) }
}

/// One round as text, in which a span is only said to be there.
fn round(collector: &mut FileSystem) -> String {
    let text = collect(entry("filesystem"), collector);
    let without_span = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if series.starts_with("picket_mount_response_seconds{") => format!("{series} SPAN\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(without_span).collect()
}

#[test]
fn fixtures() {
    let volumes = Settings { filesystem_kubelet_volumes: true, ..Settings::default() };
    for (case, settings) in [
        ("node", Settings::default()),
        ("kubelet_volumes", volumes),
        ("hidden", Settings::default()),
        ("absent", Settings::default()),
    ] {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector/filesystem").join(case);
        // Answers come at once, but perhaps not on a machine that does much else.
        let mut collector = FileSystem { patience: Duration::from_mins(1), ..file_system(&tree, &settings, scripted()) };
        let first = round(&mut collector);
        assert_eq!(first, round(&mut collector), "{case}, read again");
        expect_file![tree.join("expected.prom")].assert_eq(&first);
    }
}

/// A tree of its own with one NFS mount, whose answers the test gives.
struct Server {
    tree: tempfile::TempDir,
    answers: SyncSender<Answer>,
    asked: Receiver<()>,
    collector: FileSystem,
}

const SPACE: Space = Space { size: 1000.0, free: 500.0, avail: 400.0, files: 10.0, files_free: 5.0 };

fn server() -> Server {
    let tree = tempfile::tempdir().unwrap();
    mount(tree.path(), "47 28 0:60 / /mnt/nfs rw - nfs4 nas:/a rw,addr=192.0.2.7\n");
    let (answers, to_give) = sync_channel(8);
    let (asks, asked) = sync_channel(8);
    let to_give = std::sync::Mutex::new(to_give);
    let ask: Ask = Arc::new(move |_| {
        asks.send(()).unwrap();
        // A test that is over has no answer.
        to_give.lock().unwrap().recv().unwrap_or_else(|_| Err("over".to_owned()))
    });
    let collector = FileSystem { timeout: Duration::from_millis(300), ..file_system(tree.path(), &Settings::default(), ask) };
    Server { tree, answers, asked, collector }
}

fn mount(tree: &Path, mountinfo: &str) {
    std::fs::create_dir_all(tree.join("proc/1")).unwrap();
    std::fs::write(tree.join("proc/1/mountinfo"), mountinfo).unwrap();
}

#[test]
fn a_server_that_does_not_answer_holds_up_nothing_and_is_asked_once() {
    let mut server = server();
    server.answers.send(Ok(SPACE)).unwrap();
    wait::for_condition("an answer", Duration::from_secs(10), || round(&mut server.collector).contains("size_bytes"));
    server.asked.try_iter().for_each(drop);
    // From now on it is silent. What it had answered is given for a while.
    let begun = Instant::now();
    let text = round(&mut server.collector);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(text.contains("size_bytes"), "{text}");
    let timed_out = |text: &str| text.contains(r#"device_error="mountpoint timeout"} 1"#);
    wait::for_condition("the timeout", Duration::from_secs(10), || timed_out(&round(&mut server.collector)));
    let text = round(&mut server.collector);
    assert!(!text.contains("size_bytes") && text.contains("node_filesystem_readonly{"), "{text}");
    assert!(server.asked.try_iter().count() <= 1, "asked again while a call is outstanding");
    // It comes back: the outstanding call returns, and the next one too.
    server.answers.send(Ok(SPACE)).unwrap();
    server.answers.send(Ok(SPACE)).unwrap();
    wait::for_condition("its return", Duration::from_secs(10), || round(&mut server.collector).contains("size_bytes"));
}

/// The time of an outstanding call is the only figure that grows while a hard mount hangs.
#[test]
fn the_response_grows_while_an_answer_is_outstanding() {
    let mut server = server();
    let mut response = || {
        let text = collect(entry("filesystem"), &mut server.collector);
        let line = text.lines().find(|line| line.starts_with("picket_mount_response_seconds{")).unwrap().to_owned();
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let first = response();
    wait::for_condition("growth", Duration::from_secs(10), || response() > first + 0.2);
}

#[test]
fn a_new_mount_at_the_same_place_is_asked_anew_although_the_old_one_hangs() {
    let mut server = server();
    round(&mut server.collector);
    server.asked.recv_timeout(Duration::from_secs(10)).unwrap();
    mount(server.tree.path(), "48 28 0:61 / /mnt/nfs rw - nfs4 nas:/a rw,addr=192.0.2.7\n");
    round(&mut server.collector);
    server.asked.recv_timeout(Duration::from_secs(10)).unwrap();
    mount(server.tree.path(), "");
    assert_eq!(round(&mut server.collector), "");
}

#[test]
fn who_may_hang_is_known_by_its_type() {
    for (fstype, may) in
        [("nfs", true), ("nfs4", true), ("fuse.sshfs", true), ("ext4", false), ("tmpfs", false), ("fusectl", false)]
    {
        assert_eq!(may_hang(fstype), may, "{fstype}");
    }
}

#[test]
fn errors_are_called_as_go_calls_them() {
    for (error, text) in [
        (Errno::ACCESS, "permission denied"),
        (Errno::STALE, "stale NFS file handle"),
        (Errno::NOTCONN, "transport endpoint is not connected"),
        (Errno::IO, "input/output error"),
    ] {
        assert_eq!(error_text(error), text);
    }
}

#[test]
fn this_machine_is_told_as_statfs_tells_it() {
    let collector = &mut FileSystem::new(&Host::default(), &Settings::default());
    let text = round(collector);
    let size = space(Path::new("/")).unwrap().size;
    let line = text.lines().find(|line| line.starts_with("node_filesystem_size_bytes{") && line.contains(r#"mountpoint="/","#));
    // A test may run where / is left out, as an overlay.
    if let Some(line) = line {
        assert!(line.ends_with(&format!(" {size}")), "{line}");
    }
}

/// A FUSE file system whose server is stopped is to the kernel what a dead NFS server is.
#[test]
fn a_file_system_that_hangs_is_said_and_the_sample_is_on_time() {
    const NAME: &str = "a_file_system_that_hangs_is_said_and_the_sample_is_on_time";
    let directory = tempfile::tempdir().unwrap();
    let (source, seen) = (directory.path().join("source"), directory.path().join("seen"));
    std::fs::create_dir(&source).unwrap();
    std::fs::create_dir(&seen).unwrap();
    let Some(bindfs) = Program::find("bindfs") else { return skipped(NAME, "no bindfs (Debian package bindfs)") };
    let mut bindfs = bindfs.start(["-f".as_ref(), source.as_os_str(), seen.as_os_str()]);
    let is_mounted = || rustix::fs::statfs(&seen).is_ok_and(|told| told.f_type == 0x6573_5546);
    if wait::until(Duration::from_secs(10), || (is_mounted() || bindfs.ended().is_some()).then_some(())).is_none()
        || !is_mounted()
    {
        return skipped(NAME, "nothing can be mounted by FUSE here (that takes root and /dev/fuse)");
    }
    let pid = rustix::process::Pid::from_raw(bindfs.id().cast_signed()).unwrap();
    let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
    let mut collector = FileSystem::new(&Host::default(), &Settings::default());
    let mine = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains(&format!("mountpoint=\"{}\"", seen.display()))).map(str::to_owned).collect()
    };
    let has = |lines: &[String], what: &str| lines.iter().any(|line| line.contains(what));
    wait::for_condition("an answer", TIMEOUT * 2, || {
        let lines = mine(&round(&mut collector));
        has(&lines, "node_filesystem_size_bytes{") && has(&lines, "picket_mount_response_seconds{")
    });
    signal(rustix::process::Signal::STOP);
    wait::for_condition("the mount to be said to hang", TIMEOUT * 4, || {
        let begun = Instant::now();
        let lines = mine(&round(&mut collector));
        assert!(begun.elapsed() < Duration::from_secs(2), "a round took {:?}", begun.elapsed());
        has(&lines, r#"device_error="mountpoint timeout"} 1"#) && !has(&lines, "node_filesystem_size_bytes{")
    });
    signal(rustix::process::Signal::CONT);
    wait::for_condition("the mount to be well again", TIMEOUT * 2, || {
        has(&mine(&round(&mut collector)), "node_filesystem_size_bytes{")
    });
    bindfs.terminate();
}
