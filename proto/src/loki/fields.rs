//! The fields of a push request as protobuf encodes them: tags, lengths and varints, for those who write them byte by byte.

use crate::snappy::varint_len;

/// Field tags: number and wire type 2 (length-delimited), or 0 (varint).
pub(super) mod tag {
    pub(in crate::loki) const REQUEST_STREAM: u8 = 1 << 3 | 2;
    pub(in crate::loki) const STREAM_LABELS: u8 = 1 << 3 | 2;
    pub(in crate::loki) const STREAM_ENTRY: u8 = 2 << 3 | 2;
    pub(in crate::loki) const ENTRY_TIME: u8 = 1 << 3 | 2;
    pub(in crate::loki) const ENTRY_LINE: u8 = 2 << 3 | 2;
    pub(in crate::loki) const ENTRY_METADATA: u8 = 3 << 3 | 2;
    pub(in crate::loki) const TIME_SECONDS: u8 = 1 << 3;
    pub(in crate::loki) const TIME_NANOS: u8 = 2 << 3;
    pub(in crate::loki) const PAIR_NAME: u8 = 1 << 3 | 2;
    pub(in crate::loki) const PAIR_VALUE: u8 = 2 << 3 | 2;
}

/// Bytes of a field that holds a message of `len` bytes.
pub(super) const fn message_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Bytes of a field that holds a text; an empty one is left out, as proto3 has it.
pub(super) const fn text_len(text: &[u8]) -> usize {
    if text.is_empty() { 0 } else { message_len(text.len()) }
}

/// A varint, and how many bytes it takes.
pub(super) fn varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return (value, i + 1);
        }
    }
    (value, bytes.len().min(10))
}
