//! The shipped rules: their own tests, and that nothing in them is left untested.

use std::path::Path;

use companion::rules::unit_test::{self, Coverage};

#[test]
fn every_test_of_the_shipped_rules_passes_and_every_rule_and_filter_is_met() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules/logs/tests");
    let mut files: Vec<_> = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    let (mut coverage, mut report, mut ran) = (Coverage::default(), Vec::new(), 0);
    for file in files {
        let outcome = unit_test::run(&file, &mut coverage).unwrap_or_else(|problems| panic!("{problems}"));
        ran += outcome.tests;
        unit_test::write(&outcome, &mut report).unwrap();
        assert!(outcome.failures.is_empty(), "{}", String::from_utf8_lossy(&report));
    }
    assert!(ran > 150, "{ran} tests");
    let gaps: Vec<String> = coverage
        .gaps()
        .iter()
        .map(|gap| format!("{}: {}: {}", gap.at.file, gap.rule, gap.filter.as_deref().unwrap_or("has never fired")))
        .collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}
