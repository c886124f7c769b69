//! D-Bus messages as bytes (D-Bus specification, "Message Protocol"): calls with texts as arguments are written, answers are read.
//!
//! Only what asking systemd takes: a value is a text or a number, or stands in an array of structures that its reader knows. Nothing in
//! an answer is trusted: whatever its lengths say, reading ends with `None`.

/// A message's fixed part, up to the length of its fields.
pub(super) const HEAD: usize = 16;
/// A longer one is not read. `ListUnits` gives some 300 bytes a unit.
const MESSAGE_MAX: usize = 16 << 20;
/// How deep variants may stand in variants: none of those asked for does.
const DEPTH_MAX: usize = 4;

/// A method to be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    pub destination: &'c str,
    pub path: &'c str,
    pub interface: &'c str,
    pub member: &'c str,
    /// Its arguments: at most two are needed.
    pub arguments: &'c [&'c str],
}

impl Call<'_> {
    /// Appends the message, in little endian, which every peer reads.
    pub(super) fn write(&self, serial: u32, to: &mut Vec<u8>) {
        let mut body = Vec::new();
        for argument in self.arguments {
            write_text(argument, 0, &mut body);
        }
        let start = to.len();
        to.extend_from_slice(&[b'l', Kind::Call as u8, 0, 1]);
        for number in [body.len() as u32, serial, 0] {
            to.extend_from_slice(&number.to_le_bytes());
        }
        for (code, kind, value) in
            [(1, b'o', self.path), (2, b's', self.interface), (3, b's', self.member), (6, b's', self.destination)]
        {
            align(8, start, to);
            to.extend_from_slice(&[code, 1, kind, 0]);
            write_text(value, start, to);
        }
        if !self.arguments.is_empty() {
            align(8, start, to);
            to.extend_from_slice(&[8, 1, b'g', 0, self.arguments.len() as u8]);
            to.extend(std::iter::repeat_n(b's', self.arguments.len()));
            to.push(0);
        }
        let fields = (to.len() - start - HEAD) as u32;
        to[start + HEAD - 4..start + HEAD].copy_from_slice(&fields.to_le_bytes());
        align(8, start, to);
        to.extend_from_slice(&body);
    }
}

fn write_text(text: &str, start: usize, to: &mut Vec<u8>) {
    align(4, start, to);
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
    to.push(0);
}

fn align(unit: usize, start: usize, to: &mut Vec<u8>) {
    to.resize(start + (to.len() - start).next_multiple_of(unit), 0);
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Call = 1,
    Return = 2,
    Error = 3,
    Signal = 4,
}

/// A message that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'m> {
    pub kind: Kind,
    /// Of the call that it answers.
    pub reply_to: Option<u32>,
    /// Of an error.
    pub error: Option<&'m str>,
    pub body: Reader<'m>,
}

/// How long the message is whose fixed part this is; nothing if it is none.
pub(super) fn length(head: &[u8]) -> Option<usize> {
    let mut reader = Reader::of(head)?;
    reader.at = 4;
    let body = reader.u32()? as usize;
    reader.at = 12;
    let fields = reader.u32()? as usize;
    let length = HEAD.checked_add(fields)?.checked_next_multiple_of(8)?.checked_add(body)?;
    (length <= MESSAGE_MAX).then_some(length)
}

/// Reads a message that is there as a whole.
pub(super) fn read(message: &[u8]) -> Option<Message<'_>> {
    let mut reader = Reader::of(message)?;
    let kind = match message.get(1)? {
        1 => Kind::Call,
        2 => Kind::Return,
        3 => Kind::Error,
        4 => Kind::Signal,
        _ => return None,
    };
    reader.at = 12;
    let end = (reader.u32()? as usize).checked_add(HEAD)?;
    let (mut reply_to, mut error) = (None, None);
    while reader.at < end {
        reader.align(8)?;
        let code = reader.u8()?;
        match (code, reader.variant(0)?) {
            (4, Value::Text(name)) => error = Some(name),
            (5, Value::Number(serial)) => reply_to = u32::try_from(serial).ok(),
            _ => {}
        }
    }
    reader.at = end;
    reader.align(8)?;
    // Alignment in a body counts from its beginning, which itself is aligned.
    let body = Reader { bytes: message.get(reader.at..)?, at: 0, is_big: reader.is_big };
    Some(Message { kind, reply_to, error, body })
}

/// A value of a basic type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'m> {
    Text(&'m str),
    /// Without sign, or a truth value.
    Number(u64),
}

/// Takes values from bytes, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
    is_big: bool,
}

impl<'m> Reader<'m> {
    fn of(message: &'m [u8]) -> Option<Self> {
        let is_big = match message.first()? {
            b'l' => false,
            b'B' => true,
            _ => return None,
        };
        Some(Self { bytes: message, at: 0, is_big })
    }

    /// Goes on at a multiple of `unit`.
    pub(super) fn align(&mut self, unit: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(unit)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn take(&mut self, len: usize) -> Option<&'m [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of 32 bits.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.align(4)?;
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&mut self) -> Option<u64> {
        self.align(8)?;
        let bytes = self.take(8)?.try_into().ok()?;
        Some(if self.is_big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// A string, or the path of an object.
    pub(super) fn text(&mut self) -> Option<&'m str> {
        let len = self.u32()? as usize;
        self.text_of(len)
    }

    fn text_of(&mut self, len: usize) -> Option<&'m str> {
        let text = std::str::from_utf8(self.take(len)?).ok()?;
        (self.u8()? == 0).then_some(text)
    }

    /// A value with its type before it.
    pub(super) fn variant(&mut self, depth: usize) -> Option<Value<'m>> {
        let len = self.u8()? as usize;
        match self.text_of(len)? {
            "s" | "o" => self.text().map(Value::Text),
            "g" => {
                let len = self.u8()? as usize;
                self.text_of(len).map(Value::Text)
            }
            "u" | "b" => self.u32().map(|number| Value::Number(number.into())),
            "t" => self.u64().map(Value::Number),
            "v" if depth < DEPTH_MAX => self.variant(depth + 1),
            _ => None,
        }
    }

    /// Where an array ends that begins here, whose elements are aligned so.
    pub(super) fn array(&mut self, unit: usize) -> Option<usize> {
        let len = self.u32()? as usize;
        self.align(unit)?;
        self.at.checked_add(len).filter(|end| *end <= self.bytes.len())
    }

    /// Whether that place is reached.
    pub(super) fn is_at(&self, end: usize) -> bool {
        self.at >= end
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A return as a bus would send it, in either order of bytes.
    pub(in super::super) fn reply(kind: Kind, reply_to: u32, error: Option<&str>, signature: &str, body: &[u8]) -> Vec<u8> {
        let mut message = vec![b'l', kind as u8, 1, 1];
        for number in [body.len() as u32, 77, 0] {
            message.extend_from_slice(&number.to_le_bytes());
        }
        message.extend_from_slice(&[5, 1, b'u', 0]);
        message.extend_from_slice(&reply_to.to_le_bytes());
        if let Some(error) = error {
            align(8, 0, &mut message);
            message.extend_from_slice(&[4, 1, b's', 0]);
            write_text(error, 0, &mut message);
        }
        align(8, 0, &mut message);
        message.extend_from_slice(&[8, 1, b'g', 0, signature.len() as u8]);
        message.extend_from_slice(signature.as_bytes());
        message.push(0);
        let fields = (message.len() - HEAD) as u32;
        message[HEAD - 4..HEAD].copy_from_slice(&fields.to_le_bytes());
        align(8, 0, &mut message);
        message.extend_from_slice(body);
        message
    }

    /// A text in a variant, as `Properties.Get` answers.
    pub(in super::super) fn text_variant(text: &str) -> Vec<u8> {
        let mut body = vec![1, b's', 0];
        write_text(text, 0, &mut body);
        body
    }

    /// An array of structures of texts, of two paths and of a number, as `ListUnits` answers.
    pub(in super::super) fn units(units: &[[&str; 5]]) -> Vec<u8> {
        let mut body = vec![0; 8];
        for [name, load, active, sub, path] in units {
            align(8, 0, &mut body);
            for text in [name, "A unit", load, active, sub, "", path] {
                write_text(text, 0, &mut body);
            }
            align(4, 0, &mut body);
            body.extend_from_slice(&0_u32.to_le_bytes());
            write_text("", 0, &mut body);
            write_text("/", 0, &mut body);
        }
        let len = (body.len() - 8) as u32;
        body[..4].copy_from_slice(&len.to_le_bytes());
        body
    }

    #[test]
    fn a_call_is_written_as_the_specification_says() {
        let mut written = Vec::new();
        let call = Call { destination: "a.b", path: "/x", interface: "c.d", member: "Get", arguments: &["one", "Two"] };
        call.write(7, &mut written);
        assert_eq!(length(&written), Some(written.len()));
        assert_eq!(&written[..12], b"l\x01\x00\x01\x10\x00\x00\x00\x07\x00\x00\x00");
        assert_eq!(&written[16..27], b"\x01\x01o\x00\x02\x00\x00\x00/x\x00");
        let read = read(&written).unwrap();
        let mut body = read.body.clone();
        assert_eq!((read.kind, body.text(), body.text(), body.text()), (Kind::Call, Some("one"), Some("Two"), None));
    }

    #[test]
    fn an_answer_is_read_and_no_cut_or_flipped_one_panics() {
        for whole in [
            reply(Kind::Return, 9, None, "v", &text_variant("simple")),
            reply(Kind::Error, 9, Some("org.example.No"), "s", b""),
            reply(Kind::Return, 9, None, "a(ssssssouso)", &units(&[["a.service", "loaded", "active", "running", "/u/a"]])),
        ] {
            assert_eq!((length(&whole), read(&whole).unwrap().reply_to), (Some(whole.len()), Some(9)));
            for cut in 0..whole.len() {
                length(&whole[..cut]);
                if let Some(mut read) = read(&whole[..cut]) {
                    read.body.variant(0);
                }
                for value in [0, 1, 0x7f, 0xff] {
                    let mut flipped = whole.clone();
                    flipped[cut] = value;
                    length(&flipped);
                    if let Some(mut read) = read(&flipped) {
                        read.body.clone().variant(0);
                        read.body.array(8);
                    }
                }
            }
        }
        assert_eq!(length(b"l\x02\x01\x01\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff"), None);
        let error = reply(Kind::Error, 9, Some("org.example.No"), "s", b"");
        assert_eq!(read(&error).unwrap().error, Some("org.example.No"));
    }
}
