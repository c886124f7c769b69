//! The rules that must be right and fast: what they need of the language, and what a line costs.

use std::time::Duration;

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

/// A line of 1.2 KB as an API server writes them.
fn audit_line() -> String {
    let object = format!(r#"{{"spec":"{}"}}"#, "x".repeat(300));
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"00000000-0000-4000-8000-000000000001","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/configmaps/cart?fieldManager=kubectl","verb":"update","user":{{"username":"system:serviceaccount:shop:cart","uid":"1","groups":["system:serviceaccounts","system:serviceaccounts:shop","system:authenticated"],"extra":{{"authentication.kubernetes.io/pod-name":["cart-7d4b9c6f5-x2x8p"]}}}},"sourceIPs":["10.10.3.7"],"userAgent":"cart/v1.2 (linux/amd64) kubernetes/abcdef0","objectRef":{{"resource":"configmaps","namespace":"shop","name":"cart","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestObject":{object},"requestReceivedTimestamp":"2026-05-22T14:00:00.000000Z","stageTimestamp":"2026-05-22T14:00:00.004000Z","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding cart/shop"}}}}"#
    )
}

/// Rules of the kinds that are shipped: most see at once that a line is not theirs.
fn rules() -> Vec<String> {
    let fields = r#"user="user.username", stage="stage", verb="verb", res="objectRef.resource", ns="objectRef.namespace", name="objectRef.name", code="responseStatus.code", uri="requestURI""#;
    let needles = [
        "\"secrets\"",
        "\"delete",
        "\"deletecollection\"",
        "kubeadm-config",
        "\"clusterroles\"",
        "bindings\"",
        "me@example.org",
        "\"pods/exec\"",
        "\"nodes\"",
        "\"impersonatedUser\"",
        "system:anonymous",
        "\"csr\"",
        "\"tokenreviews\"",
        "\"escalate\"",
        "\"bind\"",
        "\"mutatingwebhookconfigurations\"",
        "\"hostPath\"",
        "\"privileged\":true",
        "\"cronjobs\"",
        "\"daemonsets\"",
    ];
    let mut rules: Vec<String> = needles
        .iter()
        .flat_map(|needle| {
            ["create", "update"].map(|verb| {
                format!("sum by (user) (count_over_time({{job=~\"kube-audit|kubernetes-audit\"}} |= `{needle}` | json {fields} | stage=`ResponseComplete` | verb=`{verb}` | code=~`2..` [5m])) > 0")
            })
        })
        .collect();
    rules.push(format!(
        r#"sum by (user, ip) (count_over_time({{job=~"kube-audit|kubernetes-audit"}} |= `system:serviceaccount:` | json {fields}, ip="sourceIPs[0]", ip1="sourceIPs[1]"
        | user=~`system:serviceaccount:.+` | ip!=`` | label_format ip=`{{{{ regexReplaceAll "^::ffff:" .ip "" }}}}`, ip1=`{{{{ regexReplaceAll "^::ffff:" .ip1 "" }}}}`
        | (ip!=ip("10.0.20.0/22") and ip!=ip("10.10.0.0/16")) or (ip1!=`` and ip1!=ip("10.0.20.0/22")) [5m])) > 0"#
    ));
    rules
}

/// How long this thread has run, whatever else the machine does.
fn processor_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "measures: cargo test --release -p companion -- --ignored --nocapture what_a_line_costs"]
fn what_a_line_costs() {
    const ROUNDS: u32 = 100_000;
    let extractors: Vec<_> = rules().iter().map(|rule| extractor(rule)).collect();
    let (last, others) = extractors.split_last().unwrap();
    let stream: LabelSet = [("job", "kubernetes-audit"), ("node", "master-1")].into_iter().collect();
    let line = audit_line();
    for (about, extractors) in
        [("all", &extractors[..]), ("that drop it at once", others), ("that reads it", std::slice::from_ref(last))]
    {
        let mut cache = LineCache::default();
        let start = processor_time();
        for round in 0..ROUNDS {
            cache.begin();
            let entry = Entry { time: UnixNanos(i64::from(round)), line: &line, metadata: &[] };
            for extractor in extractors {
                assert_eq!(extractor.extract(&stream, entry, &mut cache), Extracted::Nothing);
            }
        }
        let each = processor_time().saturating_sub(start) / ROUNDS;
        println!(
            "{} leaves ({about}), a line of {} bytes: {each:?} of the processor for all together",
            extractors.len(),
            line.len()
        );
    }
}
