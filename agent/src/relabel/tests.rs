use super::*;

fn labels(text: &str) -> LabelSet {
    text.split_terminator(',').map(|pair| pair.split_once('=').unwrap()).collect()
}

fn show(set: &LabelSet) -> String {
    set.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// A rule as `key=value|key=value`.
fn rule(text: &str) -> Rule {
    let mut rule = Rule::default();
    for pair in text.split('|') {
        let (key, value) = pair.split_once('=').unwrap();
        let value = value.replace("OR", "|");
        match key {
            "action" => rule.action = Action::of_name(&value).unwrap(),
            "source" => rule.source_labels = value.split('+').map(str::to_owned).collect(),
            "separator" => rule.separator = value,
            "regex" => rule.regex = value,
            "modulus" => rule.modulus = value.parse().unwrap(),
            "target" => rule.target_label = value,
            "replacement" => rule.replacement = value,
            other => panic!("{other}"),
        }
    }
    rule
}

/// Labels, rules, and what the labels are then; nothing if the series goes.
const CASES: &[(&str, &[&str], Option<&str>)] = &[
    // replace: groups by number and by name, several sources, several rules
    ("a=foo", &["source=a|regex=f(.*)|target=d|replacement=ch${1}-ch${1}"], Some("a=foo,d=choo-choo")),
    (
        "a=foo,b=bar,c=baz",
        &[
            "source=a+b|regex=f(.*);(.*)r|target=a|replacement=b${1}${2}m",
            "source=c+a|regex=(b).*b(.*)ba(.*)|target=d|replacement=$1$2$2$3",
        ],
        Some("a=boobam,b=bar,c=baz,d=boooom"),
    ),
    ("a=abc", &["source=a|regex=.*(?P<mid>b).*|target=d|replacement=${mid}$mid"], Some("a=abc,d=bb")),
    ("a=abc", &["source=a|regex=(a).*|target=d|replacement=$$1-$1x-${1}x"], Some("a=abc,d=$1--ax")),
    ("a=1,b=2", &["source=a+b+none|separator=/|target=c"], Some("a=1,b=2,c=1/2/")),
    // the whole value has to match, over lines too
    ("a=foo", &["source=a|regex=fORo|target=b|replacement=x"], Some("a=foo")),
    ("a=boo", &["source=a|regex=f|target=b|replacement=x"], Some("a=boo")),
    ("a=one\ntwo", &["source=a|regex=one.*two|target=b|replacement=x$1"], Some("a=one\ntwo,b=x")),
    // nothing takes a label away; no name is no label
    ("a=foo,f=baz", &["source=a|regex=(f).*|target=$1|replacement=$2"], Some("a=foo")),
    ("a=foo,b=bar", &["target=b|replacement="], Some("a=foo")),
    ("a=foo", &["target=b|replacement=constant"], Some("a=foo,b=constant")),
    ("a=some-name-0", &["source=a|regex=some-([^-]+)-([^,]+)|target=${3}"], Some("a=some-name-0")),
    (
        "a=some-name-value",
        &["source=a|regex=some-([^-]+)-([^,]+)|target=${1}|replacement=${2}"],
        Some("a=some-name-value,name=value"),
    ),
    ("a=b-c", &["source=a|target=${1}|replacement=x"], Some("a=b-c,b-c=x")),
    (
        "tags=path:/secret;job:some-job;label:foo:bar",
        &[
            "source=tags|regex=(?:.+;OR^)path:(/[^;]+).*|target=__metrics_path__",
            "source=tags|regex=(?:.+;OR^)job:([^;]+).*|target=job",
            "source=tags|regex=(?:.+;OR^)label:([^:]+):([^;]+).*|target=${1}|replacement=${2}",
        ],
        Some("__metrics_path__=/secret,foo=bar,job=some-job,tags=path:/secret;job:some-job;label:foo:bar"),
    ),
    // RE2's classes are ASCII's
    ("a=١٢", &[r"source=a|regex=\d+|target=b|replacement=digits"], Some("a=١٢")),
    // keep, drop
    ("a=foo", &["action=drop|source=a|regex=.*o.*", "source=a|target=d"], None),
    ("a=foo", &["action=drop|source=a|regex=no-match"], Some("a=foo")),
    ("a=foo", &["action=keep|source=a|regex=no-match"], None),
    ("a=foo", &["action=Keep|source=a|regex=f.*"], Some("a=foo")),
    ("a=foo", &["action=keep|source=none|regex="], Some("a=foo")),
    ("__name__=go_gc,le=1", &["action=drop|source=__name__+le|regex=go_.*;1(\\.0)?"], None),
    // keepequal, dropequal
    ("p=1,q=1,r=2", &["action=keepequal|source=p|target=q"], Some("p=1,q=1,r=2")),
    ("p=1,q=1,r=2", &["action=keepequal|source=p|target=r"], None),
    ("p=1,q=1,r=2", &["action=dropequal|source=p|target=q"], None),
    ("p=1,q=1,r=2", &["action=dropequal|source=p|target=r"], Some("p=1,q=1,r=2")),
    // hashmod
    ("c=baz", &["action=hashmod|source=c|target=d|modulus=1000"], Some("c=baz,d=976")),
    ("a=foo\nbar", &["action=hashmod|source=a|target=b|modulus=1000"], Some("a=foo\nbar,b=734")),
    // lowercase, uppercase
    (
        "foo=bAr123Foo",
        &["action=uppercase|source=foo|target=up", "action=lowercase|source=foo|target=low"],
        Some("foo=bAr123Foo,low=bar123foo,up=BAR123FOO"),
    ),
    // labelmap, labeldrop, labelkeep
    (
        "a=foo,b1=bar,b2=baz",
        &["action=labelmap|regex=(b.*)|replacement=bar_${1}"],
        Some("a=foo,b1=bar,b2=baz,bar_b1=bar,bar_b2=baz"),
    ),
    ("__meta_my_bar=a,__meta_other=c", &["action=labelmap|regex=__meta_(my.*)"], Some("__meta_my_bar=a,__meta_other=c,my_bar=a")),
    ("a=foo,b1=bar,b2=baz", &["action=labelkeep|regex=(b.*)"], Some("b1=bar,b2=baz")),
    ("a=foo,b1=bar,b2=baz", &["action=labeldrop|regex=(b.*)"], Some("a=foo")),
    (
        "port_name=foo,annotation=9091",
        &[
            "action=labeldrop|regex=^port_name$",
            "source=annotation|regex=(.+)|target=port_name|replacement=metrics",
            "action=keep|source=port_name|regex=^metrics$",
        ],
        Some("annotation=9091,port_name=metrics"),
    ),
];

#[test]
fn rules_do_what_they_do_in_prometheus() {
    for (before, rules, after) in CASES {
        let rules: Vec<Rule> = rules.iter().map(|text| rule(text)).collect();
        let mut set = labels(before);
        let verdict = Relabelling::new(&rules).unwrap().apply(&mut set);
        let left = (verdict == Verdict::Keep).then(|| show(&set));
        assert_eq!(left.as_deref(), *after, "{before} {rules:?}");
    }
}

#[test]
fn a_prefix_stands_before_the_name_as_it_is() {
    let relabelling = Relabelling::new(&[Rule::name_prefix("a$1_")]).unwrap();
    let mut set = labels("__name__=DCGM_FI_DEV_SM_CLOCK,gpu=0");
    assert_eq!(relabelling.apply(&mut set), Verdict::Keep);
    assert_eq!(show(&set), "__name__=a$1_DCGM_FI_DEV_SM_CLOCK,gpu=0");
}

#[test]
fn a_rule_that_cannot_be_followed_is_told_with_its_place() {
    for (text, words) in [
        ("source=a", "`replace` needs a `target_label`"),
        ("action=hashmod|target=a", "`hashmod` needs a `modulus` above 0"),
        ("action=lowercase|source=a", "`lowercase` needs a `target_label`"),
        ("action=uppercase|source=a|target=b|replacement=x", "`uppercase` takes no `replacement`: leave it out"),
        ("action=keepequal|source=a|target=b|regex=x", "`keepequal` takes no `regex`: leave it out"),
        ("action=labeldrop|source=a|regex=x", "`labeldrop` takes no `source_labels`: leave it out"),
        ("action=labelmap|replacement=", "`labelmap` needs a `replacement`"),
        ("action=keep|source=a|regex=(", "`regex`: `(` is no regular expression: unclosed group"),
    ] {
        let (place, error) = Relabelling::new(&[rule("target=a"), rule(text)]).unwrap_err();
        assert_eq!((place, error.to_string().as_str()), (1, words), "{text}");
    }
    assert_eq!(Action::of_name("LabelMap"), Some(Action::LabelMap));
    assert_eq!((Action::of_name("rename"), Action::names().count()), (None, 11));
}

/// Cases in which Prometheus before 3.0 does something else: `.` matched no newline, and an empty replacement took away the label
/// whose name is the reference itself.
const NEWER: [&str; 2] = ["a=one\ntwo", "a=foo,f=baz"];

/// The same cases as target relabelling, by the real one: `promtool check service-discovery` says what becomes of a target's labels.
#[test]
fn promtool_says_the_same() {
    use ::tests::program::Program;
    let Some(promtool) = Program::find("promtool") else {
        return ::tests::skip::skipped("promtool_says_the_same", "promtool is not installed");
    };
    let directory = tempfile::tempdir().unwrap();
    let is_legacy = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let cases: Vec<_> = CASES
        .iter()
        .filter(|(before, ..)| !NEWER.contains(before))
        .map(|(before, rules, after)| {
            (labels(before), rules.iter().map(|text| rule(text)).collect::<Vec<_>>(), after.map(labels))
        })
        // Older ones know no names in UTF-8, and what keeps few labels keeps no address of the target.
        .filter(|(_, rules, after)| {
            after.iter().flat_map(LabelSet::iter).all(|(name, _)| is_legacy(name))
                && rules.iter().all(|rule| rule.action != Action::LabelKeep)
        })
        .collect();
    assert!(cases.len() > 25, "{}", cases.len());
    // It waits for its whole time, so all are asked at once.
    std::thread::scope(|scope| {
        for (place, (before, rules, after)) in cases.iter().enumerate() {
            let config = directory.path().join(format!("{place}.yml"));
            let promtool = &promtool;
            scope.spawn(move || {
                let text = configuration(before, rules);
                std::fs::write(&config, &text).unwrap();
                let said = promtool.run(["check", "service-discovery", "--timeout=5s", config.to_str().unwrap(), "oracle"]);
                let said: serde_json::Value =
                    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{text}: {error}: {said}"));
                let said = said[0]["labels"].as_object().filter(|labels| !labels.is_empty());
                let said: Option<LabelSet> =
                    said.map(|labels| labels.iter().map(|(name, value)| (name, value.as_str().unwrap())).collect());
                assert_eq!(after.as_ref().map(of_case), said.as_ref().map(of_case), "{text}");
            });
        }
    });
}

/// A configuration with one target of those labels. YAML takes JSON.
fn configuration(labels: &LabelSet, rules: &[Rule]) -> String {
    let labels: serde_json::Map<_, _> = labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let rules: Vec<serde_json::Value> = rules.iter().map(as_json).collect();
    let target = serde_json::json!({"targets": ["127.0.0.1:1"], "labels": labels});
    serde_json::json!({"scrape_configs": [{"job_name": "oracle", "relabel_configs": rules, "static_configs": [target]}]})
        .to_string()
}

/// Without what every target has besides.
fn of_case(set: &LabelSet) -> Vec<String> {
    let is_own = |name: &str, value: &str| name.starts_with("__") || name == "instance" || (name, value) == ("job", "oracle");
    set.iter().filter(|(name, value)| !is_own(name, value)).map(|(name, value)| format!("{name}={value}")).collect()
}

fn as_json(rule: &Rule) -> serde_json::Value {
    let default = Rule::default();
    let mut json = serde_json::json!({"action": rule.action.name()});
    for (key, written, default) in [
        ("separator", &rule.separator, &default.separator),
        ("regex", &rule.regex, &default.regex),
        ("target_label", &rule.target_label, &default.target_label),
        ("replacement", &rule.replacement, &default.replacement),
    ] {
        if written != default {
            json[key] = written.as_str().into();
        }
    }
    if !rule.source_labels.is_empty() {
        json["source_labels"] = rule.source_labels.clone().into();
    }
    if rule.modulus != 0 {
        json["modulus"] = rule.modulus.into();
    }
    json
}
