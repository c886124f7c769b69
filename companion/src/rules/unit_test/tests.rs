use std::fs;

use expect_test::expect;

use super::*;

const RULES: &str = r#"
groups:
- name: g
  interval: 15s
  rules:
  - alert: Many
    expr: sum by (user) (count_over_time({job="a"} |= "login" or "logon" | logfmt | user=~"e.*" or user="bob" [1m])) > 1
    labels: {severity: warning}
    annotations: {summary: "{{ $labels.user }} {{ $value }} {{ $externalLabels.cluster }}"}
  - alert: Never
    expr: sum(count_over_time({job="b"} [1m])) > 1
"#;

fn run_text(tests: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rules.yaml"), RULES).unwrap();
    fs::write(directory.path().join("lines.log"), "login user=eve n=1\nlogin user=eve n=2\n").unwrap();
    let path = directory.path().join("test.yaml");
    fs::write(&path, tests).unwrap();
    let mut coverage = Coverage::default();
    let mut out = Vec::new();
    match run(&path, &mut coverage) {
        Ok(outcome) => drop(write(&outcome, &mut out).unwrap()),
        Err(problems) => write!(out, "{problems}").unwrap(),
    }
    let mut gaps = Vec::new();
    coverage.write(&mut gaps).unwrap();
    let plain = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&format!("{}/", directory.path().display()), "");
    (plain(out), plain(gaps))
}

#[test]
fn what_is_as_expected_passes_and_what_was_not_met_is_said() {
    let (out, gaps) = run_text(
        r#"
rule_files: ["rules*.yaml"]
tests:
- name: lines of a file, and lines written here
  external_labels: {cluster: test}
  input_streams:
  - {stream: '{job="a"}', file: lines.log, start: 10s, step: 20s}
  - stream: {job: a}
    lines:
    - {time: 40s, line: "login user=bob", metadata: {x: y}}
  alert_rule_test:
  - {eval_time: 29s, alertname: Many}
  - eval_time: 35s
    alertname: Many
    exp_alerts:
    - exp_labels: {severity: warning, user: eve}
      exp_annotations: {summary: "eve 2 test"}
  - {eval_time: 2m, alertname: Many, exp_alerts: []}
  logql_expr_test:
  - expr: sum by (user) (count_over_time({job="a"} | logfmt [5m]))
    eval_time: 1m
    exp_samples:
    - {labels: '{user="eve"}', value: 2}
    - {labels: {user: bob}, value: 1}
"#,
    );
    expect![[r"
        1 tests, 4 expectations, 0 not met
    "]]
    .assert_eq(&out);
    expect![[r#"
        rules.yaml:6: Many: no line of any test passes |= "logon", an alternative of |= "login" or "logon"
        rules.yaml:10: Never fires in no test
        rules.yaml:10: Never: no line of any test passes {job="b"}
    "#]]
    .assert_eq(&gaps);
}

#[test]
fn what_differs_is_listed() {
    let (out, _) = run_text(
        r#"
rule_files: [rules.yaml]
tests:
- name: wrong
  input_streams:
  - {stream: '{job="a"}', lines: ["login user=eve n=1", "login user=eve n=2"], step: 1s}
  alert_rule_test:
  - eval_time: 5s
    alertname: Many
    exp_alerts:
    - exp_labels: {severity: warning, user: bob}
  - {eval_time: 5s, alertname: Mnay, exp_alerts: [{exp_labels: {}}]}
  logql_expr_test:
  - {expr: 'sum(count_over_time({job="a"} [5m]))', eval_time: 5s, exp_samples: [{labels: '{}', value: 3}]}
"#,
    );
    expect![[r#"
        test.yaml:8: wrong: Many at 5s
          - expected, and not there: {severity="warning", user="bob"}
          + there, and not expected: {severity="warning", user="eve"}
              summary: eve 2 
        test.yaml:12: wrong: Mnay at 5s (no rule makes alerts of that name)
          - expected, and not there: {}
        test.yaml:14: wrong: sum(count_over_time({job="a"} [5m])) at 5s
          + there, and not expected: {} 2
          - expected, and not there: {} 3
        1 tests, 3 expectations, 3 not met
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_wrong_test_file_says_where() {
    let (out, _) = run_text(
        r#"
rule_files: [rules.yaml]
tests:
- input_series: []
  input_streams:
  - {stream: 'job', lines: []}
  - {stream: '{job="a"}', lines: [x], file: y}
  - {stream: '{job="a"}', lines: [x], format: jsno}
  alert_rule_test:
  - {eval_time: soon}
  logql_expr_test:
  - {expr: '{job="a"}'}
"#,
    );
    expect![[r#"
        test.yaml:4:3: unknown key `input_series`, did you mean `input_streams`?
        test.yaml:6:5: an input stream takes `stream: '{job="…"}'`
        test.yaml:6:14: `stream`: `job` is no stream; write {job="…"}
        test.yaml:7:5: an input stream takes either `lines` or `file`
        test.yaml:8:47: unknown format `jsno`, did you mean `json`?
        test.yaml:10:5: an alert test takes `alertname`
        test.yaml:10:17: `eval_time`: `soon` is not a duration; write numbers with y, w, d, h, m, s or ms, the longest first, for example 1h30m
        test.yaml:12:12: `expr`: asks for lines; an expression test compares numbers"#]].assert_eq(&out);
}

#[test]
fn events_that_arrive_late_fire_late() {
    let (out, _) = run_text(
        r#"
rule_files: [rules.yaml]
tests:
- input_streams:
  - stream: '{job="a"}'
    lines:
    - {time: 10s, arrival: 10m, line: "login user=eve n=1"}
    - {time: 20s, arrival: 10m, line: "login user=eve n=2"}
  alert_rule_test:
  - {eval_time: 9m, alertname: Many}
  - eval_time: 11m
    alertname: Many
    exp_alerts:
    - exp_labels: {severity: warning, user: eve}
      exp_annotations: {summary: "eve 2 ", late: "9m 40s"}
"#,
    );
    expect![[r"
        1 tests, 2 expectations, 0 not met
    "]]
    .assert_eq(&out);
}
