//! The watched files in a dry run: the lines that a look would write to the log of changes, shaped as a lane shapes them.
//!
//! In: looks. Out: batches, to where the lane's go. Nothing is written; the log of changes of earlier runs is read by the lane.

use std::time::Instant;

use tokio::sync::mpsc::Sender;

use super::{Bell, Changes, LOOK_EVERY};
use crate::batch::{Batch, CachedSlot, Extent, Sealed, Steps};
use crate::checkpoint::Part;
use crate::lane::Settings;
use crate::lane::stream_sets::{StreamSet, streams};
use crate::shape::{Origin, Shaped, Workspace};
use crate::tail::origin;

/// Looks, and hands on what it finds.
pub struct Preview {
    changes: Changes,
    stream: StreamSet,
    batch: Batch,
    outlet: Sender<Sealed>,
}

impl Preview {
    /// For the input that reads the log of changes. Errors are configuration that was not checked, in words.
    pub fn new(changes: Changes, log: &origin::Origin, settings: &Settings, outlet: Sender<Sealed>) -> Result<Self, String> {
        let stream = streams(log, settings)?.swap_remove(0);
        Ok(Self { changes, stream, batch: Batch::new(settings.limits), outlet })
    }

    /// Looks once, or every few seconds until nobody listens.
    pub fn run(mut self, once: bool) {
        let bell = Bell::default();
        while self.look().is_some() && !once && !bell.wait(LOOK_EVERY) {}
    }

    /// One look. `None` when nobody listens any more.
    fn look(&mut self) -> Option<()> {
        let mut work = Workspace::default();
        for line in self.changes.tell() {
            let extent = Extent { bytes: line.len() as u64, lines: 1 };
            let StreamSet { source, shaper, labels, .. } = &self.stream;
            let entry = match shaper.shape(line.trim_end().as_bytes(), Origin::default(), &mut work) {
                Shaped::Entry(entry) => entry,
                // No drop rule can be configured for this input.
                Shaped::Dropped(_) => continue,
            };
            let Some(time) = entry.time else { continue };
            let mut slot = CachedSlot::default();
            self.batch.slot(&mut slot, &labels[0], source, (0, Part(0)));
            self.batch.push(slot, Instant::now(), time, entry.text, entry.metadata.structured(), extent);
            if self.batch.is_full() {
                self.hand_on()?;
            }
        }
        self.hand_on()
    }

    fn hand_on(&mut self) -> Option<()> {
        if self.batch.is_empty() {
            return (!self.outlet.is_closed()).then_some(());
        }
        let sealed = self.batch.seal(0, Instant::now(), Vec::new(), Steps::default());
        self.outlet.blocking_send(sealed).ok()
    }
}
