//! The xz container as the journal writes it: one stream, one block, LZMA2 alone, no checksum. The format is the published one,
//! <https://tukaani.org/xz/xz-file-format.txt>.

const MAGIC: &[u8; 6] = b"\xFD7zXZ\0";
/// Magic, flags, checksum.
const STREAM_HEADER: usize = 12;
const HAS_COMPRESSED_SIZE: u8 = 0x40;
const HAS_SIZE: u8 = 0x80;
/// More than one filter, or what is reserved.
const UNEXPECTED: u8 = 0x3f;
const LZMA2: u64 = 0x21;
/// Of LZMA2's dictionary sizes, the largest that is not 4 GiB less a byte.
const LARGEST: u8 = 39;

/// What is in an xz container.
pub(super) struct Xz<'a> {
    /// How far the compressed bytes look back.
    pub(super) dictionary: u64,
    /// How long they are when decompressed, if it says so.
    pub(super) size: Option<u64>,
    /// LZMA2, and what comes after it.
    pub(super) body: &'a [u8],
}

impl<'a> Xz<'a> {
    /// Opens `container`; `None` if it is none, or not one as the journal writes it.
    pub(super) fn open(container: &'a [u8]) -> Option<Self> {
        container.strip_prefix(MAGIC)?;
        let block = container.get(STREAM_HEADER..)?;
        let header_size = (usize::from(*block.first()?) + 1) * 4;
        let body = block.get(header_size..)?;
        let mut header = block.get(1..header_size)?;
        let flags = byte(&mut header)?;
        if flags & UNEXPECTED != 0 {
            return None;
        }
        if flags & HAS_COMPRESSED_SIZE != 0 {
            number(&mut header)?;
        }
        let size = if flags & HAS_SIZE == 0 { None } else { Some(number(&mut header)?) };
        if number(&mut header)? != LZMA2 || number(&mut header)? != 1 {
            return None;
        }
        let dictionary = match byte(&mut header)? {
            40 => u64::from(u32::MAX),
            bits @ 0..=LARGEST => (2 | u64::from(bits & 1)) << (bits / 2 + 11),
            _ => return None,
        };
        Some(Self { dictionary, size, body })
    }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}

/// Seven bits a byte, the low ones first; nine bytes at most.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = byte(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
