use std::fs;
use std::time::{Duration, SystemTime};

use expect_test::expect_file;
use proto::exposition::write_families;
use proto::metric::UnixMillis;

use super::*;

/// The time of every file, 100 s before the round.
fn long_ago() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::create_dir_all(directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(long_ago()).unwrap();
}

fn collector(root: &Path, directories: &[&str]) -> TextFile {
    let host = Host::new(Path::new("/none"), Path::new("/none"), Path::new("/none"), HostRoot::new(root));
    TextFile::new(&host, &directories.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

fn collect(collector: &mut TextFile) -> String {
    let (mut out, mut buffer) = (Families::new(), Vec::new());
    let now = UnixMillis(1_700_000_100_500);
    collector.collect(&mut Round { out: &mut out, buffer: &mut buffer, now }).unwrap();
    let mut text = String::new();
    write_families(&out, &mut text);
    text
}

#[test]
fn fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector/textfile");
    for case in [
        "usual",
        "histogram_and_summary",
        "two_files",
        "another_help",
        "another_type",
        "no_help",
        "malformed",
        "with_times",
        "told_twice",
        "no_files",
    ] {
        // Copied, since a checkout has files of any time.
        let root = tempfile::tempdir().unwrap();
        let directory = fixtures.join(case).join("root/textfile");
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            write(&root.path().join("textfile"), entry.file_name().to_str().unwrap(), &text);
        }
        let mut collector = collector(root.path(), &["/textfile"]);
        let first = collect(&mut collector);
        assert_eq!(first, collect(&mut collector), "{case}, read again");
        let problems = collector.problems.iter().map(|problem| format!("# warned: {problem}\n"));
        expect_file![fixtures.join(case).join("expected.prom")].assert_eq(&format!("{first}{}", problems.collect::<String>()));
    }
}

#[test]
fn a_directory_may_be_a_pattern_and_a_missing_one_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("a/text"), "one.prom", "one 1\n");
    write(&root.path().join("b/text"), "two.prom", "two 2\n");
    write(&root.path().join("b/other"), "three.prom", "three 3\n");
    let text = collect(&mut collector(root.path(), &["/*/text"]));
    assert!(text.contains("one 1\n") && text.contains("two 2\n") && !text.contains("three"), "{text}");
    assert!(text.contains("node_textfile_mtime_seconds{file=\"/b/text/two.prom\"} 1700000000\n"), "{text}");
    assert!(text.contains("picket_textfile_age_seconds{file=\"/a/text/one.prom\"} 100.5\n"), "{text}");
    assert!(text.contains("node_textfile_scrape_error 0\n"), "{text}");
    for missing in ["/c", "/c*/text", "/[/text"] {
        let mut collector = collector(root.path(), &[missing]);
        let text = collect(&mut collector);
        assert!(text.ends_with("node_textfile_scrape_error 1\n"), "{missing}: {text}");
        assert_eq!(collector.unlisted.len(), 1, "{missing}");
    }
    assert!(collect(&mut collector(root.path(), &[])).ends_with("node_textfile_scrape_error 0\n"));
}

#[test]
fn what_has_changed_is_read_again_and_a_directory_that_comes_is_found() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("text");
    let mut collector = collector(root.path(), &["/text"]);
    assert!(collect(&mut collector).ends_with("scrape_error 1\n"));
    write(&directory, "a.prom", "a 1\n");
    assert!(collect(&mut collector).contains("a 1\n"));
    // Of the same length and time, but another file.
    write(&directory, "new", "a 2\n");
    fs::rename(directory.join("new"), directory.join("a.prom")).unwrap();
    let text = collect(&mut collector);
    assert!(text.contains("a 2\n") && text.ends_with("scrape_error 0\n"), "{text}");
    write(&directory, "b.prom", "b\n");
    let text = collect(&mut collector);
    assert!(text.contains("a 2\n") && !text.contains("b.prom") && text.ends_with("scrape_error 1\n"), "{text}");
    assert_eq!(
        collector.problems.iter().collect::<Vec<_>>(),
        ["/text/b.prom: line 1: a value was expected, not the end of the line"]
    );
    fs::remove_file(directory.join("a.prom")).unwrap();
    fs::remove_file(directory.join("b.prom")).unwrap();
    assert_eq!(collect(&mut collector).lines().last(), Some("node_textfile_scrape_error 0"));
    assert!(collector.merged.is_empty());
}

#[test]
fn what_is_no_file_or_too_much_is_refused_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("text");
    write(&directory, "a.prom", "a 1\n");
    fs::create_dir(directory.join("b.prom")).unwrap();
    std::os::unix::fs::symlink("/nowhere", directory.join("c.prom")).unwrap();
    File::create(directory.join("d.prom")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    write(&directory, "e.prom", &"e 1\n".repeat(SAMPLES_MAX));
    let mut collector = collector(root.path(), &["/text"]);
    let text = collect(&mut collector);
    assert!(text.contains("a 1\n") && text.contains("{file=\"/text/a.prom\"}") && !text.contains("e.prom"), "{text}");
    let problems: Vec<&str> = collector.problems.iter().map(|problem| &problem["/text/".len()..]).collect();
    assert_eq!(
        problems,
        [
            "b.prom: is no file",
            "c.prom: No such file or directory (os error 2)",
            "d.prom: has more than 8388608 bytes",
            "e.prom: line 100000: more than 99999 samples",
        ]
    );
}
