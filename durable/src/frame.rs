//! Frames: length (u32), checksum (CRC-32 of the body, u32), body; little endian. A file is a header that says of which kind and
//! version it is, then frames. Pure.
//!
//! What does not decode is damage: everything from there on is cut, since nothing behind a torn frame can be trusted to be in order.

use thiserror::Error;

/// Length and checksum.
pub(crate) const HEAD: usize = 8;

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// How a file begins; the byte behind it is the version.
    pub header: &'static [u8],
    /// The version that is written, and the only one that is read.
    pub version: u8,
    /// A frame that claims to be longer is damage.
    pub body_max: usize,
}

/// Why a file cannot be read, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// It is of another kind.
    #[error("it is a file of another kind")]
    Foreign,
    /// Another version wrote it.
    #[error("it has format version {0}, which this program does not read")]
    Version(u8),
    /// From this byte on it cannot be read.
    #[error("it is damaged from byte {0} on")]
    From(u64),
}

impl Format {
    /// Begins a file.
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.header);
        out.push(self.version);
    }

    /// Gives the bodies of a file's frames to `take`, up to the first damage, and says which. `None` of `take` is damage too.
    pub fn read<'a>(&self, file: &'a [u8], mut take: impl FnMut(&'a [u8]) -> Option<()>) -> Option<Damage> {
        let mut rest = match file.strip_prefix(self.header).and_then(<[u8]>::split_first) {
            None => return Some(Damage::Foreign),
            Some((version, _)) if *version != self.version => return Some(Damage::Version(*version)),
            Some((_, rest)) => rest,
        };
        while !rest.is_empty() {
            match open(rest, self.body_max).and_then(|(body, next)| take(body).map(|()| next)) {
                Some(next) => rest = next,
                None => return Some(Damage::From((file.len() - rest.len()) as u64)),
            }
        }
        None
    }
}

/// Appends a frame with what `write` appends as its body, which is shorter than 4 GiB.
pub fn seal(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    // It is there: `write` appends, and what was put before stays.
    let (head, body) = out[start..].split_at_mut(HEAD);
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// The body of the first frame, and what stands behind it.
fn open(bytes: &[u8], body_max: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > body_max {
        return None;
    }
    let (body, rest) = rest.split_at_checked(length)?;
    (crc32fast::hash(body) == u32::from_le_bytes(*checksum)).then_some((body, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { header: b"test", version: 2, body_max: 16 };

    fn file(bodies: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        FORMAT.begin(&mut file);
        for body in bodies {
            seal(&mut file, |out| out.extend_from_slice(body));
        }
        file
    }

    fn read(file: &[u8]) -> (Vec<&[u8]>, Option<Damage>) {
        let mut bodies = Vec::new();
        let damage = FORMAT.read(file, |body| (body != b"no").then(|| bodies.push(body)));
        (bodies, damage)
    }

    #[test]
    fn what_was_written_is_read_up_to_the_first_damage_whatever_it_is() {
        let whole = file(&[b"one", b"three"]);
        assert_eq!(read(&whole), (vec![&b"one"[..], b"three"], None));
        assert_eq!(read(&file(&[])), (vec![], None));
        let second = file(&[b"one"]).len();
        for length in second + 1..whole.len() {
            assert_eq!(read(&whole[..length]), (vec![&b"one"[..]], Some(Damage::From(second as u64))), "torn at {length}");
        }
        for place in second..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            assert_eq!(read(&damaged), (vec![&b"one"[..]], Some(Damage::From(second as u64))), "flipped at {place}");
        }
        for bad in [&b""[..], b"no", b"longer than sixteen"] {
            assert_eq!(read(&file(&[b"one", bad, b"two"])), (vec![&b"one"[..]], Some(Damage::From(second as u64))));
        }
    }

    #[test]
    fn a_file_of_another_kind_or_version_is_not_read_at_all() {
        for (file, damage) in [
            (&b""[..], Damage::Foreign),
            (b"test", Damage::Foreign),
            (b"something else entirely", Damage::Foreign),
            (&[0; 64], Damage::Foreign),
            (b"test\x03", Damage::Version(3)),
        ] {
            assert_eq!(read(file), (vec![], Some(damage)));
        }
    }

    #[test]
    fn a_frame_is_laid_out_as_files_of_earlier_versions_have_it() {
        assert_eq!(file(&[b"one"]), b"test\x02\x03\0\0\0\xf1\x86\x6c\x7aone");
    }
}
