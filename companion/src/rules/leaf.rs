//! What one leaf of a rule has counted: points by series, in the order of their times, and nothing of the lines.
//!
//! A point carries a mark, a hash of the entry that it came from, or of the entry's id. The same mark at the same time is the same
//! entry and counts once; with ids, each counts once in every window. Of an absence only the points that its windows can tell apart
//! are kept, so it costs next to nothing however busy its stream.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use proto::time::UnixNanos;

use crate::labels::LabelSet;
use crate::logql::{Point, Series};

/// What one point takes, in bytes: its time and value, its mark, its arrival.
pub const POINT_BYTES: usize = size_of::<Point>() + size_of::<Mark>();
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
    series: BTreeMap<LabelSet, SeriesPoints>,
    bytes: usize,
    len: usize,
}

/// The points of one series, the oldest first. What is before `head` is given up and waits to be cut away.
#[derive(Debug, Default)]
struct SeriesPoints {
    points: Vec<Point>,
    marks: Vec<Mark>,
    /// Beside each point, where lines are kept; else empty.
    lines: Vec<Arc<KeptLine>>,
    head: usize,
}

/// What a point that was offered changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was there already, or says nothing new.
    Again,
    /// The leaf is another one from the point's time on.
    New,
}

impl LeafPoints {
    /// None yet.
    pub fn new(keeping: Keeping) -> Self {
        Self { keeping, series: BTreeMap::new(), bytes: 0, len: 0 }
    }

    /// Puts a point to its place. `line` is kept beside it if there is one; then there must be one for each.
    pub fn insert(&mut self, labels: &LabelSet, point: Point, mark: Mark, line: Option<Arc<KeptLine>>) -> Inserted {
        if !self.series.contains_key(labels) {
            self.bytes += series_bytes(labels);
            self.series.insert(labels.clone(), SeriesPoints::default());
        }
        let Some(series) = self.series.get_mut(labels) else { return Inserted::Again };
        let place = series.place_after(point.time);
        let same_time = series.points[series.head..place].iter().rev().take_while(|known| known.time == point.time).count();
        if self.keeping.is_absence {
            return self.insert_presence(labels, place, point, mark);
        }
        if series.marks[place - same_time..place].iter().any(|known| known.hash == mark.hash) {
            return Inserted::Again;
        }
        series.points.insert(place, point);
        series.marks.insert(place, mark);
        if let Some(line) = line {
            series.lines.insert(place, line);
        }
        self.bytes += POINT_BYTES;
        self.len += 1;
        Inserted::New
    }

    /// Of three neighbours the middle one is not kept if the outer two are within one range: no window has it alone.
    fn insert_presence(&mut self, labels: &LabelSet, place: usize, point: Point, mark: Mark) -> Inserted {
        let range = self.keeping.range;
        let Some(series) = self.series.get_mut(labels) else { return Inserted::Again };
        let near = |left: UnixNanos, right: UnixNanos| right.0.saturating_sub(left.0) <= range;
        let before = series.points[series.head..place].last().map(|known| known.time);
        let after = series.points.get(place).map(|known| known.time);
        let is_covered = before.is_some_and(|before| before == point.time || after.is_some_and(|after| near(before, after)));
        if is_covered {
            return Inserted::Again;
        }
        series.points.insert(place, point);
        series.marks.insert(place, mark);
        let mut added: isize = 1;
        // The neighbours may be covered now; the later one first, so that `place` stays right.
        let time_at = |series: &SeriesPoints, at: usize| series.points.get(at).map(|known| known.time);
        if let Some(beyond) = time_at(series, place + 2)
            && near(point.time, beyond)
        {
            series.remove(place + 1);
            added -= 1;
        }
        if place >= series.head + 2
            && let Some(beyond) = time_at(series, place - 2)
            && near(beyond, point.time)
        {
            series.remove(place - 1);
            added -= 1;
        }
        self.bytes = self.bytes.saturating_add_signed(added * POINT_BYTES as isize);
        self.len = self.len.saturating_add_signed(added);
        // Whether there was something in the window that ends here was known before.
        match before {
            Some(before) if point.time.0.saturating_sub(before.0) < range => Inserted::Again,
            _ => Inserted::New,
        }
    }

    /// The series with points in `(after, until]`.
    pub fn window(&self, after: UnixNanos, until: UnixNanos) -> Vec<Series<'_>> {
        let within = self.series.iter().map(|(labels, series)| Series { labels, points: series.within(after, until) });
        within.filter(|series| !series.points.is_empty()).collect()
    }

    /// The same, copied, with each mark once a series; of several points the first.
    pub fn window_by_id(&self, after: UnixNanos, until: UnixNanos) -> Vec<(LabelSet, Vec<Point>)> {
        let mut window = Vec::new();
        for (labels, series) in &self.series {
            let (from, to) = series.bounds(after, until);
            let mut ids = HashSet::new();
            let once = series.points[from..to].iter().zip(&series.marks[from..to]).filter(|(_, mark)| ids.insert(mark.hash));
            let points: Vec<Point> = once.map(|(point, _)| *point).collect();
            if !points.is_empty() {
                window.push((labels.clone(), points));
            }
        }
        window
    }

    /// Whether marks are ids.
    pub fn is_by_id(&self) -> bool {
        self.keeping.by_id
    }

    /// The lines behind the points in `(after, until]` of the series that `wanted` says yes to, if lines are kept.
    pub fn lines(&self, after: UnixNanos, until: UnixNanos, wanted: impl Fn(&LabelSet) -> bool) -> Vec<Arc<KeptLine>> {
        let mut lines = Vec::new();
        for (_, series) in self.series.iter().filter(|(labels, _)| wanted(labels)) {
            let (from, to) = series.bounds(after, until);
            lines.extend(series.lines.get(from..to).unwrap_or_default().iter().cloned());
        }
        lines
    }

    /// The times of the points in `(after, until]`, in no order.
    pub fn times(&self, after: UnixNanos, until: UnixNanos) -> impl Iterator<Item = UnixNanos> {
        self.series.values().flat_map(move |series| series.within(after, until)).map(|point| point.time)
    }

    /// Drops points that are older than `time` and arrived before `arrival`.
    pub fn prune(&mut self, time: UnixNanos, arrival: UnixNanos) {
        self.drop_first(|point, mark| point.time < time && mark.arrival < arrival);
    }

    /// Drops the oldest points, at least `bytes` of them or all. Says how many.
    pub fn give_up(&mut self, bytes: usize) -> usize {
        let count = bytes.div_ceil(POINT_BYTES).min(self.len);
        if count == 0 {
            return 0;
        }
        let mut times: Vec<UnixNanos> = self.times(UnixNanos(i64::MIN), UnixNanos(i64::MAX)).collect();
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
        for series in self.series.values_mut() {
            let live = series.points[series.head..].iter().zip(&series.marks[series.head..]);
            let old = live.take_while(|(point, mark)| is_old(point, mark)).count();
            series.head += old;
            dropped += old;
            series.cut();
        }
        self.len -= dropped;
        self.bytes -= dropped * POINT_BYTES;
        let bytes = &mut self.bytes;
        self.series.retain(|labels, series| {
            let lives = series.head < series.points.len();
            if !lives {
                *bytes -= series_bytes(labels);
            }
            lives
        });
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
        self.series.iter().flat_map(|(labels, series)| {
            let live = series.points[series.head..].iter().zip(&series.marks[series.head..]);
            live.map(move |(point, mark)| (labels, *point, *mark))
        })
    }
}

impl SeriesPoints {
    /// Behind all points up to that time. Mostly the end.
    fn place_after(&self, time: UnixNanos) -> usize {
        match self.points.last() {
            Some(last) if last.time > time => self.head + self.points[self.head..].partition_point(|point| point.time <= time),
            _ => self.points.len(),
        }
    }

    fn bounds(&self, after: UnixNanos, until: UnixNanos) -> (usize, usize) {
        let live = &self.points[self.head..];
        let from = live.partition_point(|point| point.time <= after);
        let to = from + live[from..].partition_point(|point| point.time <= until);
        (self.head + from, self.head + to)
    }

    fn within(&self, after: UnixNanos, until: UnixNanos) -> &[Point] {
        let (from, to) = self.bounds(after, until);
        &self.points[from..to]
    }

    fn remove(&mut self, at: usize) {
        self.points.remove(at);
        self.marks.remove(at);
        if at < self.lines.len() {
            self.lines.remove(at);
        }
    }

    /// Frees what is before the head once that is half of it: each point is moved once or twice in its life.
    fn cut(&mut self) {
        if self.head * 2 > self.points.len() {
            self.points.drain(..self.head);
            self.marks.drain(..self.head);
            self.lines.drain(..self.head.min(self.lines.len()));
            self.head = 0;
            if self.points.capacity() > 64 && self.points.capacity() > 4 * self.points.len() {
                self.points.shrink_to(2 * self.points.len());
                self.marks.shrink_to(2 * self.points.len());
            }
        }
    }
}

fn series_bytes(labels: &LabelSet) -> usize {
    SERIES_BYTES + labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf(is_absence: bool, by_id: bool) -> LeafPoints {
        LeafPoints::new(Keeping { range: 10, is_absence, by_id })
    }

    fn put(leaf: &mut LeafPoints, time: i64, hash: u64) -> Inserted {
        let mark = Mark { hash, arrival: UnixNanos(time) };
        leaf.insert(&LabelSet::new(), Point { time: UnixNanos(time), value: 1.0 }, mark, None)
    }

    fn times(leaf: &LeafPoints, after: i64, until: i64) -> Vec<i64> {
        leaf.times(UnixNanos(after), UnixNanos(until)).map(|time| time.0).collect()
    }

    #[test]
    fn points_go_to_their_place_and_the_same_entry_counts_once() {
        let mut leaf = leaf(false, false);
        for (time, hash) in [(5, 1), (3, 2), (9, 3), (5, 4)] {
            assert_eq!(put(&mut leaf, time, hash), Inserted::New);
        }
        assert_eq!(put(&mut leaf, 5, 1), Inserted::Again);
        assert_eq!(put(&mut leaf, 5, 4), Inserted::Again);
        assert_eq!(times(&leaf, i64::MIN, i64::MAX), [3, 5, 5, 9]);
        assert_eq!(times(&leaf, 3, 5), [5, 5]);
        leaf.prune(UnixNanos(6), UnixNanos(4));
        assert_eq!(times(&leaf, i64::MIN, i64::MAX), [5, 5, 9]);
        assert_eq!(leaf.bytes(), series_bytes(&LabelSet::new()) + 3 * POINT_BYTES);
        assert_eq!(leaf.give_up(1), 2);
        assert_eq!(leaf.give_up(usize::MAX), 1);
        assert_eq!((leaf.bytes(), leaf.len()), (0, 0));
    }

    #[test]
    fn an_id_counts_once_in_each_window() {
        let mut leaf = leaf(false, true);
        for (time, id) in [(0, 7), (9, 7), (9, 8), (18, 7)] {
            put(&mut leaf, time, id);
        }
        let window = |until: i64| {
            let window = leaf.window_by_id(UnixNanos(until - 10), UnixNanos(until));
            window.iter().flat_map(|(_, points)| points.iter().map(|point| point.time.0)).collect::<Vec<_>>()
        };
        assert_eq!(window(9), [0, 9]);
        assert_eq!(window(10), [9, 9]);
        assert_eq!(window(19), [18]);
    }

    proptest! {
        #[test]
        fn an_absence_keeps_what_its_windows_can_tell_apart(given in prop::collection::vec(0_i64..200, 1..60)) {
            let mut thin = leaf(true, false);
            for time in &given {
                put(&mut thin, *time, 0);
            }
            for until in 0..220 {
                let has = given.iter().any(|time| *time > until - 10 && *time <= until);
                prop_assert_eq!(!times(&thin, until - 10, until).is_empty(), has, "window until {}", until);
            }
            prop_assert!(thin.len() <= 2 * 220 / 10 + 2);
        }

        #[test]
        fn what_is_counted_is_what_is_there(steps in prop::collection::vec((0_i64..100, 0_u64..5, 0_u8..8), 1..80)) {
            let mut leaf = leaf(false, false);
            let mut model: Vec<(i64, u64)> = Vec::new();
            for (time, hash, what) in steps {
                if what == 0 {
                    leaf.prune(UnixNanos(time), UnixNanos(i64::MAX));
                    model.retain(|(known, _)| *known >= time);
                } else {
                    let known = model.contains(&(time, hash));
                    prop_assert_eq!(put(&mut leaf, time, hash) == Inserted::Again, known);
                    if !known {
                        model.push((time, hash));
                    }
                }
                let mut expected: Vec<i64> = model.iter().map(|(time, _)| *time).collect();
                expected.sort_unstable();
                prop_assert_eq!(times(&leaf, i64::MIN, i64::MAX), expected);
                prop_assert_eq!(leaf.len(), model.len());
            }
        }
    }
}
