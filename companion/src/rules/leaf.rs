//! What one leaf of a rule has counted: points by series, in the order of their times, and nothing of the lines. Series lie in the
//! parts into which the rule's query falls, so that one part can be looked at alone.
//!
//! A point carries a mark, a hash of the entry that it came from, or of the entry's id. The same mark at the same time is the same
//! entry and counts once; with ids, each counts once in every window. Of an absence only the points that its windows can tell apart
//! are kept, so it costs next to nothing however busy its stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::time::UnixNanos;

use self::ids::ID_BYTES;
use self::series::SeriesPoints;
use crate::labels::LabelSet;
use crate::logql::{Point, Series};

mod ids;
mod series;
#[cfg(test)]
mod tests;

/// What one point takes, in bytes: its time and value, its mark, its arrival.
const POINT_BYTES: usize = size_of::<Point>() + size_of::<Mark>();
/// What a series takes beside its points and the text of its labels.
const SERIES_BYTES: usize = 192;

/// A line that was kept because somebody wants to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLine {
    /// The entry's time.
    pub time: UnixNanos,
    /// The labels of its stream.
    pub stream: LabelSet,
    /// The text.
    pub line: String,
}

/// Where a point came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Of the entry, or of its id.
    pub hash: u64,
    /// When it arrived.
    pub arrival: UnixNanos,
}

/// What a leaf is, as far as keeping its points goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Nanoseconds.
    pub range: i64,
    /// Points only say that there was something.
    pub is_absence: bool,
    /// Marks are ids: each counts once in a window.
    pub by_id: bool,
}

/// The points of a leaf.
#[derive(Debug)]
pub struct LeafPoints {
    keeping: Keeping,
    parts: BTreeMap<LabelSet, Part>,
    bytes: usize,
    len: usize,
}

/// The series of one part of the query.
type Part = BTreeMap<LabelSet, SeriesPoints>;

/// What a point that was offered changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was there already, or says nothing new.
    Again,
    /// It changes nothing that was known until now, but must outlast a crash.
    Known,
    /// The leaf is another one from the point's time on.
    New,
}

impl LeafPoints {
    /// None yet.
    pub fn new(keeping: Keeping) -> Self {
        Self { keeping, parts: BTreeMap::new(), bytes: 0, len: 0 }
    }

    /// Puts a point to its place in a part. `line` is kept beside it if there is one; then there must be one for each.
    pub fn insert(
        &mut self,
        part: &LabelSet,
        labels: &LabelSet,
        point: Point,
        mark: Mark,
        line: Option<Arc<KeptLine>>,
    ) -> Inserted {
        let is_known = self.parts.get(part).is_some_and(|part| part.contains_key(labels));
        if !is_known {
            self.bytes += series_bytes(labels);
            let series = SeriesPoints::new(self.keeping.by_id);
            self.parts.entry(part.clone()).or_default().insert(labels.clone(), series);
        }
        let Some(series) = self.parts.get_mut(part).and_then(|part| part.get_mut(labels)) else { return Inserted::Again };
        if self.keeping.is_absence {
            let (inserted, added) = series.insert_presence(self.keeping.range, point, mark);
            self.bytes = self.bytes.saturating_add_signed(added * self.keeping.point_bytes() as isize);
            self.len = self.len.saturating_add_signed(added);
            return inserted;
        }
        let inserted = series.insert(self.keeping.range, point, mark, line);
        if inserted == Inserted::New {
            self.bytes += self.keeping.point_bytes();
            self.len += 1;
        }
        inserted
    }

    /// The series of a part, or of all, with points in `(after, until]`.
    pub fn window(&self, part: Option<&LabelSet>, after: UnixNanos, until: UnixNanos) -> Vec<Series<'_>> {
        let within = self.series(part).map(|(labels, series)| series.window(labels, after, until));
        within.filter(|series| !series.points.is_empty()).collect()
    }

    /// The same, copied, with each mark once a series; of several points the first.
    pub fn window_by_id(&self, part: Option<&LabelSet>, after: UnixNanos, until: UnixNanos) -> Vec<(LabelSet, Vec<Point>)> {
        let series = self.series(part).map(|(labels, series)| (labels.clone(), series.once(after, until)));
        series.filter(|(_, points)| !points.is_empty()).collect()
    }

    fn series<'s>(&'s self, part: Option<&LabelSet>) -> impl Iterator<Item = (&'s LabelSet, &'s SeriesPoints)> {
        let one = part.map(|part| self.parts.get(part));
        let all = part.is_none().then(|| self.parts.values());
        one.into_iter().flatten().chain(all.into_iter().flatten()).flatten()
    }

    /// The parts that have points.
    pub fn parts(&self) -> impl Iterator<Item = &LabelSet> {
        self.parts.keys()
    }

    /// Whether it has anything in that part.
    pub fn has_part(&self, part: &LabelSet) -> bool {
        self.parts.contains_key(part)
    }

    /// Whether marks are ids.
    pub fn is_by_id(&self) -> bool {
        self.keeping.by_id
    }

    /// The lines behind the points in `(after, until]` of the series that `wanted` says yes to, if lines are kept.
    pub fn lines(
        &self,
        part: Option<&LabelSet>,
        after: UnixNanos,
        until: UnixNanos,
        wanted: impl Fn(&LabelSet) -> bool,
    ) -> Vec<Arc<KeptLine>> {
        let series = self.series(part).filter(|(labels, _)| wanted(labels));
        series.flat_map(|(_, series)| series.lines(after, until)).cloned().collect()
    }

    /// The times of the points in `(after, until]`, in no order.
    pub fn times(&self, part: Option<&LabelSet>, after: UnixNanos, until: UnixNanos) -> impl Iterator<Item = UnixNanos> {
        self.series(part).flat_map(move |(_, series)| series.within(after, until)).map(|point| point.time)
    }

    /// Drops points that are older than `time` and arrived before `arrival`.
    pub fn prune(&mut self, time: UnixNanos, arrival: UnixNanos) {
        self.drop_first(|point, mark| point.time < time && mark.arrival < arrival);
    }

    /// Drops the oldest points, at least `bytes` of them or all. Says how many.
    pub fn give_up(&mut self, bytes: usize) -> usize {
        let count = bytes.div_ceil(self.keeping.point_bytes()).min(self.len);
        if count == 0 {
            return 0;
        }
        let mut times: Vec<UnixNanos> = self.times(None, UnixNanos(i64::MIN), UnixNanos(i64::MAX)).collect();
        if times.is_empty() {
            return 0;
        }
        let nth = (count - 1).min(times.len() - 1);
        let (_, last, _) = times.select_nth_unstable(nth);
        let last = *last;
        let before = self.len;
        self.drop_first(|point, _| point.time <= last);
        before - self.len
    }

    fn drop_first(&mut self, is_old: impl Fn(&Point, &Mark) -> bool) {
        let mut dropped = 0;
        let bytes = &mut self.bytes;
        self.parts.retain(|_, part| {
            part.retain(|labels, series| {
                dropped += series.drop_first(&is_old);
                let lives = !series.is_empty();
                if !lives {
                    *bytes -= series_bytes(labels);
                }
                lives
            });
            !part.is_empty()
        });
        self.len -= dropped;
        self.bytes -= dropped * self.keeping.point_bytes();
    }

    /// What all of it takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many points.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every point with its series and mark, to save them.
    pub fn iter(&self) -> impl Iterator<Item = (&LabelSet, Point, Mark)> {
        self.series(None).flat_map(|(labels, series)| series.iter().map(move |(point, mark)| (labels, point, mark)))
    }
}

impl Keeping {
    /// What a point takes, in bytes.
    fn point_bytes(self) -> usize {
        POINT_BYTES + if self.by_id { ID_BYTES } else { 0 }
    }
}

fn series_bytes(labels: &LabelSet) -> usize {
    SERIES_BYTES + labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>()
}
