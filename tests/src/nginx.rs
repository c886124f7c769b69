//! A real nginx in front of a test's Loki: its own directory and configuration, one process in the foreground, ports of loopback.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::loki::hold_port;
use crate::wait;

/// From the start to the first connection, and from a signal to the end.
const PATIENCE: Duration = Duration::from_secs(15);

/// An nginx that is running or not. Dropped, it is killed, and its logs are shown if the test is failing.
#[derive(Debug)]
pub struct Nginx {
    dir: PathBuf,
    child: Option<Child>,
    ports: [u16; 2],
    /// Bound and not listening: nginx shares the ports with these, and nobody else gets them while it is down.
    _guards: [rustix::fd::OwnedFd; 2],
}

/// The program, where Debian puts it, or on the path.
fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join("nginx")).find(|file| file.is_file())
}

impl Nginx {
    /// Whether there is one on this machine.
    pub fn is_installed() -> bool {
        binary().is_some()
    }

    /// One that does not run yet, with a new directory and two ports of its own.
    pub fn set_up(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("a directory can be made");
        let guards = [(); 2].map(|()| hold_port(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let port = |guard| {
            let address = rustix::net::getsockname(guard).expect("a bound socket has an address");
            SocketAddr::try_from(address).expect("of the internet").port()
        };
        Self { dir: dir.to_owned(), child: None, ports: [port(&guards[0]), port(&guards[1])], _guards: guards }
    }

    /// One of its ports; to listen on the first is a duty.
    pub fn port(&self, number: usize) -> u16 {
        self.ports[number]
    }

    /// Runs with these lines within `http { }`; what runs is stopped first.
    pub fn run(&mut self, http: &str) {
        let dir = self.dir.display();
        let mut text = format!("daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log info;\n");
        text += "events { worker_connections 256; }\nhttp {\n";
        text += "log_format told '$connection $status sni=$ssl_server_name host=$http_host client=$ssl_client_s_dn \
                 expect=$http_expect coding=$http_accept_encoding';\n";
        writeln!(text, "access_log {dir}/access.log told;").expect("memory takes bytes");
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            writeln!(text, "{kind}_temp_path {dir}/{kind};").expect("memory takes bytes");
        }
        fs::write(self.dir.join("nginx.conf"), format!("{text}{http}\n}}\n")).expect("a file can be written");
        self.stop();
        self.start();
    }

    /// Starts it as it was configured last.
    #[expect(clippy::disallowed_methods, reason = "it starts the program in front of the one under test")]
    pub fn start(&mut self) {
        let mut command = Command::new(binary().expect("the caller has looked for nginx"));
        command.arg("-p").arg(&self.dir).arg("-c").arg(self.dir.join("nginx.conf")).arg("-e").arg(self.dir.join("error.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("nginx can be started");
        let address = (Ipv4Addr::LOCALHOST, self.ports[0]);
        let listens = wait::until(PATIENCE, || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "nginx does not run: {}", self.log("error.log"));
            TcpStream::connect(address).ok()
        });
        assert!(listens.is_some(), "nginx does not listen: {}", self.log("error.log"));
        self.child = Some(child);
    }

    /// Ends it at once, with whatever is under way.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = Pid::from_raw(child.id().cast_signed()).expect("a child has a process number");
            kill_process(pid, Signal::TERM).ok();
            if wait::until(PATIENCE, || child.try_wait().expect("a child can be asked")).is_none() {
                child.kill().ok();
            }
            child.wait().ok();
        }
    }

    /// One line for each request: `connection status sni=… host=… client=… expect=… coding=…`.
    pub fn requests(&self) -> Vec<String> {
        self.log("access.log").lines().map(str::to_owned).collect()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            let (access, error) = (self.log("access.log"), self.log("error.log"));
            let end = |text: &str| text[text.floor_char_boundary(text.len().saturating_sub(4096))..].to_owned();
            writeln!(std::io::stderr(), "--- nginx was asked:\n{}--- and said:\n{}---", end(&access), end(&error)).ok();
        }
    }
}
