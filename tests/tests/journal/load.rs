//! Many write at once, journald rotates and deletes, and the agent is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tests::account::Book;
use tests::journald::{Journald, Keep, Settings};
use tests::line::{Mark, Shape};
use tests::{stamp, wait};

use crate::scene::{REPEATS_PER_KILL_MAX, scale};
use crate::stage::{ALL, Stage, Written};

const SHAPE: Shape = Shape::Raw { bytes: 100 };
const N_KILLS: u64 = 10;
/// Files that stay of those that were there.
const KEPT: usize = 5;

/// A thread that writes so many marked lines by one way.
fn write(journald: &Journald, way: u32, run: u32, n_lines: u64, written: &Arc<AtomicU64>) -> std::thread::JoinHandle<()> {
    let mut say: Box<dyn FnMut(&str) + Send> = match way {
        0 => {
            let syslog = journald.syslog();
            Box::new(move |line| syslog.say("of-syslog", 6, line))
        }
        1 => {
            let mut output = journald.output("of-a-service", 5);
            Box::new(move |line| output.say(line))
        }
        _ => {
            // Writers of one transport have levels of their own, so that each is one stream.
            let (native, identifier, priority) = (journald.native(), format!("native-{way}"), (way % 8) as u8);
            Box::new(move |line| native.say(&identifier, priority, line))
        }
    };
    let written = Arc::clone(written);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        for seq in 0..n_lines {
            line.clear();
            SHAPE.append(Mark { run, writer: way, seq, nanos: stamp::now_nanos() }, &mut line);
            say(std::str::from_utf8(&line).unwrap().trim_end());
            written.fetch_add(1, Ordering::AcqRel);
        }
    })
}

#[test]
fn killed_while_journald_rotates_and_deletes() {
    let name = "killed_while_journald_rotates_and_deletes";
    let settings = Settings::of("SystemMaxFileSize=2M\nSystemMaxFiles=1000");
    let Some(mut stage) = Stage::set(name, settings, ALL) else {
        return;
    };
    // 25,000, or 100,000.
    let n_lines = scale().rate * 5;
    let (n_ways, run) = (5, stage.scene.run);
    let n_written = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> =
        (0..n_ways).map(|way| write(&stage.journald, way, run, n_lines / u64::from(n_ways), &n_written)).collect();
    let mut written = Written::default();
    for round in 1..=N_KILLS {
        let agent = stage.start();
        let target = (round - 1) * n_lines / N_KILLS + stage.scene.random.between(1, n_lines / N_KILLS);
        wait::for_condition("the writers", Duration::from_mins(2), || n_written.load(Ordering::Acquire) >= target);
        stage.journald.rotate();
        if round % 3 == 0 {
            // What is deleted has been seen and has arrived, or the story would be another. More is archived while that is waited for.
            let n_old = stage.journald.files().len().saturating_sub(KEPT);
            stage.collect(&mut written);
            stage.wait_for(&written);
            stage.journald.vacuum(Keep::Files(stage.journald.files().len().saturating_sub(n_old)));
        }
        agent.kill();
    }
    for writer in writers {
        writer.join().unwrap();
    }
    let agent = stage.start();
    stage.collect(&mut written);
    let n_repeats_max = N_KILLS * REPEATS_PER_KILL_MAX;
    stage.assert_arrives(&written, n_repeats_max);

    // And by what the writers say: their lines, in their order.
    let mut book = Book::new(run);
    let sequences: Vec<_> = (0..n_ways).map(|way| (way, n_lines / u64::from(n_ways))).collect();
    let marked = stage.arrived().into_iter().filter(|delivery| delivery.line.contains("pkt:"));
    marked.for_each(|delivery| book.take(delivery));
    let verdict = book.verdict(&sequences);
    stage.scene.say(&verdict);
    verdict.assert_whole(n_repeats_max);
    assert_eq!(Stage::gaps(&agent, "journal sequence"), 0);
    stage.finish(agent);
}
