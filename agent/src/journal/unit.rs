//! The label `unit`: the unit's name with what is numbered or generated in it taken out, so that streams stay few. Pure.
//!
//! An instance becomes `*` (`getty@tty1.service` → `getty@*.service`), and so does each part of a scope's, slice's or transient
//! unit's name that is a number or an id (`session-12.scope`, `cri-containerd-<64 hex digits>.scope`, `run-r4f….service`).

/// A part of so many hex digits is an id and no word; shorter ones have to be numbers.
const ID_DIGITS: usize = 8;

/// The name for the label, written to `out`, which is emptied first. Names that are no UTF-8 do not occur, and are left out.
pub fn collapse(unit: &str, out: &mut String) {
    out.clear();
    let Some((stem, suffix)) = unit.rsplit_once('.') else {
        out.push_str(unit);
        return;
    };
    let (name, instance) = stem.split_once('@').map_or((stem, None), |(name, instance)| (name, Some(instance)));
    let is_numbered = matches!(suffix, "scope" | "slice" | "mount" | "automount" | "swap" | "device") || name.starts_with("run-");
    if is_numbered {
        for (place, part) in name.split('-').enumerate() {
            if place > 0 {
                out.push('-');
            }
            out.push_str(collapsed(part));
        }
    } else {
        out.push_str(name);
    }
    if let Some(instance) = instance {
        // `user@.service` is the template itself.
        out.push_str(if instance.is_empty() { "@" } else { "@*" });
    }
    out.push('.');
    out.push_str(suffix);
}

fn collapsed(part: &str) -> &str {
    // How systemd writes the dashes of an id in the name of a path.
    let without_dashes = part.replace("\\x2d", "");
    let is_long_id = without_dashes.len() >= 32 && without_dashes.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
        digits > 0 && hex && (digits == text.len() || text.len() >= ID_DIGITS)
    };
    // systemd-run's r4f1c…, session c1, user unit u12.
    let numbered = part.strip_prefix(['r', 'c', 'u', 'i', 'p']).is_some_and(is_id);
    // kubepods-burstable-pod<uid, with underscores for dashes>
    let pod = part.strip_prefix("pod").is_some_and(is_id);
    match part {
        _ if pod => "pod*",
        part if is_long_id || is_id(part) || numbered => "*",
        part => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_numbered_becomes_a_star_and_names_stay() {
        let id = "5f2b1c9e8d7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e";
        let mut out = String::new();
        for (unit, label) in [
            ("sshd.service", "sshd.service"),
            ("ssh@203.0.113.7:22-203.0.113.9:4711.service", "ssh@*.service"),
            ("getty@tty1.service", "getty@*.service"),
            ("user@1000.service", "user@*.service"),
            ("user@.service", "user@.service"),
            ("session-12.scope", "session-*.scope"),
            ("session-c1.scope", "session-*.scope"),
            ("user-1000.slice", "user-*.slice"),
            ("run-r4f1c0a9e8d7b6a5f4e3d2c1b0a9f8e7d.service", "run-*.service"),
            ("run-u1234.scope", "run-*.scope"),
            (&format!("cri-containerd-{id}.scope"), "cri-containerd-*.scope"),
            (&format!("docker-{id}.scope"), "docker-*.scope"),
            ("kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice", "kubepods-burstable-pod*.slice"),
            (
                "var-lib-kubelet-pods-0a1b2c3d\\x2d4e5f\\x2d6071\\x2d8293\\x2da4b5c6d7e8f9-volumes.mount",
                "var-lib-kubelet-pods-*-volumes.mount",
            ),
            (&format!("run-containerd-{id}-rootfs.mount"), "run-containerd-*-rootfs.mount"),
            ("boot-efi.mount", "boot-efi.mount"),
            ("init.scope", "init.scope"),
            ("k3s-2.service", "k3s-2.service"),
            ("dev-disk-by\\x2duuid-1234.device", "dev-disk-by\\x2duuid-*.device"),
            ("dead-beef.scope", "dead-beef.scope"),
            ("no-suffix", "no-suffix"),
            ("", ""),
        ] {
            collapse(unit, &mut out);
            assert_eq!(out, label, "{unit}");
        }
    }
}
