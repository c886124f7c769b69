//! Many leaves at once give what each gives by itself: over the recorded audit lines with the shipped rules, and over anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use proto::time::UnixNanos;

use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{Extracted, Extractor, Extractors, LineCache, Query, parse};
use crate::rules::file;
use crate::rules::render::files::{read_values, render_all};

/// What is not nothing, by the number of the leaf.
type Found = Vec<(usize, Extracted)>;

fn one_by_one(extractors: &[Extractor], stream: &LabelSet, entry: Entry<'_>) -> Found {
    let mut cache = LineCache::default();
    cache.begin();
    let all = extractors.iter().map(|extractor| extractor.extract(stream, entry, &mut cache)).enumerate();
    all.filter(|(_, extracted)| *extracted != Extracted::Nothing).collect()
}

fn together(extractors: &mut Extractors, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Found {
    let mut found = Vec::new();
    extractors.extract(stream, entry, cache, |leaf, extracted, _| found.push((leaf, extracted)));
    found
}

fn shipped_rules(stream: &LabelSet) -> Vec<Extractor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
    let rendered = read_values(&folder.join("values.example.yaml")).unwrap();
    let rendered = render_all(&[folder.join("logs")], &rendered).unwrap();
    let groups = rendered.files.iter().flat_map(|(name, text)| {
        let name: Arc<str> = name.to_string_lossy().into();
        file::load(&name, text.as_bytes(), &Arc::default()).unwrap()
    });
    let rules: Vec<_> = groups.flat_map(|group| group.rules).collect();
    let leaves = rules.iter().flat_map(|rule| (0..rule.query.leaves().len()).map(|leaf| Extractor::new(&rule.query, leaf)));
    leaves.filter(|extractor| extractor.selects(stream)).collect()
}

fn lines_below(folder: &Path, lines: &mut Vec<String>) {
    let paths: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        if path.is_dir() {
            lines_below(&path, lines);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
}

#[test]
fn the_shipped_rules_find_the_same_in_recorded_lines_however_they_are_asked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (job, folders) in [
        ("kubernetes-audit", ["fixtures/record/kube_audit", "../shared/data/kube-audit"]),
        ("vault-audit", ["fixtures/record/vault_audit", "../shared/data/vault-audit"]),
    ] {
        let mut lines = Vec::new();
        for folder in folders {
            lines_below(&root.join(folder), &mut lines);
        }
        assert!(lines.len() > 3, "{job}: {} lines", lines.len());
        let stream: LabelSet = [("job", job), ("node", "master-1")].into_iter().collect();
        let leaves = shipped_rules(&stream);
        assert!(leaves.len() > 5, "{job}: {} leaves", leaves.len());
        let mut extractors = Extractors::new(leaves.clone());
        let mut cache = LineCache::default();
        // Metadata of the agent's, which wins over a field of the line.
        let given = [vec![], vec![("verb".to_owned(), "get".to_owned()), ("user".to_owned(), "someone".to_owned())]];
        for line in &lines {
            let broken = line.get(..line.len() / 2).unwrap_or_default();
            for (line, metadata) in [line.as_str(), broken].iter().flat_map(|line| given.iter().map(move |given| (*line, given)))
            {
                let entry = Entry { time: UnixNanos(1), line, metadata };
                let found = together(&mut extractors, &stream, entry, &mut cache);
                assert_eq!(found, one_by_one(&leaves, &stream, entry), "{metadata:?} {line}");
            }
        }
    }
}

#[test]
fn what_chance_seldom_makes_is_found_the_same_too() {
    let stream: LabelSet = [("job", "x"), ("given", "g")].into_iter().collect();
    for (filters, line) in [
        // The first of a name counts, on the way too.
        (r#"json l="a.b" | l=``"#, r#"{"a":{"c":"x"},"a":{"b":"y"}}"#),
        (r#"json l="a.b" | l=``"#, r#"{"a":1,"a":{"b":"y"}}"#),
        (r#"json l="a" | l=`x`"#, r#"{"a":"x","a":"y"}"#),
        (r#"json l="a[0]" | l=`x`"#, r#"{"a":["x"],"a":["y"]}"#),
        // Names and texts mean what they mean however they are escaped.
        (r#"json l="a" | l=`x`"#, r#"{"\u0061":"\u0078"}"#),
        // What is cut off has given what came before.
        (r#"json l="a" | l=`x`"#, r#"{"a":"x","b":"#),
        (r#"json l="a" | l=``"#, r#"{"a":nonsense}"#),
        (r#"json l="a" | l=`` | __error__=``"#, "no json"),
        (r#"json l="a" | l!=ip("10.0.0.0/8")"#, "no json"),
        // A stream's label wins over the field.
        (r#"json given="a" | given=`g`"#, r#"{"a":"x"}"#),
        (r#"json given="a" | given_extracted=`x`"#, r#"{"a":"x"}"#),
        // What is no number leaves an error, with which a test of addresses holds.
        (r#"json l="a", m="b" | l > 1 | m=ip("10.0.0.0/8")"#, r#"{"a":"many","b":"192.168.0.1"}"#),
        // A field that no filter reads may be what is broken.
        (r#"json l="a[0].b" | m=ip("10.0.0.0/8")"#, r#"{"a":[{"b":nul}]}"#),
        (r#"json l="a", l="b" | l=`y`"#, r#"{"a":"x","b":"y"}"#),
        (r#"given=`g` | json l="a" | l=`x` | json l="b" | l=`y`"#, r#"{"a":"x","b":"y"}"#),
    ] {
        let text = format!("sum by (l) (count_over_time({{job=\"x\"}} | {filters} [1m]))");
        let Ok(Query::Metric(query)) = parse(&text) else { panic!("{text}") };
        let leaf = Extractor::new(&query, 0);
        let mut extractors = Extractors::new(vec![leaf.clone()]);
        let entry = Entry { time: UnixNanos(1), line, metadata: &[] };
        let alone = one_by_one(&[leaf], &stream, entry);
        assert_eq!(together(&mut extractors, &stream, entry, &mut LineCache::default()), alone, "{text} {line}");
        let passes = !filters.contains("__error__");
        assert_eq!(!alone.is_empty(), passes, "{text} {line}: {alone:?}");
    }
}

const TEXTS: &[&str] = &["a", "b", "", "aa", "10.0.0.1", "10.9.9.9", "2", "1.5", "2s", "3KB", "x y"];

fn json() -> impl Strategy<Value = String> {
    let text =
        prop::sample::select(vec!["a", "b", "", "aa", "10.0.0.1", "192.168.0.1", "2", "3s", "4KB", "\\u0061", "a\\\"b", "é"]);
    let scalar = prop_oneof![
        6 => text.prop_map(|text| format!("\"{text}\"")),
        2 => prop::sample::select(vec!["1", "2", "1.5", "true", "null", "[]", "{}", "nul", "-"]).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            3 => members(inner.clone()),
            1 => prop::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "\\u0061", "a.b", "a_b"]);
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    (prop::collection::vec(member, 0..6), prop::sample::select(vec![",", ", ", ",", " ,", ",,"]))
        .prop_map(|(members, comma)| format!("{{{}}}", members.join(comma)))
}

fn line() -> impl Strategy<Value = String> {
    let cut = (members(json()), 0_usize..60).prop_map(|(line, at)| line.chars().take(at).collect());
    prop_oneof![8 => members(json()), 2 => cut, 1 => json(), 1 => Just("a=b c=2".to_owned()), 1 => Just(String::new())]
}

fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d", "a_b", "a_extracted", "job", "__error__"])
}

fn filter() -> impl Strategy<Value = String> {
    let text = (label(), prop::sample::select(vec!["=", "!="]), prop::sample::select(TEXTS.to_vec()));
    let regex = (
        label(),
        prop::sample::select(vec!["=~", "!~"]),
        prop::sample::select(vec!["a|b", "^(?:a|b)$", "a.*", "", ".+", "[0-9]+", "^10\\.0\\.0\\.1$"]),
    );
    let number = (label(), prop::sample::select(vec![">", "<=", "=="]), prop::sample::select(vec!["1", "2", "1s", "2KB"]));
    let address = (label(), prop::sample::select(vec!["=", "!="]), prop::sample::select(vec!["10.0.0.0/16", "10.9.9.9"]));
    let one = prop_oneof![
        4 => text.prop_map(|(label, op, text)| format!("{label}{op}`{text}`")),
        3 => regex.prop_map(|(label, op, text)| format!("{label}{op}`{text}`")),
        1 => number.prop_map(|(label, op, number)| format!("{label}{op}{number}")),
        2 => address.prop_map(|(label, op, address)| format!("{label}{op}ip(\"{address}\")")),
    ];
    one.prop_recursive(2, 6, 3, |inner| {
        (prop::collection::vec(inner, 2..4), any::<bool>())
            .prop_map(|(filters, all)| format!("({})", filters.join(if all { " and " } else { " or " })))
    })
}

fn query() -> impl Strategy<Value = String> {
    let field =
        (label(), prop::sample::select(vec!["a", "b", "a.b", "b.a.c", "c[0]", "c[1]", "a[0].b", "[\\\"a.b\\\"]", "d", "b.c[0]"]));
    let parser = prop_oneof![
        6 => prop::collection::vec(field, 1..5).prop_map(|fields| {
            let fields: Vec<String> = fields.iter().filter(|(label, _)| *label != "__error__").map(|(label, path)| format!("{label}=\"{path}\"")).collect();
            if fields.is_empty() { "json".to_owned() } else { format!("json {}", fields.join(", ")) }
        }),
        1 => Just("json".to_owned()),
        1 => Just("logfmt".to_owned()),
    ];
    let later =
        prop::sample::select(vec!["", "| label_format a=`{{.b}}`", "| drop b", "| line_format `{{.a}}`", "| json d=\"a\""]);
    let parts = (
        prop::sample::select(vec!["", "|= `a`", "!= `b`", "|~ `\"[ab]\"`"]),
        prop::option::of(filter()),
        parser,
        prop::collection::vec(filter(), 0..4),
        later,
        prop::option::of(filter()),
        prop::sample::select(vec!["sum by (a, b)", "sum", "sum by (c, __error__)", ""]),
    );
    parts.prop_map(|(line, before, parser, filters, later, after, sum)| {
        let piped = |filter: String| format!("| {filter} ");
        let (before, after) = (before.map(piped).unwrap_or_default(), after.map(piped).unwrap_or_default());
        let filters: String = filters.into_iter().map(piped).collect();
        format!("{sum} (count_over_time({{job=\"x\"}} {line} {before} | {parser} {filters} {later} {after} [1m]))")
    })
}

fn given() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec!["a", "b", "a.b", "d", "e"]);
    let pair = (name, prop::sample::select(TEXTS.to_vec())).prop_map(|(name, text)| (name.to_owned(), text.to_owned()));
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(pair, 1..4)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn many_leaves_at_once_find_what_each_finds_by_itself(
        queries in prop::collection::vec(query(), 1..12),
        entries in prop::collection::vec((line(), given(), given()), 1..8),
    ) {
        let extractor = |text: &String| match parse(text) {
            Ok(Query::Metric(query)) => Extractor::new(&query, 0),
            other => panic!("{text}: {other:?}"),
        };
        let leaves: Vec<Extractor> = queries.iter().map(extractor).collect();
        let mut extractors = Extractors::new(leaves.clone());
        let mut cache = LineCache::default();
        for (line, labels, metadata) in &entries {
            let stream: LabelSet = labels.iter().map(|(name, value)| (name.replace('.', "_"), value.clone())).chain([("job".to_owned(), "x".to_owned())]).collect();
            let entry = Entry { time: UnixNanos(1), line, metadata };
            let found = together(&mut extractors, &stream, entry, &mut cache);
            prop_assert_eq!(found, one_by_one(&leaves, &stream, entry), "{} {:?} {} {:#?}", stream, metadata, line, queries);
        }
    }
}
