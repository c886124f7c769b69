//! A request to the kernel over netlink (netlink(7)) that is answered with a list: one message an object.
//!
//! Such a socket speaks to the network that its process is in. In a container that may be the container's own: whoever wants the
//! host's asks [`reaches_host`] first.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::host::Host;

/// The kernel never writes more at once.
const ANSWER_MAX: usize = 32 << 10;
/// `struct nlmsghdr`: length, type, flags, sequence number, sender.
const HEAD: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;

/// Whether this process is in the host's network: then /proc/net is the same for the first process and for us, to the inode, which
/// the kernel gives to each network's files anew.
pub fn reaches_host(host: &Host) -> bool {
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|file| file.ino());
    let own = inode(Path::new("/proc/self/net/dev"));
    // A copy of /proc in a directory is no network.
    let is_proc =
        |path: &Path| rustix::fs::statfs(path).is_ok_and(|fs| fs.f_type as i64 == i64::from(rustix::fs::PROC_SUPER_MAGIC));
    own.is_some() && inode(&host.net("dev")) == own && is_proc(&host.net("dev"))
}

/// A socket of one of netlink's protocols.
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens it.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for all objects of a kind, and shows the body of each message of the answer.
    pub fn dump(&mut self, kind: u16, request: &[u8], buffer: &mut Vec<u8>, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        buffer.clear();
        write_request(kind, self.sequence, request, buffer);
        rustix::net::sendto(&self.socket, buffer, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        buffer.resize(ANSWER_MAX, 0);
        loop {
            // The kernel makes the next part of the answer while this one is taken: there is nothing to wait for.
            let (_, len) = rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
            let answer = buffer.get(..len).ok_or_else(|| malformed("an answer that was cut"))?;
            if read_answer(self.sequence, answer, &mut each)? == End::Last {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum End {
    More,
    Last,
}

fn write_request(kind: u16, sequence: u32, request: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&((HEAD + request.len()) as u32).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&0_u32.to_ne_bytes());
    out.extend_from_slice(request);
}

/// Messages one behind the other, each on a boundary of four bytes.
fn read_answer(sequence: u32, mut answer: &[u8], each: &mut impl FnMut(&[u8])) -> io::Result<End> {
    while !answer.is_empty() {
        let head = (word(answer, 0), half(answer, 4), word(answer, 8));
        let (Some(len), Some(kind), Some(of)) = head else { return Err(malformed("a message without a head")) };
        let body = answer.get(HEAD..len as usize).ok_or_else(|| malformed("a message that is longer than the answer"))?;
        // What an earlier request has left behind is not ours.
        if of == sequence {
            match kind {
                NLMSG_DONE => return Ok(End::Last),
                NLMSG_ERROR => {
                    let code = word(body, 0).map_or(0, |code| (code as i32).wrapping_neg());
                    return Err(io::Error::from_raw_os_error(code));
                }
                _ => each(body),
            }
        }
        answer = answer.get((len as usize).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(End::More)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Four bytes at a place.
pub fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        write_request(kind, sequence, body, &mut message);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn bodies(sequence: u32, answer: &[u8]) -> (Result<End, Option<i32>>, Vec<Vec<u8>>) {
        let mut bodies = Vec::new();
        let end = read_answer(sequence, answer, &mut |body| bodies.push(body.to_vec()));
        (end.map_err(|error| error.raw_os_error()), bodies)
    }

    #[test]
    fn an_answer_is_read_to_its_end_or_its_error() {
        let part = [message(20, 1, b"abcde"), message(20, 7, b"foreign"), message(20, 1, b"f")].concat();
        assert_eq!(bodies(1, &part), (Ok(End::More), vec![b"abcde".to_vec(), b"f".to_vec()]));
        let last = [message(20, 1, b"abcd"), message(NLMSG_DONE, 1, &[0; 4]), message(20, 1, b"late")].concat();
        assert_eq!(bodies(1, &last), (Ok(End::Last), vec![b"abcd".to_vec()]));
        let refused = message(NLMSG_ERROR, 1, &(-1_i32).to_ne_bytes());
        assert_eq!(bodies(1, &refused), (Err(Some(1)), vec![]));
    }

    proptest! {
        #[test]
        fn no_answer_is_too_damaged_to_be_read_to_an_end(answer in proptest::collection::vec(any::<u8>(), 0..200), of in 0..3_u32) {
            let _ = bodies(of, &answer);
        }
    }

    #[test]
    fn a_copy_of_proc_is_not_the_hosts_network_and_our_own_is() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/net")).unwrap();
        std::fs::write(tree.path().join("proc/net/dev"), "").unwrap();
        assert!(!reaches_host(&crate::collector::testing::host(tree.path())));
        if std::fs::metadata("/proc/1/net/dev").map(|file| file.ino()).ok()
            == std::fs::metadata("/proc/self/net/dev").map(|file| file.ino()).ok()
        {
            assert!(reaches_host(&Host::default()));
        }
    }
}
