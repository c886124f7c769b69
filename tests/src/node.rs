//! A node of a test's own: a directory tree in which programs of the system run as if it were the machine's.
//!
//! Each program gets a mount namespace in which `/run`, `/var/log`, `/dev` and `/etc/machine-id` are those of the tree, and a host
//! name; everything else is the machine's. Outside of it the tree is a plain directory, so that an agent reads it by `--path-rootfs`,
//! and a test writes to its sockets. Whoever starts a program here keeps it: the kernel ends it with the thread that started it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::program::{Program, Running};
use crate::skip::skipped;

/// The machine id of every node here.
pub const MACHINE_ID: &str = "3f1c7a52d9b04e6f8a2b6c0d4e5f7081";

/// Runs in the new namespaces, as root, with the tree as its first argument. A device is bound, not made: that needs no right to make any.
const ENTER: &str = r#"set -e
tree=$1; shift
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for name in null zero full random urandom tty; do : >"$tree/dev/$name"; mount --bind "/dev/$name" "$tree/dev/$name"; done
mkdir "$tree/dev/shm"; mount --bind /dev/shm "$tree/dev/shm"
ln -s /run/systemd/journal/dev-log "$tree/dev/log"
ln -s /proc/self/fd "$tree/dev/fd"
: >"$tree/dev/kmsg"; mount --bind "$tree/kmsg" "$tree/dev/kmsg"
mount --rbind "$tree/dev" /dev
mount --bind "$tree/var/log" /var/log
mount --bind "$tree/etc/machine-id" /etc/machine-id
[ ! -e "$tree/boot_id" ] || mount --bind "$tree/boot_id" /proc/sys/kernel/random/boot_id
echo test-node >/proc/sys/kernel/hostname
mount --bind "$tree/run" /run
[ -z "${NODE_USR:-}" ] || mount --bind "$NODE_USR" /usr
unset NODE_USR
exec "$@""#;

/// A variable for `Node::serve`: a directory that the program sees as `/usr`, which makes it one of another release, with its libraries.
pub const OTHER_USR: &str = "NODE_USR";

/// The tree.
#[derive(Debug)]
pub struct Node {
    tree: PathBuf,
    enter: Program,
}

impl Node {
    /// A new tree in this directory, which must not be there yet; `None`, said aloud, where there cannot be one.
    pub fn set_up(test: &str, tree: PathBuf) -> Option<Self> {
        let Some(enter) = Program::find("setpriv") else {
            skipped(test, "no setpriv (Debian package util-linux)");
            return None;
        };
        for directory in ["dev", "etc", "run/log/journal", "run/systemd/journal", "run/sshd", "var/log/journal"] {
            fs::create_dir_all(tree.join(directory)).expect("a directory can be made");
        }
        // Programs of other users find their way in, too.
        for directory in tree.ancestors().take(2) {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("our own directory");
        }
        fs::write(tree.join("etc/machine-id"), format!("{MACHINE_ID}\n")).expect("a file can be written");
        mknodat(CWD, tree.join("kmsg"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe can be made");
        let node = Self { tree, enter };
        let (code, _, errors) = node.outcome(["true"], &[]);
        if code != Some(0) {
            skipped(test, &format!("no mount namespace of its own (root and CAP_SYS_ADMIN): {}", errors.trim()));
            return None;
        }
        Some(node)
    }

    /// The tree, as seen from outside: an agent's `--path-rootfs`.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Something in the tree, as seen from outside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.tree.join(name)
    }

    /// What is started from now on sees this boot id (32 hexadecimal digits), as after a restart of the machine.
    pub fn boot(&self, id: &str) {
        let dashed = format!("{}-{}-{}-{}-{}\n", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
        fs::write(self.path("boot_id"), dashed).expect("a file can be written");
    }

    /// Runs a program in it: exit code, standard output and standard error.
    pub fn outcome<'a>(&self, words: impl IntoIterator<Item = &'a str>, env: &[(&str, &OsStr)]) -> (Option<i32>, String, String) {
        self.enter.outcome_with(self.words(words), env)
    }

    /// Runs a program in it, which must succeed; its standard output.
    pub fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> String {
        self.enter.run(self.words(words))
    }

    /// Starts a server in it. What it says goes to the file.
    pub fn serve<'a>(&self, words: impl IntoIterator<Item = &'a str>, env: &[(String, String)], log: &Path) -> Running {
        self.enter.serve(self.words(words), env, log)
    }

    fn words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        // Nothing forks on the way, so that the death signal reaches the program itself.
        let before = "--pdeathsig KILL -- unshare --mount --uts --propagation private -- sh -c".split(' ').map(str::to_owned);
        let tree = self.tree.to_str().expect("a path of a test is text");
        before.chain([ENTER, "sh", tree].map(str::to_owned)).chain(words.into_iter().map(str::to_owned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_sees_the_tree_as_the_machines_and_nothing_is_left_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let Some(node) = Node::set_up("a_program_sees_the_tree_as_the_machines", dir.path().join("node")) else {
            return;
        };
        node.boot("0123456789abcdef0123456789abcdef");
        let script =
            "cat /etc/machine-id /proc/sys/kernel/random/boot_id /proc/sys/kernel/hostname; echo a >/var/log/b; ls -d /dev/log";
        let said = node.run(["sh", "-c", script]);
        assert_eq!(said, format!("{MACHINE_ID}\n01234567-89ab-cdef-0123-456789abcdef\ntest-node\n/dev/log\n"));
        assert_eq!(fs::read_to_string(node.path("var/log/b")).unwrap(), "a\n");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(dir.path().to_str().unwrap()), "{mounts}");
    }

    #[test]
    fn a_server_ends_with_whoever_started_it() {
        let dir = tempfile::tempdir().unwrap();
        let Some(node) = Node::set_up("a_server_ends_with_whoever_started_it", dir.path().join("node")) else {
            return;
        };
        let log = dir.path().join("log");
        let starter = std::thread::spawn(move || {
            let words = ["sh", "-c", "echo begun; exec sleep 600"];
            let mut server = node.serve(words, &[], &log);
            let begun = || fs::read_to_string(&log).is_ok_and(|text| text == "begun\n");
            crate::wait::for_condition("the server", std::time::Duration::from_secs(10), begun);
            assert!(server.ended().is_none());
            // Nobody says goodbye, as when a test is killed.
            std::mem::forget(server);
        });
        starter.join().unwrap();
        let tree = dir.path().to_str().unwrap().to_owned();
        let runs = || {
            let processes = fs::read_dir("/proc").unwrap().flatten();
            processes
                .filter(|entry| {
                    let mounts = fs::read_to_string(entry.path().join("mounts")).unwrap_or_default();
                    mounts.contains(&tree)
                })
                .count()
        };
        crate::wait::for_condition("the kernel to end it", std::time::Duration::from_secs(10), || runs() == 0);
    }
}
