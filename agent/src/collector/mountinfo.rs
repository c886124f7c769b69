//! Lines of a process's mountinfo (`proc_pid_mountinfo(5)`): one mount a line, its fields between single blanks. Bytes in, pieces
//! out; nothing is allocated, since a node with many pods has hundreds of mounts of which a handful are ever given.

use std::borrow::Cow;

/// One mount. Names are as the kernel has escaped them (`unescape`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount<'l> {
    /// The device's number.
    pub major: &'l [u8],
    /// The device's number.
    pub minor: &'l [u8],
    /// Where it is mounted.
    pub mountpoint: &'l [u8],
    /// Options of the mount.
    options: &'l [u8],
    /// `ext4`, `fuse.sshfs`.
    pub fstype: &'l [u8],
    /// What is mounted: a device, an export. May be empty.
    pub source: &'l [u8],
    /// Options of the file system itself, which all mounts of it share.
    super_options: &'l [u8],
}

impl<'l> Mount<'l> {
    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
    pub fn of_line(line: &'l [u8]) -> Option<Self> {
        // A source may be empty, so that two blanks are two ends of a field.
        let mut fields = line.split(|byte| *byte == b' ');
        let (major, minor) = split_at_byte(fields.nth(2)?, b':')?;
        let (mountpoint, options) = (fields.nth(1)?, fields.next()?);
        // Optional fields, as many as there are.
        fields.by_ref().find(|field| *field == b"-")?;
        let (fstype, source, super_options) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { major, minor, mountpoint, options, fstype, source, super_options })
    }

    /// Whether nothing can be written: mounted so, the file system is so, or it has become so after an error.
    pub fn is_read_only(&self) -> bool {
        let ro = |options: &[u8]| options.split(|byte| *byte == b',').any(|option| option == b"ro" || option == b"emergency_ro");
        ro(self.options) || ro(self.super_options)
    }

    /// Whether the file system has an option without a value: `memory` of a hierarchy of control groups.
    pub(super) fn has_super_option(&self, name: &[u8]) -> bool {
        self.super_options.split(|byte| *byte == b',').any(|option| option == name)
    }

    /// The value of an option of the file system: `addr`.
    pub fn super_option(&self, key: &[u8]) -> Option<&'l [u8]> {
        self.super_options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(key)?.strip_prefix(b"="))
    }
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|other| *other == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// A name without the kernel's escapes: blank, tab, newline and backslash stand as `\` and three octal digits.
pub fn unescape(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        if let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = rest {
            plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_the_manual_says() {
        let line = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - nfs4 nas:/a\\040b rw,vers=4.2,addr=192.0.2.7";
        let mount = Mount::of_line(line).unwrap();
        assert_eq!((mount.major, mount.minor, mount.mountpoint), (&b"98"[..], &b"0"[..], &b"/mnt2"[..]));
        assert_eq!((mount.fstype, unescape(mount.source)), (&b"nfs4"[..], Cow::Borrowed(&b"nas:/a b"[..])));
        assert_eq!((mount.super_option(b"addr"), mount.super_option(b"add")), (Some(&b"192.0.2.7"[..]), None));
        assert!(!mount.is_read_only());
    }

    #[test]
    fn an_option_without_value_is_found_whole() {
        let mount = Mount::of_line(b"1 0 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct").unwrap();
        assert_eq!(
            [&b"cpu"[..], b"cpuacct", b"acct", b"memory"].map(|name| mount.has_super_option(name)),
            [true, true, false, false]
        );
    }

    #[test]
    fn no_optional_fields_and_an_empty_source_are_no_trouble() {
        let mount = Mount::of_line(b"1 0 0:5 / /x rw - tmpfs  ro,size=1k").unwrap();
        assert_eq!((mount.source, mount.is_read_only()), (&b""[..], true));
        for broken in ["", "36 35 98:0 /mnt1 /mnt2 rw,noatime", "36 35 980 / / rw - ext4 a rw", "a b c - d e f"] {
            assert_eq!(Mount::of_line(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn only_whole_options_make_it_read_only() {
        for (options, is) in
            [("rw,errors=remount-ro", false), ("rw,emergency_ro", true), ("ro,relatime", true), ("rw,rootcontext=ro", false)]
        {
            let line = format!("1 0 8:1 / / rw - ext4 /dev/sda1 {options}");
            assert_eq!(Mount::of_line(line.as_bytes()).unwrap().is_read_only(), is, "{options}");
        }
    }

    #[test]
    fn only_what_the_kernel_escapes_is_unescaped() {
        for (escaped, plain) in [("/a\\040b\\011c\\134", "/a b\tc\\"), ("/a\\", "/a\\"), ("/\\04", "/\\04"), ("/\\999", "/\\999")]
        {
            assert_eq!(unescape(escaped.as_bytes()), plain.as_bytes(), "{escaped}");
        }
    }
}
