//! Templates as real files have them, and what they give.

use super::*;

fn set(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

fn at(text: &str) -> UnixNanos {
    record::time::parse_rfc3339(text.as_bytes()).unwrap()
}

fn alerts() -> Vec<(Alert, AlertStatus)> {
    let alert = |user: &str, ends_at: i64| Alert {
        labels: set(&[("alertname", "K4"), ("severity", "critical"), ("user", user)]),
        annotations: set(&[("summary", &format!("{user} opened a shell <in> a pod"))]),
        starts_at: at("2026-11-26T10:00:00Z"),
        ends_at: UnixNanos(ends_at),
        generator_url: "http://picket.example.org/rule?a=1&b=2".to_owned(),
    };
    vec![(alert("alice", 0), AlertStatus::Firing), (alert("bob", at("2026-11-26T10:05:00Z").0), AlertStatus::Resolved)]
}

fn render(source: &str) -> String {
    let alerts = alerts();
    let labels = set(&[("alertname", "K4")]);
    let subject = Subject { receiver: "team", alerts: &alerts, group_labels: &labels, external_url: "http://picket.example.org" };
    let templates = Templates::builtin().unwrap();
    let text = templates.text(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    text.render(&subject.data(), at("2026-11-26T11:01:00Z")).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn data_and_functions_are_those_of_alertmanager() {
    for (source, shown) in [
        ("{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}", "team firing http://picket.example.org"),
        ("{{ .CommonLabels.alertname }}/{{ .CommonLabels.user }}/{{ .GroupLabels.nope }}.", "K4//."),
        ("{{ len .Alerts }} {{ len .Alerts.Firing }} {{ .Alerts.Resolved | len }}", "2 1 1"),
        ("{{ (index .Alerts 0).Labels.user }} {{ (index .Alerts.Resolved 0).Labels.user }}", "alice bob"),
        ("{{ range .Alerts }}{{ .Labels.user }}:{{ .Status | toUpper }} {{ end }}", "alice:FIRING bob:RESOLVED "),
        ("{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}", "alertname=K4;severity=critical;"),
        (r#"{{ .CommonLabels.Names | join "," }} {{ .CommonLabels.Values | join "," }}"#, "alertname,severity K4,critical"),
        (r#"{{ (.CommonLabels.Remove .GroupLabels.Names).Values | join " " }}"#, "critical"),
        (r#"{{ .CommonLabels.SortedPairs.Values | join " " }}"#, "K4 critical"),
        (r#"{{ with index .Alerts 0 }}{{ .StartsAt.Format "15:04" }} {{ .Fingerprint | len }}{{ end }}"#, "10:00 16"),
        (r#"{{ (index .Alerts 0).StartsAt | tz "Europe/Paris" | date "15:04 MST" }}"#, "11:00 CET"),
        ("{{ since (index .Alerts 0).StartsAt }} {{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "1h1m0s 1h 1m 0s"),
        (r#"{{ now.Format "15:04:05" }} {{ ((index .Alerts 1).EndsAt.Sub (index .Alerts 1).StartsAt).Minutes }}"#, "11:01:00 5"),
        (r#"{{ toDate "2006-01-02" "2026-02-03" | date "Jan 2" }}"#, "Feb 3"),
        (r#"{{ if match "^K" .CommonLabels.alertname }}kube{{ else }}other{{ end }}"#, "kube"),
        (r#"{{ reReplaceAll "(.)ritical" "$1-rit" .CommonLabels.severity }} {{ title "two wORDS" }}"#, "c-rit Two Words"),
        (r#"{{ toJson (list 1 "a") }} {{ toJson (dict "x" .GroupLabels) }}"#, r#"[1,"a"] {"x":{"alertname":"K4"}}"#),
        (r#"{{ append (list "a") "b" | join "" }}{{ trimSpace " c " }}{{ urlUnescape "a%20b+c" }}"#, "abca b c"),
        (r#"{{ stringSlice "a" "b" | join "-" }} {{ toLower "ÄB" }} {{ safeHtml "<b>" }}"#, "a-b äb <b>"),
        (r"{{ range $name, $value := .CommonLabels }}{{ $name }}{{ end }}", "alertnameseverity"),
        (r#"{{ $a := index .Alerts 0 }}{{ $a.Labels.user }} {{ $.Receiver }} {{ index $a.Labels "nope" }}|"#, "alice team |"),
        (r#"{{ define "x" }}<{{ .user }}>{{ end }}{{ range .Alerts }}{{ template "x" .Labels }}{{ end }}"#, "<alice><bob>"),
        // The title of a real configuration, in our words.
        (
            r#"{{ if eq .Status "firing" }}[SECURITY/{{ .CommonLabels.severity | toUpper }}]{{ else }}[RESOLVED]{{ end }} {{ .GroupLabels.alertname }} ({{ .Alerts | len }})"#,
            "[SECURITY/CRITICAL] K4 (2)",
        ),
        ("{{ .Nope }}", "error: execution error: can't evaluate field Nope in a map"),
        (r"{{ range .Alerts }}{{ range .Labels }}{{ . }}{{ end }}{{ break }}{{ end }}", "K4criticalalice"),
    ] {
        assert_eq!(render(source), shown, "{source}");
    }
}

#[test]
fn the_default_texts_say_what_happened() {
    expect_test::expect![[r"
        [FIRING:1] K4 (critical)
        • alice opened a shell <in> a pod
        • over: bob opened a shell <in> a pod
    "]]
    .assert_eq(&render("{{ template \"slack.default.title\" . }}\n{{ template \"slack.default.text\" . }}"));
    expect_test::expect![[r"
        [FIRING:1] K4 (critical)

        Firing: alice opened a shell <in> a pod
          since 2026-11-26 10:00:00 UTC
          alertname = K4
          severity = critical
          user = alice
          http://picket.example.org/rule?a=1&b=2

        Resolved: bob opened a shell <in> a pod
          since 2026-11-26 10:00:00 UTC, until 2026-11-26 10:05:00 UTC
          alertname = K4
          severity = critical
          user = bob
          http://picket.example.org/rule?a=1&b=2

    "]]
    .assert_eq(&render(r#"{{ template "email.default.text" . }}"#));
}

#[test]
fn what_an_alert_says_cannot_break_out_of_html() {
    let alerts = alerts();
    let labels = LabelSet::new();
    let subject = Subject { receiver: "r", alerts: &alerts, group_labels: &labels, external_url: "" };
    let templates = Templates::builtin().unwrap();
    let html = templates.html(r#"{{ template "email.default.html" . }}{{ "<i>" | safeHtml }}"#).unwrap();
    let page = html.render(&subject.data(), UnixNanos(0)).unwrap();
    assert!(page.contains("shell &lt;in&gt; a pod") && !page.contains("<in>") && page.ends_with("<i>"), "{page}");
}

#[test]
fn what_is_wrong_with_a_template_is_said_when_it_is_read() {
    let templates = Templates::builtin().unwrap();
    for (source, part) in [
        ("{{ .Status", "unclosed action"),
        ("a\n{{ nope }}", "nope"),
        ("{{ .Status }}{{ end }} more", "closes nothing"),
        (r#"{{ template "nope" . }}"#, "no template is called \"nope\""),
        ("{{ if .Status }}", "has no `end`"),
    ] {
        let error = templates.text(source).expect_err(source);
        assert!(error.to_string().contains(part), "{source}: {error}");
    }
    assert_eq!(templates.text("a\n{{ nope }}").unwrap_err().line, 2);
}

#[test]
fn a_template_without_end_fails() {
    let templates = Templates::builtin().unwrap();
    let labels = LabelSet::new();
    let data = Subject { receiver: "r", alerts: &[], group_labels: &labels, external_url: "" }.data();
    for source in [
        "{{ range 1000000000 }}x{{ end }}",
        r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#,
        "{{ range 150000 }}0123456789{{ end }}",
    ] {
        assert!(templates.text(source).unwrap().render(&data, UnixNanos(0)).is_err(), "{source}");
    }
}

#[test]
fn a_files_templates_replace_the_default_ones() {
    let mut templates = Templates::builtin().unwrap();
    templates.add(r#"{{ define "slack.default.title" }}own{{ end }}"#).unwrap();
    let labels = LabelSet::new();
    let data = Subject { receiver: "r", alerts: &[], group_labels: &labels, external_url: "" }.data();
    let text = templates.text(r#"{{ template "slack.default.title" . }}"#).unwrap();
    assert_eq!(text.render(&data, UnixNanos(0)).as_deref(), Ok("own"));
}
