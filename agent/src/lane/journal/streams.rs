//! The streams of the journal in one lane: labels → stream, each with its newest time and its place in the open batch.
//!
//! Bounded: beyond the bound further streams lose what tells them apart within their job, so that nothing is lost but a label.

use std::collections::HashMap;
use std::sync::Arc;

use proto::labels::Labels;
use tracing::warn;
use twox_hash::XxHash3_64;

use crate::batch::CachedSlot;
use crate::checkpoint::{Newest, Part};
use crate::journal::selection;

/// Units, levels and transports of a busy node make some hundred.
const STREAMS_MAX: usize = 2000;

/// One stream.
pub(super) struct Stream {
    pub(super) labels: Arc<str>,
    /// Names it in the position log.
    hash: u64,
    /// Nanoseconds since the epoch; `i64::MIN` before its first entry ever.
    pub(super) newest: i64,
    /// Its newest time is not in the position log yet.
    pub(super) is_moved: bool,
    pub(super) slot: CachedSlot,
}

/// All of them.
#[derive(Default)]
pub(super) struct Streams {
    list: Vec<Stream>,
    by_labels: HashMap<Arc<str>, usize>,
    /// What the position log knows of streams that did not come up yet.
    known: HashMap<u64, i64>,
    is_full: bool,
}

impl Streams {
    /// The stream of a job (`base` has the labels of all its streams) with those labels.
    pub(super) fn find(&mut self, base: &Labels, labels: &selection::Labels) -> usize {
        let mut all = base.clone();
        all.set("level", labels.level);
        let optional = [
            ("host", &labels.host),
            ("unit", &labels.unit),
            ("transport", &labels.transport),
            ("identifier", &labels.identifier),
        ];
        for (name, value) in optional {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                all.set(name, value);
            }
        }
        let text: Arc<str> = all.to_string().into();
        if let Some(place) = self.by_labels.get(&text) {
            return *place;
        }
        if self.list.len() >= STREAMS_MAX && (labels.unit.is_some() || labels.identifier.is_some() || labels.host.is_some()) {
            if !std::mem::replace(&mut self.is_full, true) {
                warn!(
                    streams = self.list.len(),
                    "the journal has too many streams: further ones have no unit, identifier or host"
                );
            }
            let fewer = selection::Labels { level: labels.level, transport: labels.transport.clone(), ..Default::default() };
            return self.find(base, &fewer);
        }
        let hash = XxHash3_64::oneshot(text.as_bytes());
        let newest = self.known.get(&hash).copied().unwrap_or(i64::MIN);
        self.list.push(Stream { labels: Arc::clone(&text), hash, newest, is_moved: false, slot: CachedSlot::default() });
        self.by_labels.insert(text, self.list.len() - 1);
        self.list.len() - 1
    }

    /// By place.
    pub(super) fn get(&mut self, place: usize) -> Option<&mut Stream> {
        self.list.get_mut(place)
    }

    /// Goes back to what the position log knows.
    pub(super) fn set_newest(&mut self, known: &[Newest]) {
        self.known = known.iter().map(|newest| (newest.stream, newest.time)).collect();
        for stream in &mut self.list {
            stream.newest = self.known.get(&stream.hash).copied().unwrap_or(i64::MIN);
            stream.is_moved = false;
        }
    }

    /// The newest times that changed since they were asked for last.
    pub(super) fn take_newest(&mut self) -> Vec<Newest> {
        let newest = |stream: &mut Stream| {
            let moved = std::mem::take(&mut stream.is_moved);
            moved.then_some(Newest { stream: stream.hash, part: Part(0), time: stream.newest })
        };
        self.list.iter_mut().filter_map(newest).collect()
    }
}
