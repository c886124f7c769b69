//! Kubernetes audit events: no input panics, every valid object is read, and nothing of a secret is shipped.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::kube_audit::{KubeAudit, Text};
use record::metadata::Metadata;
use serde_json::Value;
use std::sync::LazyLock;

static AUDIT: LazyLock<KubeAudit> = LazyLock::new(|| {
    let names: Vec<String> = KubeAudit::METADATA
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    KubeAudit::new(true, &names).expect("all of these names exist")
});

fuzz_target!(|line: &[u8]| {
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    let result = AUDIT.scan(line, &mut metadata, &mut rewritten);
    let Ok(Value::Object(event)) = serde_json::from_slice(line) else {
        return;
    };
    if event.get("kind").is_some_and(|kind| kind == "EventList") {
        return;
    }
    let Ok(scanned) = result else {
        // Only what a list of events says twice can be refused here.
        assert!(contains(line, b"EventList") || contains(line, b"\\u"));
        return;
    };
    let resource = event
        .get("objectRef")
        .and_then(|object| object.get("resource"));
    if resource.is_some_and(|resource| resource == "secrets") && event.contains_key("requestObject")
    {
        assert_eq!(scanned.text, Text::Rewritten);
        let shipped: Value = serde_json::from_slice(&rewritten).expect("a redacted event is valid");
        assert_eq!(
            shipped["requestObject"],
            serde_json::json!({"picket_redacted": true})
        );
    }
});

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window == word)
}
