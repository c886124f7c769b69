use super::*;
use crate::collector::testing::{check, check_with, entry};

#[test]
fn fixtures() {
    check("mountstats", &["usual", "nconnect", "damaged", "absent"]);
    check_with("mountstats", &["all_operations"], &Settings { mountstats_all_operations: true, ..Settings::default() });
}

/// A mount's counters begin with it, and stay so although its age is told in whole seconds; others' begin with the machine.
#[test]
fn counters_begin_with_the_mount_and_the_shape_stays() {
    let tree = tempfile::tempdir().unwrap();
    let directory = tree.path().join("proc/1");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("mountinfo"), "1 0 0:5 / /mnt rw - nfs4 nas:/a rw,addr=192.0.2.7\n").unwrap();
    std::fs::write(directory.join("mountstats"), "").unwrap();
    let mut collector = (entry("mountstats").make)(&crate::collector::testing::host(tree.path()), &Settings::default());
    let mut buffer = Vec::new();
    let mut round = |now: i64, age: u64, ops: &str| {
        let told = format!(
            "device nas:/a mounted on /mnt with fstype nfs4 statvers=1.1\n\tage:\t{age}\n\txprt:\ttcp 832 1 2 3 4 5 6 7 8 9 10 11 12\n\tper-op statistics\n\tREAD: {ops}\n"
        );
        std::fs::write(directory.join("mountstats"), told).unwrap();
        let mut out = Families::new();
        out.counters_since(UnixMillis(1));
        collector.collect(&mut Round { out: &mut out, buffer: &mut buffer, now: UnixMillis(now) }).unwrap();
        assert_eq!(out.counters_since(UnixMillis(0)), UnixMillis(1), "it is set back");
        out
    };
    let first = round(1_000_000_000, 100, "1 1 0 0 0 0 0 0 0");
    let began: Vec<_> = first.samples().map(|sample| sample.started()).collect();
    assert!(began.contains(&UnixMillis(999_900_000)), "{began:?}");
    assert!(first.has_shape_of(&round(1_000_015_900, 115, "0 0 0 0 0 0 0 0 0")), "what was used once stays");
    assert!(!first.has_shape_of(&round(1_000_030_000, 10, "0 0 0 0 0 0 0 0 0")), "mounted anew");
}
