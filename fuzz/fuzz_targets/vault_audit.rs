//! Vault's audit entries and JSON lines: no input panics, and every valid object is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::json_line::JsonLine;
use record::metadata::Metadata;
use record::vault_audit::{VaultAudit, is_vault_audit};
use serde_json::Value;
use std::sync::LazyLock;

static AUDIT: LazyLock<VaultAudit> = LazyLock::new(|| {
    let names: Vec<String> = VaultAudit::METADATA
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    VaultAudit::new("@cee: ", &names).expect("all of these names exist")
});

static LINES: LazyLock<JsonLine> = LazyLock::new(|| {
    let paths = ["time", "request.time", "a.b\\.c"].map(str::to_owned);
    JsonLine::new(&paths, &paths).expect("these are paths")
});

fuzz_target!(|line: &[u8]| {
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    let audit = AUDIT.scan(line, &mut metadata, &mut rewritten);
    let lines = LINES.scan(line, &mut metadata, &mut rewritten);
    let is_audit = is_vault_audit(line);
    if let Ok(Value::Object(entry)) = serde_json::from_slice(line) {
        assert!(audit.is_ok() && lines.is_ok());
        let kind = entry
            .get("type")
            .is_some_and(|kind| kind == "request" || kind == "response");
        assert_eq!(
            is_audit,
            kind && entry.get("time").is_some_and(Value::is_string)
        );
    }
});
