//! Something that may hang (a file system with a server behind it, a bus), asked in threads of its own, one call at a time.
//!
//! `statfs` on a dead NFS mount does not return, and cannot be ended. So whoever samples only asks, and takes what is known: the last
//! answer, and for how long the present call is outstanding. While a call is outstanding no other is made, whatever comes of it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Calls that may be outstanding at once: what hangs may be given up and come anew, again and again.
const CALLS_MAX: usize = 64;
/// What a thread needs that makes a system call or reads a socket.
const STACK: usize = 128 << 10;

/// The calls of one collector that are outstanding.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn take(&self) -> io::Result<Call> {
        let more = |calls| (calls < CALLS_MAX).then_some(calls + 1);
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.map(|_| Call(self.0.clone())).map_err(|_| io::Error::other("too many calls are outstanding"))
    }
}

/// One of them, until it is dropped.
struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is asked, with its last answer.
#[derive(Debug)]
pub(super) struct Asked<T> {
    /// What its threads are called.
    name: &'static str,
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    answered: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// Since when a call is outstanding.
    asked: Option<Instant>,
    last: Option<Last<T>>,
}

/// An answer.
#[derive(Clone, Debug)]
struct Last<T> {
    answer: T,
    at: Instant,
    took: Duration,
}

/// What is known.
#[derive(Clone, Debug)]
pub(super) struct Known<T> {
    /// The last answer, if there ever was one, and its age.
    pub answer: Option<(T, Duration)>,
    /// For how long the present call is outstanding.
    pub waiting: Option<Duration>,
    /// How long the last call took, or the age of the one that is outstanding if that is more.
    pub response: Duration,
}

impl<T: Clone + Send + 'static> Asked<T> {
    /// Not asked yet. Its threads bear the name.
    pub(super) fn new(name: &'static str) -> Self {
        let state = Mutex::new(State { asked: None, last: None });
        Self { name, shared: Arc::new(Shared { state, answered: Condvar::new() }) }
    }

    /// Asks anew, unless a call is outstanding. What cannot be asked has `refused` as its answer.
    pub(super) fn ask(
        &self,
        calls: &Calls,
        question: impl FnOnce() -> T + Send + 'static,
        refused: impl FnOnce(&io::Error) -> T,
    ) {
        let mut state = self.shared.lock();
        if state.asked.is_some() {
            return;
        }
        let begun = Instant::now();
        let started = calls.take().and_then(|call| {
            let shared = self.shared.clone();
            thread::Builder::new().name(self.name.into()).stack_size(STACK).spawn(move || {
                let answer = question();
                drop(call);
                let mut state = shared.lock();
                (state.asked, state.last) = (None, Some(Last { answer, at: Instant::now(), took: begun.elapsed() }));
                drop(state);
                shared.answered.notify_all();
            })
        });
        match started {
            Ok(_) => state.asked = Some(begun),
            Err(error) => state.last = Some(Last { answer: refused(&error), at: begun, took: Duration::ZERO }),
        }
    }

    /// What is known, after a wait for the answer until `deadline`. Not waited for is who has been asked longer ago than `patience`, or
    /// was not that quick the last time.
    pub(super) fn known(&self, deadline: Instant, patience: Duration) -> Known<T> {
        let mut state = self.shared.lock();
        let is_fresh = state.asked.is_some_and(|asked| asked.elapsed() < patience);
        if is_fresh && state.last.as_ref().is_none_or(|last| last.took <= patience) {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.shared.answered.wait_timeout_while(state, left, |state| state.asked.is_some());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waiting = state.asked.map(|asked| asked.elapsed());
        let took = state.last.as_ref().map_or(Duration::ZERO, |last| last.took);
        let answer = state.last.as_ref().map(|last| (last.answer.clone(), last.at.elapsed()));
        Known { answer, waiting, response: waiting.map_or(took, |waiting| waiting.max(took)) }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        // Nothing is done under the lock that could panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn no_more_calls_are_outstanding_than_there_may_be() {
        let calls = Calls::default();
        let (stop, stopped) = sync_channel::<()>(0);
        let stopped = Arc::new(Mutex::new(stopped));
        let hung: Vec<Asked<bool>> = (0..=CALLS_MAX).map(|_| Asked::new("asks")).collect();
        for asked in &hung {
            let stopped = stopped.clone();
            asked.ask(&calls, move || stopped.lock().unwrap().recv().is_err(), |_| false);
        }
        let refused =
            |asked: &&Asked<bool>| asked.known(Instant::now(), Duration::ZERO).answer.is_some_and(|(answer, _)| !answer);
        assert_eq!(hung.iter().filter(refused).count(), 1);
        drop(stop);
        let last = hung.last().unwrap();
        ::tests::wait::for_condition("room", LONG, || {
            last.ask(&calls, || true, |_| false);
            last.known(Instant::now() + LONG, LONG).answer.is_some_and(|(answer, _)| answer)
        });
    }

    #[test]
    fn an_answer_is_waited_for_only_while_it_may_come_in_time() {
        let (calls, asked) = (Calls::default(), Asked::new("asks"));
        let (answer, to_give) = sync_channel(1);
        asked.ask(&calls, move || to_give.recv().unwrap_or(0), |_| 0);
        let known = asked.known(Instant::now() + Duration::from_millis(1), LONG);
        assert!(known.answer.is_none() && known.waiting.is_some());
        answer.send(7).unwrap();
        let known = asked.known(Instant::now() + LONG, LONG);
        assert_eq!((known.answer.map(|(answer, _)| answer), known.waiting), (Some(7), None));
    }
}
