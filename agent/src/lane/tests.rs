//! What becomes of odd files: each test writes one, lets a dry run read it, and looks at the entries.

mod by_hand;
mod clock;
mod order;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{Cli, Output};
use crate::collector::host::Host;
use crate::config::{self, Environment};
use crate::host_root::HostRoot;
use crate::pipeline::{self, Options};
use crate::sink::dry_run::{Style, Summary};

/// The entries that a dry run over `directory` shows with these inputs (the content of `logs:` in flow style).
fn dry_run(directory: &Path, logs: &str) -> (Vec<Value>, Summary) {
    let file = directory.join("agent.yaml");
    fs::write(&file, format!("node: n\nlisten: \"\"\nlogs: {logs}\n")).unwrap();
    let cli = Cli::try_from_arguments(["agent".as_ref(), "--dry-run".as_ref(), "--config".as_ref(), file.as_os_str()]).unwrap();
    let loaded = config::load(&cli.settings, &Environment::of_host()).unwrap_or_else(|problems| panic!("{problems}"));
    let options = Options {
        state_directory: directory.join("state"),
        root: HostRoot::default(),
        host: Host::default(),
        once: true,
        inotify: false,
    };
    let mut out = Vec::new();
    let style = Style { output: Output::Json, color: false };
    let summary = pipeline::dry_run(&loaded.config, &options, style, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), summary)
}

/// The same for one file of that content, with further keys of its input.
fn read(content: &[u8], keys: &str) -> (Vec<Value>, Summary) {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("a.log");
    fs::write(&log, content).unwrap();
    dry_run(directory.path(), &format!("{{files: [{{job: a, paths: [\"{}\"]{keys}}}]}}", log.display()))
}

fn lines(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["line"].as_str().unwrap()).collect()
}

#[test]
fn line_ends_and_nul_bytes_are_not_part_of_a_line() {
    let (entries, summary) = read(b"\0\0one\r\ntwo\n\0\0\0\nthree\n", "");
    assert_eq!(lines(&entries), ["one", "two", "three"]);
    assert_eq!(summary.withheld.values().copied().collect::<Vec<_>>(), [(1, 4)], "a line of NULs only is counted, not shipped");
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_the_rest_is_kept() {
    let (entries, _) = read(b"before \xff\xfe after\n", "");
    assert_eq!(lines(&entries), ["before \u{fffd}\u{fffd} after"]);
}

#[test]
fn a_last_line_without_newline_is_shown_and_marked() {
    let (entries, _) = read(b"whole\nhalf", "");
    assert_eq!(lines(&entries), ["whole", "half"]);
    assert_eq!(entries[1]["metadata"]["unterminated"], "true");
    assert!(entries[0]["metadata"].get("unterminated").is_none());
}

#[test]
fn a_line_longer_than_the_destination_takes_is_cut_and_says_by_how_much() {
    let mut content = vec![b'x'; 300_000];
    content.extend(b"\nnext\n");
    let (entries, _) = read(&content, "");
    assert_eq!(entries[0]["line"].as_str().unwrap().len(), 262_144);
    assert_eq!(entries[0]["metadata"]["truncated_bytes"], (300_000 - 262_144).to_string());
    assert_eq!(entries[1]["line"], "next");
}

#[test]
fn or_it_is_split_without_losing_a_byte() {
    let mut content = "ä".repeat(400_000).into_bytes();
    content.extend(b"\nnext\n");
    let (entries, _) = read(&content, ", long_lines: split");
    let whole: String = entries
        .iter()
        .filter(|entry| entry["metadata"]["split"].is_string())
        .map(|entry| entry["line"].as_str().unwrap())
        .collect();
    assert!(whole == "ä".repeat(400_000), "{} bytes of 800000", whole.len());
    assert_eq!(entries.last().unwrap()["line"], "next");
}

#[test]
fn a_line_that_memory_does_not_hold_is_cut_or_taken_in_pieces() {
    let mut content = vec![b'y'; 3_000_000];
    content.extend(b"\nnext\n");
    let (entries, summary) = read(&content, ", max_line: 100KiB");
    assert_eq!(lines(&entries)[1..], ["next"]);
    assert_eq!(entries[0]["metadata"]["partial"], "true");
    let withheld: u64 = summary.withheld.values().map(|(_, bytes)| bytes).sum();
    assert_eq!(entries[0]["line"].as_str().unwrap().len() as u64 + withheld, 3_000_001, "every byte is accounted for");

    let (entries, _) = read(&content, ", max_line: 100KiB, long_lines: split");
    let length: usize = entries[..entries.len() - 1].iter().map(|entry| entry["line"].as_str().unwrap().len()).sum();
    assert_eq!((length, &entries.last().unwrap()["line"]), (3_000_000, &Value::from("next")));
}

#[test]
fn lines_without_a_time_get_times_that_never_repeat() {
    let (entries, _) = read(b"same\nsame\nsame\n", "");
    let times: std::collections::BTreeSet<&str> = entries.iter().map(|entry| entry["ts"].as_str().unwrap()).collect();
    assert_eq!(times.len(), 3, "equal lines at one time would be one to Loki");
}

#[test]
fn drop_rules_are_counted_by_name() {
    let (entries, summary) = read(b"keep\nnoise 1\nnoise 2\n", ", drop: [{regex: \"^noise\", name: chatter}]");
    assert_eq!(lines(&entries), ["keep"]);
    assert_eq!(summary.withheld[&("a".to_owned(), "filtered", "chatter".to_owned())].0, 2);
}

#[test]
fn a_stack_trace_is_one_entry() {
    let text = b"2026 start\n  at a\n  at b\n2026 next\n";
    let (entries, _) = read(text, ", multiline: {first: \"^2026\"}");
    assert_eq!(lines(&entries), ["2026 start\n  at a\n  at b", "2026 next"]);
}

#[test]
fn rotated_files_are_read_oldest_first_and_compressed_ones_too() {
    use std::io::Write;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut gzip = flate2::write::GzEncoder::new(fs::File::create(path("a.log.2.gz")).unwrap(), flate2::Compression::fast());
    gzip.write_all(b"{\"time\":\"2026-11-23T00:00:01Z\",\"n\":1}\n").unwrap();
    gzip.finish().unwrap();
    fs::write(path("a.log.1"), "{\"time\":\"2026-11-23T00:00:02Z\",\"n\":2}\n").unwrap();
    fs::write(path("a.log"), "{\"time\":\"2026-11-23T00:00:03Z\",\"n\":3}\n").unwrap();
    let logs = format!(
        "{{files: [{{job: a, format: json, timestamp: [time], max_age: all, paths: [\"{}\"]}}]}}",
        path("a.log").display()
    );
    let (entries, _) = dry_run(directory.path(), &logs);
    let times: Vec<&str> = entries.iter().map(|entry| entry["time"].as_str().unwrap()).collect();
    assert_eq!(times, ["2026-11-23T00:00:01Z", "2026-11-23T00:00:02Z", "2026-11-23T00:00:03Z"]);
}

#[test]
fn fragments_of_both_outputs_of_a_container_are_joined() {
    let directory = tempfile::tempdir().unwrap();
    let container = directory.path().join("pods/shop_web-0_aaaa-bbbb/web");
    fs::create_dir_all(&container).unwrap();
    let log = "2026-11-23T00:00:01Z stdout P one \n2026-11-23T00:00:02Z stderr P two \n2026-11-23T00:00:03Z stdout F end\n\
               2026-11-23T00:00:04Z stderr F end\n2026-11-23T00:00:05Z stdout F \n";
    fs::write(container.join("0.log"), log).unwrap();
    let (entries, _) =
        dry_run(directory.path(), &format!("{{pods: {{root: \"{}\", max_age: all}}}}", directory.path().join("pods").display()));
    let seen: Vec<_> =
        entries.iter().map(|entry| (entry["labels"]["stream"].as_str().unwrap(), entry["line"].as_str().unwrap())).collect();
    assert_eq!(seen, [("stdout", "one end"), ("stderr", "two end"), ("stdout", "")]);
    assert_eq!(entries[0]["labels"]["job"], "shop/web");
    assert_eq!(entries[0]["labels"]["pod"], "web-0");
    assert_eq!((&entries[0]["metadata"]["restart"], &entries[0]["metadata"]["pod_uid"]), (&"0".into(), &"aaaa-bbbb".into()));
}

#[test]
fn a_container_whose_lines_are_vault_audit_goes_to_that_job_and_its_other_lines_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let container = directory.path().join("pods/vault_vault-0_u/audit-tail");
    fs::create_dir_all(&container).unwrap();
    let log = "2026-11-23T00:00:01Z stdout F {\"time\":\"2026-11-22T12:00:00Z\",\"type\":\"request\",\"request\":{\"operation\":\"read\"}}\n\
               2026-11-23T00:00:02Z stdout F starting\n";
    fs::write(container.join("0.log"), log).unwrap();
    let root = directory.path().join("pods");
    let routes = "routes: [{pods: \"vault/*\", container: audit-tail, format: vault-audit, job: vault-audit}]";
    let (entries, _) = dry_run(directory.path(), &format!("{{pods: {{root: \"{}\", max_age: all, {routes}}}}}", root.display()));
    let seen: Vec<_> =
        entries.iter().map(|entry| (entry["labels"]["job"].as_str().unwrap(), entry["time"].as_str().unwrap())).collect();
    assert_eq!(seen, [("vault-audit", "2026-11-22T12:00:00Z"), ("vault/audit-tail", "2026-11-23T00:00:02Z")]);
}
