//! The rules that must be right: what they need of the language.

use proto::time::UnixNanos;

use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{Extracted, Extractor, LineCache, Query, parse};

fn extractor(text: &str) -> Extractor {
    match parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Query::Metric(query) => Extractor::new(&query, 0),
        Query::Log(_) => panic!("{text}"),
    }
}

fn extracted(text: &str, line: &str) -> Extracted {
    let stream: LabelSet = [("job", "vault-audit")].into_iter().collect();
    let mut cache = LineCache::default();
    cache.begin();
    extractor(text).extract(&stream, Entry { time: UnixNanos(1), line, metadata: &[] }, &mut cache)
}

/// Policies that a child has and its parent lacks.
const EXCESS: &str = r#"sum by (who, extra) (count_over_time({job="vault-audit"} |= `auth/token/create`
    | json type="type", path="request.path", who="auth.display_name", parent="auth.policies", child="response.auth.policies", err="error"
    | type=`response` | path=~`auth/token/create.*` | err=`` | child!=`` | parent!=`` | parent!~`.*"root".*`
    | label_format extra=`{{ $p := .parent }}{{ range $q := fromJson .child }}{{ if ne $q "default" }}{{ if not (contains (printf "\"%s\"" $q) $p) }}{{ $q }} {{ end }}{{ end }}{{ end }}`
    | extra!=`` [5m])) > 0"#;

#[test]
fn a_template_finds_what_one_list_has_more_than_another() {
    let line = |child: &str| {
        format!(
            r#"{{"type":"response","auth":{{"display_name":"app","policies":["app-read","default"]}},"request":{{"path":"auth/token/create"}},"response":{{"auth":{{"policies":{child}}}}}}}"#
        )
    };
    let labels: LabelSet = [("extra", "kv-ops sec-admin "), ("who", "app")].into_iter().collect();
    assert_eq!(extracted(EXCESS, &line(r#"["default","kv-ops","app-read","sec-admin"]"#)), Extracted::Point(labels, 1.0));
    assert_eq!(extracted(EXCESS, &line(r#"["default","app-read"]"#)), Extracted::Nothing);
    assert_eq!(extracted(EXCESS, "auth/token/create, but no JSON"), Extracted::Nothing);
}

#[test]
fn mapped_addresses_are_compared_after_a_template_has_made_them_plain() {
    let rule = r#"sum by (ip) (count_over_time({job="vault-audit"} | json ip="request.remote_address" | ip!=``
        | label_format ip=`{{ regexReplaceAll "^::ffff:" .ip "" }}` | ip!=ip("10.0.0.0/8") | ip!=ip("2001:db8::/32") [5m])) > 0"#;
    let line = |address: &str| format!(r#"{{"request":{{"remote_address":"{address}"}}}}"#);
    for inside in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"] {
        assert_eq!(extracted(rule, &line(inside)), Extracted::Nothing, "{inside}");
    }
    for (outside, shown) in [("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9"), ("nonsense", "nonsense")] {
        let labels: LabelSet = [("ip", shown)].into_iter().collect();
        assert_eq!(extracted(rule, &line(outside)), Extracted::Point(labels, 1.0), "{outside}");
    }
}
