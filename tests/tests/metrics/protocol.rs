//! What stands in requests of remote write: what a target exposes, and what has to arrive of it, in 2.0 and in 1.0.
//!
//! The receiver judges every request: headers, compression, symbols, order and uniqueness of labels, order of times. Here is what
//! only who knows the exposition can judge: names, labels, values, types, help, units, start times.

use std::collections::{BTreeMap, BTreeSet};

use proto::metric::{NAN_BITS, STALE_BITS};
use tests::agent::Agent;
use tests::exposed::{Exposed, OPEN_METRICS, TEXT};
use tests::receiver::{Exemplar, Received, Receiver, Speaks};
use tests::{stamp, wait};

use crate::stage::{PATIENCE, Stage};

/// A series that has to arrive: name, labels, value, type.
type Expected<'e> = (&'e str, &'e [(&'e str, &'e str)], f64, i32);

const UNKNOWN: i32 = 0;
const COUNTER: i32 = 1;
const GAUGE: i32 = 2;
const HISTOGRAM: i32 = 3;
const GAUGE_HISTOGRAM: i32 = 4;
const SUMMARY: i32 = 5;
const INFO: i32 = 6;
const STATE_SET: i32 = 7;

/// An agent that scrapes one target for a receiver of each version.
struct Pair {
    target: Exposed,
    new: Receiver,
    old: Receiver,
    agent: Agent,
    _stage: Stage,
}

impl Pair {
    fn start(name: &str, kind: &str, text: &str) -> Option<Self> {
        let stage = Stage::new(name)?;
        let target = Exposed::start(kind, text);
        let (new, old) = (Receiver::start(Speaks::Both), Receiver::start(Speaks::OnlyOld));
        let agent = stage.start_scraping(&[(&new.url(), "version: 2.0"), (&old.url(), "version: 1.0")], &[("test", &target)]);
        Some(Self { target, new, old, agent, _stage: stage })
    }

    /// Waits for several rounds; what came then, with no fault in it.
    fn end(self) -> [Received; 2] {
        for receiver in [&self.new, &self.old] {
            let rounds = || receiver.received().one("up", "test").map_or(0, |series| series.samples.len());
            wait::for_condition("several rounds arrive", PATIENCE, || rounds() >= 4);
        }
        self.agent.terminate();
        let all = [self.new.received(), self.old.received()];
        for received in &all {
            assert_eq!(received.violations, Vec::<String>::new());
            assert!(received.log.iter().all(|taken| taken.status < 300), "{:?}", received.log);
        }
        assert_eq!(all[0].requests.keys().collect::<Vec<_>>(), ["2.0.0"]);
        assert_eq!(all[1].requests.keys().collect::<Vec<_>>(), ["0.1.0"]);
        all
    }
}

/// A series as the receiver names it.
fn named(name: &str, labels: &[(&str, &str)], target: &Exposed) -> String {
    let url = target.url();
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut all = BTreeMap::from([("__name__", name), ("cluster", "default"), ("instance", address), ("job", "test")]);
    all.insert("node", "node-1");
    all.extend(labels.iter().copied());
    let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(","))
}

/// Exposes a text; checks that these series arrive in both versions, and no other beside those that every scrape gives.
fn arrives(name: &str, kind: &str, text: &str, expected: &[Expected<'_>]) -> Option<[Received; 2]> {
    let pair = Pair::start(name, kind, text)?;
    let mut names: BTreeSet<String> = expected.iter().map(|(name, labels, ..)| named(name, labels, &pair.target)).collect();
    let of_scrape = ["duration_seconds", "samples_scraped", "samples_post_metric_relabeling", "series_added"]
        .map(|name| format!("scrape_{name}"));
    names.extend(of_scrape.iter().map(|name| named(name, &[], &pair.target)));
    names.insert(named("up", &[], &pair.target));
    let series: Vec<(String, u64, &str, i32)> = expected
        .iter()
        .map(|(name, labels, value, kind)| {
            let bits = if value.is_nan() { NAN_BITS } else { value.to_bits() };
            (named(name, labels, &pair.target), bits, *name, *kind)
        })
        .collect();
    let begin = stamp::now_nanos() / 1_000_000 - 60_000;
    let all = pair.end();
    for (received, is_new) in all.iter().zip([true, false]) {
        assert_eq!(received.series.keys().cloned().collect::<BTreeSet<_>>(), names, "in 2.0: {is_new}");
        for (labels, bits, name, kind) in &series {
            let arrived = &received.series[labels];
            // On a busy machine a scrape may fail, and then they end.
            let was_down = received.one("up", "test").unwrap().samples.iter().any(|(_, up)| *up == 0);
            let same = arrived.samples.iter().all(|(_, value)| value == bits || (was_down && *value == STALE_BITS));
            assert!(same && !arrived.samples.is_empty(), "{labels}: {:?}, not {bits}", arrived.samples);
            if is_new {
                assert_eq!(arrived.kind, *kind, "{labels}");
            } else if *kind != UNKNOWN {
                let family = received.families.iter().rfind(|(family, _)| name.starts_with(family.as_str()));
                assert_eq!(family.map(|(_, told)| told.kind), Some(*kind), "{labels}");
            }
        }
        // A sample bears the time of its scrape, in milliseconds.
        let times = received.series.iter().filter(|(labels, _)| !labels.contains("timed")).flat_map(|(_, series)| series.times());
        let now = stamp::now_nanos() / 1_000_000;
        assert!(times.clone().all(|time| (begin..=now).contains(&time)), "{:?}", times.collect::<Vec<_>>());
    }
    Some(all)
}

#[test]
fn values_of_every_kind_arrive_bit_by_bit() {
    let text = "\
fraction 123.45
whole_total 42
nothing 0
below -15.5
minus_nothing -0
most 1.7976931348623157e+308
least 2.2250738585072014e-308
subnormal 5e-324
power 1.23e-4
digits 0.123456789012345
special{is=\"nan\"} NaN
special{is=\"inf\"} +Inf
special{is=\"minus inf\"} -Inf
special{is=\"short inf\"} Inf
";
    let is: [&[(&str, &str)]; 4] = [&[("is", "nan")], &[("is", "inf")], &[("is", "minus inf")], &[("is", "short inf")]];
    let expected: [Expected<'_>; 14] = [
        ("fraction", &[], 123.45, UNKNOWN),
        ("whole_total", &[], 42.0, UNKNOWN),
        ("nothing", &[], 0.0, UNKNOWN),
        ("below", &[], -15.5, UNKNOWN),
        ("minus_nothing", &[], -0.0, UNKNOWN),
        ("most", &[], f64::MAX, UNKNOWN),
        ("least", &[], f64::MIN_POSITIVE, UNKNOWN),
        ("subnormal", &[], 5e-324, UNKNOWN),
        ("power", &[], 0.000_123, UNKNOWN),
        ("digits", &[], 0.123_456_789_012_345, UNKNOWN),
        ("special", is[0], f64::NAN, UNKNOWN),
        ("special", is[1], f64::INFINITY, UNKNOWN),
        ("special", is[2], f64::NEG_INFINITY, UNKNOWN),
        ("special", is[3], f64::INFINITY, UNKNOWN),
    ];
    arrives("values_of_every_kind_arrive_bit_by_bit", TEXT, text, &expected);
}

#[test]
fn names_and_labels_arrive_whole_whatever_stands_in_them() {
    let (large, long) = ("x".repeat(10_240), format!("metric_{}", "very_long_name_".repeat(50)));
    let long_label = "l".repeat(300);
    let many: Vec<(String, String)> = (0..40).map(|place| (format!("l{place}"), format!("v{place}"))).collect();
    let many_text: Vec<String> = many.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let text = format!(
        "sorted{{zzz=\"3\",aaa=\"1\",Zzz=\"4\",bbb=\"2\"}} 1
http:requests:rate5m 1
:begins_with_a_colon 1
emptied{{kept=\"k\",empty=\"\"}} 1
alphabets{{emoji=\"🚀\",chinese=\"测试\",arabic=\"مرحبا\",vietnamese=\"tôi yêu việt nam\"}} 1
signs{{path=\"/api/v1/users\",query=\"foo=bar&baz=qux\",braces=\"}}{{,\"}} 1
escapes{{is=\"a\\\\b\\\"c\\nd\"}} 1
large{{is=\"{large}\"}} 1
{long} 1
long_label{{{long_label}=\"v\"}} 1
many{{{}}} 1
clash{{job=\"of the exposition\",instance=\"i\"}} 1
twice{{a=\"b\"}} 1
twice{{a=\"b\"}} 2
quoted{{\"with.dots and blanks\"=\"v\"}} 1
{{\"name.with.dots\",a=\"b\"}} 1
no_newline_at_the_end 1",
        many_text.join(",")
    );
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let alphabets = [("emoji", "🚀"), ("chinese", "测试"), ("arabic", "مرحبا"), ("vietnamese", "tôi yêu việt nam")];
    let large = [("is", large.as_str())];
    let long_label = [(long_label.as_str(), "v")];
    let expected: [Expected<'_>; 16] = [
        ("sorted", &[("Zzz", "4"), ("aaa", "1"), ("bbb", "2"), ("zzz", "3")], 1.0, UNKNOWN),
        ("http:requests:rate5m", &[], 1.0, UNKNOWN),
        (":begins_with_a_colon", &[], 1.0, UNKNOWN),
        ("emptied", &[("kept", "k")], 1.0, UNKNOWN),
        ("alphabets", &alphabets, 1.0, UNKNOWN),
        ("signs", &[("path", "/api/v1/users"), ("query", "foo=bar&baz=qux"), ("braces", "}{,")], 1.0, UNKNOWN),
        ("escapes", &[("is", "a\\b\"c\nd")], 1.0, UNKNOWN),
        ("large", &large, 1.0, UNKNOWN),
        (&long, &[], 1.0, UNKNOWN),
        ("long_label", &long_label, 1.0, UNKNOWN),
        ("many", &many, 1.0, UNKNOWN),
        ("clash", &[("exported_job", "of the exposition"), ("exported_instance", "i")], 1.0, UNKNOWN),
        ("twice", &[("a", "b")], 1.0, UNKNOWN),
        ("quoted", &[("with.dots and blanks", "v")], 1.0, UNKNOWN),
        ("name.with.dots", &[("a", "b")], 1.0, UNKNOWN),
        ("no_newline_at_the_end", &[], 1.0, UNKNOWN),
    ];
    arrives("names_and_labels_arrive_whole_whatever_stands_in_them", TEXT, &text, &expected);
}

/// Types, help and units of the text format.
#[test]
fn types_and_help_arrive_with_the_series_of_every_kind_of_family() {
    let text = r#"# A comment.
# HELP http_requests_total Requests, "all" of them \\ by method.\nThat is: GET and POST.
# TYPE http_requests_total counter
http_requests_total{method="GET"} 1000
http_requests_total{method="POST"} 500

# HELP temperature_celsius Now.
# HELP temperature_celsius Said again.
# TYPE temperature_celsius gauge
temperature_celsius 22.5
# TYPE response_seconds histogram
# HELP response_seconds How long.
response_seconds_bucket{le="0.1"} 50
response_seconds_bucket{le="0.5"} 90
response_seconds_bucket{le="+Inf"} 1e9
response_seconds_sum 5e9
response_seconds_count 1000000000
# HELP rpc_seconds How long too.
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} 0.05
rpc_seconds{quantile="0.9"} 0.1
rpc_seconds_sum 50
rpc_seconds_count 1000
# TYPE idle_seconds histogram
idle_seconds_bucket{le="+Inf"} 0
idle_seconds_sum 0
idle_seconds_count 0
# TYPE without_help counter
without_help 1
# TYPE whatever untyped
whatever 1
nobody_said 1
"#;
    let expected: [Expected<'_>; 18] = [
        ("http_requests_total", &[("method", "GET")], 1000.0, COUNTER),
        ("http_requests_total", &[("method", "POST")], 500.0, COUNTER),
        ("temperature_celsius", &[], 22.5, GAUGE),
        ("response_seconds_bucket", &[("le", "0.1")], 50.0, HISTOGRAM),
        ("response_seconds_bucket", &[("le", "0.5")], 90.0, HISTOGRAM),
        ("response_seconds_bucket", &[("le", "+Inf")], 1e9, HISTOGRAM),
        ("response_seconds_sum", &[], 5e9, HISTOGRAM),
        ("response_seconds_count", &[], 1e9, HISTOGRAM),
        ("rpc_seconds", &[("quantile", "0.5")], 0.05, SUMMARY),
        ("rpc_seconds", &[("quantile", "0.9")], 0.1, SUMMARY),
        ("rpc_seconds_sum", &[], 50.0, SUMMARY),
        ("rpc_seconds_count", &[], 1000.0, SUMMARY),
        ("idle_seconds_bucket", &[("le", "+Inf")], 0.0, HISTOGRAM),
        ("idle_seconds_sum", &[], 0.0, HISTOGRAM),
        ("idle_seconds_count", &[], 0.0, HISTOGRAM),
        ("without_help", &[], 1.0, COUNTER),
        ("whatever", &[], 1.0, UNKNOWN),
        ("nobody_said", &[], 1.0, UNKNOWN),
    ];
    let name = "types_and_help_arrive_with_the_series_of_every_kind_of_family";
    let Some([new, old]) = arrives(name, TEXT, text, &expected) else { return };
    for (received, histogram) in [(&new, "response_seconds_bucket"), (&old, "response_seconds")] {
        for (family, help) in [
            ("http_requests_total", "Requests, \"all\" of them \\ by method.\nThat is: GET and POST."),
            ("temperature_celsius", "Now."),
            (histogram, "How long."),
            ("without_help", ""),
        ] {
            let told = &received.families[family];
            assert_eq!((told.help.as_str(), told.helped), (help, usize::from(!help.is_empty())), "{family}");
        }
    }
    assert_eq!(new.families["response_seconds_count"].help, "How long.", "at every series of the family");
}

#[test]
fn units_start_times_and_further_types_of_open_metrics_arrive() {
    let text = r#"# TYPE written_bytes counter
# UNIT written_bytes bytes
# HELP written_bytes Written.
written_bytes_total{disk="a"} 7
written_bytes_created{disk="a"} 1700000000.25
written_bytes_total{disk="b"} 8
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{le="1.0"} 3
wait_seconds_bucket{le="+Inf"} 4
wait_seconds_count 4
wait_seconds_sum 6.5
wait_seconds_created 1700000001
# TYPE size gaugehistogram
size_bucket{le="+Inf"} 4
size_gcount 4
size_gsum 6.5
# TYPE build info
build_info{version="1.2"} 1
# TYPE door stateset
door{door="open"} 1
door{door="shut"} 0
# TYPE odd unknown
odd 1
# EOF
"#;
    let expected: [Expected<'_>; 15] = [
        ("written_bytes_total", &[("disk", "a")], 7.0, COUNTER),
        ("written_bytes_total", &[("disk", "b")], 8.0, COUNTER),
        ("written_bytes_created", &[("disk", "a")], 1_700_000_000.25, GAUGE),
        ("wait_seconds_bucket", &[("le", "1.0")], 3.0, HISTOGRAM),
        ("wait_seconds_bucket", &[("le", "+Inf")], 4.0, HISTOGRAM),
        ("wait_seconds_count", &[], 4.0, HISTOGRAM),
        ("wait_seconds_sum", &[], 6.5, HISTOGRAM),
        ("wait_seconds_created", &[], 1_700_000_001.0, GAUGE),
        ("size_bucket", &[("le", "+Inf")], 4.0, GAUGE_HISTOGRAM),
        ("size_gcount", &[], 4.0, GAUGE_HISTOGRAM),
        ("size_gsum", &[], 6.5, GAUGE_HISTOGRAM),
        ("build_info", &[("version", "1.2")], 1.0, INFO),
        ("door", &[("door", "open")], 1.0, STATE_SET),
        ("door", &[("door", "shut")], 0.0, STATE_SET),
        ("odd", &[], 1.0, UNKNOWN),
    ];
    let name = "units_start_times_and_further_types_of_open_metrics_arrive";
    let Some([new, old]) = arrives(name, OPEN_METRICS, text, &expected) else { return };
    for received in [&new, &old] {
        let told = &received.families["written_bytes_total"];
        assert_eq!((told.unit.as_str(), told.help.as_str()), ("bytes", "Written."));
    }
    let started = |name: &str, label: &str| -> Vec<i64> {
        new.named(name).filter(|(labels, _)| labels.contains(label)).map(|(_, series)| series.started).collect()
    };
    assert_eq!(started("written_bytes_total", "disk=\"a\""), [1_700_000_000_250]);
    assert_eq!(started("written_bytes_total", "disk=\"b\""), [0], "nobody has said");
    assert_eq!(started("wait_seconds_bucket", ""), [1_700_000_001_000; 2]);
    assert_eq!(started("wait_seconds_count", ""), [1_700_000_001_000]);
    assert_eq!(started("size_gcount", ""), [0], "a gauge begins never");
    assert!(old.series.values().all(|series| series.started == 0), "1.0 has none");
}

#[test]
fn exemplars_arrive_once_with_their_series_and_outlast_an_outage() {
    let text = |trace: &str| {
        format!(
            r#"# TYPE request_seconds histogram
request_seconds_bucket{{le="0.1"}} 10 # {{trace_id="{trace}",span_id="s"}} 0.05 1700000000.125
request_seconds_bucket{{le="0.5"}} 50 # {{user="u"}} 0.3
request_seconds_bucket{{le="+Inf"}} 100
request_seconds_sum 50.0
request_seconds_count 100
# TYPE request_count counter
request_count 1000 # {{trace_id="{trace}"}} 999 1700000001
# EOF
"#
        )
    };
    let name = "exemplars_arrive_once_with_their_series_and_outlast_an_outage";
    let Some(pair) = Pair::start(name, OPEN_METRICS, &text("first")) else { return };
    let receivers = || [&pair.new, &pair.old];
    let traces = |receiver: &Receiver| -> Vec<String> {
        let received = receiver.received();
        let all = received.one("request_count", "test").map(|series| series.exemplars.clone()).unwrap_or_default();
        all.into_iter().map(|exemplar| exemplar.labels[0].1.clone()).collect()
    };
    wait::for_condition("the first arrive", PATIENCE, || receivers().iter().all(|receiver| traces(receiver) == ["first"]));
    for receiver in receivers() {
        receiver.answer(Some((503, "away")));
    }
    pair.target.show(Some((OPEN_METRICS, &text("second"))));
    let away = |receiver: &Receiver| receiver.received().log.iter().filter(|taken| taken.status == 503).count();
    let spooled = || pair.agent.metrics().map_or(0.0, |all| all.of("picket_agent_samples_spooled").map(|one| one.value).sum());
    wait::for_condition("some are on disk", PATIENCE, || receivers().iter().all(|receiver| away(receiver) >= 3));
    wait::for_condition("the second is on disk", PATIENCE, || spooled() > 100.0);
    for receiver in receivers() {
        receiver.answer(None);
    }
    let both = ["first", "second"];
    wait::for_condition("the second arrive", PATIENCE, || receivers().iter().all(|receiver| traces(receiver) == both));
    wait::for_condition("the disk is empty", PATIENCE, || spooled() == 0.0);
    pair.agent.terminate();
    for receiver in [pair.new, pair.old] {
        let received = receiver.received();
        assert_eq!(received.violations, Vec::<String>::new());
        assert_eq!(traces(&receiver), both, "each once");
        let of = |label: &str| -> Vec<Exemplar> {
            let series = received.named("request_seconds_bucket").filter(|(labels, _)| labels.contains(label));
            series.flat_map(|(_, series)| series.exemplars.clone()).collect()
        };
        let labels = |trace: &str| vec![("span_id".to_owned(), "s".to_owned()), ("trace_id".to_owned(), trace.to_owned())];
        let expected = both.map(|trace| Exemplar { labels: labels(trace), value: 0.05, time: 1_700_000_000_125 });
        assert_eq!(of("le=\"0.1\""), expected);
        // Without a time it has that of its scrape.
        let untimed = of("le=\"0.5\"");
        let first = received.one("request_count", "test").unwrap().times()[0];
        assert_eq!(untimed, [Exemplar { labels: vec![("user".to_owned(), "u".to_owned())], value: 0.3, time: first }]);
        assert!(of("le=\"+Inf\"").is_empty());
    }
}

#[test]
fn what_a_target_says_of_itself_as_scrapes_do_is_left_out() {
    let text = "up 0\nscrape_duration_seconds 99\nother 1\n";
    let expected: [Expected<'_>; 1] = [("other", &[], 1.0, UNKNOWN)];
    let Some(all) = arrives("what_a_target_says_of_itself_as_scrapes_do_is_left_out", TEXT, text, &expected) else { return };
    for received in &all {
        assert!(received.one("up", "test").unwrap().samples.iter().all(|(_, bits)| *bits == 1.0_f64.to_bits()));
    }
}

#[test]
fn times_of_their_own_arrive_as_they_are() {
    let now = stamp::now_nanos() / 1_000_000;
    let (past, future) = (now - 3_600_000, now + 86_400_000);
    let text = format!("timed_past 1 {past}\ntimed_future 2 {future}\ntimed_zero 42 0\ntimed_before -1 -5000\n");
    let expected: [Expected<'_>; 4] = [
        ("timed_past", &[], 1.0, UNKNOWN),
        ("timed_future", &[], 2.0, UNKNOWN),
        ("timed_zero", &[], 42.0, UNKNOWN),
        ("timed_before", &[], -1.0, UNKNOWN),
    ];
    let Some(all) = arrives("times_of_their_own_arrive_as_they_are", TEXT, &text, &expected) else { return };
    for received in &all {
        for (name, time) in [("timed_past", past), ("timed_future", future), ("timed_zero", 0), ("timed_before", -5000)] {
            assert_eq!(received.one(name, "test").unwrap().times(), [time], "{name}");
        }
    }
}

#[test]
fn a_text_that_cannot_be_read_makes_its_target_down_and_an_empty_one_does_not() {
    let Some(stage) = Stage::new("a_text_that_cannot_be_read_makes_its_target_down_and_an_empty_one_does_not") else { return };
    let receiver = Receiver::start(Speaks::Both);
    let cases = [
        ("nothing", TEXT, "", 1.0),
        ("remark", TEXT, "# No metrics\n", 1.0),
        ("end", OPEN_METRICS, "# EOF\n", 1.0),
        ("staleness", TEXT, "a 1\nb StaleNaN\n", 0.0),
        ("letters", TEXT, "a 1\nb :\n", 0.0),
        ("timeless", TEXT, "a 42 \u{fffd}\n", 0.0),
        ("torn", OPEN_METRICS, "a 1\n", 0.0),
        ("behind", OPEN_METRICS, "a 1\n# EOF\nb 1\n", 0.0),
        ("unquoted", TEXT, "a{b=c} 1\n", 0.0),
        ("page", "text/html", "<html>", 0.0),
    ];
    let targets: Vec<(&str, Exposed)> = cases.iter().map(|(job, kind, text, _)| (*job, Exposed::start(kind, text))).collect();
    let targets: Vec<(&str, &Exposed)> = targets.iter().map(|(job, target)| (*job, target)).collect();
    let agent = stage.start_scraping(&[(&receiver.url(), "")], &targets);
    for (job, _, _, up) in cases {
        let times = || receiver.received().one("up", job).map_or(0, |series| series.samples.len());
        wait::for_condition(&format!("{job} is scraped"), PATIENCE, || times() >= 2);
        let arrived = receiver.received();
        assert!(arrived.one("up", job).unwrap().samples.iter().all(|(_, bits)| *bits == f64::to_bits(up)), "{job}");
        assert!(arrived.one("a", job).is_none(), "{job}: of a text that is wrong nothing is taken");
    }
    agent.terminate();
    assert_eq!(receiver.received().violations, Vec::<String>::new());
}

#[test]
fn many_series_go_in_requests_of_a_reasonable_size() {
    let lines: Vec<String> = (0..12_000).map(|place| format!("metric{{label=\"{place}\"}} {place}\n")).collect();
    let Some(pair) = Pair::start("many_series_go_in_requests_of_a_reasonable_size", TEXT, &lines.concat()) else { return };
    for receiver in [&pair.new, &pair.old] {
        let all = || receiver.received().named("metric").count();
        wait::for_condition("all arrive", PATIENCE, || all() == 12_000);
    }
    // Once is enough, for all that follows it is the same.
    pair.target.show(Some((TEXT, "")));
    for received in pair.end() {
        assert!((1000..=2000).contains(&received.largest), "{}", received.largest);
        let ended = received.named("metric").filter(|(_, series)| series.has_ended()).count();
        assert_eq!(ended, 12_000, "series that are no more end");
        let right = |(labels, series): (&str, &tests::receiver::Series)| {
            let bits = series.samples.first().unwrap().1;
            labels.contains(&format!("label=\"{}\"", f64::from_bits(bits)))
        };
        assert!(received.named("metric").all(right));
    }
}
