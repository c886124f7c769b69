//! The book: what was written against what was stored, line by line.
//!
//! The first time a line is stored is its *first delivery*; every further time is a *repeat*, which must be the same in every
//! respect. First deliveries of one writer come in the order written, in one stream, and their times do not go back.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::line::{self, Damage, Mark, Shape};
use crate::loki::{Delivery, Loki};

/// So many examples of each kind of violation are kept; all are counted.
const EXAMPLES_MAX: usize = 10;

/// Takes deliveries of one destination as they come in.
#[derive(Debug)]
pub struct Book {
    run: u32,
    shapes: HashMap<u32, Shape>,
    n_read: usize,
    writers: BTreeMap<u32, Writer>,
    n_repeats: u64,
    n_visible_repeats: u64,
    delays: Vec<i64>,
    violations: Violations,
}

/// What came in of one writer, by sequence number.
#[derive(Debug, Default)]
struct Writer {
    first: Vec<Option<Arc<Delivery>>>,
    /// The newest first delivery.
    last: Option<(u64, Arc<Delivery>)>,
    n_distinct: u64,
}

/// What must not be, each with examples.
#[derive(Clone, Debug, Default)]
struct Violations {
    n: u64,
    examples: BTreeMap<&'static str, (u64, Vec<String>)>,
}

/// How it stands, once the writers say how much they wrote.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Written and never stored: (writer, first sequence number, last one).
    pub lost: Vec<(u32, u64, u64)>,
    /// Lines stored at least once.
    pub n_stored: u64,
    /// Deliveries after the first one of their line.
    pub n_repeats: u64,
    /// Repeats that Loki would have kept, since the first was no longer in its head block.
    pub n_visible_repeats: u64,
    violations: Violations,
}

impl Book {
    /// An empty book. Lines of other runs count as nobody's.
    pub fn new(run: u32) -> Self {
        Self {
            run,
            shapes: HashMap::new(),
            n_read: 0,
            writers: BTreeMap::new(),
            n_repeats: 0,
            n_visible_repeats: 0,
            delays: Vec::new(),
            violations: Violations::default(),
        }
    }

    /// Says what a writer writes, so that the times of its entries can be checked too.
    pub fn expect_shape(&mut self, writer: u32, shape: Shape) {
        for (writer, _) in shape.sequences(writer, 1) {
            self.shapes.insert(writer, shape);
        }
    }

    /// Takes what was stored since the last look.
    pub fn read(&mut self, loki: &Loki) {
        let deliveries = loki.stored_since(self.n_read);
        self.n_read += deliveries.len();
        for delivery in deliveries {
            self.take(delivery);
        }
    }

    /// How many different lines have been stored.
    pub fn n_distinct(&self) -> u64 {
        self.writers.values().map(|writer| writer.n_distinct).sum()
    }

    /// The longest time from the writing of a line to its first arrival, in milliseconds, and the 99th percentile.
    pub fn delay_ms(&self) -> (i64, i64) {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let at = |share: usize| delays.get((delays.len() * share / 100).min(delays.len().saturating_sub(1)));
        (at(100).map_or(0, |nanos| nanos / 1_000_000), at(99).map_or(0, |nanos| nanos / 1_000_000))
    }

    /// Judges against what was written: (writer, number of lines).
    pub fn verdict(&self, written: &[(u32, u64)]) -> Verdict {
        let mut violations = self.violations.clone();
        for (id, writer) in &self.writers {
            let n_written = written.iter().find(|(known, _)| known == id).map_or(0, |(_, n_lines)| *n_lines);
            if writer.first.len() as u64 > n_written {
                violations
                    .add("nobody wrote", || format!("writer {id} wrote {n_written} lines and {} are here", writer.first.len()));
            }
        }
        Verdict {
            lost: written.iter().flat_map(|(id, n_lines)| self.missing(*id, *n_lines)).collect(),
            n_stored: self.n_distinct(),
            n_repeats: self.n_repeats,
            n_visible_repeats: self.n_visible_repeats,
            violations,
        }
    }

    /// Takes one delivery, where only some are lines of this book.
    pub fn take(&mut self, delivery: Arc<Delivery>) {
        let mark = match line::parse(&delivery.line) {
            Ok(mark) if mark.run == self.run => mark,
            Ok(_) | Err(Damage::Foreign) => {
                return self.violations.add("nobody wrote", || describe(&delivery));
            }
            Err(Damage::Changed(mark)) => {
                return self.violations.add("changed text", || format!("{}, {}", name(mark), describe(&delivery)));
            }
        };
        if self.shapes.get(&mark.writer).is_some_and(|shape| !shape.states_time(mark, delivery.time)) {
            self.violations.add("wrong time", || format!("{} at {}", name(mark), delivery.time));
        }
        let writer = self.writers.entry(mark.writer).or_default();
        let seq = mark.seq as usize;
        if writer.first.len() <= seq {
            writer.first.resize(seq + 1, None);
        }
        if let Some(first) = &writer.first[seq] {
            self.n_repeats += 1;
            self.n_visible_repeats += u64::from(!delivery.is_ignored);
            if let Some(difference) = difference(first, &delivery) {
                self.violations.add("changed repeat", || format!("{}: {difference}", name(mark)));
            }
            return;
        }
        if let Some((last_seq, last)) = &writer.last {
            if mark.seq < *last_seq {
                self.violations.add("order", || format!("{} came after {last_seq}", name(mark)));
            } else if delivery.time < last.time {
                self.violations.add("order", || format!("{}: time {} came after {}", name(mark), delivery.time, last.time));
            }
            if delivery.stream != last.stream {
                self.violations.add("other stream", || format!("{}: {} after {}", name(mark), delivery.stream, last.stream));
            }
        }
        self.delays.push(delivery.arrived - mark.nanos);
        writer.n_distinct += 1;
        writer.last = Some((mark.seq, Arc::clone(&delivery)));
        writer.first[seq] = Some(delivery);
    }

    fn missing(&self, id: u32, n_lines: u64) -> Vec<(u32, u64, u64)> {
        let writer = self.writers.get(&id);
        let is_here = |seq: u64| writer.is_some_and(|writer| matches!(writer.first.get(seq as usize), Some(Some(_))));
        let mut ranges: Vec<(u32, u64, u64)> = Vec::new();
        for seq in (0..n_lines).filter(|seq| !is_here(*seq)) {
            match ranges.last_mut() {
                Some((_, _, last)) if *last + 1 == seq => *last = seq,
                _ => ranges.push((id, seq, seq)),
            }
        }
        ranges
    }
}

impl Verdict {
    /// How many lines were lost.
    pub fn n_lost(&self) -> u64 {
        self.lost.iter().map(|(_, first, last)| last - first + 1).sum()
    }

    /// Whether something happened that must not: changed, misplaced or invented entries.
    pub fn has_violations(&self) -> bool {
        self.violations.n > 0
    }

    /// Whether every line is there, nothing is wrong with any, and at most so many were repeated.
    pub fn is_whole(&self, n_repeats_max: u64) -> bool {
        self.lost.is_empty() && !self.has_violations() && self.n_repeats <= n_repeats_max
    }

    /// Panics with the details unless it is whole.
    pub fn assert_whole(&self, n_repeats_max: u64) {
        assert!(self.is_whole(n_repeats_max), "(at most {n_repeats_max} repeats allowed) {self:#}");
    }
}

impl fmt::Display for Verdict {
    /// One line; with `{:#}` the details after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n_lost, n_wrong) = (self.n_lost(), self.violations.n);
        let Self { n_stored, n_repeats, n_visible_repeats, .. } = self;
        write!(f, "{n_lost} lost, {n_stored} stored, {n_repeats} repeats ({n_visible_repeats} visible), {n_wrong} violations")?;
        if f.alternate() {
            for (writer, first, last) in self.lost.iter().take(EXAMPLES_MAX) {
                write!(f, "\n  lost: writer {writer}, {first} to {last}")?;
            }
            for (kind, (n, examples)) in &self.violations.examples {
                write!(f, "\n  {kind}, {n} times, for example:")?;
                for example in examples {
                    write!(f, "\n    {example}")?;
                }
            }
        }
        Ok(())
    }
}

impl Violations {
    fn add(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        self.n += 1;
        let (n, examples) = self.examples.entry(kind).or_default();
        *n += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(example());
        }
    }
}

fn difference(first: &Delivery, repeat: &Delivery) -> Option<String> {
    if first.stream != repeat.stream {
        return Some(format!("stream {} and then {}", first.stream, repeat.stream));
    }
    if first.time != repeat.time {
        return Some(format!("time {} and then {}", first.time, repeat.time));
    }
    if first.metadata != repeat.metadata {
        return Some(format!("metadata {:?} and then {:?}", first.metadata, repeat.metadata));
    }
    (first.line != repeat.line).then(|| format!("text {:?} and then {:?}", first.line, repeat.line))
}

fn name(mark: Mark) -> String {
    format!("writer {} line {}", mark.writer, mark.seq)
}

fn describe(delivery: &Delivery) -> String {
    let text: String = delivery.line.chars().take(200).collect();
    format!("{} at {}: {text}", delivery.stream, delivery.time)
}

#[cfg(test)]
mod tests;
