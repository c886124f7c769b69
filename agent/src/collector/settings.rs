//! What can be said to collectors; the defaults are `node_exporter`'s, with what a Kubernetes node adds.

use regex::Regex;

/// What collectors leave out, and what they give besides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// netstat: fields that are given, as `Tcp_InSegs`.
    pub netstat_fields: Regex,
    /// textfile: directories of `*.prom` files, as paths of the host; patterns are allowed.
    pub textfile_directories: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            netstat_fields: pattern(
                r"^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
            ),
            textfile_directories: Vec::new(),
        }
    }
}

#[expect(clippy::expect_used, reason = "the patterns stand in this file, and a test makes the defaults")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file is one")
}
