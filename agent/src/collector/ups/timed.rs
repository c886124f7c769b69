//! A TCP connection that keeps a deadline: whatever is read or written until then, in however many pieces.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::Server;

/// The connection.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    /// To the first address of the server that answers; one that is silent leaves the others their share of the time. Looking up its
    /// name has the system's own deadline.
    pub(super) fn connect(server: &Server, until: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let addresses: Vec<SocketAddr> = (server.host.as_str(), server.port).to_socket_addrs()?.collect();
        for (address, count) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
            match TcpStream::connect_timeout(address, left(until)? / count) {
                Ok(stream) => {
                    // Questions are small, and each waits for its answer.
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, until });
                }
                Err(error) => last = in_words(error),
            }
        }
        Err(last)
    }

    /// The deadline of what follows.
    pub(super) fn set_until(&mut self, until: Instant) {
        self.until = until;
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        self.stream.read(buffer).map_err(in_words)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        self.stream.write(buffer).map_err(in_words)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What is left until then; never nothing, which would mean "for ever" to a socket.
pub(super) fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(too_late()) } else { Ok(left) }
}

/// A socket that waited for too long says that it would block.
pub(super) fn in_words(error: io::Error) -> io::Error {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) { too_late() } else { error }
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}
