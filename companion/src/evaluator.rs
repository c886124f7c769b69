//! The one thread that owns the rules: pushes come in, one after the other; alerts go out; questions are answered in between.
//!
//! Whatever waits is taken together and saved once, so that many small pushes cost no more than a large one. A push is answered
//! when its entries stand in the window, its rules have been evaluated, and what they have counted is saved; alerts are told after
//! that. Bounded: [`QUEUED`] errands wait, a further push is told to come again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use proto::time::UnixNanos;
use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::clock::{self, JumpWatch};
use crate::entry::Entry;
use crate::intake::{Blocked, Delivery};
use crate::rules::alert::Notification;
use crate::rules::engine::Engine;
use crate::rules::state::State;
use crate::window::Window;

/// Errands that wait.
pub const QUEUED: usize = 64;
/// Errands that are done together.
const TOGETHER: usize = 32;
/// Time is looked at as often, whatever happens.
const BEAT: Duration = Duration::from_secs(1);

type Done = oneshot::Sender<Result<(), String>>;

/// What can be asked of the thread.
enum Errand {
    Deliver(Delivery),
    Look(Box<dyn FnOnce(&mut Engine) + Send>),
    Replace(Box<dyn FnOnce(&mut Engine) + Send>),
    End,
}

/// Whoever is told of alerts.
pub type Tell = Box<dyn FnMut(Vec<Notification>) + Send>;

/// The thread's work.
pub struct Evaluator {
    engine: Engine,
    state: State,
    window: Arc<RwLock<Window>>,
    tell: Tell,
    trouble: Arc<Mutex<Option<String>>>,
    inbox: Receiver<Errand>,
    jumps: JumpWatch,
}

/// The way to the thread.
#[derive(Clone)]
pub struct Desk {
    outbox: SyncSender<Errand>,
    trouble: Arc<Mutex<Option<String>>>,
}

/// A thread that is not run yet, and the way to it.
pub fn evaluator(engine: Engine, state: State, window: Arc<RwLock<Window>>, tell: Tell) -> (Evaluator, Desk) {
    let (outbox, inbox) = sync_channel(QUEUED);
    let trouble = Arc::new(Mutex::new(None));
    let jumps = JumpWatch::new(clock::now(), Instant::now());
    (Evaluator { engine, state, window, tell, trouble: Arc::clone(&trouble), inbox, jumps }, Desk { outbox, trouble })
}

impl Desk {
    /// Hands a push over, if there is room.
    pub fn deliver(&self, delivery: Delivery) -> Result<(), Blocked> {
        self.outbox.try_send(Errand::Deliver(delivery)).map_err(|error| match error {
            TrySendError::Full(_) => Blocked::Full,
            TrySendError::Disconnected(_) => Blocked::Ended,
        })
    }

    /// What the rules say when it is their turn; nothing if too much waits, or the thread has ended.
    pub async fn look<T: Send + 'static>(&self, question: impl FnOnce(&Engine) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may be gone.
        let look = move |engine: &mut Engine| drop(answer.send(question(engine)));
        self.outbox.try_send(Errand::Look(Box::new(look))).ok()?;
        answered.await.ok()
    }

    /// Other rules, with what they share with the old ones: `replace` puts another engine in the place of the one that is there.
    pub fn replace(&self, replace: impl FnOnce(&mut Engine) + Send + 'static) -> Result<(), Blocked> {
        self.outbox.try_send(Errand::Replace(Box::new(replace))).map_err(|error| match error {
            TrySendError::Full(_) => Blocked::Full,
            TrySendError::Disconnected(_) => Blocked::Ended,
        })
    }

    /// Ends the thread, once everything that waits is done and saved.
    pub fn end(&self) {
        // If it has ended already, all is well.
        let _ = self.outbox.send(Errand::End);
    }

    /// Why nothing can be saved, if that is so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Evaluator {
    /// Works until it is told to end, or nobody is left who could.
    pub fn run(mut self) {
        loop {
            let wait = self.engine.next_due().map_or(BEAT, until).min(BEAT);
            let first = match self.inbox.recv_timeout(wait) {
                Ok(errand) => Some(errand),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (mut ends, mut is_new) = (false, false);
            let mut done = Vec::new();
            let rest = std::iter::from_fn(|| self.inbox.try_recv().ok());
            for errand in first.into_iter().chain(rest).take(TOGETHER).collect::<Vec<_>>() {
                match errand {
                    Errand::Deliver(delivery) => done.push(self.take(delivery)),
                    Errand::Look(look) => look(&mut self.engine),
                    Errand::Replace(replace) => {
                        replace(&mut self.engine);
                        is_new = true;
                    }
                    Errand::End => ends = true,
                }
            }
            self.evaluate(done);
            // What rules that are gone have counted goes with them.
            if is_new && let Err(error) = self.state.compact(&mut self.engine) {
                error!(%error, "after the rules were read anew");
            }
            if ends {
                break;
            }
        }
        if let Err(error) = self.state.compact(&mut self.engine) {
            error!(%error, "at the end");
        }
    }

    fn take(&mut self, delivery: Delivery) -> (Done, crate::intake::budget::Held) {
        let now = delivery.arrived;
        let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
        for (stream, entries) in &delivery.streams {
            let entries = entries.iter().map(|entry| Entry { time: entry.time, line: &entry.line, metadata: &entry.metadata });
            for entry in entries.clone() {
                window.push(stream, entry, now);
            }
            self.engine.offer_all(stream, entries, now);
        }
        (delivery.done, delivery.held)
    }

    fn evaluate(&mut self, done: Vec<(Done, crate::intake::budget::Held)>) {
        let now = clock::now();
        if self.jumps.jumped(now, Instant::now()) {
            warn!("the clock was set, or the machine slept: what is absent is unknown until its window has been seen anew");
            self.engine.clock_jumped(now);
        }
        self.engine.advance(now);
        let notifications = self.engine.notifications();
        let saved = self.state.flush(&mut self.engine).map_err(|error| error.to_string());
        {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(why) = &saved
                && trouble.is_none()
            {
                error!(%why, "pushes are not acknowledged; alerts are still told");
            }
            *trouble = saved.clone().err();
        }
        // What cannot be saved may be told twice after a crash; untold it would be worse.
        if !notifications.is_empty() {
            (self.tell)(notifications);
        }
        for (done, held) in done {
            drop(held);
            // Whoever pushed may be gone; it will push again.
            let _ = done.send(saved.clone());
        }
        self.window.write().unwrap_or_else(PoisonError::into_inner).advance(now);
    }
}

fn until(due: UnixNanos) -> Duration {
    Duration::from_nanos(u64::try_from(due.0.saturating_sub(clock::now().0)).unwrap_or(0))
}
