//! The configuration file, key by key. What is not set stays `None`; defaults and meaning are `check`'s.
//!
//! Adding a key is one line here, one in `check` and one in `deploy/config/companion.yaml`; the tests name those that were
//! forgotten.

use std::time::Duration;

use settings::file::{self, ROOT};
use settings::read::{Count, Read as _, Size, Spanned};
use settings::section;

/// Keys of the contract that this build does not have, the section that each belongs to, and what there is instead.
const NOT_BUILT: [(&str, &str, &str); 8] = [
    ("metrics", "rules", "rules over metrics come in a later version; keep them in Prometheus, and remove the key"),
    ("metrics", "embedded", "rules over metrics come in a later version; remove the key"),
    ("prometheus", "engine", "remote engines come in a later version; `embedded` is there"),
    ("loki", "engine", "remote engines come in a later version; `embedded` is there"),
    ("probes", ROOT, "probes come in a later version; remove the key"),
    ("kubernetes", ROOT, "the state of Kubernetes comes in a later version; remove the key"),
    ("remote_write", ROOT, "writing samples comes in a later version; remove the key"),
    ("tenant", ROOT, "there is one tenant, and the header X-Scope-OrgID is passed over; remove the key"),
];

section! {
    elsewhere;
    /// The whole file.
    Raw {
        /// Address of everything that answers. Default 127.0.0.1:9095.
        listen: String,
        /// Files with bearer tokens, one a line. Default: none.
        tokens: Vec<Spanned<String>>,
        /// TLS of `listen`. Default: none.
        tls: RawTls,
        /// Which rules. Default: the built-in ones.
        rules: RawRules,
        /// How much is kept.
        engine: RawEngine,
        /// Who is told. Default: nobody.
        notify: RawNotify,
        /// What intake takes.
        limits: RawLimits,
        /// Where state is kept. Default /var/lib/picket-companion.
        state_dir: String,
        /// Where people reach this companion. Default: the address of `listen`.
        external_url: String,
    }
}

section! {
    elsewhere;
    /// `tls`
    RawTls {
        /// PEM file with the certificate chain. Needed.
        certificate: String,
        /// PEM file with the key. Needed.
        key: String,
        /// PEM file with the authorities of clients. Default: none, clients need no certificate.
        client_ca: String,
    }
}

section! {
    elsewhere;
    /// `rules`
    RawRules {
        /// Globs of LogQL rule files. Default: none, the built-in rules.
        logs: Vec<Spanned<String>>,
        /// File with the values of the rules. Default: none.
        values: String,
        /// Jobs that may be silent. Default: calico-flow, file-changes.
        silent_by_nature: Vec<Spanned<String>>,
    }
}

section! {
    elsewhere;
    /// `engine`
    RawEngine {
        /// The engine of this program.
        embedded: RawEmbedded,
    }
}

section! {
    elsewhere;
    /// `engine.embedded`
    RawEmbedded {
        /// How far back lines are kept. Default 1h.
        logs: Duration,
        /// Most bytes of kept lines. Default 512MiB.
        memory: Size,
    }
}

section! {
    elsewhere;
    /// `notify`
    RawNotify {
        /// URLs of Alertmanagers. Default: none.
        alertmanagers: Vec<Spanned<String>>,
        /// Alertmanager's own file, for the embedded router. Default: none.
        config: String,
    }
}

section! {
    elsewhere;
    /// `limits`
    RawLimits {
        /// Most bytes of a request. Default 16MiB.
        body: Size,
        /// Most bytes of a line. Default 4MiB.
        line: Size,
        /// Most bytes a second. Default 64MiB.
        rate: Size,
        /// Most active streams. Default 5000.
        streams: Count,
        /// Most connections. Default 256.
        connections: Count,
    }
}

/// The paths of all settings: `engine.embedded.logs`, with lists left out.
pub(super) fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    Raw::keys("", &mut keys);
    keys
}

/// What to say of a key that is unknown in one section and known in another, or not yet at all.
fn elsewhere(section: &str, key: &str) -> Option<String> {
    if let Some((_, _, why)) = NOT_BUILT.iter().find(|(name, home, _)| *name == key && *home == section) {
        return Some(format!("`{key}`: {why}"));
    }
    file::elsewhere(section, key, &keys())
}
