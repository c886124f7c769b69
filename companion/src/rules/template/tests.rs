use super::*;

fn render(text: &str) -> String {
    let querier: Arc<Querier> = Arc::new(|query, _| match query {
        "up" => Ok(vec![
            Sample { labels: [("instance", "b")].into_iter().collect(), value: 2.0 },
            Sample { labels: [("instance", "a"), ("__value__", "v")].into_iter().collect(), value: 1.0 },
        ]),
        "none" => Ok(Vec::new()),
        other => Err(format!("cannot ask {other}")),
    });
    let environment = Arc::new(Environment {
        external_labels: [("cluster", "test")].into_iter().collect(),
        external_url: "http://picket.example.org/rules".to_owned(),
        querier: Some(querier),
    });
    let labels = [("user", "alice"), ("ip", "203.0.113.9")].into_iter().collect();
    match Template::parse(text, &environment) {
        Ok(template) => template.render(&labels, 1234.5, UnixNanos(1_643_114_203_500_000_000)),
        Err(error) => format!("{}: {error}", error.line),
    }
}

#[test]
fn texts_come_out_as_prometheus_makes_them() {
    for (text, expected) in [
        ("no action", "no action"),
        (
            "{{ if gt $value 1000.0 }}{{ $value }}{{ end }} {{ $x := now }}{{ $x }} {{ with now }}{{ . }}{{ end }}",
            "1234.5 1.6431142035e+09 1.6431142035e+09",
        ),
        ("{{ $labels.user }} from {{ .Labels.ip }}: {{ $value }}", "alice from 203.0.113.9: 1234.5"),
        ("[{{ $labels.missing }}]", "[]"),
        ("[{{ index $labels \"absent\" }}]", "[]"),
        ("{{ if $labels.missing }}yes{{ else }}no{{ end }}", "no"),
        (
            "{{ $externalLabels.cluster }} {{ $externalURL }} {{ .ExternalURL }}",
            "test http://picket.example.org/rules http://picket.example.org/rules",
        ),
        (
            "{{ humanize 1048576 }} {{ humanize1024 1048576 }} {{ humanizeDuration 135.3563 }} {{ humanizePercentage 0.959 }}",
            "1.049M 1Mi 2m 15s 95.9%",
        ),
        ("{{ humanizeTimestamp 1643114203 }}", "2022-01-25 12:36:43 +0000 UTC"),
        ("{{ humanize \"0.5\" }}", "500m"),
        ("{{ $value | printf \"%.0f|%.1f\" }}", "1234|%!f(MISSING)"),
        ("{{ printf \"%.1f\" $value }} {{ $value | humanizeDuration }}", "1234.5 20m 34s"),
        ("{{ stripPort \"[::1]:6006\" }} {{ stripPort \"host:80\" }} {{ stripPort \"host\" }}", "::1 host host"),
        ("{{ stripDomain \"a.example.org:80\" }} {{ stripDomain \"192.0.2.1:80\" }}", "a:80 192.0.2.1:80"),
        (
            "{{ parseDuration \"2h10m15s\" }} {{ toDuration 135.3563 }} {{ toTime 1643114203 }}",
            "7815 2m15.3563s 2022-01-25 12:36:43 +0000 UTC",
        ),
        ("{{ match \"[0-9]+\" \"123\" }} {{ reReplaceAll \"(.)(.)\" \"$2$1\" \"abcd\" }}", "true badc"),
        (
            "{{ title \"two words\" }} {{ toUpper \"a\" }} {{ toLower \"B\" }} {{ safeHtml \"<b>\" }} {{ urlQueryEscape \"a b&\" }}",
            "Two Words A b <b> a+b%26",
        ),
        (
            "{{ graphLink \"a b\" }} {{ tableLink \"up\" }} {{ pathPrefix }} {{ externalURL }}",
            "/graph?g0.expr=a+b&g0.tab=0 /graph?g0.expr=up&g0.tab=1 /rules http://picket.example.org/rules",
        ),
        ("{{ now }}", "1.6431142035e+09"),
        ("{{ query \"up\" | first | value }} {{ with query \"none\" }}some{{ else }}none{{ end }}", "2 none"),
        (
            "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}{{ . | strvalue }}={{ .Value }} {{ end }}",
            "av=1 b=2 ",
        ),
        (
            "{{ define \"line\" }}{{ range query .arg0 | sortByLabel .arg1 }}{{ label \"instance\" . }} {{ end }}{{ end }}{{ template \"line\" (args \"up\" \"instance\") }}",
            "a b ",
        ),
        ("{{ first (query \"none\") }}", "<error expanding template: first() called on vector with no elements>"),
        ("{{ humanize \"x\" }}", "<error expanding template: expected a number, not x>"),
    ] {
        assert_eq!(render(text), expected, "{text}");
    }
}

#[test]
fn a_broken_template_says_where() {
    for (text, expected) in [
        ("a\n{{ $label.user }}", "2: there is no variable `$label`, did you mean `$labels`?"),
        ("{{ humanise 1 }}", "1: there is no function `humanise`, did you mean `humanize`?"),
        ("x\n\n{{ if }}", "3: empty command"),
    ] {
        assert_eq!(render(text), expected, "{text}");
    }
}

#[test]
fn nobody_to_ask_is_said_in_the_text() {
    let template = Template::parse("{{ query \"up\" }}", &Arc::default()).unwrap();
    assert_eq!(template.render(&LabelSet::new(), 1.0, UnixNanos(0)), "<error expanding template: query has nobody to ask here>");
}

#[test]
fn a_text_without_end_is_cut() {
    let template = Template::parse("{{ range 100000 }}0123456789{{ end }}", &Arc::default()).unwrap();
    assert_eq!(template.render(&LabelSet::new(), 1.0, UnixNanos(0)), "<error expanding template: more than 65536 bytes>");
}

#[test]
fn what_a_text_depends_on_is_known() {
    for (text, needs) in [
        ("plain", Needs::Labels),
        ("{{ $labels.user }} {{ .Labels.ip | toUpper }}", Needs::Labels),
        ("{{ $value }}", Needs::Value),
        ("{{ .Value | humanize }}", Needs::Value),
        ("{{ define \"x\" }}{{ .Value }}{{ end }}{{ template \"x\" . }}", Needs::Value),
        ("{{ with $ }}{{ .Labels }}{{ end }}", Needs::Value),
        ("{{ now }}", Needs::Moment),
        ("{{ query \"up\" | first | value }}", Needs::Moment),
    ] {
        assert_eq!(Template::parse(text, &Arc::default()).map(|template| template.needs()), Ok(needs), "{text}");
    }
}
