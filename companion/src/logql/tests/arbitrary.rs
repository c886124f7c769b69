//! Whatever is written and whatever comes in: no panic, and bounded work.

use proptest::prelude::*;
use proto::time::UnixNanos;

use super::DataSet;
use crate::labels::LabelSet;
use crate::logql::store::Direction;
use crate::logql::{Query, parse};

/// Words of the language, so that many of the texts made of them are queries or nearly so.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[5m]",
        "[",
        "]",
        ",",
        "=",
        "!=",
        "=~",
        "!~",
        "|=",
        "|~",
        "|>",
        "!>",
        "|",
        ">",
        "<",
        ">=",
        "==",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "{app=\"x\"}",
        "app",
        "\"x\"",
        "`{{.a}}`",
        "\"<_> a\"",
        "\"(?P<a>.)\"",
        "json",
        "logfmt",
        "--strict",
        "unpack",
        "pattern",
        "regexp",
        "unwrap",
        "line_format",
        "label_format",
        "keep",
        "drop",
        "decolorize",
        "and",
        "or",
        "unless",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "bool",
        "offset",
        "sum",
        "topk",
        "rate",
        "count_over_time",
        "quantile_over_time",
        "max_over_time",
        "label_replace",
        "vector",
        "ip",
        "1",
        "0.5",
        "1h",
        "5KB",
        "a",
        "b",
        "1e3",
        "#",
        "ü",
        "\"",
        "`",
        "'",
        "\\",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

fn pipelines() -> impl Strategy<Value = String> {
    let stage = prop::sample::select(vec![
        "| json",
        "| json a, b=\"c.d[0]\", e=\"[1]\"",
        "| logfmt",
        "| logfmt --strict --keep-empty a, b=\"c\"",
        "| pattern \"<a> <b>=<_>\"",
        "| regexp \"(?P<a>\\\\S+)=(?P<b>.)?\"",
        "| unpack",
        "| decolorize",
        "| line_format \"{{.a}} {{ __line__ | trunc 20 }} {{ fromJson .b }}\"",
        "| line_format \"{{ range $i, $e := fromJson __line__ }}{{$i}}{{$e.x}}{{ end }}\"",
        "| label_format a=b, c=\"{{ add .a 1 }}{{ .b | duration }}\"",
        "| keep a, b=~\".+\"",
        "| drop a, __error__",
        "| a > 1 or b = ip(\"10.0.0.0/8\")",
        "| a > 1s and b > 1KB",
        "|> \"<_>=<_>\"",
        "|= ip(\"10.0.0.0/8\")",
        "!~ \"x$\"",
    ]);
    prop::collection::vec(stage, 0..6).prop_map(|stages| stages.join(" "))
}

fn lines() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[{}\\[\\]\":,a-d0-9=\\\\. ]{0,60}",
        r#"\{"a":("[a-d\\"]{0,6}"|[0-9.e-]{1,6}|\{"c":\{"d":\[[0-9,"]{0,8}\]?\}?|null|true),"b":.{0,8}"#,
        "[a-c]{1,3}=\"?[a-z0-9.\u{1b}\\[]{0,8}\"?( [ab]=[0-9smh]{0,4}){0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_words_make_the_parser_panic_and_what_is_read_reads_back(text in words()) {
        match parse(&text) {
            Ok(query) => {
                let written = query.to_string();
                prop_assert_eq!(parse(&written).map(|query| query.to_string()), Ok(written));
            }
            Err(error) => {
                prop_assert!(text.get(error.at.clone()).is_some(), "{:?} of {}", error.at, text);
            }
        }
    }

    #[test]
    fn no_line_makes_a_pipeline_panic(stages in pipelines(), lines in prop::collection::vec(lines(), 1..4), metadata in any::<String>()) {
        let labels: LabelSet = [("app", "x"), ("a", "given")].into_iter().collect();
        let mut data = DataSet::default();
        for (place, line) in lines.into_iter().enumerate() {
            data.push(labels.clone(), (UnixNanos(place as i64 * 1_000), line, vec![("m".to_owned(), metadata.clone()), (metadata.clone(), "x".to_owned())]));
        }
        if let Ok(Query::Log(query)) = parse(&format!("{{app=\"x\"}} {stages}")) {
            query.lines(&data, UnixNanos(0), UnixNanos(i64::MAX), Direction::Backward, 0, 10);
        }
        for function in ["count_over_time", "sum by (a, b) (bytes_over_time", "sum(rate", "max_over_time"] {
            let unwrap = if function == "max_over_time" { "| unwrap a" } else { "" };
            let text = format!("{function}({{app=\"x\"}} {stages} {unwrap} [1s]) {}", if function.contains("sum") { ")" } else { "" });
            if let Ok(Query::Metric(query)) = parse(&text) {
                let _ = query.instant(&data, UnixNanos(3_000));
            }
        }
    }
}
