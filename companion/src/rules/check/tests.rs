//! Rules that look right and are not, each with what is said of it.

use expect_test::{Expect, expect};

use super::*;

fn said(rules: &str, expected: &Expect) {
    let text = format!("groups:\n- name: g\n  rules:\n{rules}");
    let source = Source { name: "r.yaml".into(), text };
    let findings = files(&[source], &[]).iter().fold(String::new(), |text, finding| text + &finding.to_string() + "\n");
    expected.assert_eq(&findings);
}

fn rule(expr: &str) -> String {
    format!("  - alert: A\n    expr: '{expr}'\n")
}

#[test]
fn a_field_that_no_line_has_is_reported_with_what_was_meant() {
    said(
        &rule(
            r#"sum by (user_username) (count_over_time({job="vault-audit"} | json | operation="update" | __error__="" [5m])) > 0"#,
        ),
        &expect![[r"
            r.yaml:5:20: A: `by (user_username)`: no line has that label, so everything is one series; parse it first, or remove it
            r.yaml:5:81: A: no line has a label `operation`, did you mean `request_operation`?
        "]],
    );
    said(
        &rule(r#"sum(count_over_time({job="kubernetes-audit"} | json | sourceIPs_0!~"10.*" | verb="get" [5m])) > 0"#),
        &expect![[r#"
            r.yaml:5:66: A: no line has a label `sourceIPs_0`; `json` passes lists over: write `| json x="sourceIPs[0]"`
            r.yaml:5:79: A: Loki's own ruler takes `sourceIPs_0!~"10.*"` for "contains `10`", not "begins or ends with": whoever can choose the name can pass; write `^10.*` there, which both take alike
        "#]],
    );
    said(
        &rule(r#"sum(count_over_time({job="kubernetes-audit"} | json u="user.name" | u="x" [5m])) > 0"#),
        &expect![[r"
            r.yaml:5:66: A: no line has anything at the path `user.name`, did you mean `objectRef.name`?
        "]],
    );
}

#[test]
fn what_is_there_is_not_reported() {
    let right = [
        r#"sum by (user, node) (count_over_time({job=~"kube-audit|kubernetes-audit"} | json user="user.username", ip="sourceIPs[0]", r="requestObject.roleRef.name" | user=~"^system:.*" | ip!=ip("10.0.0.0/8") [5m])) > 0"#,
        r#"sum(count_over_time({job="kubernetes-audit"} | json | requestObject_spec_x="y" [5m])) > 0"#,
        r#"sum by (source_ip) (count_over_time({job="kubernetes-audit"} | verb="delete" | source_ip!="" [5m])) > 0"#,
        r#"sum by (anything) (count_over_time({job="app"} | logfmt | anything="x" [5m])) > 0"#,
        r#"sum by (ip) (count_over_time({job="sshd-pve"} | regexp "from (?P<ip>[^ ]+)" | ip!="" [5m])) > 0"#,
    ];
    for expr in right {
        said(&rule(expr), &expect![""]);
    }
}

#[test]
fn expressions_that_allow_more_than_they_seem_to() {
    said(
        &rule(
            r#"sum(count_over_time({job="kubernetes-audit"} | json u="user.username", ip="sourceIPs[0]" | u!~"system:.*" | ip!~"10\\.(9[6-9]|1[01][0-9])\\..*" | ip!="" [5m])) > 0"#,
        ),
        &expect![[r#"
            r.yaml:5:106: A: Loki's own ruler takes `u!~"system:.*"` for "contains `system:`", not "begins or ends with": whoever can choose the name can pass; write `^system:.*` there, which both take alike
            r.yaml:5:124: A: `10\.(9[6-9]|1[01][0-9])\..*` allows 10.112.1.1 too, which is beyond 10.96.0.0/12; write ip=ip("10.96.0.0/12")
        "#]],
    );
}

#[test]
fn durations_that_do_not_go_together_and_errors_that_fail_elsewhere() {
    said(
        &(rule(r#"sum(count_over_time({job="kubernetes-audit"} | json | verb!="get" [30s])) > 0"#) + "    for: 10s\n"),
        &expect![[r#"
            r.yaml:5:57: A: a line that is not JSON passes all filters, and then Loki's own ruler fails the whole rule; add `| __error__=""` after `json` (here only the line is left out, and counted)
            r.yaml:5:79: A: the window of 30s is shorter than the interval of 1m: a ruler that looks at ticks misses what happens between; make the window longer, or the interval shorter
            r.yaml:6:10: A: `for: 10s` is shorter than the interval of 1m: a ruler that looks at ticks waits for the next one all the same; make the interval shorter, or `for` 0
        "#]],
    );
}

#[test]
fn findings_point_into_the_query_however_it_is_written() {
    let query = |quote: &str| {
        format!(
            "sum by (usr) (\n        count_over_time({{job={quote}vault-audit{quote}}}\n        | json type={quote}typ{quote}, path={quote}request.path{quote} | __error__={quote}{quote} | type=~{quote}respon.*{quote}\n        | operation={quote}read{quote} [30s])) > 0\n"
        )
    };
    // A block, a folded block, and quotes of both kinds over several lines.
    let escaped = query("\\\"").trim_end().to_owned();
    let (single, double) = (format!("'{}'\n", query("\"").trim_end()), format!("\"{escaped}\"\n"));
    for (head, text, [by, path, regex, field, range]) in [
        ("|\n        ", query("\""), ["6:17", "8:21", "8:71", "9:11", "9:29"]),
        (">-\n        ", query("\""), ["6:17", "8:21", "8:71", "9:11", "9:29"]),
        ("", single, ["5:20", "7:21", "7:71", "8:11", "8:29"]),
        ("", double, ["5:20", "7:21", "7:77", "8:11", "8:31"]),
    ] {
        let rules = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {head}{text}");
        let findings = files(&[Source { name: "r.yaml".into(), text: rules.clone() }], &[]);
        let at = |words: &str| {
            let found: Vec<String> = findings
                .iter()
                .filter(|finding| finding.message.contains(words))
                .map(|finding| format!("{}:{}", finding.at.line, finding.at.column))
                .collect();
            found.join(" ")
        };
        assert_eq!(findings.len(), 5, "{rules}\n{findings:#?}");
        assert_eq!(at("`by (usr)`"), by, "{rules}");
        assert_eq!(at("the path `typ`"), path, "{rules}");
        assert_eq!(at("`type=~\"respon.*\"`"), regex, "{rules}");
        assert_eq!(at("a label `operation`"), field, "{rules}");
        assert_eq!(at("the window of 30s"), range, "{rules}");
    }
}

#[test]
fn texts_that_name_what_is_never_there() {
    let expr = r#"sum by (user, ip) (count_over_time({job="kubernetes-audit"} | json user="user.username", ip="sourceIPs[0]" | user!="" [5m])) > 0"#;
    let texts = "    labels: {severity: critical, who: '{{ $labels.user }}'}\n    annotations:\n      summary: '{{ $labels.usr }} and {{ $labels.user }}'\n      description: |\n        One\n        {{ if $labels.severity }}line{{ end }}\n      event_id: auditId, requestReceivedTimestamp\n";
    said(
        &(rule(expr) + texts),
        &expect![[r"
            r.yaml:8:28: A: annotation `summary`: what the query gives never has a label `usr`, did you mean `user`?
            r.yaml:11:23: A: annotation `description`: what the query gives never has a label `severity`; it has ip, user
            r.yaml:12:17: A: `event_id`: no line has a field `auditId`, so each line counts by itself, did you mean `auditID`?
        "]],
    );
    let number = "    annotations: {summary: '{{ $labels.user }}'}\n";
    said(
        &(rule(r#"sum(count_over_time({job="app"} [5m])) > 0"#) + number),
        &expect![[r"
            r.yaml:6:40: A: annotation `summary`: what the query gives never has a label `user`; it has none: group `by` it
        "]],
    );
    said(&(rule(r#"count_over_time({job="app"} | logfmt [5m]) > 0"#) + number), &expect![""]);
}

#[test]
fn samples_say_which_fields_and_streams_there_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.log");
    std::fs::write(&path, "{\"a\":{\"b\":1},\"list\":[1]}\nno json\n{\"c\":null}\n").expect("written");
    let sample = Sample::read("app", super::super::log_format::Format::Json, &path).expect("read");
    let text = format!(
        "groups:\n- name: g\n  rules:\n{}{}",
        rule(r#"sum(count_over_time({job="app"} | json | a_b="1" | c="x" [5m])) > 0"#),
        rule(r#"sum(count_over_time({job="other"} [5m])) > 0"#),
    );
    let findings = files(&[Source { name: "r.yaml".into(), text }], &[sample]);
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("no line has a label `c`"), "{said:?}");
    assert!(said[1].contains("no sample has a stream"), "{said:?}");
}

#[test]
fn what_does_not_parse_is_said_with_its_place() {
    let source =
        Source { name: "r.yaml".into(), text: "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n".to_owned() };
    let findings = files(&[source], &[]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].at.line, 5, "{}", findings[0]);
}
