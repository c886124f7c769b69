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
            let directory = tempfile::tempdir().unwrap();
            let config = directory.path().join("agent.yaml");
            fs::write(&config, "metrics: {}\n").unwrap();
            let mut args = vec!["--dry-run".into(), "--once".into(), "--config".into(), config.into_os_string()];
            for (argument, tree) in
                [("--path-procfs", "proc"), ("--path-sysfs", "sys"), ("--path-udev", "udev"), ("--path-rootfs", "root")]
            {
                args.extend([argument.into(), case.join(tree).into_os_string()]);
            }
            let launch = Launch { program: None, through: Vec::new(), args, env: Vec::new(), logs: directory.path().to_owned() };
            let (status, output, errors) = launch.run(PATIENCE);
            assert!(status.success(), "{errors}");
            let given = series(&output);
            for (series, value) in series(&expected) {
                assert_eq!(given.get(&series), Some(&value), "{}: {series}", case.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}
