use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::metric::{Family, Kind, STALE_BITS, UnixMillis};
use crate::snappy::decompress;
use crate::time::UnixNanos;

fn family(name: &str, kind: Kind) -> Family<'_> {
    Family { name, kind, help: "What it is.", unit: "" }
}

/// Series `up` of so many instances, and a counter.
fn set(instances: usize) -> Arc<SeriesSet> {
    let mut builder = SeriesSetBuilder::new();
    let up = builder.family(family("up", Kind::Gauge));
    for instance in 0..instances {
        let instance = format!("node-{instance}");
        let labels = [("__name__", "up"), ("instance", instance.as_str()), ("job", "node")];
        builder.series(up, labels.into_iter(), UnixMillis(0));
    }
    let reads = builder.family(family("reads_total", Kind::Counter));
    builder.series(reads, [("__name__", "reads_total"), ("job", "node")].into_iter(), UnixMillis(500));
    builder.finish()
}

fn samples(set: &Arc<SeriesSet>, time: i64, first: f64) -> Part {
    let values = (0..set.len()).map(|place| first + place as f64).collect();
    Part::whole(Arc::new(Samples::new(Arc::clone(set), UnixMillis(time), values).unwrap()))
}

/// What a receiver has, series by series: labels, type, and samples with their starts.
type Received = Vec<(Vec<(String, String)>, i32, Vec<(u64, i64, i64)>)>;

fn receive(request: &Request, version: Version) -> Received {
    let body = Encoder::new().encode(request, version, |_| true);
    let message = decompress(&body, 1 << 24).unwrap();
    match version {
        Version::V1 => {
            let decoded = wire_1::WriteRequest::decode(&*message).unwrap();
            assert_eq!(decoded.encode_to_vec(), message, "as prost writes it");
            let series = decoded.series.into_iter().map(|series| {
                let labels = series.labels.into_iter().map(|label| (label.name, label.value)).collect();
                let samples = series.samples.iter().map(|sample| (sample.value.to_bits(), sample.timestamp, 0));
                (labels, 0, samples.collect())
            });
            series.collect()
        }
        Version::V2 => {
            let decoded = wire_2::Request::decode(&*message).unwrap();
            assert_eq!(decoded.encode_to_vec(), message, "as prost writes it");
            let symbol = |place: u32| decoded.symbols[place as usize].clone();
            let mut unique = decoded.symbols.clone();
            unique.sort();
            unique.dedup();
            assert_eq!((unique.len(), decoded.symbols[0].as_str()), (decoded.symbols.len(), ""));
            let series = decoded.series.iter().map(|series| {
                let labels = series.labels.chunks(2).map(|pair| (symbol(pair[0]), symbol(pair[1]))).collect();
                let samples = series.samples.iter().map(|sample| (sample.value.to_bits(), sample.timestamp, sample.start));
                (labels, series.metadata.as_ref().unwrap().r#type, samples.collect())
            });
            series.collect()
        }
    }
}

#[test]
fn collections_of_the_same_series_share_their_labels() {
    let set = set(2);
    let request = Request::new(vec![samples(&set, 1_000, 1.0), samples(&set, 2_000, 7.0)]);
    assert_eq!(request.len(), 6);
    let labels =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    let bits = |value: f64| value.to_bits();
    let expected = [
        (
            labels(&[("__name__", "up"), ("instance", "node-0"), ("job", "node")]),
            2,
            vec![(bits(1.0), 1_000, 0), (bits(7.0), 2_000, 0)],
        ),
        (
            labels(&[("__name__", "up"), ("instance", "node-1"), ("job", "node")]),
            2,
            vec![(bits(2.0), 1_000, 0), (bits(8.0), 2_000, 0)],
        ),
        (labels(&[("__name__", "reads_total"), ("job", "node")]), 1, vec![(bits(3.0), 1_000, 500), (bits(9.0), 2_000, 500)]),
    ];
    assert_eq!(receive(&request, Version::V2), expected);
    let without = |received: &Received| -> Vec<_> {
        received
            .iter()
            .map(|(labels, _, samples)| {
                (labels.clone(), samples.iter().map(|(value, time, _)| (*value, *time)).collect::<Vec<_>>())
            })
            .collect()
    };
    assert_eq!(without(&receive(&request, Version::V1)), without(&expected.to_vec()));
}

#[test]
fn exemplars_go_with_their_samples_in_both_versions_also_in_halves() {
    let exemplar = |place, trace: &str, value, time| Exemplar {
        place,
        // One that is a label of series too.
        labels: vec![("job".to_owned(), "node".to_owned()), ("trace_id".to_owned(), trace.to_owned())],
        value,
        time: UnixMillis(time),
    };
    let bare = Exemplar { labels: Vec::new(), ..exemplar(1, "", 0.0, 0) };
    let exemplars = vec![exemplar(2, "z", 0.5, 999), exemplar(0, "x", 1.5, 1_000), bare, exemplar(9, "nobody's", 1.0, 1)];
    let with = |part: Part| Part::whole(Arc::new((**part.samples()).clone().with_exemplars(exemplars.clone())));
    let (one, other) = (set(2), set(1));
    let request = Request::new(vec![with(samples(&one, 1_000, 1.0)), samples(&one, 2_000, 1.0), samples(&other, 1_000, 1.0)]);
    let (first, second) = request.clone().halves().unwrap();
    for version in [Version::V1, Version::V2] {
        // Encoded as prost does, and symbols stand there once.
        receive(&request, version);
        let all = received_exemplars(&request, version);
        let labels = |trace: &str| vec![("job".to_owned(), "node".to_owned()), ("trace_id".to_owned(), trace.to_owned())];
        let expected = [("up", labels("x"), 1.5, 1_000), ("up", Vec::new(), 0.0, 0), ("reads_total", labels("z"), 0.5, 999)];
        let expected: Vec<_> = expected.map(|(name, labels, value, time)| (name.to_owned(), labels, value, time)).into();
        assert_eq!(all, expected, "{version:?}");
        let halves = [received_exemplars(&first, version), received_exemplars(&second, version)].concat();
        assert_eq!(halves, expected, "{version:?}");
    }
}

/// Exemplars with the names of their series: labels, value, time.
type ReceivedExemplars = Vec<(String, Vec<(String, String)>, f64, i64)>;

fn received_exemplars(request: &Request, version: Version) -> ReceivedExemplars {
    let body = Encoder::new().encode(request, version, |_| true);
    let message = decompress(&body, 1 << 24).unwrap();
    let mut all = Vec::new();
    match version {
        Version::V1 => {
            for series in wire_1::WriteRequest::decode(&*message).unwrap().series {
                for exemplar in series.exemplars {
                    let labels = exemplar.labels.into_iter().map(|label| (label.name, label.value)).collect();
                    all.push((series.labels[0].value.clone(), labels, exemplar.value, exemplar.timestamp));
                }
            }
        }
        Version::V2 => {
            let decoded = wire_2::Request::decode(&*message).unwrap();
            let symbol = |place: u32| decoded.symbols[place as usize].clone();
            for series in &decoded.series {
                for exemplar in &series.exemplars {
                    let labels = exemplar.labels.chunks(2).map(|pair| (symbol(pair[0]), symbol(pair[1]))).collect();
                    all.push((symbol(series.labels[1]), labels, exemplar.value, exemplar.timestamp));
                }
            }
        }
    }
    all
}

#[test]
fn help_is_sent_with_all_series_of_a_family_where_it_is_asked_for_and_types_always() {
    let request = Request::new(vec![samples(&set(2), 1_000, 1.0)]);
    for wanted in [true, false] {
        let mut asked = Vec::new();
        let body = Encoder::new().encode(&request, Version::V2, |family| {
            asked.push(family.to_owned());
            wanted
        });
        let decoded = wire_2::Request::decode(&*decompress(&body, 1 << 20).unwrap()).unwrap();
        let helps: Vec<&str> = decoded
            .series
            .iter()
            .map(|series| decoded.symbols[series.metadata.as_ref().unwrap().help as usize].as_str())
            .collect();
        assert_eq!(helps, if wanted { ["What it is."; 3] } else { [""; 3] });
        assert_eq!(asked, ["up", "reads_total"]);
    }
}

#[test]
fn metadata_of_1_0_stands_alone() {
    let set = set(1);
    let body = Encoder::new().encode_metadata(set.families());
    let decoded = wire_1::WriteRequest::decode(&*decompress(&body, 1 << 20).unwrap()).unwrap();
    let seen: Vec<_> =
        decoded.metadata.iter().map(|metadata| (metadata.r#type, metadata.family.as_str(), metadata.help.as_str())).collect();
    assert_eq!(seen, [(2, "up", "What it is."), (1, "reads_total", "What it is.")]);
    assert!(decoded.series.is_empty());
}

#[test]
fn the_stale_marker_keeps_its_bits_and_every_other_nan_becomes_one() {
    let set = set(1);
    let values = vec![f64::from_bits(STALE_BITS), f64::from_bits(0xfff8_0000_0000_1234)];
    let part = Part::whole(Arc::new(Samples::new(set, UnixMillis(1), values).unwrap()));
    let received = receive(&Request::new(vec![part]), Version::V2);
    let values: Vec<u64> = received.iter().map(|(_, _, samples)| samples[0].0).collect();
    assert_eq!(values, [STALE_BITS, crate::metric::NAN_BITS]);
}

/// Whether an answer is the expected one.
type Is = Box<dyn Fn(&Answer) -> bool>;

#[test]
fn an_answer_says_what_to_do() {
    let written = |samples| Some(Written { samples });
    let read = |version, status, written, body: &str| {
        read_answer(&Reply { status, retry_after: Some("7"), written, body }, version, 10, UnixNanos(0))
    };
    let stored = |samples| move |answer: &Answer| matches!(answer, Answer::Stored { samples: stored, .. } if *stored == samples);
    let refused = |samples, word: &'static str| move |answer: &Answer| matches!(answer, Answer::Refused { stored, word: said, .. } if *stored == samples && said == word);
    let again = |answer: &Answer| matches!(answer, Answer::Again { after: Some(after), .. } if *after == Duration::from_secs(7));
    let held = |answer: &Answer| matches!(answer, Answer::Held { .. });
    let other = |answer: &Answer| matches!(answer, Answer::OtherVersion { .. });
    let table: Vec<(Version, u16, Option<Written>, &str, Is)> = vec![
        (Version::V1, 204, None, "", Box::new(stored(10))),
        (Version::V1, 200, None, "whatever", Box::new(stored(10))),
        (Version::V1, 200, None, "<html>log in", Box::new(held)),
        (Version::V2, 204, written(10), "", Box::new(stored(10))),
        (Version::V2, 200, written(10), "<html>all is well", Box::new(stored(10))),
        (Version::V2, 204, written(7), "", Box::new(stored(7))),
        (Version::V2, 204, None, "", Box::new(other)),
        (Version::V2, 415, None, "", Box::new(other)),
        (Version::V1, 415, None, "", Box::new(other)),
        (Version::V1, 400, None, "out of order sample", Box::new(refused(None, "out_of_order"))),
        (Version::V2, 400, written(9), "duplicate sample for timestamp", Box::new(refused(Some(9), "duplicate"))),
        (Version::V2, 400, written(0), "out of bounds", Box::new(refused(Some(0), "out_of_bounds"))),
        (Version::V1, 400, written(9), "out of order sample", Box::new(refused(None, "out_of_order"))),
        (Version::V1, 400, None, "out of bounds", Box::new(refused(None, "out_of_bounds"))),
        (Version::V1, 422, None, "no", Box::new(refused(None, "422"))),
        (Version::V1, 413, None, "", Box::new(|answer| matches!(answer, Answer::TooLarge { .. }))),
        (Version::V1, 429, None, "", Box::new(again)),
        (Version::V2, 503, None, "", Box::new(again)),
        (Version::V1, 500, None, "", Box::new(again)),
        (Version::V1, 501, None, "", Box::new(held)),
        (Version::V1, 401, None, "", Box::new(held)),
        (Version::V1, 403, None, "", Box::new(held)),
        (Version::V1, 404, None, "", Box::new(held)),
        (Version::V1, 302, None, "", Box::new(held)),
    ];
    for (version, status, written, body, is) in table {
        let answer = read(version, status, written, body);
        assert!(is(&answer), "{version:?} {status} {written:?} {body}: {answer:?}");
    }
}

proptest! {
    #[test]
    fn halves_hold_together_what_the_whole_held(sizes in prop::collection::vec((0..3_usize, 1..4_usize), 1..6)) {
        let sets: Vec<_> = (1..4).map(set).collect();
        let parts = sizes.iter().enumerate().map(|(time, (which, _))| samples(&sets[*which], time as i64, 0.0)).collect();
        let whole = Request::new(parts);
        let mut all = flat(&whole, Version::V1);
        prop_assert_eq!(all.len(), whole.len());
        let mut waiting = vec![whole.clone()];
        let mut single = Vec::new();
        while let Some(request) = waiting.pop() {
            match request.clone().halves() {
                Some((first, second)) => {
                    prop_assert!(first.len() <= second.len() && second.len() - first.len() <= 1);
                    waiting.extend([second, first]);
                }
                None => single.extend(flat(&request, Version::V2)),
            }
        }
        all.sort();
        single.sort();
        prop_assert_eq!(all, single);
    }
}

/// A sample with its labels.
type Flat = (Vec<(String, String)>, u64, i64);

/// Each sample with its labels.
fn flat(request: &Request, version: Version) -> Vec<Flat> {
    let received = receive(request, version);
    received
        .into_iter()
        .flat_map(|(labels, _, samples)| samples.into_iter().map(move |(value, time, _)| (labels.clone(), value, time)))
        .collect()
}
