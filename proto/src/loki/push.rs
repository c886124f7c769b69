//! Builds push requests on the hot path: entries in, one compressed protobuf body out.
//!
//! An entry is encoded once, when it comes, behind the others of its stream; a body is the concatenation of the
//! streams' headers and entries. Once the buffers are as large as the traffic needs, nothing is allocated any more.

use crate::snappy::{Compressor, put_varint, varint_len};
use crate::time::UnixNanos;

/// Field tags: number and wire type 2 (length-delimited), or 0 (varint).
mod tag {
    pub(super) const REQUEST_STREAM: u8 = 1 << 3 | 2;
    pub(super) const STREAM_LABELS: u8 = 1 << 3 | 2;
    pub(super) const STREAM_ENTRY: u8 = 2 << 3 | 2;
    pub(super) const ENTRY_TIME: u8 = 1 << 3 | 2;
    pub(super) const ENTRY_LINE: u8 = 2 << 3 | 2;
    pub(super) const ENTRY_METADATA: u8 = 3 << 3 | 2;
    pub(super) const TIME_SECONDS: u8 = 1 << 3;
    pub(super) const TIME_NANOS: u8 = 2 << 3;
    pub(super) const PAIR_NAME: u8 = 1 << 3 | 2;
    pub(super) const PAIR_VALUE: u8 = 2 << 3 | 2;
}

/// The longest header of a stream without its labels: two tags and two lengths.
const STREAM_HEADER_BYTES: usize = 2 * (1 + 10);

/// Builds one request after the other, with the same buffers.
#[derive(Default)]
pub struct PushBuilder {
    /// The first `n_streams` belong to this request, the others wait with their buffers for the next.
    streams: Vec<StreamBuffer>,
    n_streams: usize,
    n_entries: usize,
    len_bytes: usize,
    /// Where the entries of a stream that came out of order begin, in the order of their times.
    in_order: Vec<(UnixNanos, usize)>,
    compressor: Compressor,
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

impl PushBuilder {
    /// A builder that holds no memory yet.
    pub fn new() -> Self {
        Self::default()
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

    /// Adds an entry to a stream: its time, its line, and names and values of its metadata (iterated twice).
    ///
    /// Metadata of a name without any ASCII letter or digit is left out: Loki would answer the whole request with 500,
    /// for ever.
    ///
    /// # Panics
    /// If the slot was given out before the last [`PushBuilder::clear`] and there are fewer streams by now.
    pub fn push<'m>(
        &mut self,
        slot: StreamSlot,
        time: UnixNanos,
        line: &str,
        metadata: impl Iterator<Item = (&'m str, &'m str)> + Clone,
    ) {
        let metadata = metadata.filter(|(name, _)| name.bytes().any(|b| b.is_ascii_alphanumeric()));
        let stream = &mut self.streams[..self.n_streams][slot.0];
        if stream.entries.is_empty() {
            self.len_bytes += STREAM_HEADER_BYTES + stream.labels.len();
            stream.newest = time;
        }
        stream.out_of_order |= time < stream.newest;
        stream.newest = stream.newest.max(time);

        let out = &mut stream.entries;
        let len_before = out.len();
        let time = Time::from(time);
        let entry_len = message_len(time.len())
            + text_len(line)
            + metadata.clone().map(|(name, value)| message_len(text_len(name) + text_len(value))).sum::<usize>();
        out.reserve(message_len(entry_len));
        put_message(out, tag::STREAM_ENTRY, entry_len);
        put_message(out, tag::ENTRY_TIME, time.len());
        time.put(out);
        put_text(out, tag::ENTRY_LINE, line);
        for (name, value) in metadata {
            put_message(out, tag::ENTRY_METADATA, text_len(name) + text_len(value));
            put_text(out, tag::PAIR_NAME, name);
            put_text(out, tag::PAIR_VALUE, value);
        }
        self.len_bytes += out.len() - len_before;
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
        let Self { streams, n_streams, in_order, compressor, .. } = self;
        let streams = streams[..*n_streams].iter().filter(|stream| !stream.entries.is_empty());
        let mut request = compressor.begin(streams.clone().map(|s| message_len(s.len())).sum(), body);
        let mut header = [0; 2 * STREAM_HEADER_BYTES];
        for stream in streams {
            let header_len = stream.header(&mut header);
            request.write(&header[..header_len]);
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
        text_len(&self.labels) + self.entries.len()
    }

    /// Writes what stands before the labels' own bytes, and returns how long it is.
    fn header(&self, header: &mut [u8; 2 * STREAM_HEADER_BYTES]) -> usize {
        let mut at = 0;
        let mut put = |tag: u8, mut len: usize| {
            header[at] = tag;
            at += 1;
            while len >= 0x80 {
                header[at] = len as u8 | 0x80;
                at += 1;
                len >>= 7;
            }
            header[at] = len as u8;
            at += 1;
        };
        put(tag::REQUEST_STREAM, self.len());
        if !self.labels.is_empty() {
            put(tag::STREAM_LABELS, self.labels.len());
        }
        at
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

    fn put(self, out: &mut Vec<u8>) {
        for (tag, value) in [(tag::TIME_SECONDS, self.seconds), (tag::TIME_NANOS, self.nanos)] {
            if value != 0 {
                out.push(tag);
                put_varint(out, value.cast_unsigned());
            }
        }
    }
}

/// Bytes of a field that holds a message of `len` bytes.
const fn message_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Bytes of a field that holds a text; an empty one is left out, as proto3 has it.
const fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { message_len(text.len()) }
}

fn put_message(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    put_varint(out, len as u64);
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_message(out, tag, text.len());
        out.extend_from_slice(text.as_bytes());
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

/// A varint, and how many bytes it takes.
fn varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return (value, i + 1);
        }
    }
    (value, bytes.len().min(10))
}

#[cfg(test)]
mod tests;
