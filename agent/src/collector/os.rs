//! `os`: which system the node runs (os-release(5)).

use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use proto::metric::Desc;

use super::host::Host;
use super::seldom::Seldom;
use super::{Collector, Failed, Round};
use crate::host_root::HostRoot;

static INFO: Desc = Desc::gauge(
    "node_os_info",
    "Which system the node runs.",
    &[
        "build_id",
        "id",
        "id_like",
        "image_id",
        "image_version",
        "name",
        "pretty_name",
        "variant",
        "variant_id",
        "version",
        "version_codename",
        "version_id",
    ],
);
static VERSION: Desc =
    Desc::gauge("node_os_version", "Version of the system, as far as it is a number.", &["id", "id_like", "name"]);
static SUPPORT_END: Desc =
    Desc::gauge("node_os_support_end_timestamp_seconds", "When the system is no longer supported, in seconds since 1970.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&INFO, &VERSION, &SUPPORT_END];

const FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
const FILE_MAX: u64 = 64 << 10;
/// In the order of the labels, which are the same in small letters.
const KEYS: [&str; 12] = [
    "BUILD_ID",
    "ID",
    "ID_LIKE",
    "IMAGE_ID",
    "IMAGE_VERSION",
    "NAME",
    "PRETTY_NAME",
    "VARIANT",
    "VARIANT_ID",
    "VERSION",
    "VERSION_CODENAME",
    "VERSION_ID",
];
const ID: usize = 1;
const ID_LIKE: usize = 2;
const NAME: usize = 5;
const VERSION_ID: usize = 11;

pub(super) struct Os {
    root: HostRoot,
    seldom: Seldom,
    release: Option<Release>,
}

/// What the file says.
#[derive(Debug, Default, PartialEq)]
struct Release {
    values: [String; KEYS.len()],
    support_end: Option<f64>,
}

impl Os {
    pub(super) fn new(host: &Host) -> Self {
        Self { root: host.root().clone(), seldom: Seldom::default(), release: None }
    }

    fn read(&self) -> Option<Release> {
        let file = FILES.iter().find_map(|file| self.root.open(Path::new(file)).ok())?;
        let mut text = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut text).ok()?;
        Some(Release::parse(&String::from_utf8_lossy(&text)))
    }
}

impl Collector for Os {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.seldom.is_due(round.now) {
            self.release = self.read();
        }
        let release = self.release.as_ref().ok_or_else(|| Failed::NoData(FILES.join(", ")))?;
        let labels = release.values.each_ref().map(String::as_str);
        round.out.sample(&INFO, &labels, 1.0);
        let version = leading_number(labels[VERSION_ID]);
        if version > 0.0 {
            round.out.sample(&VERSION, &[labels[ID], labels[ID_LIKE], labels[NAME]], version);
        }
        if let Some(end) = release.support_end {
            round.out.sample(&SUPPORT_END, &[], end);
        }
        Ok(())
    }
}

impl Release {
    fn parse(text: &str) -> Self {
        let mut release = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once('=') else { continue };
            if let Some(place) = KEYS.iter().position(|known| *known == key) {
                release.values[place] = unquote(value);
            } else if key == "SUPPORT_END" {
                // A day begins at midnight UTC.
                let midnight = format!("{}T00:00:00Z", unquote(value)).parse::<Timestamp>();
                release.support_end = midnight.ok().map(|midnight| midnight.as_second() as f64);
            }
        }
        release
    }
}

/// A value as a shell takes it: with quotes around, and a backslash before what is meant as it is.
fn unquote(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => plain.extend(chars.next()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => plain.push(c),
        }
    }
    plain
}

/// `22.04` of `22.04.1`; 0 if it begins with none.
fn leading_number(version: &str) -> f64 {
    let major = version.bytes().take_while(u8::is_ascii_digit).count();
    let mut len = major;
    if major > 0 && version.as_bytes().get(major) == Some(&b'.') {
        len += 1 + version[major + 1..].bytes().take_while(u8::is_ascii_digit).count();
    }
    version[..len].parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("os", &["usual", "vendor", "rolling", "absent"]);
    }

    #[test]
    fn values_are_what_a_shell_makes_of_them() {
        for (value, plain) in [
            ("debian", "debian"),
            (r#""Debian GNU/Linux""#, "Debian GNU/Linux"),
            ("'single \"one\"'", "single \"one\""),
            (r#""a \"b\" \$c \\""#, r#"a "b" $c \"#),
            (r#""open"#, "open"),
            ("", ""),
            (r"\", ""),
        ] {
            assert_eq!(unquote(value), plain, "{value}");
        }
    }

    #[test]
    fn a_version_is_its_first_two_numbers() {
        for (version, number) in [
            ("12", 12.0),
            ("22.04", 22.04),
            ("3.19.1", 3.19),
            ("20260101", 20_260_101.0),
            ("7.", 7.0),
            ("rolling", 0.0),
            ("", 0.0),
            ("1é", 1.0),
        ] {
            assert_eq!(leading_number(version), number, "{version}");
        }
    }
}
