use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: &Expect) {
    let mut shown = String::new();
    match load(&"rules.yaml".into(), text.as_bytes(), &Arc::default()) {
        Err(problems) => shown = problems.to_string(),
        Ok(groups) => {
            for group in groups {
                let interval = group.interval.map(|interval| interval.to_string()).unwrap_or_default();
                let _ = writeln!(shown, "{} every {interval}, limit {}, offset {}", group.name, group.limit, group.query_offset);
                for rule in &group.rules {
                    let labels: Vec<_> = rule.labels.iter().map(|(name, text)| format!("{name}={}", text.text())).collect();
                    let _ = writeln!(shown, "  {} {labels:?} {}", rule.name, rule.expr.trim());
                    if let Kind::Alerting(alerting) = &rule.kind {
                        let annotations: Vec<_> =
                            alerting.annotations.iter().map(|(name, text)| format!("{name}={}", text.text())).collect();
                        let _ = writeln!(
                            shown,
                            "    for {} keep {} id {:?} {annotations:?}",
                            alerting.wait, alerting.keep_firing, alerting.event_id
                        );
                    }
                }
            }
        }
    }
    expected.assert_eq(&shown);
}

#[test]
fn every_field_of_a_rule_file_is_read() {
    check(
        r#"
groups:
- name: one
  interval: 15s
  limit: 5
  query_offset: 1m
  labels: {team: security, lane: none}
  rules:
  - alert: Many
    expr: sum by (user) (count_over_time({job="a"} [5m])) > 5
    for: 1h30m
    keep_firing_for: 2d
    labels: {lane: security}
    annotations: {summary: "{{ $labels.user }}", event_id: auditID}
  - record: job:lines:rate5m
    expr: |
      sum(rate({job="a"} [5m]))
- name: two
  rules:
"#,
        &expect![[r#"
            one every 15s, limit 5, offset 1m
              Many ["team=security", "lane=security"] sum by (user) (count_over_time({job="a"} [5m])) > 5
                for 1h30m keep 2d id Some("auditID") ["summary={{ $labels.user }}"]
              job:lines:rate5m ["lane=none", "team=security"] sum(rate({job="a"} [5m]))
            two every , limit 0, offset 0s
        "#]],
    );
}

#[test]
fn lokis_one_group_a_file_is_read() {
    check(
        "name: one\ninterval: 1m\nrules:\n- {alert: A, expr: 'vector(1)'}\n",
        &expect![[r"
            one every 1m, limit 0, offset 0s
              A [] vector(1)
                for 0s keep 0s id None []
        "]],
    );
    check("", &expect![""]);
    check("groups:\n", &expect![""]);
}

#[test]
fn everything_wrong_is_said_at_once_with_its_place() {
    check(
        r#"
groups:
- name: one
  intervall: 15s
  rules:
  - alert: A
    record: b
    expr: vector(1)
  - alert: C
    expr: vector(1)
    anotations: {}
    labels: {__name__: x, "a-b": y}
  - record: 1x
    expr: vector(1)
    for: 5m
  - alert: D
    annotations: {summary: "{{ $label.x }}"}
    for: 5 minutes
    expr: vector(1)
  - expr: vector(1)
  - alert: E
  - alert: F
    expr: vector(1)
    annotations: {event_id: "{{ $labels.id }}"}
- name: one
- rules: []
- limit: many
  name: three
"#,
        &expect![[r"
            rules.yaml:4:3: unknown key `intervall`, did you mean `interval`?
            rules.yaml:7:13: `alert` and `record` stand in one rule; make it two
            rules.yaml:11:5: unknown key `anotations`, did you mean `annotations`?
            rules.yaml:12:14: `__name__` is no name of a label; write letters, digits and `_`
            rules.yaml:12:27: `a-b` is no name of a label; write letters, digits and `_`
            rules.yaml:13:13: `1x` is no name of a series; write letters, digits, `_` and `:`
            rules.yaml:15:10: `for` belongs to alerts; a recording rule has none
            rules.yaml:17:29: the template of `summary` is broken: there is no variable `$label`, did you mean `$labels`?
            rules.yaml:18:10: `for`: `5 minutes` is not a duration; write numbers with y, w, d, h, m, s or ms, the longest first, for example 1h30m
            rules.yaml:20:5: the rule has neither `alert` nor `record`
            rules.yaml:21:5: the rule has no `expr`
            rules.yaml:24:18: `event_id` takes the name of a field (auditID, request_id) or its path (request.id), or several with commas, not `{{ $labels.id }}`
            rules.yaml:25:3: there are two groups `one`, the first in line 3; give each its own name
            rules.yaml:26:3: the group has no `name`
            rules.yaml:27:10: `limit` takes a whole number, not `many`"]],
    );
}

#[test]
fn errors_of_a_query_point_into_it() {
    check(
        "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: sum(rate({job=\"a\"} [5m]) > 1\n  - alert: B\n    expr: |\n      sum(\n        cuont_over_time({job=\"a\"} [5m])\n      )\n  - alert: C\n    expr: '{job=\"a\"}'\n  - alert: D\n    expr: \"rate({job='a'}[5m])\"\n  - alert: E\n    expr: >\n      sum(\n      rat({job='a'}[5m]))\n",
        &expect![[r"
            rules.yaml:5:39: `expr`: the end of the query stands where `)` should
            rules.yaml:9:9: `expr`: there is no function `cuont_over_time`; did you mean `count_over_time`?
            rules.yaml:12:11: `expr` asks for lines, and a rule needs numbers; count them: sum(count_over_time({…} [5m])) > 0
            rules.yaml:14:22: `expr`: texts do not stand in single quotes; use double quotes or backquotes
            rules.yaml:18:16: `expr`: texts do not stand in single quotes; use double quotes or backquotes"]],
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = load(&"rules.yaml".into(), &bytes, &Arc::default());
        let rule = format!("name: a\nrules:\n- alert: A\n  expr: {text}\n  annotations:\n    a: '{text}'\n");
        let _ = load(&"rules.yaml".into(), rule.as_bytes(), &Arc::default());
        if let Ok(template) = Template::parse(&format!("{{{{ {text} }}}}"), &Arc::default()) {
            template.render(&crate::labels::LabelSet::new(), 1.0, proto::time::UnixNanos(0));
        }
    }
}
