//! How fast lines become records: Kubernetes and Vault audit events, JSON lines and CRI lines, on one core.
//!
//! `cargo run --release -p benches --bin record_scan [-- MEBIBYTES [FOLDER]]`: repeats the lines of `FOLDER/*.log`
//! (default: the fixtures of each format) in a block of one MiB, as a reader would hold them, reads blocks up to that
//! size (default 256), and prints for each format the best of five passes in processor time. No IO while the clock runs.

use record::json_line::JsonLine;
use record::kube_audit::KubeAudit;
use record::metadata::Metadata;
use record::vault_audit::VaultAudit;
use record::{cri, docker, json};
use std::hint::black_box;
use std::path::Path;

/// So that the lines come from a near cache, as they do when they have just been read from a file.
const BLOCK_BYTES: usize = 1 << 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let bytes = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(256_usize) << 20;
    let folder = arguments.next();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/record");
    let lines_of = |format: &str| match &folder {
        Some(folder) => lines_in(Path::new(folder)),
        None => lines_in(&fixtures.join(format)),
    };
    let (mut metadata, mut buffer) = (Metadata::default(), Vec::new());

    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let events = repeated(&lines_of("kube_audit"));
    if let Ok(audit) = KubeAudit::new(true, &names(KubeAudit::DEFAULT_METADATA)) {
        measure("kube_audit", &events, bytes, |line| audit.scan(line, &mut metadata, &mut buffer).is_ok());
    }
    if let Ok(reader) = JsonLine::new(&names(&["stageTimestamp"]), &names(&["verb", "user.username", "objectRef.resource"])) {
        measure("json, on the same", &events, bytes, |line| reader.scan(line, &mut metadata, &mut buffer).is_ok());
    }
    measure("strict check, on the same", &events, bytes, |line| json::validate(line).is_ok());

    let entries = repeated(&lines_of("vault_audit"));
    if let Ok(audit) = VaultAudit::new("", &names(VaultAudit::DEFAULT_METADATA)) {
        measure("vault_audit", &entries, bytes, |line| audit.scan(line, &mut metadata, &mut buffer).is_ok());
    }

    let message = "x".repeat(174 - 41);
    let written = format!("2026-11-23T09:10:00.021000001Z stdout F {message}");
    measure("cri, 174 bytes with the newline", &repeated(&[written.into_bytes()]), bytes, |line| {
        black_box(cri::parse(black_box(line))).is_some()
    });
    let written = format!(r#"{{"log":"{message}\n","stream":"stdout","time":"2026-11-23T09:10:00.021000001Z"}}"#);
    measure("docker", &repeated(&[written.into_bytes()]), bytes, |line| docker::parse(line, &mut buffer).is_some());
}

/// Lines one after another, as they would lie in the buffer of a reader.
struct Lines {
    text: Vec<u8>,
    ends: Vec<usize>,
}

fn measure(what: &str, lines: &Lines, bytes: usize, mut read: impl FnMut(&[u8]) -> bool) {
    let n_blocks = bytes.div_ceil(lines.text.len().max(1));
    let mut best = f64::INFINITY;
    let mut n_read = 0;
    for _ in 0..5 {
        n_read = 0;
        let start = cpu_seconds();
        for _ in 0..n_blocks {
            let mut from = 0;
            for end in &lines.ends {
                n_read += usize::from(read(&lines.text[from..*end]));
                from = end + 1;
            }
        }
        best = best.min(cpu_seconds() - start);
    }
    let (n_lines, n_bytes) = ((n_blocks * lines.ends.len()) as f64, (n_blocks * lines.text.len()) as f64);
    #[expect(clippy::print_stdout, reason = "the result of the measurement")]
    {
        println!(
            "{what}: {:.0} bytes/line, {:.1} ns/line, {:.2} GB/s, {:.2} M lines/s ({n_read} of {n_lines} read)",
            n_bytes / n_lines,
            best * 1e9 / n_lines,
            n_bytes / best / 1e9,
            n_lines / best / 1e6,
        );
    }
}

/// Seconds that this thread has spent on a processor, so that other work on the machine counts less.
fn cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanos.unwrap_or(f64::NAN) / 1e9
}

/// The lines again and again until they fill a block.
fn repeated(lines: &[Vec<u8>]) -> Lines {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    while text.len() < BLOCK_BYTES && !lines.is_empty() {
        for line in lines {
            text.extend_from_slice(line);
            ends.push(text.len());
            text.push(b'\n');
        }
    }
    Lines { text, ends }
}

/// The lines of all files below a folder that end in `.log`.
fn lines_in(folder: &Path) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            lines.append(&mut lines_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let text = std::fs::read(path).unwrap_or_default();
            lines.extend(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        }
    }
    lines
}
