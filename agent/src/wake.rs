//! How a lane's thread is woken: which chains may have something new, which streams it must hold or resume, and when to end.
//!
//! Bounded by nature: a chain is marked once, however often its file was written.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::checkpoint::Part;

/// What a sink asks of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The destination refuses this part of a chain for now: go back to where it stands and leave it alone.
    Park {
        /// Place in the catalog.
        chain: usize,
        /// Which of the chain's streams.
        part: Part,
    },
    /// Try that part again.
    Resume {
        /// Place in the catalog.
        chain: usize,
        /// Which of the chain's streams.
        part: Part,
    },
}

/// The bell of one lane.
#[derive(Debug, Default)]
pub struct Wake {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    dirty: Vec<usize>,
    marked: Vec<bool>,
    orders: Vec<Order>,
    started: bool,
    stop: bool,
}

/// What a lane finds when it looks.
#[derive(Debug, Default)]
pub struct Woken {
    /// Chains that may have something new.
    pub dirty: Vec<usize>,
    /// What the sink asked for.
    pub orders: Vec<Order>,
    /// Every file that was there at the start has been found.
    pub started: bool,
    /// Finish.
    pub stop: bool,
}

impl Wake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chain may have something new.
    pub fn mark(&self, chain: usize) {
        let mut state = self.state();
        if state.marked.len() <= chain {
            state.marked.resize(chain + 1, false);
        }
        if !std::mem::replace(&mut state.marked[chain], true) {
            state.dirty.push(chain);
            self.bell.notify_one();
        }
    }

    /// Asks something of the lane.
    pub fn order(&self, order: Order) {
        self.state().orders.push(order);
        self.bell.notify_one();
    }

    /// The first look at all directories is over.
    pub fn started(&self) {
        self.state().started = true;
        self.bell.notify_one();
    }

    /// Read no more.
    pub fn stop(&self) {
        self.state().stop = true;
        self.bell.notify_one();
    }

    /// Whether the lane is to end.
    pub fn is_stopped(&self) -> bool {
        self.state().stop
    }

    /// Lets some time pass, unless it is time to end.
    pub fn rest(&self, rest: Duration) {
        let until = Instant::now() + rest;
        let mut state = self.state();
        while !state.stop {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return };
            state = self.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until there is something to do or it is `until`; takes it.
    pub fn wait(&self, until: Option<Instant>, woken: &mut Woken) {
        let mut state = self.state();
        let known = woken.started;
        while state.dirty.is_empty() && state.orders.is_empty() && !state.stop && state.started == known {
            let now = Instant::now();
            let timeout = match until {
                Some(until) if until <= now => break,
                Some(until) => until - now,
                None => Duration::from_hours(1),
            };
            state = self.bell.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
        }
        woken.dirty.clear();
        std::mem::swap(&mut woken.dirty, &mut state.dirty);
        for chain in &woken.dirty {
            state.marked[*chain] = false;
        }
        woken.orders = std::mem::take(&mut state.orders);
        woken.started = state.started;
        woken.stop = state.stop;
    }
}
