//! Builds push requests on the hot path: entries in, one compressed protobuf body out.
//!
//! An entry is encoded once, when it comes, behind the others of its stream; a body is the concatenation of the
//! streams' headers and entries. Once the buffers are as large as the traffic needs, nothing is allocated any more.

use super::fields::{message_len, tag, text_len, varint};
use super::metadata::StructuredMetadata;
use crate::snappy::{Compressor, varint_len};
use crate::time::UnixNanos;

/// The longest header of a stream without its labels: two tags and two lengths.
const STREAM_HEADER_BYTES: usize = 2 * (1 + 10);

/// Builds one request after the other, with the same buffers.
pub struct PushBuilder {
    /// The first `n_streams` belong to this request, the others wait with their buffers for the next.
    streams: Vec<StreamBuffer>,
    n_streams: usize,
    n_entries: usize,
    len_bytes: usize,
    /// Where the entries of a stream that came out of order begin, in the order of their times.
    in_order: Vec<(UnixNanos, usize)>,
    compressor: Compressor,
    prefix: [u8; PREFIX_BYTES],
}

/// Which stream of the request under way; valid until [`PushBuilder::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamSlot(usize);

impl StreamSlot {
    /// The place in the request: the first stream is 0, the next 1.
    pub fn index(self) -> usize {
        self.0
    }
}

#[derive(Default)]
struct StreamBuffer {
    labels: String,
    /// Encoded fields `entries` of the stream, one behind the other.
    entries: Vec<u8>,
    newest: UnixNanos,
    out_of_order: bool,
}

impl Default for PushBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PushBuilder {
    /// A builder that holds no memory yet.
    pub fn new() -> Self {
        Self {
            streams: Vec::new(),
            n_streams: 0,
            n_entries: 0,
            len_bytes: 0,
            in_order: Vec::new(),
            compressor: Compressor::new(),
            prefix: [0; PREFIX_BYTES],
        }
    }

    /// Adds a stream with its labels as text (see [`Labels`](crate::labels::Labels)). Streams stand in the request in
    /// the order in which they were added, those without entries are left out.
    pub fn stream(&mut self, labels: &str) -> StreamSlot {
        let slot = StreamSlot(self.n_streams);
        if slot.0 == self.streams.len() {
            self.streams.push(StreamBuffer::default());
        }
        self.n_streams += 1;
        let stream = &mut self.streams[slot.0];
        stream.labels.push_str(labels);
        slot
    }

    /// Adds an entry to a stream: its time, its line, and its metadata.
    ///
    /// # Panics
    /// If the slot was given out before the last [`PushBuilder::clear`] and there are fewer streams by now.
    #[inline]
    pub fn push(&mut self, slot: StreamSlot, time: UnixNanos, line: &str, metadata: &StructuredMetadata) {
        let stream = &mut self.streams[..self.n_streams][slot.0];
        if stream.entries.is_empty() {
            self.len_bytes += STREAM_HEADER_BYTES + stream.labels.len();
            stream.newest = time;
        }
        stream.out_of_order |= time < stream.newest;
        stream.newest = stream.newest.max(time);

        let time = Time::from(time);
        let entry_len = message_len(time.len()) + text_len(line.as_bytes()) + metadata.fields().len();
        let field_len = message_len(entry_len);
        let out = &mut stream.entries;
        out.reserve(field_len + PREFIX_BYTES);
        let mut prefix = Prefix::new(&mut self.prefix);
        prefix.put_field(tag::STREAM_ENTRY, entry_len);
        prefix.put_field(tag::ENTRY_TIME, time.len());
        prefix.put_time(time);
        if !line.is_empty() {
            prefix.put_field(tag::ENTRY_LINE, line.len());
        }
        prefix.write_into(out);
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(metadata.fields());
        self.len_bytes += field_len;
        self.n_entries += 1;
    }

    /// Bytes of the request's protobuf so far, uncompressed: at most 22 a stream above what it will be, never below.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Entries so far.
    pub fn entries(&self) -> usize {
        self.n_entries
    }

    /// Whether there is no entry yet.
    pub fn is_empty(&self) -> bool {
        self.n_entries == 0
    }

    /// Writes the request into `body`, which is cleared first: all streams that have entries, the entries of each in
    /// the order of their times, equal times in the order in which they came. Can be called again.
    pub fn encode(&mut self, body: &mut Vec<u8>) {
        let Self { streams, n_streams, in_order, compressor, prefix: bytes, .. } = self;
        let streams = streams[..*n_streams].iter().filter(|stream| !stream.entries.is_empty());
        let mut request = compressor.begin(streams.clone().map(|s| message_len(s.len())).sum(), body);
        for stream in streams {
            let mut prefix = Prefix::new(bytes);
            prefix.put_field(tag::REQUEST_STREAM, stream.len());
            if !stream.labels.is_empty() {
                prefix.put_field(tag::STREAM_LABELS, stream.labels.len());
            }
            request.write(prefix.bytes());
            request.write(stream.labels.as_bytes());
            if stream.out_of_order {
                stream.sort_into(in_order);
                for &(_, start) in &*in_order {
                    request.write(&stream.entries[start..][..entry_field_len(&stream.entries[start..])]);
                }
            } else {
                request.write(&stream.entries);
            }
        }
        request.finish();
    }

    /// Begins the next request; buffers are kept.
    pub fn clear(&mut self) {
        for stream in &mut self.streams[..self.n_streams] {
            stream.labels.clear();
            stream.entries.clear();
            stream.out_of_order = false;
        }
        self.n_streams = 0;
        self.n_entries = 0;
        self.len_bytes = 0;
    }

    /// Gives memory back until at most about `max` bytes are held beyond what the request under way needs.
    pub fn shrink(&mut self, max: usize) {
        let mut left = max;
        let mut keep = |capacity: usize| {
            let kept = capacity <= left;
            left -= if kept { capacity } else { 0 };
            kept
        };
        if !keep(self.compressor.capacity()) {
            self.compressor.release();
        }
        if !keep(self.in_order.capacity() * size_of::<(UnixNanos, usize)>()) {
            self.in_order = Vec::new();
        }
        let mut idx = 0;
        self.streams.retain_mut(|stream| {
            let in_use = idx < self.n_streams;
            idx += 1;
            if keep(stream.spare_capacity()) {
                return true;
            }
            stream.entries.shrink_to_fit();
            in_use
        });
        self.streams.shrink_to_fit();
    }
}

impl StreamBuffer {
    /// Bytes of the message, without the tag and length before it.
    fn len(&self) -> usize {
        text_len(self.labels.as_bytes()) + self.entries.len()
    }

    /// Where each entry begins, in the order of the entries' times. Starts are unique, so an unstable sort, which needs
    /// no memory, keeps the order of equal times.
    fn sort_into(&self, in_order: &mut Vec<(UnixNanos, usize)>) {
        in_order.clear();
        let mut start = 0;
        while start < self.entries.len() {
            let field = &self.entries[start..];
            in_order.push((entry_time(field), start));
            start += entry_field_len(field);
        }
        in_order.sort_unstable();
    }

    fn spare_capacity(&self) -> usize {
        size_of::<Self>() + self.labels.capacity() + self.entries.capacity() - self.entries.len()
    }
}

/// A time as the wire has it: the same point, in seconds and the nanoseconds after.
#[derive(Clone, Copy)]
struct Time {
    seconds: i64,
    nanos: i64,
}

impl From<UnixNanos> for Time {
    fn from(time: UnixNanos) -> Self {
        Self { seconds: time.0.div_euclid(1_000_000_000), nanos: time.0.rem_euclid(1_000_000_000) }
    }
}

impl Time {
    fn len(self) -> usize {
        let field_len = |value: i64| if value == 0 { 0 } else { 1 + varint_len(value.cast_unsigned()) };
        field_len(self.seconds) + field_len(self.nanos)
    }
}

/// The longest prefix (an entry's, of three lengths and a time), and room for a whole word at its end.
const PREFIX_BYTES: usize = 64;

/// Tags and lengths that stand before a text, gathered first in bytes that are used again and again, so that the buffer
/// grows once and not byte by byte.
struct Prefix<'a> {
    bytes: &'a mut [u8; PREFIX_BYTES],
    len: usize,
}

impl<'a> Prefix<'a> {
    #[inline]
    fn new(bytes: &'a mut [u8; PREFIX_BYTES]) -> Self {
        Self { bytes, len: 0 }
    }

    #[inline]
    fn put(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// A length: one byte or two, nearly always.
    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value as u8 | 0x80);
            value >>= 7;
        }
        self.put(value as u8);
    }

    /// A part of a time: five bytes, mostly, without a branch for each. Seven bits go into each byte, and all but the last
    /// say that another follows.
    #[inline]
    fn put_varint_of_time(&mut self, value: u64) {
        if value >= 1 << 35 {
            return self.put_varint(value);
        }
        let spread = (0..5).fold(0, |spread, group| spread | (value << group) & (0x7f << (8 * group)));
        let len = varint_len(value);
        let more = 0x80_8080_8080 & ((1 << (8 * (len - 1))) - 1);
        self.bytes[self.len..self.len + 8].copy_from_slice(&u64::to_le_bytes(spread | more));
        self.len += len;
    }

    #[inline]
    fn put_field(&mut self, tag: u8, len: usize) {
        self.put(tag);
        self.put_varint(len as u64);
    }

    #[inline]
    fn put_time(&mut self, time: Time) {
        for (tag, value) in [(tag::TIME_SECONDS, time.seconds), (tag::TIME_NANOS, time.nanos)] {
            if value != 0 {
                self.put(tag);
                self.put_varint_of_time(value.cast_unsigned());
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends itself: all bytes, since their number is known to the compiler, less those that say nothing.
    #[inline]
    fn write_into(self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        out.extend_from_slice(self.bytes);
        out.truncate(end);
    }
}

// === Reading back what was encoded above ===

/// Bytes of the encoded field `entries` that `field` begins with.
fn entry_field_len(field: &[u8]) -> usize {
    let (len, header) = varint(&field[1..]);
    1 + header + len as usize
}

/// The time of the encoded field `entries` that `field` begins with.
fn entry_time(field: &[u8]) -> UnixNanos {
    let (_, header) = varint(&field[1..]);
    let time = &field[1 + header..];
    let (len, header) = varint(&time[1..]);
    let mut fields = &time[1 + header..][..len as usize];
    let mut nanos = 0;
    while let [tag, value @ ..] = fields {
        let (value, len) = varint(value);
        let unit = if *tag == tag::TIME_SECONDS { 1_000_000_000 } else { 1 };
        // Wraps twice, back into range, for a time just after the earliest that there is.
        nanos = i64::wrapping_add(nanos, value.cast_signed().wrapping_mul(unit));
        fields = &fields[1 + len..];
    }
    UnixNanos(nanos)
}

#[cfg(test)]
mod tests;
