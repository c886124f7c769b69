//! Where a container ends that nobody looks into, sixty-four bytes at a time.
//!
//! In each block the strings are known from the quotes that no backslash escapes, and what is left of braces and
//! brackets is counted. They count alike: `[1 2}` passes.

use super::block::{self, BLOCK_BYTES, Block, equal};
use super::marks::Marks;
use super::{MAX_DEPTH, Reason, Stop};
use wide::u8x16;

/// The end of the container that begins at `start`.
#[inline(never)]
pub(super) fn container(text: &[u8], start: usize, mut marks: Marks) -> Stop {
    if let Some(end) = list_of_strings(text, start, &mut marks) {
        return Stop::end(end, marks);
    }
    let mut strings = Strings::default();
    let mut depth = 0_usize;
    let mut base = start;
    while base < text.len() {
        let classes = block::look(text, base, Classes::of);
        let Some(inside) = strings.inside(&classes) else {
            return byte_by_byte(text, start);
        };
        let mut brackets = classes.brackets & !inside;
        while brackets != 0 {
            let at = base + brackets.trailing_zeros() as usize;
            brackets &= brackets - 1;
            // No branch, since what comes next is as good as random. The opening ones have this bit, the closing ones the next,
            // and what else [`Classes::brackets`] has both or none.
            let byte = usize::from(text[at]);
            depth = depth + (byte >> 1 & 1) - (byte >> 2 & 1);
            if depth == 0 {
                return Stop::end(at + 1, Marks::known(base, classes.marks));
            }
            if depth > MAX_DEPTH {
                return Stop::wrong(Reason::TooDeep, at);
            }
        }
        base += BLOCK_BYTES;
    }
    Stop::wrong(Reason::Incomplete, text.len())
}

/// The same for a container of nothing but strings, as many lists are: then it is less work to go from one to the next.
/// `None` if there is more in it.
#[inline]
fn list_of_strings(text: &[u8], start: usize, marks: &mut Marks) -> Option<usize> {
    if !text[start..].starts_with(b"[\"") {
        return None;
    }
    let mut quote = start + 1;
    loop {
        let end = marks.string_end(text, quote + 1)?.at + 1;
        match text.get(end..end + 2)? {
            b",\"" => quote = end + 1,
            [b']' | b'}', _] => return Some(end + 1),
            _ => return None,
        }
    }
}

/// What is in a block.
struct Classes {
    /// Quotes and backslashes.
    marks: u64,
    quotes: u64,
    /// Braces and brackets, and `Y`, `y`, `_` and DEL, which stand in strings only, where the text is JSON.
    brackets: u64,
}

impl Classes {
    #[inline]
    fn of(block: Block<'_>) -> Self {
        // The bits in which the braces and brackets differ.
        let brackets = block.bits(|bytes| equal(bytes | u8x16::splat(0x26), 0x7F));
        let marks = block.bits(|bytes| equal(bytes, b'"') | equal(bytes, b'\\'));
        let quotes = if block.may_have(b'\\') { block.bits(|bytes| equal(bytes, b'"')) } else { marks };
        Self { marks, quotes, brackets }
    }
}

/// What has to be known of the blocks before.
#[derive(Default)]
struct Strings {
    /// All ones if a string goes on.
    open: u64,
    /// One if the last backslash escapes the first byte.
    escape: u64,
}

impl Strings {
    /// The bytes of the next block that are in strings, each with its opening quote and without its closing one. `None` if a
    /// backslash stands outside them: it escapes nothing, so that what was taken for a string may be none.
    #[inline]
    fn inside(&mut self, classes: &Classes) -> Option<u64> {
        let backslashes = classes.marks ^ classes.quotes;
        let quotes = classes.quotes & !self.escaped(backslashes);
        // Each bit becomes the parity of those up to it.
        let mut inside = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << distance;
        }
        inside ^= self.open;
        self.open = (inside >> 63).wrapping_neg();
        (backslashes & !inside == 0).then_some(inside)
    }

    /// The bytes of the next block that a backslash escapes: of a run of backslashes every other one escapes what follows it.
    #[inline]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        if backslashes == 0 {
            return std::mem::take(&mut self.escape);
        }
        // Runs begin at a backslash that is not escaped itself. Subtracting them from what follows each of them, with all odd
        // places set, borrows through a run up to its end: what differs from the odd places then are, in every run, the
        // places that an escape leads to or starts from, in turn.
        let starting = backslashes & !self.escape;
        let alternating = ((starting << 1 | ODD).wrapping_sub(starting)) ^ ODD;
        let escaped = alternating ^ (backslashes | self.escape);
        self.escape = (alternating & backslashes) >> 63;
        escaped
    }
}

/// The same as [`container`], a byte at a time outside strings, for a text that is no JSON.
#[cold]
fn byte_by_byte(text: &[u8], start: usize) -> Stop {
    let mut marks = Marks::of(text);
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => match marks.string_end(text, at) {
                Some(end) => at = end.at + 1,
                None => break,
            },
            b'{' | b'[' if depth == MAX_DEPTH => return Stop::wrong(Reason::TooDeep, at - 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Stop::end(at, marks),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    Stop::wrong(Reason::Incomplete, text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where the container at `start` ends, by a look at each byte: the end, or what is wrong and where.
    fn expected(text: &[u8], start: usize) -> Result<usize, (Reason, usize)> {
        let (mut depth, mut in_string) = (0, false);
        let mut at = start;
        while at < text.len() {
            match text[at] {
                b'\\' if in_string => at += 1,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string && depth == MAX_DEPTH => return Err((Reason::TooDeep, at)),
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string && depth == 1 => return Ok(at + 1),
                b'}' | b']' if !in_string => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        Err((Reason::Incomplete, text.len()))
    }

    fn found(text: &[u8], start: usize) -> Result<usize, (Reason, usize)> {
        let stop = container(text, start, Marks::of(text));
        stop.wrong.map_or(Ok(stop.at), |reason| Err((reason, stop.at)))
    }

    /// The marks that come with an end are those of the text: the next string ends where it ends for new ones.
    fn marks_hold(text: &[u8], start: usize) -> bool {
        let mut stop = container(text, start, Marks::of(text));
        let next = |marks: &mut Marks| marks.string_end(text, stop.at).map(|end| (end.at, end.escaped));
        stop.wrong.is_some() || next(&mut stop.marks) == next(&mut Marks::of(text))
    }

    #[test]
    fn a_list_that_begins_with_strings_may_go_on_with_anything() {
        for rest in
            ["]", "}", ",1]", "[\"c\"]]", "{\"c\"}]", ",[\"c\"]]", "\"c\"]", " ,\"c\"]", ":\"c\"]", ",\"c", ",\"", ",", ""]
        {
            for tail in ["", ",\"d\"]"] {
                let text = ["[\"a\",\"b\"", rest, tail].concat();
                assert_eq!(found(text.as_bytes(), 0), expected(text.as_bytes(), 0), "{text}");
                assert!(marks_hold(text.as_bytes(), 0), "{text}");
            }
        }
    }

    #[test]
    fn runs_of_backslashes_end_strings_at_every_place_of_a_block() {
        for before in 0..70 {
            for run in 0..70 {
                let text = [b"[1,\"", &vec![b'x'; before][..], &vec![b'\\'; run], b"\",\"]\",{}]]\"]"].concat();
                assert_eq!(found(&text, 0), expected(&text, 0), "{before} bytes and {run} backslashes");
                assert!(marks_hold(&text, 0));
            }
        }
    }

    #[test]
    fn depth_is_bounded_at_every_place_of_a_block() {
        for before in 0..70 {
            for depth in [1, 2, 63, 64, 65, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 2 * MAX_DEPTH] {
                let blanks = vec![b' '; before];
                let text = [b"[".repeat(depth), blanks, b"}".repeat(depth), b"]".to_vec()].concat();
                assert_eq!(found(&text, 0), expected(&text, 0), "{depth} deep, {before} blanks");
            }
        }
    }

    proptest! {
        #[test]
        fn a_container_ends_where_a_look_at_each_byte_ends_it(
            before in 0_usize..70,
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..80),
            open in prop::sample::select(&b"{["[..]),
            cut: prop::sample::Index,
        ) {
            let text = [&vec![b' '; before][..], &[open], &pieces.concat()].concat();
            let text = &text[..text.len() - cut.index(text.len() - before)];
            prop_assert_eq!(found(text, before), expected(text, before));
            prop_assert!(marks_hold(text, before));
        }
    }

    /// What texts are put together from: mostly JSON, and what looks like brackets by some of its bits.
    const PIECES: [&[u8]; 20] = [
        b"{\"a\":",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"\\",
        b"\\\\",
        b"\\\"",
        b",",
        b"\"text\"",
        b"\"[a]{b}\"",
        b"Yy_\x7F",
        b"\xFB\xDD\xA2\xDC",
        b"1234567890123456789",
        b"\"a long string of more than sixty-four bytes, so that a block is all inside of it\"",
        b"\"a\",\"b\"",
        b"[\"a\"",
        b"\"a\"]",
        b"null",
        b" ",
    ];
}
