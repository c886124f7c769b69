//! The real logrotate in the ways in which it is configured, with a writer that is a process of its own and heeds its signal.
//!
//! The writer numbers its lines; at the end every number has arrived, in order. With `copytruncate` logrotate itself loses what
//! is written between its copy and the truncation: that is all that may be missing, and then a gap is counted.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tests::loki::Loki;
use tests::program::{Program, Running};
use tests::skip::skipped;
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, scale};

/// Numbered lines, 25 at a time, until the file `stop` appears; SIGUSR1 makes it open its file anew, since SIGHUP
/// cannot be trapped where whoever started the tests (`nohup`) has it ignored. Says how many it wrote.
const WRITER: &str = r#"
exec 3>>"$1"
trap 'exec 3>>"$1"' USR1
n=0
while [ ! -e "$2" ]; do
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
    n=$((n + 1))
    echo "line $n of a log that is rotated by logrotate" >&3
  done
  sleep 0.005
done
echo "$n"
"#;
/// Between two rotations.
const LINES_PER_TURN: usize = 500;
const N_TURNS: usize = 4;

/// How logrotate is told to rotate, and how the writer hears of it.
struct Mode {
    directives: &'static str,
    /// The writer gets its signal from the test, a moment after the rotation; otherwise from `postrotate`, or it needs none.
    is_signalled: bool,
    /// Rotations are forced; otherwise the file's size is the reason.
    is_forced: bool,
    /// The agent is killed before every rotation and started after it.
    is_killed: bool,
}

const FORCED: Mode = Mode { directives: "", is_signalled: false, is_forced: true, is_killed: false };
/// Without `delaycompress` logrotate itself loses what a writer adds that hears late of the rotation.
const DELAYED: &str = "create\n  compress\n  delaycompress";
const POSTROTATE: &str = "sharedscripts\n  postrotate\n    kill -USR1 $(cat PID)\n  endscript";

impl Mode {
    /// Before each rotation.
    fn rest(&self) -> Duration {
        // Names by the second: two rotations within one would have the same. And a file that comes and goes out of sight
        // between two looks was never there.
        let is_slow = self.directives.contains("dateext") || self.directives.contains("olddir");
        Duration::from_millis(if is_slow { 1100 } else { 0 })
    }
}

fn play(name: &'static str, mode: &Mode) {
    let Some(scene) = Scene::set(name) else {
        return;
    };
    let (Some(logrotate), Some(shell)) = (Program::find("logrotate"), Program::find("sh")) else {
        return skipped(scene.name, "no logrotate (Debian package logrotate)");
    };
    let loki = Loki::start();
    let logs = scene.path("logs");
    fs::create_dir(&logs).unwrap();
    fs::create_dir(scene.path("old")).unwrap();
    let log = logs.join("app.log");
    let inputs = format!("  files: [{{job: app, paths: [\"{}/*.log\"]}}]\n", logs.display());
    scene.configure_logs(&inputs, &[Destination("main", &loki, "")]);
    let mut agent = scene.start();
    let stop = scene.path("stop");
    let writer = shell.start(["-c", WRITER, "writer", log.to_str().unwrap(), stop.to_str().unwrap()]);
    let args = prepare(&scene, mode, &writer);

    for _ in 0..N_TURNS {
        more(&loki, LINES_PER_TURN);
        // The lines may have been those of the file before.
        let is_worth_it = || fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 4096);
        wait::for_condition("the file to grow", scale().deliver_max, is_worth_it);
        let running = if mode.is_killed {
            agent.kill();
            None
        } else {
            Some(agent)
        };
        wait::span(mode.rest());
        logrotate.run(&args);
        if mode.is_signalled {
            wait::span(Duration::from_millis(50));
            writer.reopen();
        }
        agent = running.unwrap_or_else(|| scene.start());
    }
    more(&loki, LINES_PER_TURN);
    let n_rotated = [&logs, &scene.path("old")].map(|directory| fs::read_dir(directory).unwrap().count()).iter().sum::<usize>();
    assert!(n_rotated > N_TURNS, "{n_rotated} files after {N_TURNS} rotations");
    fs::write(&stop, "").unwrap();
    let n_lines: u64 = writer.finish().trim().parse().unwrap();
    let lossy = mode.directives.contains("copytruncate");
    wait::for_condition("the last line", scale().deliver_max, || numbers(&loki).last() == Some(&n_lines));
    scene.balance(&agent, None);

    let arrived = numbers(&loki);
    let distinct: BTreeSet<u64> = arrived.iter().copied().collect();
    let missing: Vec<u64> = (1..=n_lines).filter(|number| !distinct.contains(number)).collect();
    let n_repeats = arrived.len() - distinct.len();
    let n_repeats_max = if mode.is_killed { N_TURNS as u64 * REPEATS_PER_KILL_MAX } else { 0 };
    assert!(n_repeats as u64 <= n_repeats_max, "{n_repeats} repeats");
    let mut seen = BTreeSet::new();
    let first_arrivals: Vec<u64> = arrived.iter().copied().filter(|number| seen.insert(*number)).collect();
    assert!(first_arrivals.is_sorted(), "first arrivals are in order");
    let n_gaps = missing.iter().filter(|number| !missing.contains(&(**number - 1))).count();
    if lossy {
        assert!(n_gaps <= N_TURNS, "a gap at each truncation at most: {missing:?}");
        let counted = agent.metrics().unwrap().total_about(&["gap_events"]);
        assert!(n_gaps == 0 || counted >= 1.0, "lost in silence: {missing:?}");
    } else {
        assert!(missing.is_empty(), "{} lost, from {:?} on", missing.len(), missing.first());
    }
    agent.terminate();
}

/// Writes logrotate's configuration; gives its arguments.
fn prepare(scene: &Scene, mode: &Mode, writer: &Running) -> Vec<String> {
    let pid = scene.path("writer.pid");
    fs::write(&pid, writer.id().to_string()).unwrap();
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    let directives = mode.directives.replace("PID", &path(pid)).replace("OLD", &path(scene.path("old")));
    let configuration = format!("{}/app.log {{\n  rotate 20\n  {directives}\n}}\n", scene.path("logs").display());
    let file = scene.path("logrotate.conf");
    fs::write(&file, configuration).unwrap();
    let mut args = vec!["--state".to_owned(), path(scene.path("logrotate.state")), path(file)];
    if mode.is_forced {
        args.insert(0, "--force".to_owned());
    }
    args
}

/// Waits for so many more lines.
fn more(loki: &Loki, n_lines: usize) {
    let target = loki.n_stored() + n_lines;
    wait::for_condition("more lines", scale().deliver_max, || loki.n_stored() >= target);
}

/// The numbers that arrived, in the order of arrival.
fn numbers(loki: &Loki) -> Vec<u64> {
    let number = |line: &str| {
        let number = line.strip_prefix("line ")?.strip_suffix(" of a log that is rotated by logrotate")?;
        number.parse().ok()
    };
    let stored = loki.stored_since(0);
    stored.iter().map(|delivery| number(&delivery.line).unwrap_or_else(|| panic!("changed: {}", delivery.line))).collect()
}

#[test]
fn logrotate_create() {
    play("logrotate_create", &Mode { directives: "create", is_signalled: true, ..FORCED });
}

#[test]
fn logrotate_create_while_the_agent_is_killed() {
    let mode = Mode { directives: DELAYED, is_signalled: true, is_killed: true, ..FORCED };
    play("logrotate_create_while_the_agent_is_killed", &mode);
}

#[test]
fn logrotate_copytruncate() {
    play("logrotate_copytruncate", &Mode { directives: "copytruncate", ..FORCED });
}

#[test]
fn logrotate_copytruncate_and_compress() {
    play("logrotate_copytruncate_and_compress", &Mode { directives: "copytruncate\n  compress", ..FORCED });
}

#[test]
fn logrotate_copytruncate_while_the_agent_is_killed() {
    let mode = Mode { directives: "copytruncate", is_killed: true, ..FORCED };
    play("logrotate_copytruncate_while_the_agent_is_killed", &mode);
}

#[test]
fn logrotate_compress_and_delaycompress() {
    let mode = Mode { directives: DELAYED, is_signalled: true, ..FORCED };
    play("logrotate_compress_and_delaycompress", &mode);
}

#[test]
fn logrotate_dateext() {
    let mode = Mode { directives: "create\n  dateext\n  dateformat -%Y%m%d-%H%M%S", is_signalled: true, ..FORCED };
    play("logrotate_dateext", &mode);
}

#[test]
fn logrotate_olddir_outside_the_glob() {
    let mode = Mode { directives: "create\n  olddir OLD", is_signalled: true, ..FORCED };
    play("logrotate_olddir_outside_the_glob", &mode);
}

#[test]
fn logrotate_maxsize_several_times_in_sequence() {
    let mode = Mode { directives: "create\n  daily\n  maxsize 1k", is_signalled: true, is_forced: false, ..FORCED };
    play("logrotate_maxsize_several_times_in_sequence", &mode);
}

#[test]
fn logrotate_sharedscripts_with_a_signal_from_postrotate() {
    play("logrotate_sharedscripts_with_a_signal_from_postrotate", &Mode { directives: POSTROTATE, ..FORCED });
}
