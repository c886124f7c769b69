//! How a lane's thread is woken: which chains may have something new, which streams it must hold or resume, which files it must
//! let go of, and when to end.
//!
//! Bounded by nature: a chain is marked once, however often its file was written.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::checkpoint::Part;
use crate::tail::segment::SegmentNumber;

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

/// A deleted file that is to be let go unread, since the disk needs its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// Place in the catalog.
    pub chain: usize,
    /// Which of the chain's files.
    pub segment: SegmentNumber,
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
    marked: HashSet<usize>,
    orders: Vec<Order>,
    give_up: Vec<GiveUp>,
    room: bool,
    /// What comes meanwhile is looked at afterwards: nobody is to be woken.
    resting: bool,
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
    /// Files to let go of.
    pub give_up: Vec<GiveUp>,
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
        if state.marked.insert(chain) {
            state.dirty.push(chain);
            if !state.resting {
                self.bell.notify_one();
            }
        }
    }

    /// Asks something of the lane.
    pub fn order(&self, order: Order) {
        self.state().orders.push(order);
        self.bell.notify_one();
    }

    /// A deleted file is to be let go; heeded even while the lane waits for its sink.
    pub fn give_up(&self, give_up: GiveUp) {
        self.state().give_up.push(give_up);
        self.bell.notify_one();
    }

    /// Whether the lane has yet to hear of something that was asked of it with [`Wake::order`].
    pub fn has_orders(&self) -> bool {
        !self.state().orders.is_empty()
    }

    /// What was asked for with [`Wake::give_up`] since it was taken last.
    pub fn take_give_up(&self) -> Vec<GiveUp> {
        std::mem::take(&mut self.state().give_up)
    }

    /// Waits until there may be room for a batch again (a [`std::task::Waker`] made of this bell was woken), or until something
    /// is to be given up, which is not taken.
    pub fn wait_for_room(&self) {
        let mut state = self.state();
        while !std::mem::take(&mut state.room) && state.give_up.is_empty() {
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
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
        state.resting = true;
        while !state.stop {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.resting = false;
    }

    /// Waits until there is something to do or it is `until`; takes it.
    pub fn wait(&self, until: Option<Instant>, woken: &mut Woken) {
        let mut state = self.state();
        let known = woken.started;
        while state.dirty.is_empty()
            && state.orders.is_empty()
            && state.give_up.is_empty()
            && !state.stop
            && state.started == known
        {
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
        state.marked.clear();
        woken.give_up = std::mem::take(&mut state.give_up);
        woken.orders = std::mem::take(&mut state.orders);
        woken.started = state.started;
        woken.stop = state.stop;
    }
}

/// Lets a lane wait for room in its queue and for this bell at once.
impl std::task::Wake for Wake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.state().room = true;
        self.bell.notify_one();
    }
}
