//! Decides which bytes of a log file belong together as one line. Pure: fed a buffer, says where the next line lies in it.
//!
//! A line ends with a newline; a carriage return before it is not part of it. NUL bytes at the beginning of a line are what
//! a crash or a truncation under an open writer leaves behind (a hole in the file): they are stepped over and counted.

/// Where a line lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// NUL bytes that were stepped over before it.
    pub nuls: usize,
    /// First byte of the line.
    pub start: usize,
    /// Behind its last byte, without line end.
    pub end: usize,
    /// First byte of the next line.
    pub next: usize,
}

/// The line that begins at `from`, if its newline is in the buffer.
#[inline]
pub fn next_line(buffer: &[u8], from: usize) -> Option<Framed> {
    let rest = buffer.get(from..)?;
    let newline = memchr::memchr(b'\n', rest)?;
    Some(frame(rest, from, newline, 1))
}

/// What is left behind the last newline, taken as a line because no more will come.
pub fn last_line(buffer: &[u8], from: usize) -> Option<Framed> {
    let rest = buffer.get(from..).filter(|rest| !rest.is_empty())?;
    Some(frame(rest, from, rest.len(), 0))
}

#[inline]
fn frame(rest: &[u8], from: usize, length: usize, newline: usize) -> Framed {
    let line = &rest[..length];
    let nuls = if line.first() == Some(&0) { line.iter().take_while(|byte| **byte == 0).count() } else { 0 };
    let carriage_return = usize::from(newline == 1 && length > nuls && line[length - 1] == b'\r');
    Framed { nuls, start: from + nuls, end: from + length - carriage_return, next: from + length + newline }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(buffer: &[u8]) -> Vec<(usize, &[u8])> {
        let mut from = 0;
        let mut found = Vec::new();
        while let Some(line) = next_line(buffer, from) {
            found.push((line.nuls, &buffer[line.start..line.end]));
            from = line.next;
        }
        found
    }

    #[test]
    fn newline_and_carriage_return_are_not_part_of_the_line() {
        assert_eq!(lines(b"one\r\ntwo\n\n\r\nrest"), [(0, &b"one"[..]), (0, b"two"), (0, b""), (0, b"")]);
    }

    #[test]
    fn a_carriage_return_inside_stays() {
        assert_eq!(lines(b"50%\r100%\n"), [(0, &b"50%\r100%"[..])]);
    }

    #[test]
    fn leading_nuls_are_stepped_over() {
        assert_eq!(lines(b"\0\0\0line\n\0\n"), [(3, &b"line"[..]), (1, b"")]);
        assert_eq!(lines(b"in\0side\n"), [(0, &b"in\0side"[..])]);
    }

    #[test]
    fn without_newline_there_is_no_line_until_it_is_said_to_be_the_last() {
        assert_eq!(next_line(b"half a li", 0), None);
        assert_eq!(last_line(b"half a li", 5), Some(Framed { nuls: 0, start: 5, end: 9, next: 9 }));
        assert_eq!(last_line(b"half a li", 9), None);
    }
}
