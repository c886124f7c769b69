//! A writer in a thread: records at a rate, on an absolute schedule, with a rotation every so often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::log_file::LogFile;
use crate::wait::Stop;

/// Between two bursts. Short, so that the load is even; long enough to keep the generator cheap.
const BURST: Duration = Duration::from_millis(5);

/// What the writer does to its file now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Never,
    /// Renames and reopens.
    Rotate(Duration),
    /// Renames, writes on to the renamed file for the second span, and only then reopens.
    RotateLate(Duration, Duration),
    /// Copies and truncates.
    CopyAndTruncate(Duration),
}

/// A running writer.
#[derive(Debug)]
pub struct Load {
    stop: Arc<Stop>,
    n_records: Arc<AtomicU64>,
    thread: Option<JoinHandle<LogFile>>,
}

impl Load {
    /// Begins to write.
    pub fn start(log: LogFile, records_per_second: u64, turn: Turn) -> Self {
        let (stop, n_records) = (Arc::new(Stop::default()), Arc::new(AtomicU64::new(log.n_records())));
        let thread = std::thread::spawn({
            let (stop, n_records) = (Arc::clone(&stop), Arc::clone(&n_records));
            move || write_on(log, records_per_second, turn, &stop, &n_records)
        });
        Self { stop, n_records, thread: Some(thread) }
    }

    /// How many records are in the file by now.
    pub fn n_records(&self) -> u64 {
        self.n_records.load(Ordering::Acquire)
    }

    /// Ends the writing and gives the file back.
    pub fn stop(mut self) -> LogFile {
        self.stop.set();
        self.thread.take().expect("a load is stopped once").join().expect("the writer does not panic")
    }
}

impl Drop for Load {
    /// A test that fails must not leave its writer behind.
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn write_on(mut log: LogFile, records_per_second: u64, turn: Turn, stop: &Stop, n_records: &AtomicU64) -> LogFile {
    let begin = Instant::now();
    let (before, mut n_turns, mut reopen_at) = (log.n_records(), 0, None);
    for tick in 1.. {
        let now = begin + BURST * tick;
        if stop.before(now) {
            break;
        }
        // Absolute: what one burst was late, the next one brings.
        let due = u64::try_from(begin.elapsed().as_micros()).expect("a test is short") * records_per_second / 1_000_000;
        log.append((before + due).saturating_sub(log.n_records()));
        n_records.store(log.n_records(), Ordering::Release);

        if reopen_at.is_some_and(|at| Instant::now() >= at) {
            log.reopen();
            reopen_at = None;
        }
        let (Turn::Rotate(every) | Turn::RotateLate(every, _) | Turn::CopyAndTruncate(every)) = turn else {
            continue;
        };
        if Instant::now() < begin + every * (n_turns + 1) {
            continue;
        }
        n_turns += 1;
        match turn {
            Turn::Never => {}
            Turn::Rotate(_) => log.rotate(),
            Turn::CopyAndTruncate(_) => log.copy_and_truncate(),
            Turn::RotateLate(_, late) => {
                log.rename_away();
                reopen_at = Some(Instant::now() + late);
            }
        }
    }
    if reopen_at.is_some() {
        log.reopen();
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Shape;
    use crate::rotation::{Naming, Rotation};
    use crate::wait;

    #[test]
    fn a_load_keeps_its_rate_while_it_rotates() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogFile::create(&dir.path().join("a.log"), Shape::Raw { bytes: 100 }, 1, 1)
            .rotating(Rotation::new(Naming::Lumberjack));
        let begin = Instant::now();
        let load = Load::start(log, 20_000, Turn::RotateLate(Duration::from_millis(100), Duration::from_millis(20)));
        wait::for_condition("10,000 records", Duration::from_secs(5), || load.n_records() >= 10_000);
        let (took, log) = (begin.elapsed(), load.stop());
        assert!(took >= Duration::from_millis(490), "not faster than asked: {took:?}");
        assert!(log.archived().len() >= 4, "{}", log.archived().len());
        assert_eq!(log.n_bytes(), log.n_records() * 101);
    }
}
