//! Loki's push protocol, as a server: `POST /loki/api/v1/push`.
//!
//! In the order in which a request goes: `access` says whether the client may, `budget` holds its bytes, `push` reads and decodes
//! it, `gate` says which of its entries are taken, and the engine gets them as a [`Delivery`]. The answer goes out when the
//! engine has taken them and what has to outlast a crash stands on disk: what was answered 204 is not lost. Refusals are in Loki's
//! words, so that every client of Loki understands them.

pub mod access;
pub mod budget;
pub mod gate;
pub mod push;

use proto::loki::decode::PushEntry;
use proto::time::UnixNanos;
use tokio::sync::oneshot;

use crate::labels::LabelSet;
use budget::Held;

/// Entries that were taken, on their way to the engine.
#[derive(Debug)]
pub struct Delivery {
    /// Streams with their entries, in the order of the request.
    pub streams: Vec<(LabelSet, Vec<PushEntry>)>,
    /// When they came.
    pub arrived: UnixNanos,
    /// What the engine says when they are safe, or why they are not.
    pub done: oneshot::Sender<Result<(), String>>,
    /// Their bytes.
    pub held: Held,
}

/// Where deliveries go.
pub type Outlet = Box<dyn Fn(Delivery) -> Result<(), Blocked> + Send + Sync>;

/// Why a delivery did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// As many wait already as may.
    Full,
    /// Nobody takes them any more.
    Ended,
}

/// What intake counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers, by status.
    pub answers: crate::counter::Family,
    /// Entries that were refused, by reason.
    pub refused: crate::counter::Family,
    /// Entries that were taken.
    pub entries: crate::counter::Counter,
    /// Bytes of their lines and metadata.
    pub bytes: crate::counter::Counter,
}
