//! Log files to be read from their beginning: audit events of a busy cluster, and lines of a container runtime.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ::tests::stamp;

/// What stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Events of kube-apiserver's audit log, about 1.4 KB each.
    Audit,
    /// Lines of a container runtime, 174 bytes each with the newline.
    Cri,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
}

impl Input {
    /// Writes lines to `path` until it holds at least `bytes`. The times in them are of the last minutes, growing.
    pub fn write(self, path: &Path, bytes: u64) -> Written {
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).unwrap();
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
        let mut written = Written { bytes: 0, lines: 0 };
        let begin = stamp::now_nanos() - 600_000_000_000;
        let mut line = Vec::new();
        while written.bytes < bytes {
            line.clear();
            let nanos = begin + written.lines as i64 * 50_000;
            match self {
                Self::Audit => audit_event(written.lines, nanos, &mut line),
                Self::Cri => served(written.lines, nanos, &mut line),
            }
            file.write_all(&line).unwrap();
            written.lines += 1;
            written.bytes += line.len() as u64;
        }
        file.flush().unwrap();
        // What a reader does must not include writing the file to the disk.
        file.get_ref().sync_all().unwrap();
        written
    }
}

/// Reads a file into the page cache, where a line that was just written stands too.
pub fn warm(path: &Path) {
    std::io::copy(&mut File::open(path).unwrap(), &mut std::io::sink()).unwrap();
}

/// A number that has nothing in common with its neighbours' (splitmix64).
pub(crate) fn scatter(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 27)
}

/// One of forty callers reads or changes one of some thousand objects. What is random in real events is random here (IDs,
/// versions, names of pods), and what repeats repeats, since that is what a compressor lives on.
pub(crate) fn audit_event(seq: u64, nanos: i64, line: &mut Vec<u8>) {
    let (n, caller) = (scatter(seq), scatter(seq) % 40);
    let (id, object, of_caller) = (scatter(n), scatter(n % 4099), scatter(caller));
    let (resource, subresource) =
        [("pods", ""), ("pods", "status"), ("leases", ""), ("configmaps", ""), ("nodes", "status"), ("events", "")]
            [(n % 6) as usize];
    let verb = ["get", "get", "list", "watch", "update", "patch", "create"][(n % 7) as usize];
    let agent = [
        "kubelet/v1.34.1 (linux/amd64) kubernetes/93248f9",
        "kube-controller-manager/v1.34.1 (linux/amd64) kubernetes/93248f9/leader-election",
        "argocd-application-controller/v0.0.0 (linux/amd64) kubernetes/$Format",
        "Go-http-client/2.0",
    ][(caller % 4) as usize];
    let slash = if subresource.is_empty() { "" } else { "/" };
    write!(
        line,
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{a:08x}-{b:04x}-4{c:03x}-8{d:03x}-{e:012x}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/team-{ns}/{resource}/worker-{object:010x}{slash}{subresource}?resourceVersion={version}&timeout=10s","verb":"{verb}","user":{{"username":"system:serviceaccount:team-{caller}:operator-{caller}","uid":"{u:08x}-9e1f-4c1b-a6a2-{v:012x}","groups":["system:serviceaccounts","system:serviceaccounts:team-{caller}","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI={u:08x}-07f3-4f7b-8d0c-{v:012x}"],"authentication.kubernetes.io/node-name":["node-{node}"],"authentication.kubernetes.io/pod-name":["operator-{caller}-{v:010x}"]}}}},"sourceIPs":["10.17.{node}.{address}"],"userAgent":"{agent}","objectRef":{{"resource":"{resource}","namespace":"team-{ns}","name":"worker-{object:010x}","apiVersion":"v1"#,
        a = id as u32,
        b = (id >> 32) as u16,
        c = (id >> 48) & 0xfff,
        d = n & 0xfff,
        e = scatter(id) & 0xffff_ffff_ffff,
        ns = object % 12,
        object = object & 0xff_ffff_ffff,
        version = 400_000_000 + seq,
        u = of_caller as u32,
        v = scatter(of_caller) & 0xff_ffff_ffff,
        node = caller % 7,
        address = caller + 2,
    )
    .unwrap();
    if !subresource.is_empty() {
        write!(line, r#"","subresource":"{subresource}"#).unwrap();
    }
    writeln!(
        line,
        r#""}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestReceivedTimestamp":"{received}","stageTimestamp":"{time}","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"operator-{caller}\" of ClusterRole \"operator-{caller}\" to ServiceAccount \"operator-{caller}/team-{caller}\""}}}}"#,
        code = [200, 200, 200, 201, 404, 409][(n % 6) as usize],
        received = stamp::rfc3339_micros(nanos - (n % 30_000_000) as i64),
        time = stamp::rfc3339_micros(nanos),
    )
    .unwrap();
}

/// What a service says of a request, behind the prefix of the runtime: 174 bytes with the newline.
fn served(seq: u64, nanos: i64, line: &mut Vec<u8>) {
    let n = scatter(seq);
    writeln!(
        line,
        "{} stdout F level=info caller=api.go:{:03} msg=\"req served\" method={} path=/api/v1/orders/{:07} status={} duration={:03}.{:03}ms peer=10.17.{:03}.{:03}",
        stamp::rfc3339_nanos(nanos),
        n % 40,
        ["GET", "PUT"][(n % 2) as usize],
        n % 9_999_991,
        [200, 200, 200, 201, 404][(n % 5) as usize],
        n % 211,
        n % 997,
        n % 253,
        n % 251,
    )
    .unwrap();
}

#[cfg(test)]
mod tests {
    use record::kube_audit::KubeAudit;
    use record::metadata::Metadata;

    use super::*;

    #[test]
    fn a_line_of_a_container_has_174_bytes() {
        for seq in [0, 1, 12_345_678] {
            let mut line = Vec::new();
            served(seq, 1_764_000_000_000_000_007, &mut line);
            assert_eq!(line.len(), 174, "{}", String::from_utf8_lossy(&line));
        }
    }

    #[test]
    fn an_audit_event_is_one() {
        let audit = KubeAudit::new(true, &["verb".to_owned()]).unwrap();
        for seq in 0..100 {
            let (mut line, mut metadata) = (Vec::new(), Metadata::default());
            audit_event(seq, 1_764_000_000_000_000_007, &mut line);
            let scanned = audit.scan(line.trim_ascii_end(), &mut metadata, &mut Vec::new()).unwrap();
            assert!(scanned.time.is_some() && metadata.get("verb").is_some());
            assert!((1100..1700).contains(&line.len()), "{}: {}", line.len(), String::from_utf8_lossy(&line));
        }
    }
}
