//! LZ4 blocks, decoded as far as they are needed: a field's name often is all. The format is the published one,
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>.

/// The shortest copy.
const MATCH: usize = 4;
/// A length that does not fit into its half of a token goes on in the bytes that follow.
const GOES_ON: usize = 15;

/// Appends what `block` holds to `out`, at most `limit` bytes; only so much of the block is looked at. `None` if it cannot be decoded.
pub(super) fn decode(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Option<()> {
    let begin = out.len();
    let mut rest = block;
    loop {
        let room = limit - (out.len() - begin);
        let token = usize::from(take_byte(&mut rest)?);
        let literals = length(token >> 4, &mut rest)?;
        let (copied, after) = rest.split_at_checked(literals.min(room))?;
        out.extend_from_slice(copied);
        rest = after;
        if literals >= room || rest.is_empty() {
            return Some(());
        }
        let room = room - literals;
        let (&offset, after) = rest.split_first_chunk()?;
        rest = after;
        let offset = usize::from(u16::from_le_bytes(offset));
        let from = (out.len() - begin).checked_sub(offset).filter(|_| offset > 0)? + begin;
        let mut left = (length(token & 0xf, &mut rest)?.checked_add(MATCH)?).min(room);
        while left > 0 {
            // What is copied may reach into the copy: then it repeats, and there is more to copy each time.
            let len = left.min(out.len() - from);
            out.extend_from_within(from..from + len);
            left -= len;
        }
        if out.len() - begin == limit {
            return Some(());
        }
    }
}

fn length(half: usize, rest: &mut &[u8]) -> Option<usize> {
    let mut length = half;
    if half == GOES_ON {
        loop {
            let byte = take_byte(rest)?;
            length = length.checked_add(usize::from(byte))?;
            if byte != u8::MAX {
                break;
            }
        }
    }
    Some(length)
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}
