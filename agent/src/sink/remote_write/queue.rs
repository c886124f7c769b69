//! Samples between targets and one destination: never holds up who puts them in. Bounded in bytes; over that the oldest are given up,
//! counted, since the newest are what alerts need. That is met only where there is no spool, or no room in it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::remote_write::Samples;
use tokio::sync::Notify;

/// The queue of one destination.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    limit: usize,
    given_up: AtomicU64,
    is_closed: AtomicBool,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    samples: VecDeque<Arc<Samples>>,
    bytes: usize,
}

impl Queue {
    /// With room for so many bytes of values; sets of series, which are shared, are not counted.
    pub fn new(limit: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            limit,
            given_up: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Puts samples behind the others.
    pub fn push(&self, samples: Arc<Samples>) {
        let mut waiting = self.lock();
        waiting.bytes += samples.bytes();
        waiting.samples.push_back(samples);
        while waiting.bytes > self.limit && waiting.samples.len() > 1 {
            if let Some(oldest) = waiting.samples.pop_front() {
                waiting.bytes -= oldest.bytes();
                self.given_up.fetch_add(oldest.len() as u64, Ordering::Relaxed);
            }
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Nothing comes any more.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether nothing comes any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().samples.is_empty()
    }

    /// Samples that wait.
    pub fn samples(&self) -> u64 {
        self.lock().samples.iter().map(|samples| samples.len() as u64).sum()
    }

    /// Samples that were given up for want of room.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Ends when something waits, and what comes within `linger` too; or when nothing comes any more. For one task.
    pub async fn filled(&self, linger: Duration) {
        while self.is_empty() && !self.is_closed() {
            self.changed.notified().await;
        }
        let until = tokio::time::Instant::now() + linger;
        while !self.is_closed() {
            tokio::select! {
                () = tokio::time::sleep_until(until) => break,
                () = self.changed.notified() => {}
            }
        }
    }

    /// Ends when nothing comes any more. For the same task.
    pub async fn closed(&self) {
        while !self.is_closed() {
            self.changed.notified().await;
        }
    }

    /// Takes the oldest out, up to so many samples, at least one collection if there is one.
    pub fn take(&self, most: usize) -> Vec<Arc<Samples>> {
        let mut waiting = self.lock();
        let (mut taken, mut count) = (Vec::new(), 0);
        while let Some(next) = waiting.samples.front() {
            if count > 0 && count + next.len() > most {
                break;
            }
            count += next.len();
            waiting.bytes -= next.bytes();
            taken.extend(waiting.samples.pop_front());
        }
        taken
    }

    /// The oldest, which stays.
    pub fn oldest(&self) -> Option<Arc<Samples>> {
        self.lock().samples.front().cloned()
    }

    /// Takes out what was the oldest, if it still is.
    pub fn remove(&self, oldest: &Arc<Samples>) {
        let mut waiting = self.lock();
        if waiting.samples.front().is_some_and(|samples| Arc::ptr_eq(samples, oldest)) {
            waiting.bytes -= oldest.bytes();
            waiting.samples.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::metric::{Family, Kind, UnixMillis};
    use proto::remote_write::SeriesSetBuilder;

    use super::*;

    fn samples(time: i64) -> Arc<Samples> {
        let mut builder = SeriesSetBuilder::new();
        let family = builder.family(Family { name: "up", kind: Kind::Gauge, help: "", unit: "" });
        builder.series(family, [("__name__", "up")].into_iter(), UnixMillis(0));
        Arc::new(Samples::new(builder.finish(), UnixMillis(time), vec![1.0]).unwrap())
    }

    #[test]
    fn over_its_limit_the_oldest_are_given_up_and_counted() {
        let queue = Queue::new(3 * samples(0).bytes());
        for time in 0..5 {
            queue.push(samples(time));
        }
        assert_eq!((queue.samples(), queue.given_up()), (3, 2));
        let times: Vec<i64> = queue.take(2).iter().map(|samples| samples.time().0).collect();
        assert_eq!(times, [2, 3]);
        let oldest = queue.oldest().unwrap();
        queue.remove(&oldest);
        queue.remove(&oldest);
        assert!(queue.is_empty() && queue.take(9).is_empty());
    }

    #[tokio::test]
    async fn what_comes_soon_is_waited_for_and_the_end_is_not() {
        let queue = Arc::new(Queue::new(1 << 20));
        queue.push(samples(1));
        let filled = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.filled(Duration::from_mins(1)).await }
        });
        queue.push(samples(2));
        queue.close();
        filled.await.unwrap();
        assert_eq!(queue.take(9).len(), 2);
        queue.filled(Duration::from_mins(1)).await;
        queue.closed().await;
    }
}
