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
            r.yaml:5:11: A: no line has a label `operation`, did you mean `request_operation`?
            r.yaml:5:11: A: `by (user_username)`: no line has that label, so everything is one series; parse it first, or remove it
        "]],
    );
    said(
        &rule(r#"sum(count_over_time({job="kubernetes-audit"} | json | sourceIPs_0!~"10.*" | verb="get" [5m])) > 0"#),
        &expect![[r#"
            r.yaml:5:11: A: Loki's own ruler takes `sourceIPs_0!~"10.*"` for "contains `10`", not "begins or ends with": whoever can choose the name can pass; write `^10.*` there, which both take alike
            r.yaml:5:11: A: no line has a label `sourceIPs_0`; `json` passes lists over: write `| json x="sourceIPs[0]"`
        "#]],
    );
    said(
        &rule(r#"sum(count_over_time({job="kubernetes-audit"} | json u="user.name" | u="x" [5m])) > 0"#),
        &expect![[r"
            r.yaml:5:11: A: no line has anything at the path `user.name`, did you mean `objectRef.name`?
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
            r.yaml:5:11: A: Loki's own ruler takes `u!~"system:.*"` for "contains `system:`", not "begins or ends with": whoever can choose the name can pass; write `^system:.*` there, which both take alike
            r.yaml:5:11: A: `10\.(9[6-9]|1[01][0-9])\..*` allows 10.112.1.1 too, which is beyond 10.96.0.0/12; write ip=ip("10.96.0.0/12")
        "#]],
    );
}

#[test]
fn durations_that_do_not_go_together_and_errors_that_fail_elsewhere() {
    said(
        &(rule(r#"sum(count_over_time({job="kubernetes-audit"} | json | verb!="get" [30s])) > 0"#) + "    for: 10s\n"),
        &expect![[r#"
            r.yaml:5:11: A: `for: 10s` is shorter than the interval of 1m: a ruler that looks at ticks waits for the next one all the same; make the interval shorter, or `for` 0
            r.yaml:5:11: A: the window of 30s is shorter than the interval of 1m: a ruler that looks at ticks misses what happens between; make the window longer, or the interval shorter
            r.yaml:5:11: A: a line that is not JSON passes all filters, and then Loki's own ruler fails the whole rule; add `| __error__=""` after `json` (here only the line is left out, and counted)
        "#]],
    );
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
