//! The window as what LogQL asks: the lock is held only to choose blocks, never while they are read.

use std::ops::ControlFlow;
use std::sync::{PoisonError, RwLock};

use proto::time::UnixNanos;

use super::{Order, Window};
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::store::{Direction, Store};

/// A window that others go on filling.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a>(pub &'a RwLock<Window>);

impl Store for Shared<'_> {
    type Stream = LabelSet;

    fn streams(&self, selects: &dyn Fn(&LabelSet) -> bool) -> Vec<(LabelSet, LabelSet)> {
        let window = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut streams: Vec<&LabelSet> = window.newest().map(|(labels, _)| labels).filter(|labels| selects(labels)).collect();
        streams.sort();
        streams.into_iter().map(|labels| (labels.clone(), labels.clone())).collect()
    }

    fn visit(
        &self,
        stream: &LabelSet,
        from: UnixNanos,
        until: UnixNanos,
        direction: Direction,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        let selection = {
            let window = self.0.read().unwrap_or_else(PoisonError::into_inner);
            window.select_stream(stream, from, UnixNanos(until.0.saturating_sub(1)))
        };
        let order = if direction == Direction::Forward { Order::Forward } else { Order::Backward };
        selection.visit_stream(0, order, visit);
    }
}
