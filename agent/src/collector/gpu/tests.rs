use std::path::{Path, PathBuf};

use ::tests::program::Program;
use ::tests::skip::skipped;
use ::tests::wait;
use expect_test::expect_file;
use proto::exposition::write_families;

use super::*;
use crate::collector::testing::host;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/nvml");

/// The stub, compiled with a flag; nothing where there is no C compiler, which is said.
fn stub(test: &str, directory: &Path, flag: &str) -> Option<PathBuf> {
    let Some(compiler) = Program::find("cc") else {
        skipped(test, "no C compiler is installed");
        return None;
    };
    let library = directory.join("libstub.so");
    let source = Path::new(FIXTURES).join("stub.c");
    compiler.run(["-shared", "-fPIC", "-O1", flag, "-o", library.to_str()?, source.to_str()?]);
    Some(library)
}

fn settings(library: impl Into<OsString>) -> GpuSettings {
    GpuSettings {
        is_expected: false,
        library: library.into(),
        hostname: "node-1".to_owned(),
        host_label: HostLabel::Capital,
        pids: false,
        close_when_idle: false,
    }
}

/// On the host on which the processes run that the stub lists.
fn gpus(library: impl Into<OsString>) -> Gpus {
    Gpus::new(settings(library), &host(&Path::new(FIXTURES).join("host")))
}

fn sample(gpus: &mut Gpus) -> (bool, String) {
    sample_at(gpus, 0)
}

/// At a second.
fn sample_at(gpus: &mut Gpus, second: i64) -> (bool, String) {
    let (mut out, mut text) = (Families::new(), String::new());
    let is_up = gpus.sample(UnixMillis(second * 1000), &mut out);
    for family in out.families() {
        assert!(families().any(|desc| desc.describes(family.name) && desc.kind == family.kind), "{}", family.name);
    }
    write_families(&out, &mut text);
    (is_up, text)
}

#[test]
fn everything_that_the_cards_say_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let Some(library) = stub("everything_that_the_cards_say_is_given", directory.path(), "-DUSUAL") else { return };
    let mut gpus = gpus(library);
    // Three events are on their way.
    wait::for_condition("the events are heard", Duration::from_secs(20), || {
        let (is_up, text) = sample(&mut gpus);
        is_up && text.contains("xid=\"79\"} 2")
    });
    expect_file![Path::new(FIXTURES).join("expected.prom")].assert_eq(&sample(&mut gpus).1);
    gpus.settings.host_label = HostLabel::Small;
    let text = sample(&mut gpus).1;
    assert!(text.contains("hostname=\"node-1\"") && !text.contains("Hostname"));
}

#[test]
fn a_library_that_lacks_functions_gives_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let Some(library) = stub("a_library_that_lacks_functions_gives_what_it_has", directory.path(), "-DOLD") else { return };
    let (is_up, text) = sample(&mut gpus(library));
    assert!(is_up && text.contains("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"") && !text.contains("DCGM_FI_DEV_FB_USED"), "{text}");
}

#[test]
fn a_lost_card_does_not_end_the_hearing_of_the_others() {
    const NAME: &str = "a_lost_card_does_not_end_the_hearing_of_the_others";
    let directory = tempfile::tempdir().unwrap();
    let Some(library) = stub(NAME, directory.path(), "-DLOST") else { return };
    let nvml = Arc::new(Nvml::builder().lib_path(library.as_os_str()).init().unwrap());
    let xid = XidEvents::start(&nvml, Duration::from_millis(1)).unwrap();
    let device = nvml.device_by_index(0).unwrap();
    let card = Card::of(&device, 0, "", &settings(library)).unwrap();
    wait::for_condition("what came after it is heard", Duration::from_secs(20), || {
        let (mut out, mut text) = (Families::new(), String::new());
        xid.sample(&card, &mut out);
        write_families(&out, &mut text);
        text.contains("xid=\"31\"} 1") && text.contains("xid=\"79\"} 2")
    });
    xid.end();
}

#[test]
fn why_a_card_is_gone_is_told_after_it_is_gone() {
    const NAME: &str = "why_a_card_is_gone_is_told_after_it_is_gone";
    let directory = tempfile::tempdir().unwrap();
    let fallen = directory.path().join("fallen");
    let Some(library) = stub(NAME, directory.path(), &format!("-DFALLEN=\"{}\"", fallen.display())) else { return };
    let mut gpus = gpus(library);
    assert!(sample(&mut gpus).0);
    let waiting = directory.path().join("fallen.waiting");
    wait::for_condition("events are waited for", Duration::from_secs(20), || waiting.exists());
    // The stub's card falls before it says why.
    std::fs::write(&fallen, "").unwrap();
    wait::for_condition("the events are heard", Duration::from_secs(20), || {
        sample(&mut gpus).1.contains("GPU-01111111-0000-0000-0000-000000000000\",xid=\"79\"} 2")
    });
    let (is_up, text) = sample(&mut gpus);
    assert!(!is_up && text.contains("GPU has fallen off the bus\"} 79"), "{text}");
    let of_temperature: Vec<&str> = text.lines().filter(|line| line.starts_with("DCGM_FI_DEV_GPU_TEMP{")).collect();
    assert!(of_temperature.len() == 1 && of_temperature[0].contains("gpu=\"1\""), "{of_temperature:#?}");
}

/// The lines of memory by process.
fn of_processes(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("gpu_pod_memory_used_bytes{")).collect()
}

#[test]
fn memory_of_processes_has_a_row_for_each_if_that_is_wanted() {
    const NAME: &str = "memory_of_processes_has_a_row_for_each_if_that_is_wanted";
    let directory = tempfile::tempdir().unwrap();
    let Some(library) = stub(NAME, directory.path(), "-DUSUAL") else { return };
    let tree = Path::new(FIXTURES).join("host");
    let sum = |lines: &[&str]| lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
    let together = sample(&mut gpus(&library)).1;
    let alone = sample(&mut Gpus::new(GpuSettings { pids: true, ..settings(&library) }, &host(&tree))).1;
    let (together, alone) = (of_processes(&together), of_processes(&alone));
    assert_eq!((together.len(), alone.len()), (8, 9), "{together:#?}");
    assert_eq!(sum(&together), (1024 + 2048 + 512 + 30 + 96 + 4096) << 20);
    assert_eq!(sum(&together), sum(&alone));
    assert!(alone.iter().any(|line| line.contains("process_name=\"python3\",pid=\"101\"} 2147483648")), "{alone:#?}");
}

#[test]
fn memory_of_nobody_is_0_only_where_all_is_seen_and_told() {
    const NAME: &str = "memory_of_nobody_is_0_only_where_all_is_seen_and_told";
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (Some(idle), Some(untold)) = (stub(NAME, one.path(), "-DIDLE"), stub(NAME, other.path(), "-DUNTOLD")) else { return };
    let text = sample(&mut gpus(&idle)).1;
    let rows = of_processes(&text);
    assert!(rows.len() == 3 && rows.iter().all(|row| row.ends_with("570.124.06\"} 0")), "{rows:#?}");
    let text = sample(&mut gpus(untold)).1;
    let of_first: Vec<&str> = of_processes(&text).into_iter().filter(|row| row.contains("gpu=\"0\"")).collect();
    assert!(of_first.len() == 3 && of_first.iter().all(|row| row.contains("process_name=")), "{of_first:#?}");
    // In a namespace of its own, an empty list says nothing.
    let mut apart = Gpus::new(settings(idle), &host(one.path()));
    assert_eq!(of_processes(&sample(&mut apart).1), Vec::<&str>::new());
    assert!(apart.missing()[0].contains("hostPID"));
}

#[test]
fn no_library_and_no_driver_are_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut none = gpus(directory.path().join("nothing.so"));
    assert_eq!(sample(&mut none), (false, String::new()));
    assert!(none.missing()[0].contains("cannot be loaded"));
    let Some(library) = stub("no_library_and_no_driver_are_said_once", directory.path(), "-DNO_DRIVER") else { return };
    let mut gpus = gpus(library);
    assert_eq!(sample(&mut gpus), (false, String::new()));
    let said = gpus.said.clone();
    assert!(said.as_ref().unwrap().contains("the driver is not loaded"), "{said:?}");
    assert_eq!(sample(&mut gpus), (false, String::new()));
    assert_eq!(gpus.said, said);
}

#[test]
fn nvidias_own_library_says_that_there_is_no_driver() {
    const NAME: &str = "nvidias_own_library_says_that_there_is_no_driver";
    let library = std::env::var_os("PICKET_NVML").filter(|library| Path::new(library).is_file());
    let Some(library) = library.filter(|_| !Path::new("/proc/driver/nvidia").exists()) else {
        return skipped(NAME, "PICKET_NVML names no library, or this machine has a driver");
    };
    let mut gpus = gpus(library);
    assert_eq!(sample(&mut gpus), (false, String::new()));
    assert!(gpus.said.as_ref().unwrap().contains("the driver is not loaded"), "{:?}", gpus.said);
}

#[test]
fn a_driver_that_comes_late_is_found_and_one_that_goes_is_down() {
    const NAME: &str = "a_driver_that_comes_late_is_found_and_one_that_goes_is_down";
    let directory = tempfile::tempdir().unwrap();
    let mut gpus = gpus(directory.path().join("libstub.so"));
    let mut at = |second| {
        let (is_up, text) = sample_at(&mut gpus, second);
        (is_up, text.contains("DCGM_FI_DEV_GPU_TEMP"), gpus.is_here())
    };
    assert_eq!(at(0), (false, false, false));
    let gone = directory.path().join("gone");
    let flag = format!("-DGONE=\"{}\"", gone.display());
    if stub(NAME, directory.path(), &flag).is_none() {
        return;
    }
    assert_eq!((at(30), at(60), at(75)), ((false, false, false), (true, true, true), (true, true, true)));
    std::fs::write(&gone, "").unwrap();
    assert_eq!((at(90), at(120)), ((false, false, true), (false, false, true)));
    std::fs::remove_file(&gone).unwrap();
    assert_eq!((at(135), at(180)), ((false, false, true), (true, true, true)));
    let expected = Gpus::new(GpuSettings { is_expected: true, ..settings("none") }, &host(directory.path()));
    assert!(expected.is_here());
}

#[test]
fn the_library_is_closed_while_nobody_uses_a_card_if_that_is_wanted() {
    const NAME: &str = "the_library_is_closed_while_nobody_uses_a_card_if_that_is_wanted";
    let directory = tempfile::tempdir().unwrap();
    let Some(idle) = stub(NAME, directory.path(), "-DIDLE") else { return };
    let (tree, users) = (tempfile::tempdir().unwrap(), "sys/module/nvidia/refcnt");
    let users = tree.path().join(users);
    std::fs::create_dir_all(users.parent().unwrap()).unwrap();
    std::fs::create_dir_all(tree.path().join("proc/self/ns")).unwrap();
    std::os::unix::fs::symlink("pid:[4026531836]", tree.path().join("proc/self/ns/pid")).unwrap();
    std::fs::write(&users, "1\n").unwrap();
    let mut gpus = Gpus::new(GpuSettings { close_when_idle: true, ..settings(&idle) }, &host(tree.path()));
    let has_cards = |gpus: &mut Gpus, second| {
        let (is_up, text) = sample_at(gpus, second);
        assert!(is_up && gpus.is_here());
        (!text.is_empty(), gpus.loaded.is_some())
    };
    assert_eq!(has_cards(&mut gpus, 0), (true, false), "nobody uses one");
    assert_eq!(has_cards(&mut gpus, 600), (false, false));
    std::fs::write(&users, "4\n").unwrap();
    assert_eq!(has_cards(&mut gpus, 615), (true, false), "somebody came, and went at once");
    std::fs::write(&users, "3\n").unwrap();
    assert_eq!(has_cards(&mut gpus, 630), (false, false));
    // Where processes of others are hidden, nobody knows whether a card is used.
    let mut apart = Gpus::new(GpuSettings { close_when_idle: true, ..settings(&idle) }, &host(directory.path()));
    assert_eq!(has_cards(&mut apart, 0), (true, true));
}
