//! Files are renamed, compressed, deleted and truncated, under the agent and while it is away.

use std::time::{Duration, Instant};

use tests::line::{self, Shape};
use tests::load::{Load, Turn};
use tests::log_file::LogFile;
use tests::loki::{Answer, Behaviour, Loki};
use tests::rotation::{Compression, Naming, Rotation};
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, deliver, scale, written};

const RAW: Shape = Shape::Raw { bytes: 100 };

fn rotated_under_load(scene: &Scene, rotation: Rotation, turn: Turn) {
    let loki = Loki::start();
    let log = scene.log("audit/audit.log", RAW, 1).rotating(rotation);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let load = Load::start(log, scale().rate, turn);
    let agent = scene.start();
    let n_records = scale().rate * 6 * scale().rotate_every.as_millis() as u64 / 1000;
    wait::for_condition("six rotations", Duration::from_mins(2), || load.n_records() >= n_records);
    let log = load.stop();
    scene.finish(agent, &loki, scene.book(&[(1, RAW)]), &[&log], 0);
}

#[test]
fn renamed_compressed_and_deleted_under_load() {
    let Some(scene) = Scene::set("renamed_compressed_and_deleted_under_load") else {
        return;
    };
    let rotation = Rotation::new(Naming::Lumberjack).compressing(Compression::GzipAll).keeping(3);
    rotated_under_load(&scene, rotation, Turn::Rotate(scale().rotate_every));
}

#[test]
fn renamed_under_load_by_a_writer_that_reopens_late() {
    let Some(scene) = Scene::set("renamed_under_load_by_a_writer_that_reopens_late") else {
        return;
    };
    let turn = Turn::RotateLate(scale().rotate_every, scale().rotate_every / 2);
    rotated_under_load(&scene, Rotation::new(Naming::Logrotate).keeping(4), turn);
}

#[test]
fn renamed_compressed_and_deleted_under_load_without_inotify() {
    let Some(scene) = Scene::set("renamed_compressed_and_deleted_under_load_without_inotify") else {
        return;
    };
    let rotation = Rotation::new(Naming::Lumberjack).compressing(Compression::GzipAll).keeping(6);
    // Slower than the looking, or a file may come and go unseen.
    rotated_under_load(&scene.without_inotify(), rotation, Turn::Rotate(scale().rotate_every * 3));
}

/// Stops or kills the agent in the middle of a file, rotates three times, and starts it again.
fn rotated_while_away(scene: &Scene, rotation: Rotation, is_killed: bool) {
    let loki = Loki::start();
    let mut log = scene.log("audit/audit.log", Shape::Audit, 1).rotating(rotation);
    scene.configure(&[("load", log.path(), "kube-audit")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, Shape::Audit)]);
    let agent = scene.start();
    log.append(500);
    deliver(&mut book, &loki, &[&log]);
    if is_killed {
        agent.kill();
    } else {
        agent.terminate();
    }
    for _ in 0..3 {
        log.append(500);
        log.rotate();
    }
    log.append(500);
    let agent = scene.start();
    log.append(500);
    // The last answer before a kill may not have been noted yet.
    let n_repeats_max = if is_killed { 500 } else { 0 };
    scene.finish(agent, &loki, book, &[&log], n_repeats_max);
}

#[test]
fn three_lumberjack_rotations_with_gzip_while_away() {
    let Some(scene) = Scene::set("three_lumberjack_rotations_with_gzip_while_away") else {
        return;
    };
    rotated_while_away(&scene, Rotation::new(Naming::Lumberjack).compressing(Compression::GzipAll), false);
}

#[test]
fn three_lumberjack_rotations_with_gzip_after_a_kill() {
    let Some(scene) = Scene::set("three_lumberjack_rotations_with_gzip_after_a_kill") else {
        return;
    };
    rotated_while_away(&scene, Rotation::new(Naming::Lumberjack).compressing(Compression::GzipAll), true);
}

#[test]
fn three_logrotate_rotations_with_gzip_while_away() {
    let Some(scene) = Scene::set("three_logrotate_rotations_with_gzip_while_away") else {
        return;
    };
    rotated_while_away(&scene, Rotation::new(Naming::Logrotate).compressing(Compression::GzipOlder), false);
}

#[test]
fn three_logrotate_rotations_with_zstd_while_away() {
    let Some(scene) = Scene::set("three_logrotate_rotations_with_zstd_while_away") else {
        return;
    };
    rotated_while_away(&scene, Rotation::new(Naming::Logrotate).compressing(Compression::ZstdAll), false);
}

#[test]
fn three_rotations_with_gzip_while_away_without_inotify() {
    let Some(scene) = Scene::set("three_rotations_with_gzip_while_away_without_inotify") else {
        return;
    };
    let rotation = Rotation::new(Naming::Lumberjack).compressing(Compression::GzipAll);
    rotated_while_away(&scene.without_inotify(), rotation, false);
}

/// The file holds more than before the truncation when the agent looks again: its size does not give the truncation away.
#[test]
fn truncated_and_grown_beyond_the_old_end_at_once() {
    let Some(scene) = Scene::set("truncated_and_grown_beyond_the_old_end_at_once") else {
        return;
    };
    let loki = Loki::start();
    let mut log = scene.log("vault.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, RAW)]);
    let agent = scene.start();
    log.append(1000);
    deliver(&mut book, &loki, &[&log]);
    log.copy_and_truncate();
    log.append(3000);
    scene.finish(agent, &loki, book, &[&log], 0);
}

#[test]
fn truncated_under_load_loses_only_what_was_not_yet_read() {
    let Some(scene) = Scene::set("truncated_under_load_loses_only_what_was_not_yet_read") else {
        return;
    };
    let loki = Loki::start();
    let log = scene.log("vault.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, RAW)]);
    let load = Load::start(log, scale().rate, Turn::CopyAndTruncate(scale().rotate_every));
    let agent = scene.start();
    let n_records = scale().rate * 6 * scale().rotate_every.as_millis() as u64 / 1000;
    wait::for_condition("six truncations", Duration::from_mins(2), || load.n_records() >= n_records);
    let mut log = load.stop();
    // Whatever was written last may have been lost to the last truncation: this is not.
    log.append(10);
    // The last line tells that the agent is through; not all others need to come.
    wait::for_condition("the last line", scale().deliver_max, || last_line_is(&loki, &log));
    scene.balance(&agent, None);
    book.read(&loki);
    let verdict = book.verdict(&written(&[&log]));
    scene.say(&verdict);
    assert!(!verdict.has_violations() && verdict.n_repeats == 0, "{verdict:#}");
    for (_, _, last) in &verdict.lost {
        assert!(log.truncated_at().contains(&(last + 1)), "lost up to {last}, and no truncation there: {verdict:#}");
    }
    if !verdict.lost.is_empty() {
        let metrics = agent.metrics().expect("the agent answers");
        assert!(metrics.total_about(&["gap", "truncat"]) >= 1.0, "lost in silence: {verdict:#}");
    }
    agent.terminate();
}

/// Copied and truncated under load by a writer that keeps the copies and writes nothing in between: nothing is lost.
fn copied_under_load(name: &'static str, compression: Compression, is_killed: bool) {
    let Some(mut scene) = Scene::set(name) else {
        return;
    };
    let loki = Loki::start();
    let rotation = Rotation::new(Naming::Logrotate).compressing(compression).keeping(6);
    let log = scene.log("vault.log", RAW, 1).rotating(rotation);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let turn_records = scale().rate * scale().rotate_every.as_millis() as u64 / 1000;
    let load = Load::start(log, scale().rate, Turn::CopyAndTruncate(scale().rotate_every));
    let mut agent = scene.start();
    let n_kills = if is_killed { scale().n_kills } else { 0 };
    for _ in 0..n_kills {
        let target = load.n_records() + scene.random.between(turn_records / 2, turn_records * 2);
        wait::for_condition("the writer to go on", Duration::from_mins(1), || load.n_records() >= target);
        agent.kill();
        // Long enough for a truncation or two while nobody looks.
        let target = load.n_records() + scene.random.between(1, turn_records * 2);
        wait::for_condition("the writer to go on", Duration::from_mins(1), || load.n_records() >= target);
        agent = scene.start();
    }
    let n_records = load.n_records() + turn_records * 6;
    wait::for_condition("six truncations", Duration::from_mins(2), || load.n_records() >= n_records);
    let log = load.stop();
    scene.finish(agent, &loki, scene.book(&[(1, RAW)]), &[&log], n_kills * REPEATS_PER_KILL_MAX);
}

#[test]
fn copied_and_truncated_under_load() {
    copied_under_load("copied_and_truncated_under_load", Compression::None, false);
}

#[test]
fn copied_compressed_and_truncated_under_load() {
    copied_under_load("copied_compressed_and_truncated_under_load", Compression::GzipAll, false);
}

#[test]
fn copied_and_truncated_while_the_agent_is_killed() {
    copied_under_load("copied_and_truncated_while_the_agent_is_killed", Compression::None, true);
}

#[test]
fn copied_compressed_and_truncated_while_the_agent_is_killed() {
    copied_under_load("copied_compressed_and_truncated_while_the_agent_is_killed", Compression::GzipAll, true);
}

/// The destination takes nothing while the file is copied and truncated several times: the lane comes back to a file that it
/// does not know, with several copies beside it.
#[test]
fn copied_and_truncated_several_times_while_the_destination_is_away() {
    let Some(scene) = Scene::set("copied_and_truncated_several_times_while_the_destination_is_away") else {
        return;
    };
    let loki = Loki::start();
    let rotation = Rotation::new(Naming::Logrotate).compressing(Compression::GzipOlder);
    let mut log = scene.log("vault.log", RAW, 1).rotating(rotation);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, ", spool: 0")]);
    let mut book = scene.book(&[(1, RAW)]);
    let agent = scene.start();
    log.append(1000);
    deliver(&mut book, &loki, &[&log]);
    loki.behave(Behaviour::Answer(Answer::of(503)));
    // More than the lane and its sink hold: the lane stands still within the file.
    log.append(5000);
    let (mut n_read, mut since) = (0.0, Instant::now());
    wait::for_condition("the lane to stand still", Duration::from_mins(1), || {
        let now = agent.metrics().map_or(0.0, |metrics| metrics.total_about(&["read_bytes"]));
        if now > n_read {
            (n_read, since) = (now, Instant::now());
        }
        n_read > 0.0 && since.elapsed() >= Duration::from_secs(1)
    });
    for _ in 0..3 {
        log.copy_and_truncate();
        log.append(5000);
    }
    loki.behave(Behaviour::Accept);
    scene.finish(agent, &loki, book, &[&log], 0);
}

/// Nothing was written for a while: then nothing is missing, and no gap is counted.
#[test]
fn a_quiet_file_that_is_copied_and_truncated_has_no_gap() {
    let Some(scene) = Scene::set("a_quiet_file_that_is_copied_and_truncated_has_no_gap") else {
        return;
    };
    let loki = Loki::start();
    let mut log = scene.log("vault.log", RAW, 1).rotating(Rotation::new(Naming::Logrotate));
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, RAW)]);
    let agent = scene.start();
    log.append(1000);
    deliver(&mut book, &loki, &[&log]);
    wait::span(Duration::from_secs(6));
    log.copy_and_truncate();
    log.append(1000);
    deliver(&mut book, &loki, &[&log]);
    assert!(agent.metrics().unwrap().total_about(&["gap"]) < 1.0, "{}", agent.log());
    // A second one at once, of a file that was just written to: whether all of it stands in the copy, nobody can know.
    log.copy_and_truncate();
    log.append(1000);
    deliver(&mut book, &loki, &[&log]);
    wait::for_condition("the gap that may be", Duration::from_secs(20), || {
        agent.metrics().is_some_and(|metrics| metrics.total_about(&["gap_events"]) >= 1.0)
    });
    scene.finish(agent, &loki, book, &[&log], 0);
}

fn last_line_is(loki: &Loki, log: &LogFile) -> bool {
    let stored = loki.stored_since(loki.n_stored().saturating_sub(1));
    let seq = stored.last().and_then(|delivery| line::parse(&delivery.line).ok()).map(|mark| mark.seq);
    seq == log.n_records().checked_sub(1)
}
