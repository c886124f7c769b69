use proptest::prelude::*;
use proto::metric::{Family, Kind, UnixMillis};
use proto::remote_write::{Exemplar, SeriesSetBuilder};

use super::*;

fn set(series: usize) -> Arc<SeriesSet> {
    let mut builder = SeriesSetBuilder::new();
    let family = builder.family(Family { name: "up", kind: Kind::Gauge, help: "Help.", unit: "" });
    for place in 0..series {
        let place = place.to_string();
        builder.series(family, [("__name__", "up"), ("place", place.as_str())].into_iter(), UnixMillis(3));
    }
    builder.finish()
}

fn samples(set: &Arc<SeriesSet>, time: i64) -> Samples {
    Samples::new(Arc::clone(set), UnixMillis(time), vec![time as f64; set.len()]).unwrap()
}

fn exemplar(place: usize, label: &str) -> Exemplar {
    Exemplar { place, labels: vec![("trace_id".to_owned(), label.to_owned())], value: 0.25, time: UnixMillis(8) }
}

fn times(spool: &mut SampleSpool, most: usize) -> Vec<i64> {
    spool.oldest(most).unwrap().iter().map(|samples| samples.time().0).collect()
}

/// Takes everything out, so many samples at a time.
fn drain(spool: &mut SampleSpool, most: usize) -> Vec<Samples> {
    let mut out = Vec::new();
    loop {
        let oldest = spool.oldest(most).unwrap();
        if oldest.is_empty() {
            assert!(spool.is_empty());
            return out;
        }
        spool.delivered(oldest.len()).unwrap();
        out.extend(oldest.iter().map(|samples| (**samples).clone()));
    }
}

#[test]
fn what_was_put_in_comes_out_in_order_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spool");
    let (one, two) = (set(3), set(2));
    let mut spool = SampleSpool::open(&path, 1 << 20).unwrap();
    assert!(spool.is_empty() && !path.exists());
    let timed = samples(&one, 9).with_times(vec![UnixMillis(5), UnixMillis(6), UnixMillis(7)]).unwrap();
    let timed = timed.with_exemplars(vec![exemplar(2, "x")]);
    let exemplified = samples(&one, 10).with_exemplars(vec![exemplar(0, "y"), exemplar(1, "é")]);
    let all = vec![samples(&one, 1), samples(&one, 2), samples(&two, 3), timed, exemplified];
    for samples in &all {
        spool.append(samples).unwrap();
    }
    assert_eq!(spool.samples(), 14);
    assert_eq!(times(&mut spool, 7), [1, 2], "no collection is taken apart");
    spool.delivered(2).unwrap();
    drop(spool);
    let mut spool = SampleSpool::open(&path, 1 << 20).unwrap();
    assert_eq!(spool.samples(), 8);
    spool.append(&samples(&two, 11)).unwrap();
    let mut rest = all[2..].to_vec();
    rest.push(samples(&two, 11));
    assert_eq!(drain(&mut spool, 1), rest);
    assert_eq!((spool.samples(), spool.bytes(), spool.damaged(), spool.given_up()), (0, 0, 0, 0));
    // What was delivered does not come back.
    assert!(SampleSpool::open(&path, 1 << 20).unwrap().is_empty());
}

#[test]
fn a_full_spool_gives_up_the_oldest_and_says_how_many() {
    let directory = tempfile::tempdir().unwrap();
    let set = set(100);
    let mut spool = SampleSpool::open(directory.path(), 64 << 10).unwrap();
    for time in 0..400 {
        spool.append(&samples(&set, time)).unwrap();
        assert!(spool.bytes() <= (64 << 10) + 16_384, "{}", spool.bytes());
    }
    assert_eq!(spool.samples() + spool.given_up(), 40_000);
    assert!(spool.given_up() > 0);
    let left: Vec<i64> = drain(&mut spool, 1000).iter().map(|samples| samples.time().0).collect();
    assert_eq!(left, (400 - left.len() as i64..400).collect::<Vec<_>>());
}

#[test]
fn a_torn_tail_is_cut_and_the_rest_read() {
    let directory = tempfile::tempdir().unwrap();
    let set = set(3);
    let mut spool = SampleSpool::open(directory.path(), 1 << 20).unwrap();
    for time in 0..3 {
        spool.append(&samples(&set, time).with_exemplars(vec![exemplar(1, "x")])).unwrap();
    }
    let (bytes, path) = (spool.bytes(), spool.segments.path(1));
    drop(spool);
    let whole = fs::read(&path).unwrap();
    for torn in (0..bytes).rev() {
        fs::write(&path, &whole[..torn as usize]).unwrap();
        let mut spool = SampleSpool::open(directory.path(), 1 << 20).unwrap();
        let left = drain(&mut spool, 1);
        assert!(left.iter().zip(0..).all(|(samples, time)| samples.time().0 == time), "torn at {torn}");
        assert_eq!(left.len() < 3, torn < bytes);
        let _ = fs::remove_file(directory.path().join(POSITION_NAME));
    }
}

#[test]
fn a_damaged_record_costs_the_rest_of_its_segment_and_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let set = set(3);
    let mut spool = SampleSpool::open(directory.path(), 1 << 20).unwrap();
    for time in 0..3 {
        spool.append(&samples(&set, time).with_exemplars(vec![exemplar(1, "x")])).unwrap();
    }
    let path = spool.segments.path(1);
    drop(spool);
    let whole = fs::read(&path).unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let mut spool = SampleSpool::open(directory.path(), 1 << 20).unwrap();
        let left = drain(&mut spool, 9);
        assert!(left.len() < 3 && spool.damaged() > 0, "{} at {place}", left.len());
        assert!(
            left.iter()
                .zip(0..)
                .all(|(samples, time)| samples.time().0 == time && samples.values()[0].to_bits() == (time as f64).to_bits())
        );
        let _ = fs::remove_file(directory.path().join(POSITION_NAME));
    }
}

proptest! {
    #[test]
    fn records_of_any_bytes_are_refused_or_read(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let sets = HashMap::from([(0, set(1))]);
        let _ = codec::read(&body, &sets);
    }
}
