//! Debian's Alertmanager, where it is installed.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::double::until;

/// Says aloud that a test cannot run.
pub(crate) fn skipped(test: &str, why: &str) {
    use std::io::Write as _;
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
    if let Some(path) = std::env::var_os("PICKET_SKIPPED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
    }
}

/// A program that is somewhere on the path, under one of these names.
pub(crate) fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|folder| names.iter().map(move |name| folder.join(name))).find(|path| path.is_file())
}

/// To run a program.
#[expect(clippy::disallowed_methods, reason = "the tests run what is not ours")]
pub(crate) fn program_of(path: &Path) -> Command {
    Command::new(path)
}

/// A running Alertmanager, killed when it is dropped.
pub(crate) struct Alertmanager {
    child: Child,
    pub(crate) url: String,
}

impl Alertmanager {
    /// With a configuration; nothing where it is not installed.
    pub(crate) async fn start(test: &str, config: &str, dir: &Path) -> Option<Self> {
        let Some(program) = installed(&["prometheus-alertmanager", "alertmanager"]) else {
            skipped(test, "no alertmanager here (apt-get install prometheus-alertmanager)");
            return None;
        };
        let file = dir.join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();
        // The system picks a port that is free, a moment before it is taken.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(dir.join("alertmanager.log")).unwrap();
        let child = program_of(&program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.external-url=http://picket.example.org")
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let this = Self { child, url: format!("http://127.0.0.1:{port}") };
        until("Alertmanager takes connections", || TcpStream::connect(("127.0.0.1", port)).ok()).await;
        Some(this)
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
