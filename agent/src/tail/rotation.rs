//! Which names in a directory are older parts of a log, and in what order they were written. Pure: names in, order out.
//!
//! Known ways, for a live file `audit.log`: `audit.log.1` (logrotate; a higher number is older), `audit.log-20261123`,
//! `audit.log.20261123-101500` (logrotate's dateext, kubelet), `audit-2026-11-23T10-15-00.000.log` (lumberjack, which the
//! API server uses), `audit.1.log`; each also with `.gz` or `.zst`. Other compressions are seen but cannot be read.

use std::cmp::Ordering;

/// How a file's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// A compression that we cannot read (`.bz2`, `.xz`, `.lz4`).
    Unreadable,
    /// A file of the systemd journal: entries, not lines. Never told from a name.
    Journal,
}

impl Encoding {
    /// By the end of the name; and the name without that end.
    pub fn of_name(name: &str) -> (Self, &str) {
        const ENDS: [(&str, Encoding); 7] = [
            (".gz", Encoding::Gzip),
            (".zst", Encoding::Zstd),
            (".zstd", Encoding::Zstd),
            (".bz2", Encoding::Unreadable),
            (".xz", Encoding::Unreadable),
            (".lz4", Encoding::Unreadable),
            (".zip", Encoding::Unreadable),
        ];
        ENDS.iter()
            .find_map(|(end, encoding)| name.strip_suffix(end).map(|rest| (*encoding, rest)))
            .unwrap_or((Self::Plain, name))
    }
}

/// Names of files that are being made and will have another name: never read.
pub fn is_temporary(name: &str) -> bool {
    [".tmp", ".swp", ".swx", ".part", "~"].iter().any(|end| name.ends_with(end))
}

/// When a rotated file was rotated, as far as its name tells. Compared with [`Age::older_first`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Age {
    /// The digits of a time in the name, without what stands between them. Such names sort as text.
    Stamp(String),
    /// A generation: 1 is the newest.
    Generation(u64),
}

impl Age {
    /// The older first. Names of both kinds in one log (its rotation was configured anew) cannot be compared: `Equal`, so
    /// that the caller's second criterion (time of last change) decides.
    pub fn older_first(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Stamp(one), Self::Stamp(two)) => one.cmp(two),
            (Self::Generation(one), Self::Generation(two)) => two.cmp(one),
            _ => Ordering::Equal,
        }
    }
}

/// Says whether `name` is an older part of the log whose live file is `live`; both without directory.
pub fn rotated(live: &str, name: &str) -> Option<(Age, Encoding)> {
    if name == live || is_temporary(name) {
        return None;
    }
    let (encoding, name) = Encoding::of_name(name);
    if name == live {
        // `app.log.gz` beside `app.log`: compressed by hand or by `nodelaycompress` of an old day; older than all others.
        return Some((Age::Generation(u64::MAX), encoding));
    }
    let age = after_name(live, name).or_else(|| before_extension(live, name))?;
    Some((age, encoding))
}

/// `audit.log` + `.1`, `-20261123`, `.20261123-101500`, `.2026-11-23.1`
fn after_name(live: &str, name: &str) -> Option<Age> {
    let rest = name.strip_prefix(live)?;
    let rest = rest.strip_prefix(['.', '-', '_'])?;
    age(rest)
}

/// `audit` + `-2026-11-23T10-15-00.000` + `.log`
fn before_extension(live: &str, name: &str) -> Option<Age> {
    let (stem, extension) = live.rsplit_once('.')?;
    let rest = name.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')?;
    age(rest.strip_prefix(['-', '.', '_'])?)
}

fn age(text: &str) -> Option<Age> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let only_time = !text.is_empty() && text.chars().all(|char| char.is_ascii_digit() || "-.:_TZ+".contains(char));
    if !only_time || digits.is_empty() {
        return None;
    }
    // Up to five digits and nothing else is a generation; from eight digits (a date) or ten (seconds) on it is a time.
    if digits.len() == text.len() && digits.len() <= 5 {
        return digits.parse().ok().map(Age::Generation);
    }
    (digits.len() >= 6).then_some(Age::Stamp(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(live: &str, names: &[&str]) -> Vec<String> {
        let mut found: Vec<_> = names.iter().filter_map(|name| rotated(live, name).map(|(age, _)| (age, *name))).collect();
        found.sort_by(|one, two| one.0.older_first(&two.0));
        found.into_iter().map(|(_, name)| name.to_owned()).collect()
    }

    #[test]
    fn logrotate_numbers_count_backwards() {
        let names = ["syslog.1", "syslog.10.gz", "syslog.2.gz", "syslog", "syslog.9.gz"];
        assert_eq!(in_order("syslog", &names), ["syslog.10.gz", "syslog.9.gz", "syslog.2.gz", "syslog.1"]);
    }

    #[test]
    fn lumberjack_puts_the_time_before_the_extension() {
        let names =
            ["audit-2026-11-23T10-15-00.250.log", "audit-2026-11-22T23-59-59.000.log.gz", "audit.log", "audit-policy.log"];
        assert_eq!(in_order("audit.log", &names), ["audit-2026-11-22T23-59-59.000.log.gz", "audit-2026-11-23T10-15-00.250.log"]);
    }

    #[test]
    fn kubelet_puts_the_time_behind_the_name() {
        let names = ["0.log.20261123-101500", "0.log.20261123-101400.gz", "0.log.20261123-101400.tmp", "1.log", "0.log"];
        assert_eq!(in_order("0.log", &names), ["0.log.20261123-101400.gz", "0.log.20261123-101500"]);
    }

    #[test]
    fn dateext_of_logrotate_in_both_places() {
        assert_eq!(
            in_order("app.log", &["app.log-20261123", "app.log-20261122.zst"]),
            ["app.log-20261122.zst", "app.log-20261123"]
        );
        assert_eq!(
            in_order("app.log", &["app-20261123.log", "app-20261122.log.gz"]),
            ["app-20261122.log.gz", "app-20261123.log"]
        );
    }

    #[test]
    fn other_logs_are_not_rotated_parts() {
        for name in [
            "auth.log",
            "app.log.bak",
            "app.log.old.txt",
            "app-worker.log",
            "app.logs",
            "app.log.1.tmp",
            "app.log~",
            "app.log.",
            "app.logx1",
        ] {
            assert_eq!(rotated("app.log", name), None, "{name}");
        }
    }

    #[test]
    fn a_compression_we_cannot_read_is_still_part_of_the_log() {
        assert_eq!(rotated("app.log", "app.log.3.xz"), Some((Age::Generation(3), Encoding::Unreadable)));
    }
}
