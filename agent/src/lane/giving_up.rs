//! A lane lets go of a deleted file that it has not read to its end, and says exactly how many bytes it loses with it.
//!
//! It is asked by the scout, at any time: while it reads, and while it waits for a destination that is away. What was read of
//! the file is in batches, and is delivered; only what was not read is lost. The file is closed when the last lane let go of it.

use std::io::{self, BufRead, BufReader, Read};

use record::cri::{self, Output};

use super::Lane;
use super::chain::ChainLane;
use super::standing::{OpenSegment, PARTS};
use crate::ledger::Fate;
use crate::tail::framing::{last_line, next_line};
use crate::tail::rotation::Encoding;
use crate::tail::segment::{Segment, SegmentNumber};
use crate::wake::GiveUp;

/// Why, in the ledger and in metrics.
pub(super) const REASON: &str = "max_held_bytes";

/// What is lost with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// So many bytes.
    Bytes(u64),
    /// Nobody can tell how many.
    Unknown,
}

impl Lane {
    /// Lets go of what was asked for. `current` is the chain that is being read, which is not among the others meanwhile.
    pub(super) fn give_up(&mut self, asked: &[GiveUp], mut current: Option<&mut ChainLane>) {
        for GiveUp { chain: index, segment } in asked {
            if let Some(chain) = current.as_deref_mut().filter(|chain| chain.index == *index) {
                self.give_up_of(chain, *segment);
                // It begins again at its marks: places of open segments have changed.
                self.reading.abandon();
                continue;
            }
            self.meet(*index);
            if let Some(mut chain) = self.chains.remove(index) {
                self.give_up_of(&mut chain, *segment);
                self.chains.insert(*index, chain);
            }
        }
    }

    fn give_up_of(&mut self, chain: &mut ChainLane, number: SegmentNumber) {
        self.follow(chain, "gone");
        let Some(open) = chain.open.iter().find(|open| open.segment.number == number) else { return };
        // What is missing of a journal, its numbers tell exactly.
        let loss = if chain.journal.is_some() { Loss::Bytes(0) } else { loss(open, chain.parts, chain.max_line) };
        // Only a file that another has followed is known not to grow any more.
        let may_grow = !open.done && !open.segment.is_superseded() && chain.journal.is_none();
        chain.close(number);
        chain.given_up = true;
        chain.touch();
        if !self.touched.contains(&chain.index) {
            self.touched.push(chain.index);
            self.touched_since.get_or_insert_with(std::time::Instant::now);
        }
        let source = std::sync::Arc::clone(&chain.streams[0].source);
        match loss {
            Loss::Bytes(0) => {}
            Loss::Bytes(bytes) => self.note_gap(&source, Fate::Lost, REASON, bytes),
            Loss::Unknown => self.note_gap(&source, Fate::Unknown, REASON, 1),
        }
        if may_grow && loss != Loss::Unknown {
            self.note_gap(&source, Fate::Unknown, REASON, 1);
        }
    }
}

/// What of a file was not read.
fn loss(open: &OpenSegment, parts: usize, max_line: usize) -> Loss {
    if open.done {
        return Loss::Bytes(0);
    }
    let Some(len) = open.segment.stat().ok().map(|stat| stat.len).filter(|_| open.segment.encoding == Encoding::Plain) else {
        return Loss::Unknown;
    };
    let mut at = open.marks.map(|mark| mark.at.min(len));
    if parts == 1 {
        at[1] = at[0];
    }
    let (low, high) = (at[0].min(at[1]), at[0].max(at[1]));
    let between = Range { segment: &open.segment, at: low }.take(high - low);
    let lagging = usize::from(at[1] == low);
    match unread(BufReader::new(between), lagging, open.marks[lagging].mid_line, max_line) {
        Ok(bytes) => Loss::Bytes(bytes + len - high),
        Err(_) => Loss::Unknown,
    }
}

/// How many bytes of these lines belong to the part that was not read so far as the other. What belongs to a part is decided as
/// in reading: a line that says nothing of it, or that is longer than memory holds, belongs to the first.
fn unread(mut lines: impl BufRead, lagging: usize, mut mid_line: bool, max_line: usize) -> io::Result<u64> {
    let (mut bytes, mut line, mut scratch) = (0, Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = (&mut lines).take(max_line as u64).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(bytes);
        }
        let is_whole = line.ends_with(b"\n");
        let is_piece = mid_line || (!is_whole && read >= max_line);
        let part = if is_piece { 0 } else { part(&line, &mut scratch) };
        bytes += if part == lagging { read as u64 } else { 0 };
        mid_line = is_piece && !is_whole;
    }
}

fn part(line: &[u8], scratch: &mut Vec<u8>) -> usize {
    let Some(framed) = next_line(line, 0).or_else(|| last_line(line, 0)) else { return 0 };
    let text = &line[framed.start..framed.end];
    let output = cri::parse(text).map(|line| line.output);
    let output = output.or_else(|| record::docker::parse(text, scratch).map(|line| line.output));
    usize::from(output == Some(Output::Stderr))
}

/// An open file from a byte on.
struct Range<'a> {
    segment: &'a Segment,
    at: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.segment.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

const _: () = assert!(PARTS == 2, "the part that lags behind is one of two");

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::tail::identity::FileId;

    const OUT: &str = "2026-11-23T00:00:01Z stdout F one\n";
    const ERR: &str = "2026-11-23T00:00:01Z stderr P longer\n";

    fn of(lines: &str, lagging: usize) -> u64 {
        unread(lines.as_bytes(), lagging, false, 100).unwrap()
    }

    #[test]
    fn lines_count_for_the_part_that_they_belong_to() {
        let lines = format!("{OUT}{ERR}{ERR}{OUT}");
        assert_eq!(of(&lines, 0), 2 * OUT.len() as u64);
        assert_eq!(of(&lines, 1), 2 * ERR.len() as u64);
        let docker = "{\"log\":\"x\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-23T00:00:01Z\"}\n";
        assert_eq!((of(docker, 0), of(docker, 1)), (0, docker.len() as u64));
        assert_eq!((of("", 0), of("what is this\n", 0), of("what is this\n", 1)), (0, 13, 0));
    }

    #[test]
    fn a_line_that_memory_does_not_hold_belongs_to_the_first_part_whatever_it_says() {
        let long = format!("2026-11-23T00:00:01Z stderr F {}\n", "x".repeat(250));
        assert_eq!((of(&long, 0), of(&long, 1)), (long.len() as u64, 0));
        let lines = format!("{long}{ERR}");
        assert_eq!((of(&lines, 0), of(&lines, 1)), (long.len() as u64, ERR.len() as u64));
        let rest = format!("{ERR}{ERR}");
        assert_eq!(unread(rest.as_bytes(), 1, true, 100).unwrap(), ERR.len() as u64, "the first is the end of a long line");
    }

    fn open(path: &Path, encoding: Encoding) -> OpenSegment {
        let file = fs::File::open(path).unwrap();
        OpenSegment::new(Arc::new(Segment::new(SegmentNumber(0), file, FileId::default(), encoding, path.to_owned())))
    }

    #[test]
    fn what_was_not_read_is_lost_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let content = format!("{OUT}{ERR}{OUT}{ERR}");
        fs::write(&path, &content).unwrap();
        let (out, err, all) = (OUT.len() as u64, ERR.len() as u64, content.len() as u64);
        let mut file = open(&path, Encoding::Plain);
        assert_eq!(loss(&file, 1, 100), Loss::Bytes(all));
        file.marks[0].at = out;
        assert_eq!(loss(&file, 1, 100), Loss::Bytes(all - out), "a file has one part, whatever the other mark says");
        // Stdout was read to the end; of stderr, a record that began with its first fragment is not complete.
        (file.marks[0].at, file.marks[1].at) = (all, out);
        assert_eq!(loss(&file, 2, 100), Loss::Bytes(2 * err));
        // The same the other way round, and with a rest that neither has read.
        (file.marks[0].at, file.marks[1].at) = (0, out + err);
        assert_eq!(loss(&file, 2, 100), Loss::Bytes(out + out + err));
        // A part that others have finished stands behind every byte.
        (file.marks[0].at, file.marks[1].at) = (u64::MAX, out);
        assert_eq!(loss(&file, 2, 100), Loss::Bytes(2 * err));
        file.done = true;
        assert_eq!(loss(&file, 2, 100), Loss::Bytes(0));
        assert_eq!(loss(&open(&path, Encoding::Gzip), 1, 100), Loss::Unknown);
    }
}
