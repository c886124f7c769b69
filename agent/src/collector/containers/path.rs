//! Paths of control groups as kubelet and runtimes write them: which pod, which container. No I/O.
//!
//! Only the leaf and the pod's own directory are looked at, never what stands above: kind, k3s and `cgroupRoot` put their own there.

/// What a directory below a pod's, or a pod's own, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'p> {
    /// The first directory of all pods.
    Pods,
    /// Pods of one class of service.
    Class,
    /// One pod's, by its uid as the directory writes it: systemd has `_` for `-`.
    Pod(&'p str),
    /// One container's, by its id.
    Container(&'p str),
    /// Something else: a runtime's monitor, a group that a container made.
    Other,
}

/// Digits of a container's id.
const ID_DIGITS: usize = 64;
/// What drivers put before an id in the name of a scope.
const RUNTIMES: [&str; 4] = ["cri-containerd-", "crio-", "docker-", "libpod-"];

/// What a directory of that name is.
pub(super) fn place(name: &str) -> Place<'_> {
    if let Some(id) = container(name) {
        return Place::Container(id);
    }
    let stem = name.strip_suffix(".slice").unwrap_or(name);
    // The systemd driver repeats all levels above: kubelet-kubepods-burstable-pod….slice.
    let last = stem.rsplit('-').next().unwrap_or(stem);
    // A uid has dashes of its own with the other driver: pod0f1e….
    let pod = if name.len() == stem.len() { name } else { last };
    match pod.strip_prefix("pod") {
        Some(uid) if is_uid(uid) => Place::Pod(uid),
        _ if last == "kubepods" => Place::Pods,
        _ if last == "burstable" || last == "besteffort" || last == "guaranteed" => Place::Class,
        _ => Place::Other,
    }
}

/// The id of a container by the name of its directory.
fn container(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let id = RUNTIMES.iter().find_map(|prefix| stem.strip_prefix(prefix)).unwrap_or(stem);
    (id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// 32 digits, with or without dashes between: static pods have a hash.
fn is_uid(text: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    text.bytes().all(|byte| is_digit(&byte) || byte == b'-' || byte == b'_')
        && text.bytes().filter(is_digit).count() == 32
        && text.len() <= 36
}

/// The uid as the API writes it.
pub(super) fn uid(directory: &str) -> String {
    directory.replace('_', "-")
}

/// Pod and container of a process, by the text of its /proc/<pid>/cgroup (cgroups(7)): both versions, any line.
pub(super) fn of_process(text: &str) -> Option<(String, &str)> {
    text.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let mut pod = None;
        // Containers make groups below their own.
        for name in path.split('/') {
            match (place(name), &pod) {
                (Place::Pod(found), _) => pod = Some(uid(found)),
                (Place::Container(id), Some(_)) => return Some((pod?, id)),
                _ => {}
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn every_driver_and_runtime_is_known() {
        for (name, is) in [
            ("kubepods", Place::Pods),
            ("kubepods.slice", Place::Pods),
            ("kubelet-kubepods.slice", Place::Pods),
            ("kubepods-burstable.slice", Place::Class),
            ("besteffort", Place::Class),
            (
                "kubepods-burstable-pod0f1e2d3c_0001_4002_8003_00000000000a.slice",
                Place::Pod("0f1e2d3c_0001_4002_8003_00000000000a"),
            ),
            ("kubepods-pod0f1e2d3c000140028003000000000001.slice", Place::Pod("0f1e2d3c000140028003000000000001")),
            (
                "kubelet-kubepods-besteffort-pod0f1e2d3c_0001_4002_8003_00000000000a.slice",
                Place::Pod("0f1e2d3c_0001_4002_8003_00000000000a"),
            ),
            ("pod0f1e2d3c-0001-4002-8003-00000000000a", Place::Pod("0f1e2d3c-0001-4002-8003-00000000000a")),
            (ID, Place::Container(ID)),
            (&format!("cri-containerd-{ID}.scope"), Place::Container(ID)),
            (&format!("crio-{ID}.scope"), Place::Container(ID)),
            (&format!("docker-{ID}.scope"), Place::Container(ID)),
            (&format!("crio-conmon-{ID}.scope"), Place::Other),
            ("podman", Place::Other),
            ("system.slice", Place::Other),
            ("", Place::Other),
        ] {
            assert_eq!(place(name), is, "{name}");
        }
    }

    #[test]
    fn a_process_belongs_to_the_container_that_its_group_is_in() {
        let pod = "0f1e2d3c-0001-4002-8003-00000000000a";
        let slice = "kubepods-burstable-pod0f1e2d3c_0001_4002_8003_00000000000a.slice";
        for (text, is) in [
            (format!("0::/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{ID}.scope\n"), true),
            (format!("0::/../../{slice}/crio-{ID}.scope/container\n"), true),
            (format!("3:cpu:/\n2:memory:/kubepods/burstable/pod{pod}/{ID}\n0::/\n"), true),
            (format!("0::/system.slice/docker-{ID}.scope\n"), false),
            (format!("0::/kubepods.slice/{slice}\n"), false),
            ("0::/init.scope\n".to_owned(), false),
            ("damaged".to_owned(), false),
        ] {
            assert_eq!(of_process(&text), is.then(|| (pod.to_owned(), ID)), "{text}");
        }
    }
}
