//! What a log is: a configured file with its rotated parts, or a container; and the key that names it in the position log.
//!
//! Pure. A key is all that is left of a log whose files are gone, so it can be read back.

use std::path::PathBuf;
use std::sync::Arc;

use super::discovery::Container;
use crate::config::checked::{FileInput, JournalInput, PodInput};

/// What a chain is: where its lines come from and how they are understood.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A configured file and its rotated parts.
    File {
        /// Its input.
        input: Arc<FileInput>,
        /// The live file's path, as configured or matched.
        path: PathBuf,
        /// Whether the path is a label, since several files share the job.
        path_is_label: bool,
    },
    /// All files of a container, through restarts and pods of the same name.
    Pod {
        /// Its input.
        input: Arc<PodInput>,
        /// Who wrote it.
        container: Container,
    },
    /// All files of the journal, of all machines and namespaces whose journals are there.
    Journal {
        /// Its input.
        input: Arc<JournalInput>,
    },
}

/// The key of the journal's chain.
const JOURNAL: &str = "journal";

/// Whether the chain with that key is a set of files, each read to its own end, rather than one log in rotated parts: which of
/// them were read must be known for as long as they are there.
pub fn is_set(key: &str) -> bool {
    key == JOURNAL
}

impl Origin {
    /// Names the chain in the position log; two chains never share it, and it outlives restarts.
    pub fn key(&self) -> String {
        match self {
            Self::File { input, path, .. } => format!("file {} {}", input.job, path.display()),
            Self::Pod { container: Container { namespace, pod, container }, .. } => format!("pod {namespace}/{pod}/{container}"),
            Self::Journal { .. } => JOURNAL.to_owned(),
        }
    }

    /// How long a renamed file is kept open after its last growth.
    pub fn rotate_wait(&self) -> std::time::Duration {
        match self {
            Self::File { input, .. } => input.rotate_wait,
            Self::Pod { input, .. } => input.rotate_wait,
            // A journal file says itself that it will not grow any more.
            Self::Journal { .. } => std::time::Duration::ZERO,
        }
    }
}
