//! The lines that tests write: each says who wrote it, which one it is and when, with a checksum over all of its text.
//!
//! A *record* is what a program means to say; the text of one record comes out at Loki as one entry. In the CRI format
//! one record may take several lines of the file, and lines of the other stream may stand between them.

use std::io::Write as _;

use crate::stamp;

/// Begins the mark inside a line. The checksum's digits count as zeros when it is computed.
const MARK: &str = "pkt:";
const NO_SUM: &str = "00000000";
const MARK_BYTES: usize = MARK.len() + 8 + 1 + 4 + 1 + 10 + 1 + 19 + 1;

/// Who wrote a line, which one it is, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// One execution of one test.
    pub run: u32,
    /// One ordered sequence of lines within the run.
    pub writer: u32,
    /// Place in the sequence, from 0.
    pub seq: u64,
    /// When it was written: nanoseconds since the Unix epoch, growing within a file.
    pub nanos: i64,
}

/// Why a line is not one that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// There is no mark in it.
    Foreign,
    /// There is, and the text around it is not what was written.
    Changed(Mark),
}

/// What kind of file the lines are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text lines of so many bytes without the newline (never fewer than the mark needs).
    Raw {
        /// Length of a line.
        bytes: usize,
    },
    /// Container runtime format. The writer is stdout; every fourth record has one of stderr (writer + 1) beside it, every eighth
    /// comes in three parts with the stderr line between them.
    Cri,
    /// Audit events of kube-apiserver, about 1 KB each.
    Audit,
}

impl Shape {
    /// Appends to `out` what the file gets for record `mark.seq`.
    pub fn append(self, mark: Mark, out: &mut Vec<u8>) {
        match self {
            Self::Raw { bytes } => {
                out.extend_from_slice(&raw(mark, bytes));
                out.push(b'\n');
            }
            Self::Cri => append_cri(mark, out),
            Self::Audit => {
                out.extend_from_slice(&audit(mark));
                out.push(b'\n');
            }
        }
    }

    /// The sequences that `n_records` records of the writer make: (writer, number of lines).
    pub fn sequences(self, writer: u32, n_records: u64) -> Vec<(u32, u64)> {
        match self {
            Self::Raw { .. } | Self::Audit => vec![(writer, n_records)],
            Self::Cri => vec![(writer, n_records), (writer + 1, n_records.div_ceil(4))],
        }
    }

    /// Whether an entry's time is the one that its record states. A raw line has none to state.
    pub fn states_time(self, mark: Mark, time: i64) -> bool {
        match self {
            Self::Raw { .. } => true,
            Self::Cri => time == mark.nanos,
            // The event has microseconds; the rest may break ties.
            Self::Audit => time.div_euclid(1000) == mark.nanos.div_euclid(1000),
        }
    }
}

/// The mark of a line that was shipped, if the text is what was written.
pub fn parse(text: &str) -> Result<Mark, Damage> {
    let begin = text.find(MARK).ok_or(Damage::Foreign)?;
    let rest = text[begin..].get(..MARK_BYTES + 8).ok_or(Damage::Foreign)?;
    let mut fields = rest[MARK.len()..].split(':');
    let mut field = || fields.next().ok_or(Damage::Foreign);
    let foreign = |_| Damage::Foreign;
    let mark = Mark {
        run: u32::from_str_radix(field()?, 16).map_err(foreign)?,
        writer: u32::from_str_radix(field()?, 16).map_err(foreign)?,
        seq: field()?.parse().map_err(foreign)?,
        nanos: field()?.parse().map_err(foreign)?,
    };
    let sum = u32::from_str_radix(field()?, 16).map_err(foreign)?;
    if sum == sum_of(text.as_bytes(), begin + MARK_BYTES) { Ok(mark) } else { Err(Damage::Changed(mark)) }
}

fn raw(mark: Mark, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.max(96));
    let at = append_mark(mark, &mut text);
    text.extend_from_slice(b" the quick brown fox");
    // Some variety, or the bodies would be compressed to nothing.
    let mut letter = mark.seq;
    while text.len() < bytes {
        letter = letter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.push(b'a' + ((letter >> 33) % 26) as u8);
    }
    seal(&mut text, at);
    text
}

fn append_cri(mark: Mark, out: &mut Vec<u8>) {
    let is_parted = mark.seq.is_multiple_of(8);
    let text = raw(mark, if is_parted { 900 } else { 120 });
    let stderr = mark.seq.is_multiple_of(4).then(|| raw(Mark { writer: mark.writer + 1, seq: mark.seq / 4, ..mark }, 100));
    let mut line = |stream: &str, tag: &str, message: &[u8], later: i64| {
        write!(out, "{} {stream} {tag} ", stamp::rfc3339_nanos(mark.nanos + later)).expect("memory takes bytes");
        out.extend_from_slice(message);
        out.push(b'\n');
    };
    if is_parted {
        // The later parts carry later times; the record's is the first one's.
        line("stdout", "P", &text[..400], 0);
        if let Some(stderr) = &stderr {
            line("stderr", "F", stderr, 0);
        }
        line("stdout", "P", &text[400..800], 1);
        line("stdout", "F", &text[800..], 2);
    } else {
        line("stdout", "F", &text, 0);
        if let Some(stderr) = &stderr {
            line("stderr", "F", stderr, 0);
        }
    }
}

fn audit(mark: Mark) -> Vec<u8> {
    let Mark { run, writer, seq, nanos } = mark;
    let verb = ["get", "list", "watch", "create", "delete"][(seq % 5) as usize];
    let mut text = Vec::with_capacity(1100);
    write!(
        text,
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"{run:08x}-{writer:04x}-4000-8000-{seq:012x}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/payments/pods/worker-{n}/log?container=worker&follow=true","verb":"{verb}","user":{{"username":"system:serviceaccount:payments:worker-{n}","uid":"9f2b6a54-0d6d-4a6e-9a39-3f1d6f0c{n:04}","groups":["system:serviceaccounts","system:serviceaccounts:payments","system:authenticated"],"extra":{{"authentication.kubernetes.io/node-name":["node-{n}"]}}}},"sourceIPs":["10.17.{n}.4","192.168.1.{n}"],"userAgent":""#,
        n = seq % 200,
    )
    .expect("memory takes bytes");
    let at = append_mark(mark, &mut text);
    write!(
        text,
        r#"","objectRef":{{"resource":"pods","namespace":"payments","name":"worker-{n}","apiVersion":"v1","subresource":"log"}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding \"workers/payments\" of Role \"worker\" to ServiceAccount \"worker-{n}/payments\""}}}}"#,
        n = seq % 200,
        code = if seq % 7 == 0 { 403 } else { 200 },
        time = stamp::rfc3339_micros(nanos),
    )
    .expect("memory takes bytes");
    seal(&mut text, at);
    text
}

/// Appends the mark with zeros for its checksum, and says where the checksum stands.
fn append_mark(mark: Mark, text: &mut Vec<u8>) -> usize {
    let Mark { run, writer, seq, nanos } = mark;
    write!(text, "{MARK}{run:08x}:{writer:04x}:{seq:010}:{nanos:019}:").expect("memory takes bytes");
    let at = text.len();
    write!(text, "{NO_SUM}:").expect("memory takes bytes");
    at
}

fn seal(text: &mut [u8], at: usize) {
    let sum = format!("{:08x}", sum_of(text, at));
    text[at..at + 8].copy_from_slice(sum.as_bytes());
}

fn sum_of(text: &[u8], at: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&text[..at]);
    hasher.update(NO_SUM.as_bytes());
    hasher.update(&text[at + 8..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Mark = Mark { run: 0xdead_beef, writer: 7, seq: 16, nanos: 1_709_210_096_007_008_009 };

    fn appended(shape: Shape, seq: u64) -> String {
        let mut out = Vec::new();
        shape.append(Mark { seq, ..SAMPLE }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_raw_line_says_who_wrote_it_and_is_as_long_as_asked() {
        let line = appended(Shape::Raw { bytes: 150 }, 16);
        assert_eq!(line.len(), 151);
        assert_eq!(parse(line.trim_end()), Ok(SAMPLE));
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let line = appended(Shape::Raw { bytes: 100 }, 16);
        let line = line.trim_end();
        for at in 0..line.len() {
            let mut changed = line.as_bytes().to_vec();
            changed[at] ^= 1;
            if let Ok(text) = String::from_utf8(changed) {
                assert_ne!(parse(&text), Ok(SAMPLE), "byte {at}");
            }
        }
        assert_eq!(parse(&line[..99]), Err(Damage::Changed(SAMPLE)));
        assert_eq!(parse("nobody wrote this"), Err(Damage::Foreign));
    }

    #[test]
    fn an_audit_event_is_json_of_about_a_kilobyte_with_its_time() {
        let line = appended(Shape::Audit, 16);
        assert!((900..1200).contains(&line.len()), "{}", line.len());
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["stageTimestamp"], "2024-02-29T12:34:56.007008Z");
        assert_eq!(event["responseStatus"]["code"], 200);
        assert_eq!(parse(line.trim_end()), Ok(SAMPLE));
    }

    #[test]
    fn a_cri_record_in_parts_joins_to_a_sealed_line() {
        let lines = appended(Shape::Cri, 16);
        let parts: Vec<Vec<&str>> = lines.lines().map(|line| line.splitn(4, ' ').collect()).collect();
        let tags: Vec<(&str, &str)> = parts.iter().map(|part| (part[1], part[2])).collect();
        assert_eq!(tags, [("stdout", "P"), ("stderr", "F"), ("stdout", "P"), ("stdout", "F")]);
        assert_eq!(parse(&[parts[0][3], parts[2][3], parts[3][3]].concat()), Ok(SAMPLE));
        assert_eq!(parse(parts[1][3]), Ok(Mark { writer: 8, seq: 4, ..SAMPLE }));
        assert_eq!(Shape::Cri.sequences(7, 17), [(7, 17), (8, 5)]);
        assert_eq!(appended(Shape::Cri, 17).lines().count(), 1);
    }
}
