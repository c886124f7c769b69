//! The position log's bytes: a frame (`durable::frame`) for each record, and in it a kind byte and fields as LEB128 integers and
//! length-prefixed text. What does not decode is damage: everything from there on is cut.

use durable::frame::{self, Damage, Format};

use super::{Cursor, EntryPlace, Move, Newest, Part, Record, SegmentIdentity, Stamp, Ties};
use crate::ledger::{Delta, Fate};
use crate::spool::{Share, Spooled};
use crate::tail::identity::{FileId, Fingerprint, Marker};
use crate::tail::segment::SegmentNumber;

// The flags of a cursor.
const MID_LINE: u8 = 1;
const ENTRY: u8 = 2;
const IN_MEMORY: u8 = 4;

const FORMAT: Format = Format {
    header: b"picket-positions",
    version: 1,
    // 1 MiB is some 20,000 cursors.
    body_max: 16 << 20,
};

/// Reads a log. Gives the records up to the first damage, and the damage.
pub fn decode(log: &[u8]) -> (Vec<Record>, Option<Damage>) {
    let mut records = Vec::new();
    let damage = FORMAT.read(log, |body| {
        let mut reader = Reader { bytes: body };
        let record = reader.record()?;
        reader.bytes.is_empty().then(|| records.push(record))
    });
    (records, damage)
}

/// Begins a log.
pub fn encode_header(out: &mut Vec<u8>) {
    FORMAT.begin(out);
}

/// Appends one record.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    frame::seal(out, |out| write_record(record, out));
}

fn write_record(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Destination { id, name } => {
            out.push(1);
            number(u64::from(*id), out);
            text(name, out);
        }
        Record::Chain { id, key } => {
            out.push(2);
            number(u64::from(*id), out);
            text(key, out);
        }
        Record::Name { id, text: name } => {
            out.push(3);
            number(u64::from(*id), out);
            text(name, out);
        }
        Record::Segment { chain, number: segment, identity } => {
            out.push(4);
            number(u64::from(*chain), out);
            number(segment.0, out);
            number(identity.id.dev, out);
            number(identity.id.ino, out);
            number(u64::from(identity.fingerprint.len), out);
            out.extend_from_slice(&identity.fingerprint.hash.to_le_bytes());
            text(&identity.name, out);
        }
        Record::Sending { destination, sequence, seen, moves } => {
            out.push(5);
            number(u64::from(*destination), out);
            number(*sequence, out);
            number(*seen, out);
            write_moves(moves, out);
        }
        Record::Settled { destination, sequence, except, ledger } => {
            out.push(6);
            number(u64::from(*destination), out);
            number(*sequence, out);
            write_moves(except, out);
            write_ledger(ledger, out);
        }
        Record::Moved { destination, seen, moves, ledger } => {
            out.push(7);
            number(u64::from(*destination), out);
            number(*seen, out);
            write_moves(moves, out);
            write_ledger(ledger, out);
        }
        Record::Unspooled { destination, sequence, ledger } => {
            out.push(8);
            number(u64::from(*destination), out);
            number(*sequence, out);
            write_ledger(ledger, out);
        }
        Record::Forget { chain } => {
            out.push(9);
            number(u64::from(*chain), out);
        }
        Record::Missing { chain, since } => {
            out.push(10);
            number(u64::from(*chain), out);
            number(*since, out);
        }
    }
}

/// A list of moves, as records and the spool hold it.
fn write_moves(moves: &[Move], out: &mut Vec<u8>) {
    number(moves.len() as u64, out);
    for step in moves {
        number(u64::from(step.chain), out);
        number(step.cursors.len() as u64, out);
        for cursor in &step.cursors {
            number(cursor.segment.0, out);
            number(cursor.at, out);
            out.extend_from_slice(&cursor.marker.0.to_le_bytes());
            for ties in &cursor.ties {
                signed(ties.last, out);
                number(u64::from(ties.added), out);
            }
            let in_memory = cursor.entry.is_some_and(|entry| entry.in_memory);
            let flags = [(cursor.mid_line, MID_LINE), (cursor.entry.is_some(), ENTRY), (in_memory, IN_MEMORY)];
            out.push(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum());
            number(cursor.ahead.len() as u64, out);
            for (part, at) in &cursor.ahead {
                number(u64::from(part.0), out);
                number(*at, out);
            }
            if let Some(entry) = &cursor.entry {
                for id in [entry.directory, entry.sequence, entry.boot] {
                    out.extend_from_slice(&id.to_le_bytes());
                }
                number(entry.seqnum, out);
                number(entry.monotonic, out);
            }
        }
        number(step.stamps.len() as u64, out);
        for stamp in &step.stamps {
            number(stamp.segment.0, out);
            number(stamp.from, out);
            signed(stamp.time, out);
        }
        number(step.newest.len() as u64, out);
        for newest in &step.newest {
            out.extend_from_slice(&newest.stream.to_le_bytes());
            number(u64::from(newest.part.0), out);
            signed(newest.time, out);
        }
    }
}

fn write_ledger(ledger: &[Delta], out: &mut Vec<u8>) {
    number(ledger.len() as u64, out);
    for delta in ledger {
        number(u64::from(delta.source), out);
        out.push(delta.fate as u8);
        number(u64::from(delta.reason), out);
        signed(delta.bytes, out);
        signed(delta.lines, out);
    }
}

/// LEB128.
fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zigzag, then LEB128.
#[expect(clippy::cast_sign_loss, reason = "zigzag maps signed to unsigned on purpose")]
fn signed(value: i64, out: &mut Vec<u8>) {
    number(((value << 1) ^ (value >> 63)) as u64, out);
}

fn text(value: &str, out: &mut Vec<u8>) {
    number(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

/// Reads fields; `None` is damage.
struct Reader<'a> {
    /// What is left.
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    #[expect(clippy::cast_possible_wrap, reason = "the inverse of zigzag")]
    fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn fixed(&mut self) -> Option<u64> {
        let (first, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (first, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        String::from_utf8(first.to_vec()).ok()
    }

    /// A list whose length stands first. Every element takes at least one byte, so a claimed length is bounded by what is left.
    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        if count > self.bytes.len() {
            return None;
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Some(list)
    }

    fn ties(&mut self) -> Option<Ties> {
        Some(Ties { last: self.signed()?, added: self.small()? })
    }

    fn entry(&mut self, in_memory: bool) -> Option<EntryPlace> {
        let (directory, sequence, boot) = (self.fixed()?, self.fixed()?, self.fixed()?);
        Some(EntryPlace { directory, in_memory, sequence, seqnum: self.number()?, boot, monotonic: self.number()? })
    }

    /// The inverse of [`write_moves`].
    fn moves(&mut self) -> Option<Vec<Move>> {
        self.list(|reader| {
            let chain = reader.small()?;
            let cursors = reader.list(|reader| {
                let (segment, at, marker) = (SegmentNumber(reader.number()?), reader.number()?, Marker(reader.fixed()?));
                let ties = [reader.ties()?, reader.ties()?];
                let flags = reader.byte()?;
                let ahead = reader.list(|reader| Some((Part(reader.number()?.try_into().ok()?), reader.number()?)))?;
                let entry = if flags & ENTRY == 0 { None } else { Some(reader.entry(flags & IN_MEMORY != 0)?) };
                Some(Cursor { segment, at, marker, ties, mid_line: flags & MID_LINE != 0, ahead, entry })
            })?;
            let stamps = reader.list(|reader| {
                Some(Stamp { segment: SegmentNumber(reader.number()?), from: reader.number()?, time: reader.signed()? })
            })?;
            let newest = reader.list(|reader| {
                let stream = reader.fixed()?;
                Some(Newest { stream, part: Part(reader.number()?.try_into().ok()?), time: reader.signed()? })
            })?;
            Some(Move { chain, cursors, stamps, newest })
        })
    }

    fn ledger(&mut self) -> Option<Vec<Delta>> {
        self.list(|reader| {
            Some(Delta {
                source: reader.small()?,
                fate: Fate::from_number(reader.byte()?)?,
                reason: reader.small()?,
                bytes: reader.signed()?,
                lines: reader.signed()?,
            })
        })
    }

    fn record(&mut self) -> Option<Record> {
        Some(match self.byte()? {
            1 => Record::Destination { id: self.small()?, name: self.text()? },
            2 => Record::Chain { id: self.small()?, key: self.text()? },
            3 => Record::Name { id: self.small()?, text: self.text()? },
            4 => Record::Segment {
                chain: self.small()?,
                number: SegmentNumber(self.number()?),
                identity: SegmentIdentity {
                    id: FileId { dev: self.number()?, ino: self.number()? },
                    fingerprint: Fingerprint { len: self.number()?.try_into().ok()?, hash: self.fixed()? },
                    name: self.text()?,
                },
            },
            5 => Record::Sending {
                destination: self.small()?,
                sequence: self.number()?,
                seen: self.number()?,
                moves: self.moves()?,
            },
            6 => Record::Settled {
                destination: self.small()?,
                sequence: self.number()?,
                except: self.moves()?,
                ledger: self.ledger()?,
            },
            7 => Record::Moved { destination: self.small()?, seen: self.number()?, moves: self.moves()?, ledger: self.ledger()? },
            8 => Record::Unspooled { destination: self.small()?, sequence: self.number()?, ledger: self.ledger()? },
            9 => Record::Forget { chain: self.small()? },
            10 => Record::Missing { chain: self.small()?, since: self.number()? },
            _ => return None,
        })
    }
}

/// A batch of the spool, as its record's body.
pub fn write_spooled(batch: &Spooled, out: &mut Vec<u8>) {
    number(batch.number, out);
    number(batch.sequence, out);
    write_moves(&batch.moves, out);
    number(batch.shares.len() as u64, out);
    for share in &batch.shares {
        text(&share.labels, out);
        text(&share.source, out);
        number(share.entries, out);
        number(share.lines, out);
        number(share.bytes, out);
    }
    out.extend_from_slice(&batch.body);
}

/// The inverse of [`write_spooled`]; `None` is damage.
pub fn read_spooled(body: &[u8]) -> Option<Spooled> {
    let mut reader = Reader { bytes: body };
    let (number, sequence) = (reader.number()?, reader.number()?);
    let moves = reader.moves()?;
    let shares = reader.list(|reader| {
        Some(Share {
            labels: reader.text()?,
            source: reader.text()?,
            entries: reader.number()?,
            lines: reader.number()?,
            bytes: reader.number()?,
        })
    })?;
    Some(Spooled { number, sequence, moves, shares, body: reader.bytes.to_vec() })
}
