//! The points of one series of a leaf.

use std::collections::HashSet;
use std::sync::Arc;

use proto::time::UnixNanos;

use super::ids::Ids;
use super::{Inserted, KeptLine, Mark};
use crate::labels::LabelSet;
use crate::logql::{Point, Series};

/// Points of an absence that are saved for each length of its window.
const SAVED_PER_RANGE: i64 = 8;

/// The points of one series, the oldest first. What is before `head` is given up and waits to be cut away.
#[derive(Debug, Default)]
pub(super) struct SeriesPoints {
    points: Vec<Point>,
    marks: Vec<Mark>,
    /// Beside each point, where lines are kept; else empty.
    lines: Vec<Arc<KeptLine>>,
    head: usize,
    /// Where marks are ids.
    ids: Option<Box<Ids>>,
    /// Of an absence: the newest point that was said to be worth saving.
    saved: Option<UnixNanos>,
}

impl SeriesPoints {
    /// None yet; `by_id` where marks are ids.
    pub(super) fn new(by_id: bool) -> Self {
        Self { ids: by_id.then(Box::default), ..Self::default() }
    }

    /// The points in `(after, until]` with each id once: the first.
    pub(super) fn once(&self, after: UnixNanos, until: UnixNanos) -> Vec<Point> {
        let (from, to) = self.bounds(after, until);
        let mut ids = HashSet::new();
        let points = self.points[from..to].iter().zip(&self.marks[from..to]);
        points.filter(|(_, mark)| ids.insert(mark.hash)).map(|(point, _)| *point).collect()
    }

    /// Puts a point to its place, unless the same entry is there.
    pub(super) fn insert(&mut self, range: i64, point: Point, mark: Mark, line: Option<Arc<KeptLine>>) -> Inserted {
        let place = self.place_after(point.time);
        let same_time = self.points[self.head..place].iter().rev().take_while(|known| known.time == point.time).count();
        if self.marks[place - same_time..place].iter().any(|known| known.hash == mark.hash) {
            return Inserted::Again;
        }
        self.points.insert(place, point);
        self.marks.insert(place, mark);
        if let Some(line) = line {
            self.lines.insert(place, line);
        }
        if let Some(ids) = &mut self.ids {
            ids.insert(&self.points[self.head..], &self.marks[self.head..], place - self.head, range);
        }
        Inserted::New
    }

    /// Puts a point that only says that there was something. Of three neighbours the middle one is not kept if the outer two are
    /// within one range: no window has it alone. Says how many points there are more.
    pub(super) fn insert_presence(&mut self, range: i64, point: Point, mark: Mark) -> (Inserted, isize) {
        let place = self.place_after(point.time);
        let near = |left: UnixNanos, right: UnixNanos| right.0.saturating_sub(left.0) <= range;
        let before = self.points[self.head..place].last().map(|known| known.time);
        let after = self.points.get(place).map(|known| known.time);
        let is_covered = before.is_some_and(|before| before == point.time || after.is_some_and(|after| near(before, after)));
        if is_covered {
            return (Inserted::Again, 0);
        }
        self.points.insert(place, point);
        self.marks.insert(place, mark);
        let mut added: isize = 1;
        // The neighbours may be covered now; the later one first, so that `place` stays right.
        let time_at = |series: &Self, at: usize| series.points.get(at).map(|known| known.time);
        if let Some(beyond) = time_at(self, place + 2)
            && near(point.time, beyond)
        {
            self.remove(place + 1);
            added -= 1;
        }
        if place >= self.head + 2
            && let Some(beyond) = time_at(self, place - 2)
            && near(beyond, point.time)
        {
            self.remove(place - 1);
            added -= 1;
        }
        // Whether there was something in the window that ends here was known before.
        let is_known = before.is_some_and(|before| point.time.0.saturating_sub(before.0) < range);
        // Of a busy stream a few are saved for each window, so that it is not silent after a crash.
        let is_saved = self.saved.is_some_and(|saved| point.time.0.saturating_sub(saved.0) < range / SAVED_PER_RANGE);
        if !is_saved {
            self.saved = Some(point.time);
        }
        let inserted = match (is_known, is_saved) {
            (false, _) => Inserted::New,
            (true, false) => Inserted::Known,
            (true, true) => Inserted::Again,
        };
        (inserted, added)
    }

    /// As a query asks for it.
    pub(super) fn window<'s>(&'s self, labels: &'s LabelSet, after: UnixNanos, until: UnixNanos) -> Series<'s> {
        let points = self.within(after, until);
        let repeated = self.ids.as_ref().map_or(0, |ids| ids.repeated(after, until));
        Series { labels, points, count: points.len().saturating_sub(repeated) }
    }

    /// Drops the first points as long as they are old. Says how many.
    pub(super) fn drop_first(&mut self, is_old: impl Fn(&Point, &Mark) -> bool) -> usize {
        let old = self.iter().take_while(|(point, mark)| is_old(point, mark)).count();
        let (from, to) = (self.head, self.head + old);
        self.head = to;
        if let Some(ids) = &mut self.ids
            && old > 0
        {
            ids.dropped(&self.points[from..to], &self.marks[from..to], self.points.get(to).map(|point| point.time));
        }
        self.cut();
        old
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.points.len()
    }

    /// The points with their marks.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Point, Mark)> {
        self.points[self.head..].iter().copied().zip(self.marks[self.head..].iter().copied())
    }

    /// The lines behind the points in `(after, until]`, if lines are kept.
    pub(super) fn lines(&self, after: UnixNanos, until: UnixNanos) -> &[Arc<KeptLine>] {
        let (from, to) = self.bounds(after, until);
        self.lines.get(from..to).unwrap_or_default()
    }

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

    pub(super) fn within(&self, after: UnixNanos, until: UnixNanos) -> &[Point] {
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
