//! A real OpenSSH server on loopback that logs to the journald of a `Node`, and clients that get in, do not get in, or lie about who they are.
//!
//! Debian 12's is 9.2, where all messages are `sshd`'s. Since 9.8 a connection is `sshd-session`'s: `Release::Newer` is one that
//! `PICKET_OPENSSH` names, the `usr` of an unpacked release (`tests/openssh` makes one).

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::loki::hold_port;
use crate::node::{Node, OTHER_USR};
use crate::program::{Program, Running};
use crate::skip::skipped;
use crate::wait;

/// From the start to the first connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which OpenSSH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The machine's.
    Installed,
    /// One of 9.8 or later, beside it.
    Newer,
}

/// How a client tries to get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// With the key that is let in.
    Key,
    /// With a wrong password, so many times.
    Password(u8),
}

/// The server. Dropped, it is killed.
#[derive(Debug)]
pub struct Sshd {
    directory: PathBuf,
    port: u16,
    client: Program,
    _server: Running,
    _guard: rustix::fd::OwnedFd,
}

impl Sshd {
    /// Starts one on the node, with its keys and its configuration in this new directory; `None`, said aloud, where there is none.
    pub fn start(test: &str, node: &Node, release: Release, directory: PathBuf) -> Option<Self> {
        let (Some(client), Some(keygen)) = (Program::find("ssh"), Program::find("ssh-keygen")) else {
            skipped(test, "no ssh (Debian package openssh-client)");
            return None;
        };
        let env = match release {
            Release::Installed if Program::find("sshd").is_some() => Vec::new(),
            Release::Installed => {
                skipped(test, "no sshd (Debian package openssh-server)");
                return None;
            }
            Release::Newer => {
                let Some(usr) = std::env::var("PICKET_OPENSSH").ok().filter(|usr| Path::new(usr).join("sbin/sshd").is_file())
                else {
                    skipped(test, "no newer OpenSSH: tests/openssh unpacks one, PICKET_OPENSSH names it");
                    return None;
                };
                vec![(OTHER_USR.to_owned(), usr)]
            }
        };
        fs::create_dir_all(&directory).expect("a directory can be made");
        for key in ["host", "user"] {
            let path = directory.join(key);
            keygen.run(["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().expect("a path of a test is text")]);
        }
        let guard = hold_port(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = rustix::net::getsockname(&guard).expect("a bound socket has an address");
        let port = SocketAddr::try_from(address).expect("of the internet").port();
        let configuration = directory.join("sshd_config");
        fs::write(&configuration, configuration_of(&directory, port, release)).expect("a file can be written");
        // What gives a wrong password in a person's place.
        let ask = directory.join("ask");
        fs::write(&ask, "#!/bin/sh\necho not the password\n").expect("a file can be written");
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o755)).expect("our own file");
        let (log, configuration) = (directory.join("sshd.log"), configuration.to_string_lossy().into_owned());
        let mut server = node.serve(["/usr/sbin/sshd", "-D", "-f", &configuration], &env, &log);
        let listens = wait::until(PATIENCE, || {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(server.ended().is_none(), "sshd does not run: {}", said());
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        assert!(listens.is_some(), "sshd does not listen");
        Some(Self { directory, port, client, _server: server, _guard: guard })
    }

    /// A client that says it is this user; whether it was let in.
    pub fn connect(&self, user: &str, how: Try) -> bool {
        let path = |name: &str| self.directory.join(name).to_string_lossy().into_owned();
        let mut options = vec!["BatchMode=no".to_owned(), "StrictHostKeyChecking=no".to_owned(), "LogLevel=ERROR".to_owned()];
        options.extend([
            "UserKnownHostsFile=/dev/null".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
        ]);
        match how {
            Try::Key => options.push("PasswordAuthentication=no".to_owned()),
            Try::Password(n_times) => {
                options.extend(["PubkeyAuthentication=no".to_owned(), format!("NumberOfPasswordPrompts={n_times}")]);
            }
        }
        let mut args: Vec<String> = ["-F", "none", "-p", &self.port.to_string(), "-i", &path("user")].map(str::to_owned).into();
        for option in options {
            args.extend(["-o".to_owned(), option]);
        }
        args.extend(["-l", user, "127.0.0.1", "exit 0"].map(str::to_owned));
        let ask = path("ask");
        let env = [("SSH_ASKPASS", OsStr::new(&ask)), ("SSH_ASKPASS_REQUIRE", OsStr::new("force"))];
        self.client.outcome_with(args, &env).0 == Some(0)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn configuration_of(directory: &Path, port: u16, release: Release) -> String {
    let mut text = String::new();
    let directory = directory.display();
    writeln!(text, "Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host").expect("memory takes bytes");
    writeln!(text, "AuthorizedKeysFile {directory}/user.pub").expect("memory takes bytes");
    if release == Release::Newer {
        // It would keep out whoever fails a few times, for half a minute.
        text += "PerSourcePenalties no\n";
    }
    text + "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication yes\nPermitRootLogin yes\nMaxStartups 100\n"
}

#[cfg(test)]
mod tests;
