//! Recorded trees: the program, pointed at them, gives what was recorded for each collector.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proto::exposition::read::{Format, Reading, read};
use proto::metric::Families;
use tests::agent::{self, Launch};
use tests::skip::skipped;

use crate::stage::PATIENCE;

/// Series and their values, without the labels of the target.
fn series(text: &str) -> BTreeMap<String, u64> {
    let mut families = Families::new();
    read(text.as_bytes(), &Reading::of(Format::Text), &mut families).unwrap();
    let of_target = ["cluster", "instance", "job", "node"];
    let show = |sample: proto::metric::Sample<'_>| {
        let mut labels: Vec<(&str, &str)> = sample.labels().filter(|(name, _)| !of_target.contains(name)).collect();
        labels.sort_unstable();
        (format!("{}{labels:?}", sample.name()), sample.value().to_bits())
    };
    families.samples().map(show).collect()
}

/// What the program prints of a recorded tree: samples, and what it says beside them.
fn dry_run(case: &Path, configuration: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("agent.yaml");
    fs::write(&config, configuration).unwrap();
    let mut args = vec!["--dry-run".into(), "--once".into(), "--config".into(), config.into_os_string()];
    for (argument, tree) in
        [("--path-procfs", "proc"), ("--path-sysfs", "sys"), ("--path-udev", "udev"), ("--path-rootfs", "root")]
    {
        args.extend([argument.into(), case.join(tree).into_os_string()]);
    }
    let launch = Launch { program: None, through: Vec::new(), args, env: Vec::new(), logs: directory.path().to_owned() };
    let (status, output, errors) = launch.run(PATIENCE);
    assert!(status.success(), "{errors}");
    (output, errors)
}

#[test]
fn trees_that_were_recorded_give_what_was_recorded() {
    let name = "trees_that_were_recorded_give_what_was_recorded";
    if agent::binary().is_none() {
        return skipped(name, "no agent was built");
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector");
    let mut compared = 0;
    for collector in
        ["cpu", "diskstats", "hwmon", "meminfo", "mountstats", "netclass", "netstat", "nfsd", "pressure", "vmstat", "zfs"]
    {
        let mut cases: Vec<_> = fs::read_dir(fixtures.join(collector)).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.sort();
        for case in cases {
            let expected = fs::read_to_string(case.join("expected.prom")).unwrap();
            // A case with settings of its own, or that fails, is one for the collector's test.
            if !["usual", "server"].contains(&case.file_name().unwrap().to_str().unwrap()) || expected.contains("# failed") {
                continue;
            }
            let (output, _) = dry_run(&case, "metrics: {}\n");
            let given = series(&output);
            for (series, value) in series(&expected) {
                assert_eq!(given.get(&series), Some(&value), "{}: {series}", case.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn settings_of_collectors_decide_what_they_give() {
    let name = "settings_of_collectors_decide_what_they_give";
    if agent::binary().is_none() {
        return skipped(name, "no agent was built");
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector");
    let devices = |configuration: &str| -> usize {
        let (output, _) = dry_run(&fixtures.join("diskstats/usual"), configuration);
        series(&output).keys().filter(|series| series.starts_with("node_disk_reads_completed_total")).count()
    };
    assert_eq!(devices("metrics: {}\n"), 1, "the disk alone");
    assert_eq!(devices("metrics: {collectors: {diskstats: {device_include: '^vda'}}}\n"), 2, "and its partition");
    assert_eq!(devices("metrics: {collectors: {diskstats: {device_exclude: ''}}}\n"), 4, "loop and zram too");
    assert_eq!(devices("metrics: {collectors: {disable: [diskstats]}}\n"), 0);
}

#[test]
fn a_dry_run_asks_nobody_with_a_secret() {
    let name = "a_dry_run_asks_nobody_with_a_secret";
    if agent::binary().is_none() {
        return skipped(name, "no agent was built");
    }
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    fs::write(&password, "secret word").unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector/vmstat/usual");
    let ups = format!("{{nut: {:?}, username: monitor, password_file: {password:?}}}", address.to_string());
    let (output, errors) = dry_run(&case, &format!("metrics: {{ups: [{ups}]}}\n"));
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert!(errors.contains(&format!("ups: {address} is not asked")), "{errors}");
    assert!(!output.contains("secret word") && !errors.contains("secret word"));
    // Without a secret it is asked.
    let (_, errors) = dry_run(&case, &format!("metrics: {{ups: [{{nut: {:?}, timeout: 100ms}}]}}\n", address.to_string()));
    assert!(server.accept().is_ok(), "{errors}");
}
