//! A connection to a D-Bus (D-Bus specification, "Authentication Protocol"): calls go out together, their answers come in, all before a
//! deadline. Asking systemd takes a few calls without any signal, which is why no library stands here.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::message::{Call, HEAD, Kind, Message, Reader, length, read};

/// Calls that wait for an answer at once: the system's bus allows 128.
const TOGETHER: usize = 64;
/// A line of the authentication at most.
const LINE_MAX: usize = 1024;
const BUS: &str = "org.freedesktop.DBus";

/// Why the bus, or who was asked on it, gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The connection, or the deadline.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not let us in.
    #[error("the bus refuses this user: {0}")]
    Refused(String),
    /// It speaks something else.
    #[error("the bus sent what is no D-Bus message")]
    Malformed,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    output: Vec<u8>,
    input: Vec<u8>,
}

/// An answer: its body, or the name of an error.
pub(super) type Reply<'r> = Result<Reader<'r>, &'r str>;

impl Bus {
    /// Connects and says who we are, which the kernel vouches for.
    pub(super) fn connect(path: &Path, deadline: Instant) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path)?;
        let mut bus = Self { stream, serial: 0, output: Vec::new(), input: Vec::new() };
        let user = rustix::process::geteuid().as_raw().to_string();
        let mut hello = "\0AUTH EXTERNAL ".to_owned();
        for digit in user.bytes() {
            // Into memory: it cannot fail.
            write!(hello, "{digit:02x}").ok();
        }
        hello.push_str("\r\n");
        bus.send(hello.as_bytes(), deadline)?;
        let answer = bus.line(deadline)?;
        if !answer.starts_with("OK ") {
            return Err(Failure::Refused(answer));
        }
        bus.send(b"BEGIN\r\n", deadline)?;
        let hello = Call { destination: BUS, path: "/org/freedesktop/DBus", interface: BUS, member: "Hello", arguments: &[] };
        let mut refused = None;
        bus.calls(&[hello], deadline, |_, reply| refused = reply.err().map(str::to_owned))?;
        refused.map_or(Ok(bus), |error| Err(Failure::Refused(error)))
    }

    /// Makes calls and gives each answer with the place of its call.
    pub(super) fn calls(
        &mut self,
        calls: &[Call<'_>],
        deadline: Instant,
        mut answer: impl FnMut(usize, Reply<'_>),
    ) -> Result<(), Failure> {
        for (round, calls) in calls.chunks(TOGETHER).enumerate() {
            let first = self.serial.wrapping_add(1).max(1);
            let mut output = std::mem::take(&mut self.output);
            output.clear();
            for (call, serial) in calls.iter().zip(first..) {
                call.write(serial, &mut output);
            }
            // Serials are 32 bits; a connection that has used them all would be years old.
            self.serial = first.saturating_add(calls.len() as u32 - 1);
            self.send(&output, deadline)?;
            self.output = output;
            let mut left = calls.len();
            while left > 0 {
                let mut input = std::mem::take(&mut self.input);
                let message = self.message(&mut input, deadline)?;
                let place = message.reply_to.and_then(|serial| serial.checked_sub(first)).map(|place| place as usize);
                // Signals, and answers to what was given up, are none of ours.
                if let Some(place) = place.filter(|place| *place < calls.len()) {
                    let place = round * TOGETHER + place;
                    match message.kind {
                        Kind::Return => answer(place, Ok(message.body)),
                        Kind::Error => answer(place, Err(message.error.unwrap_or("an error without a name"))),
                        Kind::Call | Kind::Signal => return Err(Failure::Malformed),
                    }
                    left -= 1;
                }
                self.input = input;
            }
        }
        Ok(())
    }

    fn message<'i>(&mut self, input: &'i mut Vec<u8>, deadline: Instant) -> Result<Message<'i>, Failure> {
        input.clear();
        input.resize(HEAD, 0);
        self.fill(input, deadline)?;
        let length = length(input).ok_or(Failure::Malformed)?;
        input.resize(length.max(HEAD), 0);
        self.fill(&mut input[HEAD..], deadline)?;
        read(input).ok_or(Failure::Malformed)
    }

    fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Failure> {
        // The timeout is that of one write; what is sent at once fits into the socket's buffer.
        self.stream.set_write_timeout(Some(left(deadline)?))?;
        Ok(self.stream.write_all(bytes)?)
    }

    fn fill(&mut self, mut buffer: &mut [u8], deadline: Instant) -> Result<(), Failure> {
        while !buffer.is_empty() {
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(read) => buffer = &mut buffer[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(timeout().into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A line of the authentication; nothing comes behind it before we go on.
    fn line(&mut self, deadline: Instant) -> Result<String, Failure> {
        let mut line = Vec::new();
        while line.len() < LINE_MAX {
            let mut byte = [0];
            self.fill(&mut byte, deadline)?;
            if byte == *b"\n" {
                return Ok(String::from_utf8_lossy(line.trim_ascii()).into_owned());
            }
            line.extend_from_slice(&byte);
        }
        Err(Failure::Malformed)
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timeout()) } else { Ok(left) }
}

fn timeout() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the bus did not answer in time")
}
