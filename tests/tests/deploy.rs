//! What stands in `deploy/`: checked without a cluster by `tests/deploy/check` (schemas, least privilege, memory, the image), and the
//! Debian package, which `tests/deploy/package` installs, upgrades and purges in a root that is thrown away.

use std::path::Path;

use tests::agent;
use tests::program::Program;
use tests::skip::skipped;

/// How both say that their tools cannot be had here.
const CANNOT_RUN: i32 = 77;

#[test]
fn manifests_and_image_are_valid_and_ask_for_no_more_than_promised() {
    let name = "manifests_and_image_are_valid_and_ask_for_no_more_than_promised";
    let Some(python) = Program::find("python3") else {
        return skipped(name, "no python3");
    };
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/check");
    // The binary under test checks the configurations too; without one, only the manifests are.
    let binary = agent::binary().unwrap_or_default();
    let (code, output, errors) = python.outcome_with([check], &[("AGENT", binary.as_os_str())]);
    if code == Some(CANNOT_RUN) {
        return skipped(name, errors.trim().lines().last().unwrap_or_default());
    }
    assert_eq!(code, Some(0), "{output}{errors}");
    assert!(output.contains("combinations"), "{output}");
}

#[test]
fn the_package_installs_runs_upgrades_and_leaves_nothing_behind() {
    let name = "the_package_installs_runs_upgrades_and_leaves_nothing_behind";
    let (Some(bash), Some(binary)) = (Program::find("bash"), agent::binary()) else {
        return skipped(name, "no bash, or no binary of the agent");
    };
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/package");
    let (code, output, errors) = bash.outcome_with([package], &[("AGENT", binary.as_os_str())]);
    if code == Some(CANNOT_RUN) {
        return skipped(name, errors.trim().lines().last().unwrap_or_default());
    }
    assert_eq!(code, Some(0), "{output}{errors}");
    assert!(output.contains("package: ok"), "{output}");
    if let Some(why) = output.lines().find_map(|line| line.strip_prefix("the unit did not run: ")) {
        skipped(&format!("{name} (unit)"), why);
    }
}
