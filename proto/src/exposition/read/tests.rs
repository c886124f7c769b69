use super::*;
use crate::exposition::write_families;
use crate::metric::{NAN_BITS, Sample};
use proptest::prelude::*;

fn show_sample(sample: Sample<'_>) -> String {
    let labels: Vec<String> = sample.labels().map(|(name, value)| format!("{name}={value}")).collect();
    let (family, bits) = (sample.family(), sample.value().to_bits());
    let value = if bits == NAN_BITS { "NaN".to_owned() } else { sample.value().to_string() };
    let time = sample.time().map_or(String::new(), |time| format!(" @{}", time.0));
    let since = if sample.started().0 == 0 { String::new() } else { format!(" since {}", sample.started().0) };
    format!("{:?} {} | {}{{{}}} {value}{time}{since}", family.kind, family.name, sample.name(), labels.join(","))
}

fn show(text: &str, reading: &Reading) -> Result<Vec<String>, String> {
    let mut out = Families::new();
    read(text.as_bytes(), reading, &mut out).map_err(|error| error.to_string())?;
    Ok(out.samples().map(show_sample).collect())
}

/// Each text and the samples that are read from it.
#[track_caller]
fn good(format: Format, cases: &[(&str, &[&str])]) {
    for (text, samples) in cases {
        assert_eq!(show(text, &Reading::of(format)).as_deref(), Ok(&samples.map_to_strings()[..]), "{text}");
    }
}

/// Each text and why it is refused.
#[track_caller]
fn bad(format: Format, cases: &[(&str, &str)]) {
    for (text, why) in cases {
        assert_eq!(show(text, &Reading::of(format)), Err((*why).to_owned()), "{text}");
    }
}

trait Strings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl Strings for [&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn the_text_format_is_read_as_prometheus_reads_it() {
    good(
        Format::Text,
        &[
            ("", &[]),
            ("\n\n# a comment\n#HELP\n# HELP\n# EOF\n", &[]),
            ("a 1", &["Unknown a | a{} 1"]),
            ("a 1\n\tb\t2  1700000000123 \n", &["Unknown a | a{} 1", "Unknown b | b{} 2 @1700000000123"]),
            ("a{} 1\na{b=\"c\",} 2\n", &["Unknown a | a{} 1", "Unknown a | a{b=c} 2"]),
            ("a { b = \"c\" , d=\"e\" }5 -7\n", &["Unknown a | a{b=c,d=e} 5 @-7"]),
            (r#"a{b="\\ \" \n \d",c=""} NaN"#, &["Unknown a | a{b=\\ \" \n \\d} NaN"]),
            ("a{b=\"over\ntwo lines, é\"} -Inf\n", &["Unknown a | a{b=over\ntwo lines, é} -inf"]),
            (
                "# TYPE a counter\n# HELP a A.\na{x=\"1\"} 1\n# TYPE a counter\na{x=\"2\"} 2\n",
                &["Counter a | a{x=1} 1", "Counter a | a{x=2} 2"],
            ),
            ("# TYPE a\tcounter \na_total 1\n", &["Unknown a_total | a_total{} 1"]),
            (
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\nh_created 5\n",
                &[
                    "Histogram h | h_bucket{le=1} 1",
                    "Histogram h | h_bucket{le=+Inf} 2",
                    "Histogram h | h_sum{} 3",
                    "Histogram h | h_count{} 2",
                    "Unknown h_created | h_created{} 5",
                ],
            ),
            (
                "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 2\ns_bucket 1\n",
                &[
                    "Summary s | s{quantile=0.5} 1",
                    "Summary s | s_sum{} 3",
                    "Summary s | s_count{} 2",
                    "Unknown s_bucket | s_bucket{} 1",
                ],
            ),
            // Families may come in pieces, and their descriptions all at the beginning.
            (
                "# TYPE a gauge\n# TYPE h histogram\na 1\nh_count 2\nb 3\na 4\nh_sum 5\n",
                &[
                    "Gauge a | a{} 1",
                    "Histogram h | h_count{} 2",
                    "Unknown b | b{} 3",
                    "Gauge a | a{} 4",
                    "Histogram h | h_sum{} 5",
                ],
            ),
            // A family of its own is that, whatever it is called.
            (
                "# TYPE h histogram\nh_count 2\n# TYPE h_count gauge\nh_count 3\n",
                &["Histogram h | h_count{} 2", "Gauge h_count | h_count{} 3"],
            ),
            (
                "# TYPE \"my.metric\" gauge\n{\"my.metric\",\"l.a\"=\"v\"} 1\n{a=\"b\",\"é\\\"\"} 2\n{\"c\"} 3\n",
                &["Gauge my.metric | my.metric{l.a=v} 1", "Unknown é\" | é\"{a=b} 2", "Unknown c | c{} 3"],
            ),
            ("a 1\n# TYPE a gauge\na 2\n", &["Unknown a | a{} 1", "Unknown a | a{} 2"]),
        ],
    );
}

#[test]
fn help_is_what_stands_behind_one_blank() {
    let mut out = Families::new();
    let text = b"# HELP a  Two blanks, \\\\ and \\n and \\\". \n# HELP a Again.\na 1\n# HELP b\nb 1\n";
    read(text, &Reading::of(Format::Text), &mut out).unwrap();
    let help: Vec<&str> = out.families().map(|family| family.help).collect();
    assert_eq!(help, [" Two blanks, \\ and \n and \\\". ", ""]);
}

#[test]
fn what_is_no_text_format_is_refused_with_its_line() {
    bad(
        Format::Text,
        &[
            ("a 1\n<html>\n", "line 2: the name of a metric was expected, not \"<html>\""),
            ("a\n", "line 1: a value was expected, not the end of the line"),
            ("a 1\nb x\n", "line 2: a value was expected, not \"x\""),
            ("a 0x1p3\n", "line 1: a value was expected, not \"0x1p3\""),
            ("a 1 2 3\n", "line 1: the end of the line was expected, not \"3\""),
            ("a 1 1.5\n", "line 1: a time in milliseconds was expected, not \"1.5\""),
            ("a 1 # {} 1\n", "line 1: a time or the end of the line was expected, not \"# {} 1\""),
            ("a 1 x\n", "line 1: a time or the end of the line was expected, not \"x\""),
            ("a-b 1\n", "line 1: a value was expected, not \"-b 1\""),
            ("1a 1\n", "line 1: the name of a metric was expected, not \"1a 1\""),
            ("a{b} 1\n", "line 1: `=` was expected, not \"} 1\""),
            ("a{b=c} 1\n", "line 1: a value in quotes, to its closing quote was expected, not \"c} 1\""),
            ("a{b=\"c} 1\nd 1\n", "line 1: a value in quotes, to its closing quote was expected, not \"\\\"c} 1\""),
            ("a{b=\"c\" d=\"e\"} 1\n", "line 1: `,` or `}` was expected, not \"d=\\\"e\\\"} 1\""),
            ("a{,} 1\n", "line 1: the name of a label or `}` was expected, not \",} 1\""),
            ("a{b=\"c\"\n", "line 1: `,` or `}` was expected, not the end of the line"),
            ("a{\"b\"} 1\n", "line 1: `=` was expected, not \"} 1\""),
            ("{b=\"c\"} 1\n", "line 1: the name of a metric within the braces was expected, not \" 1\""),
            ("{\"\"} 1\n", "line 1: the name of a metric within the braces was expected, not \" 1\""),
            ("a{\"\"=\"c\"} 1\n", "line 1: a label with a name was expected, not \"} 1\""),
            ("a{b=\"c\",b=\"d\"} 1\n", "line 1: the label \"b\" stands twice"),
            ("a{__name__=\"c\"} 1\n", "line 1: the label \"__name__\" stands twice"),
            ("# TYPE a colour\na 1\n", "line 1: \"colour\" is no type of metric"),
            ("# TYPE a\na 1\n", "line 1: the end of the line is no type of metric"),
            ("# HELP \na 1\n", "line 1: the name of a family was expected, not the end of the line"),
            ("# TYPE a.b gauge\n", "line 1: a blank behind the name of a family was expected, not \".b gauge\""),
        ],
    );
    let mut out = Families::new();
    let error = read(b"a 1\nb{c=\"\xff\"} 1\n", &Reading::of(Format::Text), &mut out).unwrap_err();
    assert_eq!(error, ReadError { line: 2, problem: Problem::NotUtf8 });
}

#[test]
fn open_metrics_are_read_under_the_names_of_their_samples() {
    good(
        Format::OpenMetrics,
        &[
            ("# EOF", &[]),
            (
                "# TYPE a counter\n# UNIT a \n# HELP a A.\na_total{b=\"c\"} 17.5 1700000000.123\n# EOF\n",
                &["Counter a_total | a_total{b=c} 17.5 @1700000000123"],
            ),
            (
                "# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{b=\"c\"} 1\na_seconds_created{b=\"c\"} 1700000000.5\n\
                 a_seconds_total{b=\"d\"} 2\na_seconds_created{b=\"e\"} 1\n# EOF\n",
                &[
                    "Counter a_seconds_total | a_seconds_total{b=c} 1 since 1700000000500",
                    "Gauge a_seconds_created | a_seconds_created{b=c} 1700000000.5",
                    "Counter a_seconds_total | a_seconds_total{b=d} 2",
                    "Gauge a_seconds_created | a_seconds_created{b=e} 1",
                ],
            ),
            (
                "# TYPE h histogram\nh_bucket{a=\"b\",le=\"+Inf\"} 2 # {trace_id=\"x\"} 0.5 1700000000.1\nh_count{a=\"b\"} 2\n\
                 h_sum{a=\"b\"} 3 # {} 1\nh_created{a=\"b\"} 7\n# EOF",
                &[
                    "Histogram h | h_bucket{a=b,le=+Inf} 2 since 7000",
                    "Histogram h | h_count{a=b} 2 since 7000",
                    "Histogram h | h_sum{a=b} 3 since 7000",
                    "Gauge h_created | h_created{a=b} 7",
                ],
            ),
            (
                "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 2\ng_gcount 2\ng_gsum -1\n# TYPE i info\ni_info{v=\"1\"} 1\n\
                 # TYPE s stateset\ns{s=\"on\"} 1\n# TYPE u unknown\nu 1\nu_created 1\n# EOF\n",
                &[
                    "GaugeHistogram g | g_bucket{le=+Inf} 2",
                    "GaugeHistogram g | g_gcount{} 2",
                    "GaugeHistogram g | g_gsum{} -1",
                    "Info i_info | i_info{v=1} 1",
                    "StateSet s | s{s=on} 1",
                    "Unknown u | u{} 1",
                    "Unknown u_created | u_created{} 1",
                ],
            ),
            ("# TYPE a_total counter\na_total 1\n# EOF\n", &["Counter a_total | a_total{} 1"]),
            (
                "# TYPE a counter\na_total 1\na_created NaN\n# EOF\n",
                &["Counter a_total | a_total{} 1", "Gauge a_created | a_created{} NaN"],
            ),
        ],
    );
}

#[test]
fn what_is_no_open_metrics_is_refused_with_its_line() {
    bad(
        Format::OpenMetrics,
        &[
            ("", "line 1: the text ends without `# EOF`: it is cut off"),
            ("a 1\n", "line 1: the text ends without `# EOF`: it is cut off"),
            ("a 1\nb", "line 2: a value was expected, not the end of the line"),
            ("a 1\n# EOF\nb 1\n", "line 2: something follows `# EOF`"),
            ("# EOFX\n", "line 1: the text ends without `# EOF`: it is cut off"),
            ("\n# EOF\n", "line 1: a sample or a comment was expected, not the end of the line"),
            ("# UNIT a seconds\n# EOF\n", "line 1: \"a\" does not end in its unit \"seconds\""),
            ("# UNIT aseconds seconds\n# EOF\n", "line 1: \"aseconds\" does not end in its unit \"seconds\""),
            ("a{b=\"c\nd\"} 1\n# EOF\n", "line 1: a value in quotes, to its closing quote was expected, not \"\\\"c\""),
            ("a 1 +Inf\n# EOF\n", "line 1: a time in seconds was expected, not \"+Inf\""),
            ("a 1 # 5\n# EOF\n", "line 1: `{` of an exemplar was expected, not \"5\""),
            ("a 1 # {\"b\"} 5\n# EOF\n", "line 1: `=` was expected, not \"} 5\""),
            ("a 1 # {} \n# EOF\n", "line 1: the value of an exemplar was expected, not the end of the line"),
        ],
    );
}

#[test]
fn limits_are_the_callers() {
    let reading = Reading { samples_max: 2, labels_max: 2, label_bytes_max: 3, ..Reading::of(Format::Text) };
    for (text, problem) in [
        ("a{b=\"123\",c=\"\"} 1\nb 2\n", None),
        ("a 1\na 2\na 3\n", Some("line 3: more than 2 samples")),
        ("a{b=\"1\",c=\"2\",d=\"3\"} 1\n", Some("line 1: more than 2 labels of one sample")),
        ("a{b=\"1234\"} 1\n", Some("line 1: a label of more than 3 bytes")),
        ("a{bcde=\"1\"} 1\n", Some("line 1: a label of more than 3 bytes")),
    ] {
        assert_eq!(show(text, &reading).err().as_deref(), problem, "{text}");
    }
}

#[test]
fn a_family_told_again_is_refused_where_it_has_to_be_told_once() {
    let reading = Reading { told_once: true, ..Reading::of(Format::Text) };
    for (text, problem) in [
        ("# HELP a A.\n# TYPE a gauge\na 1\n", None),
        (
            "# TYPE a gauge\na 1\n# TYPE a gauge\na 2\n",
            Some("line 3: TYPE of \"a\" is told a second time, or behind samples of it"),
        ),
        ("a 1\n# TYPE a gauge\n", Some("line 2: TYPE of \"a\" is told a second time, or behind samples of it")),
        ("# HELP a A.\n# HELP a A.\n", Some("line 2: HELP of \"a\" is told a second time, or behind samples of it")),
    ] {
        assert_eq!(show(text, &reading).err().as_deref(), problem, "{text}");
    }
}

#[test]
fn an_empty_label_is_kept_for_those_who_want_it() {
    let reading = Reading { keeps_empty_labels: true, ..Reading::of(Format::Text) };
    assert_eq!(show("a{instance=\"\",b=\"c\"} 1\n", &reading), Ok(vec!["Unknown a | a{instance=,b=c} 1".to_owned()]));
}

#[test]
fn a_media_type_names_a_format() {
    for (value, format) in [
        ("text/plain; version=0.0.4; charset=utf-8", Some(Format::Text)),
        ("Text/Plain", Some(Format::Text)),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Format::OpenMetrics)),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(Format::of_content_type(value), format, "{value}");
    }
}

/// A family as a program could give it: its name, kind and help, and samples as suffix, labels, value, time.
type Made = (Kind, String, Vec<(&'static str, Vec<(String, String)>, f64, Option<i64>)>);

fn made() -> impl Strategy<Value = Vec<(String, Made)>> {
    let name = prop_oneof![3 => "[a-z_:][a-z0-9_:]{0,5}", 1 => "\\PC{1,4}", 1 => "[\\\\\"\n a]{1,4}"];
    let label = (prop_oneof![3 => "[a-z_][a-z0-9_]{0,3}", 1 => "\\PC{1,4}", 1 => "[\\\\\"\n a]{1,4}"], "[\\\\\"\na-c é]{0,6}");
    let labels = proptest::collection::btree_map(label.0, label.1, 0..4);
    let value = prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from), any::<u64>().prop_map(|value| value as f64)];
    let kind = proptest::sample::select(&[Kind::Unknown, Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Summary][..]);
    let family = kind.prop_flat_map(move |kind| {
        let suffixes: &[&str] = match kind {
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Summary => &["", "_sum", "_count"],
            _ => &[""],
        };
        let labels = labels.clone().prop_map(|labels| labels.into_iter().collect());
        let sample = (proptest::sample::select(suffixes), labels, value.clone(), proptest::option::of(any::<i64>()));
        (Just(kind), "\\PC{0,8}|[\\\\\n a\"]{0,4}", proptest::collection::vec(sample, 1..5))
    });
    proptest::collection::btree_map(name, family, 0..6).prop_map(|families| families.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(made in made()) {
        let mut families = Families::new();
        for (name, (kind, help, samples)) in &made {
            families.read_family(name, *kind, help, "");
            for (suffix, labels, value, time) in samples {
                // The marker of the end of a series has no text.
                let value = if value.is_nan() { f64::from_bits(NAN_BITS) } else { *value };
                let time = time.filter(|time| *time != i64::MIN).map(UnixMillis);
                families.read_sample(&format!("{name}{suffix}"), value, time);
                for (label, value) in labels {
                    families.label(label, value);
                }
            }
        }
        let mut text = String::new();
        write_families(&families, &mut text);
        let mut again = Families::new();
        let reading = Reading { told_once: true, ..Reading::of(Format::Text) };
        let result = read(text.as_bytes(), &reading, &mut again);
        prop_assert_eq!(result, Ok(()), "{}", text);
        let samples = |families: &Families| families.samples().map(show_sample).collect::<Vec<_>>();
        prop_assert_eq!(samples(&again), samples(&families), "{}", text);
        let heads = |families: &Families| families.families().map(|family| format!("{family:?}")).collect::<Vec<_>>();
        prop_assert_eq!(heads(&again), heads(&families), "{}", text);
    }
}

/// `cargo test --release -p proto --lib speed -- --ignored --nocapture` says how fast it reads what `node_exporter` and a busy
/// server say: some labels, a few histograms.
#[test]
#[ignore = "measures, and says nothing about right and wrong"]
fn speed() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for family in 0..300 {
        let _ =
            writeln!(text, "# HELP node_thing_{family}_total Things that happened.\n# TYPE node_thing_{family}_total counter");
        for device in 0..20 {
            let _ =
                writeln!(text, "node_thing_{family}_total{{device=\"nvme{device}n1\",mode=\"idle\"}} {}.{family}", device * 7919);
        }
        let _ = writeln!(text, "# TYPE latency_{family}_seconds histogram");
        for bucket in 0..12 {
            let _ = writeln!(
                text,
                "latency_{family}_seconds_bucket{{verb=\"GET\",resource=\"pods\",le=\"0.{bucket}\"}} {}",
                bucket * 1_000_003_u64
            );
        }
    }
    let mut out = Families::new();
    let start = std::time::Instant::now();
    let rounds = 100;
    for _ in 0..rounds {
        out.clear();
        read(text.as_bytes(), &Reading::of(Format::Text), &mut out).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(rounds);
    println!(
        "{} samples, {} bytes: {:.0} samples/s, {:.0} MB/s",
        out.len(),
        text.len(),
        out.len() as f64 / seconds,
        text.len() as f64 / seconds / 1e6
    );
}

#[test]
fn exemplars_stand_with_their_samples_and_too_long_ones_are_left_out() {
    let long = "x".repeat(129 - "trace_id".len());
    let most = "é".repeat(128 - "trace_id".len());
    let text = format!(
        "# TYPE h histogram
h_bucket{{le=\"1\"}} 2 # {{trace_id=\"a\\\\b\",empty=\"\",span_id=\"c\"}} 0.5 1700000000.1
h_bucket{{le=\"5\"}} 3
h_bucket{{le=\"+Inf\"}} 4 1700000001 # {{}} 7
# TYPE c counter
c_total 1 # {{trace_id=\"{long}\"}} 1
c_total{{a=\"b\"}} 1 # {{trace_id=\"{most}\"}} 1
# EOF
"
    );
    let mut out = Families::new();
    read(text.as_bytes(), &Reading::of(Format::OpenMetrics), &mut out).unwrap();
    assert_eq!(out.len(), 5);
    // Another text behind it, and what is taken in from elsewhere.
    read(b"d 1 # {e=\"f\"} -1\n# EOF\n", &Reading::of(Format::OpenMetrics), &mut out).unwrap();
    let mut all = Families::new();
    all.read_sample("first", 1.0, None);
    all.append(&out);
    let shown: Vec<String> = all
        .exemplars()
        .map(|exemplar| {
            let labels: Vec<String> = exemplar.labels().map(|(name, value)| format!("{name}={value}")).collect();
            let sample = all.sample_at(exemplar.sample_place()).unwrap();
            format!("{} {} {:?} {}", sample.name(), exemplar.value(), exemplar.time().map(|time| time.0), labels.join(","))
        })
        .collect();
    let expected = [
        r"h_bucket 0.5 Some(1700000000100) trace_id=a\b,span_id=c".to_owned(),
        "h_bucket 7 None ".to_owned(),
        format!("c_total 1 None trace_id={most}"),
        "d -1 None e=f".to_owned(),
    ];
    assert_eq!(shown, expected);
    let other = all.clone();
    all.clear();
    assert_eq!(all.exemplars().len(), 0);
    assert!(other.has_shape_of(&other.clone()), "exemplars are no part of it");
}
