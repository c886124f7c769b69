//! What is read, what is refused, and how it is written again.

use std::path::Path;

use crate::logql::{Query, parse};

/// Queries of every kind.
const QUERIES: [&str; 34] = [
    r#"{app="x", env!="dev", host=~"a|b", zone!~"z.+"}"#,
    r#"{app="x"} |= "a" or "b" != `c` |~ "d.*" !~ "e" |> "f <_>" !> "<_> g" |= ip("10.0.0.0/8") or "h""#,
    r#"{app="x"} | json | json a, b="c.d[0]", e=`["f g"]`"#,
    r#"{app="x"} | logfmt --strict --keep-empty a, b="c" | logfmt"#,
    r#"{app="x"} | pattern "<a> - <_>" | regexp "(?P<b>\\d+)" | unpack | decolorize"#,
    r#"{app="x"} | a="b" and c!="d" or e=~"f" , g!~"h" i="j""#,
    r#"{app="x"} | a=1 | b==1.5 | c!=-3 | d>1s | e>=1h30m | f<1KB | g<=2MiB | h=ip("::1") | i!=ip("10.0.0.1-10.0.0.9")"#,
    r#"{app="x"} | (a="b" or c="d") and (e > 1 or (f="g" and h="i"))"#,
    r#"{app="x"} | line_format "{{.a}} \"{{.b}}\"" | label_format a=b, c="{{.d}}""#,
    r#"{app="x"} | keep a, b="c" | drop d, e=~"f""#,
    "({app=\"x\"})",
    "{app=\"x\"} # a comment\n|= \"a\" // another\n/* and one more */",
    r#"count_over_time({app="x"}[1m30s])"#,
    r#"rate({app="x"} |= "a" [5m] offset 1h)"#,
    r#"rate({app="x"}[5m] offset -1h | json)"#,
    r#"count_over_time(({app="x"} |= "a")[1d12h])"#,
    r#"sum_over_time({app="x"} | json | unwrap a | b="c" [5m])"#,
    r#"max_over_time({app="x"} | unwrap bytes(a) [5m]) by (b)"#,
    r#"avg_over_time({app="x"} | unwrap duration(a) [5m]) without (b, c)"#,
    r#"quantile_over_time(0.99, {app="x"} | unwrap duration_seconds(a) [5m]) by ()"#,
    r#"sum by (a, b) (rate({app="x"}[5m]))"#,
    r#"sum(rate({app="x"}[5m])) without (a)"#,
    r#"topk(3, sum by (a) (rate({app="x"}[5m])))"#,
    r#"bottomk by (b) (3, rate({app="x"}[5m]))"#,
    r#"sort_desc(sort(approx_topk(2, rate({app="x"}[5m]))))"#,
    r#"label_replace(rate({app="x"}[5m]), "a", "$1", "b", "(.*)")"#,
    "vector(1.5) * -2",
    "1 + 2 * 3 ^ 2 ^ -1 - 4 % 5 / 6",
    r#"rate({app="x"}[5m]) > bool 1 and on (a) rate({app="y"}[5m]) unless ignoring (b) vector(1) or vector(2)"#,
    r#"rate({app="x"}[5m]) * on (a) group_left (b, c) rate({app="y"}[5m])"#,
    r#"rate({app="x"}[5m]) / ignoring (a) group_right rate({app="y"}[5m])"#,
    r#"rate({app="x"}[5m]) != 1 == 2 >= 3 <= 4 < 5"#,
    r#"absent_over_time({app="x"}[0s])"#,
    r#"SUM BY (rate) (Count_Over_Time({app="x"} | count="1" [1m]))"#,
];

#[test]
fn a_query_is_written_so_that_it_reads_back_as_itself() {
    for text in QUERIES {
        let written = parse(text).unwrap_or_else(|error| panic!("{text}: {error} at {:?}", error.at)).to_string();
        let again = parse(&written).unwrap_or_else(|error| panic!("{written}: {error} at {:?}", error.at)).to_string();
        assert_eq!(written, again, "{text}");
    }
}

#[test]
fn the_suites_queries_are_written_so_that_they_read_back_as_themselves() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/logql/cases");
    let Ok(files) = std::fs::read_dir(cases) else {
        return super::skipped(
            "the_suites_queries_are_written_so_that_they_read_back_as_themselves",
            "../shared/data/logql is not there",
        );
    };
    for file in files {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let Ok(query) = parse(case["query"].as_str().unwrap()) else { continue };
            let written = query.to_string();
            let again = parse(&written).unwrap_or_else(|error| panic!("{written}: {error} at {:?}", error.at));
            assert_eq!(written, again.to_string());
        }
    }
}

#[test]
fn nesting_has_a_bound() {
    for text in [
        format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        vec!["1"; 10_000].join("+"),
        vec!["2"; 10_000].join("^"),
        format!("{}vector(1){}", "sum(".repeat(10_000), ")".repeat(10_000)),
        format!("{{app=\"x\"}} | {}a=1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("count_over_time({}{{app=\"x\"}}{}[1m])", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{{app=~\"{}a{}\"}}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{{app=\"x\"}} | line_format \"{}{}\"", "{{if .a}}".repeat(5_000), "{{end}}".repeat(5_000)),
        format!("{{app=\"x\"}} | line_format \"{{{{ {}.a{} }}}}\"", "(".repeat(5_000), ")".repeat(5_000)),
    ] {
        let error = parse(&text).expect_err(&text[..40]);
        assert!(!error.message.is_empty());
    }
    // What people write is far from it.
    assert!(parse(&format!("{}1{}", "(".repeat(50), ")".repeat(50))).is_ok());
    assert!(parse(&vec!["vector(1)"; 40].join(" or ")).is_ok());
    assert!(parse(&format!("{{app=\"x\"}} | {}", vec!["a=ip(\"10.0.0.1\")"; 1_000].join(" or "))).is_ok());
}

#[test]
fn only_what_cannot_turn_false_again_is_monotone() {
    let is_monotone = |text: &str| match parse(text).unwrap() {
        Query::Metric(query) => query.is_monotone(),
        Query::Log(_) => panic!("{text}"),
    };
    for yes in [
        r#"sum by (a) (count_over_time({app="x"}[5m])) > 0"#,
        r#"count_over_time({app="x"}[5m]) >= 10"#,
        r#"0 < sum(rate({app="x"}[5m]))"#,
        r#"count by (a) (sum by (a, b) (count_over_time({app="x"}[1m]))) > 20"#,
        r#"max_over_time({app="x"} | unwrap v [5m]) > 3"#,
        r#"sum(count_over_time({app="x"}[1m])) > 1 and sum(count_over_time({app="y"}[1m])) > 2"#,
        r#"sum(bytes_rate({app="x"}[1m])) / 1024 > 1"#,
        r#"label_replace(count_over_time({app="x"}[1m]), "a", "b", "", "") > 0"#,
    ] {
        assert!(is_monotone(yes), "{yes}");
    }
    for no in [
        r#"absent_over_time({app="x"}[5m])"#,
        r#"count_over_time({app="x"}[5m]) < 10"#,
        r#"count_over_time({app="x"}[5m]) == 10"#,
        r#"10 > count_over_time({app="x"}[5m])"#,
        r#"count_over_time({app="x"}[5m]) unless count_over_time({app="y"}[5m])"#,
        r#"count_over_time({app="x"}[5m]) - count_over_time({app="x"}[5m] offset 5m) > 1"#,
        r#"sum(count_over_time({app="x"}[5m])) / sum(count_over_time({app="y"}[5m])) > 1"#,
        r#"avg(count_over_time({app="x"}[5m])) > 1"#,
        r#"avg_over_time({app="x"} | unwrap v [5m]) > 3"#,
        r#"sum_over_time({app="x"} | unwrap v [5m]) > 3"#,
        r#"topk(1, count_over_time({app="x"}[5m])) > 3"#,
        r#"-1 * count_over_time({app="x"}[5m]) > -5"#,
    ] {
        assert!(!is_monotone(no), "{no}");
    }
}
