use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tests::program::Program;
use ::tests::skip::skipped;
use ::tests::wait;
use expect_test::expect_file;
use proto::exposition::write_families;

use super::*;

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

fn gpus(library: impl Into<OsString>) -> Gpus {
    Gpus::new(GpuSettings { library: library.into(), hostname: "node-1".to_owned(), host_label: HostLabel::Capital })
}

fn sample(gpus: &mut Gpus) -> (bool, String) {
    let (mut out, mut text) = (Families::new(), String::new());
    let is_up = gpus.sample(UnixMillis(1), &mut out);
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
fn no_library_and_no_driver_are_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut none = gpus(directory.path().join("nothing.so"));
    assert_eq!(sample(&mut none), (false, String::new()));
    assert!(none.why_none().unwrap().contains("cannot be loaded"));
    let Some(library) = stub("no_library_and_no_driver_are_said_once", directory.path(), "-DNO_DRIVER") else { return };
    let mut gpus = gpus(library);
    assert_eq!(sample(&mut gpus), (false, String::new()));
    let said = gpus.said.clone();
    assert!(said.as_ref().unwrap().contains("the driver is not loaded"), "{said:?}");
    assert_eq!(sample(&mut gpus), (false, String::new()));
    assert_eq!(gpus.said, said);
}
