//! `metrics`: what is measured, scraped and relabelled.

use std::time::Duration;

use super::collectors::RawCollectors;
use super::{RawBasicAuth, RawTls, elsewhere};
use crate::collector::ups::{AuthProtocol, NutNames, PrivacyProtocol};
use crate::config::checked::HostLabel;
use settings::problem::Problems;
use settings::read::{Count, Labels, Read, Size, Spanned, one_of};
use settings::section;
use settings::yaml::Node;

section! {
    elsewhere;
    /// `metrics`
    RawMetrics {
        /// How often. Default 15s.
        interval: Duration,
        /// Which collectors of the node run, and what they give.
        collectors: RawCollectors,
        /// Containers of pods.
        containers: RawContainers,
        /// NVIDIA's GPUs. Default: measured where NVIDIA's library is.
        gpu: RawGpu,
        /// UPSes, by the servers that know them. Default: none.
        ups: Vec<Spanned<RawUps>>,
        /// Files that others write.
        textfile: RawTextfile,
        /// What others expose over HTTP.
        scrape: Vec<Spanned<RawScrape>>,
        /// Pods of this node that ask to be scraped. Default: none are.
        scrape_pods: RawScrapePods,
        /// What is changed of the series of a job, in this order.
        relabel: Vec<Spanned<RawRelabel>>,
    }
}

section! {
    elsewhere;
    /// `metrics.containers`
    RawContainers {
        /// Page faults too. Default false.
        memory_failures: bool,
        /// Groups of classes of pods and of the system's slices too. Default false.
        slices: bool,
        /// How long containers waited for processors, memory and I/O. Default true.
        pressure: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.textfile`
    RawTextfile {
        /// A directory with `*.prom` files in it, or a pattern of such. Needed.
        directory: String,
    }
}

section! {
    elsewhere;
    /// `metrics.scrape[]`
    RawScrape {
        /// Label `job`. Needed.
        job: String,
        /// Where the metrics are. Needed. `/metrics` is added to a URL without a path.
        url: String,
        /// Further labels of the target; `instance` too. Default: `instance` is host and port.
        labels: Labels,
        /// How often. Default: as the node.
        interval: Duration,
        /// How long an answer may take. Default 10s, at most the interval.
        timeout: Duration,
        /// Whether a label that is exposed wins over one of the target. Default false.
        honor_labels: bool,
        /// Whether a time that is exposed counts. Default true.
        honor_timestamps: bool,
        /// Most bytes of an answer. Default 10MiB.
        body_limit: Size,
        /// Most samples of an answer. Default 200000.
        sample_limit: Count,
        /// User name and password. Default: none.
        basic_auth: RawBasicAuth,
        /// File with a bearer token. Default: none.
        bearer_token_file: String,
        /// TLS beyond the system's authorities.
        tls: RawTls,
    }
}

section! {
    elsewhere;
    /// `metrics.scrape_pods`
    RawScrapePods {
        /// Label `job`. Default kubernetes-pods.
        job: String,
        /// How often pods are scraped. Default: as the node.
        interval: Duration,
        /// How long an answer may take. Default 10s.
        timeout: Duration,
    }
}

section! {
    elsewhere;
    /// `metrics.relabel[]`
    RawRelabel {
        /// The job whose series are changed. Needed.
        job: String,
        /// What stands before every name from now on; nothing else is given then.
        name_prefix: String,
        /// What is done: `replace` (default), `keep`, `drop`, `keepequal`, `dropequal`, `hashmod`, `lowercase`, `uppercase`, `labelmap`, `labeldrop` or `labelkeep`.
        action: String,
        /// Labels whose values are looked at, joined.
        source_labels: Vec<Spanned<String>>,
        /// What stands between them. Default `;`.
        separator: String,
        /// What they have to match as a whole. Default `(.*)`.
        regex: String,
        /// Of `hashmod`.
        modulus: Count,
        /// The label that is set or compared with.
        target_label: String,
        /// What it is set to, with `$1`. Default `$1`.
        replacement: String,
    }
}

section! {
    elsewhere;
    /// `metrics.gpu`
    RawGpu {
        /// NVIDIA's library: a name that the system's loader looks for, or a path. Default libnvidia-ml.so.1.
        library: String,
        /// `Hostname` (default), or `hostname` as in dcgm-exporter after 4.8.2.
        host_label: HostLabel,
        /// Whether memory by pod has a series for each process, with its pid. Default false.
        pids: bool,
        /// Whether NVIDIA's library is closed while no process uses a card. Default false.
        close_when_idle: bool,
    }
}

section! {
    elsewhere;
    /// `metrics.ups[]`
    RawUps {
        /// A NUT server: host, with or without a port. One of the three is needed.
        nut: String,
        /// A UPS that speaks SNMP itself.
        snmp: String,
        /// An apcupsd.
        apcupsd: String,
        /// Names of NUT's and apcupsd's variables: `nut_exporter` (default) or `base_units`.
        names: NutNames,
        /// How long one sample may take. Default 5s.
        timeout: Duration,
        /// NUT's user. Default: none.
        username: String,
        /// File with the password. Needed with `username`.
        password_file: String,
        /// STARTTLS towards NUT. Default: no encryption.
        tls: RawTls,
        /// File with the community of SNMP v2c. Default: it is `public`.
        community_file: String,
        /// The user of SNMP v3. Default: v2c is spoken.
        v3: RawSnmpUser,
    }
}

section! {
    elsewhere;
    /// `metrics.ups[].v3`
    RawSnmpUser {
        /// Who asks. Needed.
        username: String,
        /// What signs messages: `md5`, `sha`, `sha224`, `sha256`, `sha384` or `sha512`. Default: nothing does.
        auth: AuthProtocol,
        /// File with the password of `auth`. Needed with it.
        auth_password_file: String,
        /// What encrypts messages: `des`, `aes`, `aes192`, `aes256`, `aes192c` or `aes256c`. Default: nothing does.
        privacy: PrivacyProtocol,
        /// File with the password of `privacy`. Needed with it.
        privacy_password_file: String,
        /// Context. Default: the one without a name.
        context: String,
    }
}

impl Read for HostLabel {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &[("Hostname", Self::Capital), ("hostname", Self::Small)])
    }
}

impl Read for NutNames {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &[("nut_exporter", Self::NutExporter), ("base_units", Self::BaseUnits)])
    }
}

impl Read for AuthProtocol {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &Self::NAMES)
    }
}

impl Read for PrivacyProtocol {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &Self::NAMES)
    }
}
