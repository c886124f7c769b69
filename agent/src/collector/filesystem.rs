//! `filesystem`: size and room of every mounted file system (`statfs(2)`), and beside it how long those take to answer behind which a
//! server stands.
//!
//! In: the mounts of the first process. Local file systems are asked at once, others in threads of their own (`asked.rs`): the
//! collector waits some milliseconds for those that are quick, and gives what is known of the others. A file system whose call is
//! outstanding for longer than 5 s has the error `mountpoint timeout`.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::metric::{Desc, Families};
use rustix::io::Errno;
use twox_hash::XxHash3_64;

use super::asked::{Asked, Calls, Known};
use super::host::Host;
use super::kept::KeptFile;
use super::mountinfo::{Mount, unescape};
use super::settings::{Filter, Settings};
use super::text::{lines, text};
use super::{Collector, Failed, Round};
use crate::host_root::HostRoot;

const LABELS: &[&str] = &["device", "mountpoint", "fstype", "device_error"];

static SIZE: Desc = Desc::gauge("node_filesystem_size_bytes", "Size of the file system.", LABELS);
static FREE: Desc = Desc::gauge("node_filesystem_free_bytes", "Free space of the file system.", LABELS);
static AVAIL: Desc = Desc::gauge("node_filesystem_avail_bytes", "Free space that others than root may use.", LABELS);
static FILES: Desc = Desc::gauge("node_filesystem_files", "Inodes of the file system.", LABELS);
static FILES_FREE: Desc = Desc::gauge("node_filesystem_files_free", "Free inodes of the file system.", LABELS);
static READONLY: Desc = Desc::gauge("node_filesystem_readonly", "Whether nothing can be written to it.", LABELS);
static DEVICE_ERROR: Desc = Desc::gauge("node_filesystem_device_error", "Whether it could not be asked for its size.", LABELS);
static MOUNT_INFO: Desc =
    Desc::gauge("node_filesystem_mount_info", "The numbers of a mount's device.", &["device", "major", "minor", "mountpoint"]);
static RESPONSE: Desc = Desc::gauge(
    "picket_mount_response_seconds",
    "How long the file system's last answer took, or for how long one is outstanding if that is more.",
    &["mountpoint", "device", "fstype"],
);

pub(super) const FAMILIES: &[&Desc] =
    &[&SIZE, &FREE, &AVAIL, &FILES, &FILES_FREE, &READONLY, &DEVICE_ERROR, &MOUNT_INFO, &RESPONSE];

/// After that an outstanding call counts as none that will return.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A round waits so long at most, for all calls together.
const PATIENCE: Duration = Duration::from_millis(50);

/// Size and room, in bytes and inodes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Space {
    size: f64,
    free: f64,
    avail: f64,
    files: f64,
    files_free: f64,
}

/// A file system's answer; an error as the label says it.
type Answer = Result<Space, String>;
/// Asks the file system at a path.
type Ask = Arc<dyn Fn(&Path) -> Answer + Send + Sync>;

pub(super) struct FileSystem {
    mountinfo: KeptFile,
    root: HostRoot,
    selection: Selection,
    /// A hash of the mounts as they were read last: they rarely change.
    read: Option<u64>,
    targets: Vec<Target>,
    calls: Calls,
    ask: Ask,
    timeout: Duration,
    patience: Duration,
}

/// A file system that is given.
struct Target {
    device: String,
    mountpoint: String,
    fstype: String,
    major: String,
    minor: String,
    read_only: bool,
    access: Access,
}

/// How it is asked.
enum Access {
    Direct(PathBuf),
    Probed(Arc<Path>, Asked<Answer>),
}

impl FileSystem {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            mountinfo: KeptFile::new(host.init("mountinfo")),
            root: host.root().clone(),
            selection: Selection::new(settings),
            read: None,
            targets: Vec::new(),
            calls: Calls::default(),
            ask: Arc::new(space),
            timeout: TIMEOUT,
            patience: PATIENCE,
        }
    }

    /// Takes in what is mounted now.
    fn look(&mut self, buffer: &mut Vec<u8>) -> Result<(), Failed> {
        let mounts = self.mountinfo.read(buffer)?;
        let read = Some(XxHash3_64::oneshot(mounts));
        if read == self.read {
            return Ok(());
        }
        let mut before = std::mem::take(&mut self.targets);
        for mount in lines(mounts).filter_map(Mount::of_line) {
            let (mountpoint, fstype) = (unescape(mount.mountpoint), text(mount.fstype));
            // What is mounted below another root is named as that root's host names it.
            let mountpoint = self.root.name(Path::new(&*text(&mountpoint))).to_string_lossy().into_owned();
            if !self.selection.has(&mountpoint, &fstype) {
                continue;
            }
            let device = text(&unescape(mount.source)).into_owned();
            let (major, minor) = (text(mount.major).into_owned(), text(mount.minor).into_owned());
            let read_only = mount.is_read_only();
            let is_same = |other: &Target| other.device == device && other.mountpoint == mountpoint && other.fstype == fstype;
            if let Some(below) = self.targets.iter_mut().find(|target| is_same(target)) {
                // Mounted over itself: what counts is on top.
                (below.major, below.minor, below.read_only) = (major, minor, read_only);
                continue;
            }
            let known = before.iter().position(|target| is_same(target) && target.major == major && target.minor == minor);
            let access = match known.map(|place| before.swap_remove(place).access) {
                // Its call may be outstanding.
                Some(Access::Probed(path, asked)) => Access::Probed(path, asked),
                _ => Access::Direct(self.root.locate(Path::new(&mountpoint))),
            };
            self.targets.push(Target { device, mountpoint, fstype: fstype.into_owned(), major, minor, read_only, access });
        }
        let behind: Vec<String> =
            self.targets.iter().filter(|target| may_hang(&target.fstype)).map(|target| target.mountpoint.clone()).collect();
        for target in &mut self.targets {
            if let Access::Direct(path) = &mut target.access
                // The way to what is mounted below a dead file system leads through it.
                && behind.iter().any(|above| *above == target.mountpoint || (above != "/" && Path::new(&target.mountpoint).starts_with(above)))
            {
                target.access = Access::Probed(std::mem::take(path).into(), Asked::new("mount-probe"));
            }
        }
        self.read = read;
        Ok(())
    }
}

impl Collector for FileSystem {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look(round.buffer)?;
        let deadline = Instant::now() + self.patience;
        for target in &self.targets {
            if let Access::Probed(path, asked) = &target.access {
                let (path, ask) = (path.clone(), self.ask.clone());
                asked.ask(&self.calls, move || ask(&path), |error| Err(error.to_string()));
            }
        }
        for target in &self.targets {
            match &target.access {
                Access::Direct(path) => target.give(round.out, &(self.ask)(path)),
                Access::Probed(_, asked) => {
                    target.give_known(round.out, &asked.known(deadline, self.patience), self.timeout);
                }
            }
        }
        Ok(())
    }
}

impl Target {
    fn give_known(&self, out: &mut Families, known: &Known<Answer>, timeout: Duration) {
        let labels = [&*self.mountpoint, &*self.device, &*self.fstype];
        out.sample(&RESPONSE, &labels, known.response.as_secs_f64());
        if known.waiting.is_some_and(|waiting| waiting > timeout) {
            self.give_error(out, "mountpoint timeout");
        } else if let Some((answer, _)) = &known.answer {
            self.give(out, answer);
        }
    }

    fn give(&self, out: &mut Families, answer: &Answer) {
        let space = match answer {
            Ok(space) => space,
            Err(error) => return self.give_error(out, error),
        };
        let labels = [&*self.device, &*self.mountpoint, &*self.fstype, ""];
        out.sample(&SIZE, &labels, space.size);
        out.sample(&FREE, &labels, space.free);
        out.sample(&AVAIL, &labels, space.avail);
        out.sample(&FILES, &labels, space.files);
        out.sample(&FILES_FREE, &labels, space.files_free);
        out.sample(&READONLY, &labels, f64::from(u8::from(self.read_only)));
        out.sample(&DEVICE_ERROR, &labels, 0.0);
        out.sample(&MOUNT_INFO, &[&self.device, &self.major, &self.minor, &self.mountpoint], 1.0);
    }

    fn give_error(&self, out: &mut Families, error: &str) {
        let labels = [&*self.device, &*self.mountpoint, &*self.fstype, error];
        out.sample(&READONLY, &labels, f64::from(u8::from(self.read_only)));
        out.sample(&DEVICE_ERROR, &labels, 1.0);
    }
}

/// Which file systems are given.
struct Selection {
    mount_points: Filter,
    types: Filter,
    kubelet_volumes: bool,
}

impl Selection {
    fn new(settings: &Settings) -> Self {
        Self {
            mount_points: settings.filesystem_mount_points.clone(),
            types: settings.filesystem_types.clone(),
            kubelet_volumes: settings.filesystem_kubelet_volumes,
        }
    }

    fn has(&self, mountpoint: &str, fstype: &str) -> bool {
        let volume = self.kubelet_volumes && is_kubelet_volume(mountpoint);
        (volume || self.mount_points.admits(mountpoint)) && self.types.admits(fstype)
    }
}

/// Whether a pod's volume is mounted there that holds something of its own, unlike tokens, secrets and configuration.
fn is_kubelet_volume(mountpoint: &str) -> bool {
    let Some((_, volume)) = mountpoint.strip_prefix("/var/lib/kubelet/pods/").and_then(|pod| pod.split_once("/volumes/")) else {
        return false;
    };
    !["projected", "secret", "configmap", "downward-api"].iter().any(|kind| {
        volume
            .strip_prefix("kubernetes.io~")
            .and_then(|volume| volume.strip_prefix(kind))
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Whether a server, or a process that speaks to one, stands behind a file system.
fn may_hang(fstype: &str) -> bool {
    const REMOTE: [&str; 21] = [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse",
        "fuseblk",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
    ];
    REMOTE.binary_search(&fstype).is_ok() || fstype.starts_with("fuse.")
}

/// Asks the kernel. The unit of its counts is `f_bsize`, as `node_exporter` and df have it for the file systems that there are.
fn space(path: &Path) -> Answer {
    let told = rustix::fs::statfs(path).map_err(error_text)?;
    let unit = told.f_bsize as f64;
    Ok(Space {
        size: told.f_blocks as f64 * unit,
        free: told.f_bfree as f64 * unit,
        avail: told.f_bavail as f64 * unit,
        files: told.f_files as f64,
        files_free: told.f_ffree as f64,
    })
}

/// An error in the words that `node_exporter` puts into the label, which are Go's.
fn error_text(error: Errno) -> String {
    match error {
        Errno::STALE => "stale NFS file handle".to_owned(),
        error => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}
