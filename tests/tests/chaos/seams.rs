//! Records that begin in one file and go on in the next: a rotation falls where it likes, and neither loses nor repeats them.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tests::loki::{Behaviour, Loki};
use tests::wait;

use crate::scene::{Destination, Scene};

/// Longer than a rotated file is waited for and than a group of lines stays open, here.
const MUCH_LATER: Duration = Duration::from_secs(4);

/// A log that is written by hand and rotated by renaming.
struct Written {
    path: PathBuf,
    file: File,
}

impl Written {
    fn create(path: PathBuf) -> Self {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        Self { path, file }
    }

    fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&mut self, suffix: &str) {
        fs::rename(&self.path, format!("{}.{suffix}", self.path.display())).unwrap();
        self.file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
    }
}

fn lines(loki: &Loki) -> Vec<String> {
    loki.stored_since(0).iter().map(|entry| entry.line.clone()).collect()
}

fn arrived(loki: &Loki, line: &str) {
    let found = wait::until(Duration::from_secs(30), || lines(loki).iter().any(|arrived| arrived == line).then_some(()));
    assert!(found.is_some(), "{line:?} is not among {:?}", lines(loki));
}

/// What is written, and what becomes of it.
struct Story {
    log: &'static str,
    inputs: &'static str,
    /// Before the seam, on both sides of it, and behind it.
    text: [&'static str; 4],
    entries: [&'static str; 3],
}

/// What becomes of the agent while the record across the seam is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    Killed,
    /// Killed before it knows that what stands before the seam has arrived.
    KilledUnanswered,
}

fn across(name: &'static str, story: &Story, fate: Fate) {
    let Some(scene) = Scene::set(name) else { return };
    let loki = Loki::start();
    if fate == Fate::KilledUnanswered {
        loki.for_next(1, &Behaviour::AcceptAfter(Duration::from_mins(1)));
    }
    let [before, first_half, second_half, after] = story.text;
    let mut file = Written::create(scene.path(story.log));
    let inputs = story.inputs.replace("ROOT", scene.path("").to_str().unwrap());
    scene.configure_logs(&inputs, &[Destination("main", &loki, "")]);
    let mut agent = scene.start();
    file.write(before);
    file.write(first_half);
    arrived(&loki, story.entries[0]);
    file.rotate("20261124-000000");
    if fate == Fate::Killed {
        // Its answer has come, and is written down.
        wait::span(Duration::from_millis(300));
    }
    if fate != Fate::Lives {
        agent.kill();
        agent = scene.start();
    }
    file.write(second_half);
    file.write(after);
    arrived(&loki, story.entries[1]);
    arrived(&loki, story.entries[2]);
    // The old file is given up by now, and nothing of it is read again.
    wait::span(MUCH_LATER);
    file.write(after);
    let repeated = usize::from(fate == Fate::KilledUnanswered);
    wait::for_condition("one more", Duration::from_secs(30), || lines(&loki).len() >= 4 + repeated);
    agent.terminate();
    let agent = scene.start();
    wait::span(Duration::from_millis(500));
    agent.terminate();
    let [one, two, three] = story.entries;
    let all: Vec<_> = loki.stored_since(0).iter().map(|entry| (entry.time, entry.arrived, entry.line.clone())).collect();
    assert_eq!(lines(&loki)[repeated..], [one, two, three, three], "{all:?}");
    assert_eq!(lines(&loki)[0], one);
}

const TRACE: Story = Story {
    log: "a.log",
    inputs: "  files: [{job: a, paths: [\"ROOT/a.log\"], rotate_wait: 1s, multiline: {first: \"^2026\", timeout: 3s}}]\n",
    text: ["2026 one\n", "2026 two\n  at a\n", "  at b\n", "2026 three\n"],
    entries: ["2026 one", "2026 two\n  at a\n  at b", "2026 three"],
};

const FRAGMENTS: Story = Story {
    log: "pods/ns_pod-1_0a0b0c0d-0000-4000-8000-000000000001/app/0.log",
    inputs: "  pods: {root: \"ROOT/pods\", rotate_wait: 1s, max_age: all}\n",
    text: [
        "2026-11-24T03:00:00.000000001Z stdout F one\n",
        "2026-11-24T03:00:01.000000001Z stdout P be\n",
        "2026-11-24T03:00:02.000000001Z stdout F ginning\n",
        "2026-11-24T03:00:03.000000001Z stdout F three\n",
    ],
    entries: ["one", "beginning", "three"],
};

#[test]
fn a_stack_trace_across_a_rotation() {
    across("a_stack_trace_across_a_rotation", &TRACE, Fate::Lives);
}

#[test]
fn a_stack_trace_across_a_rotation_and_a_kill() {
    across("a_stack_trace_across_a_rotation_and_a_kill", &TRACE, Fate::Killed);
}

#[test]
fn a_stack_trace_behind_a_batch_that_is_repeated() {
    across("a_stack_trace_behind_a_batch_that_is_repeated", &TRACE, Fate::KilledUnanswered);
}

#[test]
fn a_line_in_parts_across_a_rotation() {
    across("a_line_in_parts_across_a_rotation", &FRAGMENTS, Fate::Lives);
}

#[test]
fn a_line_in_parts_across_a_rotation_and_a_kill() {
    across("a_line_in_parts_across_a_rotation_and_a_kill", &FRAGMENTS, Fate::Killed);
}

#[test]
fn a_line_in_parts_behind_a_batch_that_is_repeated() {
    across("a_line_in_parts_behind_a_batch_that_is_repeated", &FRAGMENTS, Fate::KilledUnanswered);
}
