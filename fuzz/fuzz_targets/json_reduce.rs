//! Reduction: the strict check judges as `serde_json` does, and what comes out is valid and short enough.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::json;
use record::reduce::{Kind, MIN_LIMIT, reduce};
use serde::de::IgnoredAny;

fuzz_target!(|input: &[u8]| {
    let valid = serde_json::from_slice::<IgnoredAny>(input).is_ok();
    let checked = json::validate(input);
    if !matches!(
        checked,
        Err(json::Error {
            reason: json::Reason::TooDeep,
            ..
        })
    ) {
        assert_eq!(checked.is_ok(), valid);
    }
    // Inputs are short: strings of x are made longer, so that there is something to reduce.
    let long = "x".repeat(700);
    let line = String::from_utf8_lossy(input).replace("xx", &long);
    let mut out = Vec::new();
    for kind in [Kind::KubeAudit, Kind::VaultAudit, Kind::Json] {
        if reduce(kind, line.as_bytes(), MIN_LIMIT, &mut out).is_some() {
            assert!(out.len() <= MIN_LIMIT);
            assert!(serde_json::from_slice::<IgnoredAny>(&out).is_ok());
        }
    }
});
