//! Tests of times: what is taken, what is refused, and that reading undoes writing.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Option<i64> {
    parse_rfc3339(text.as_bytes()).map(|time| time.0)
}

fn number_of(text: &str) -> Option<i64> {
    parse_number(text.as_bytes()).map(|time| time.0)
}

fn written(nanos: i64) -> String {
    let mut out = String::new();
    format_rfc3339(UnixNanos(nanos), &mut out);
    out
}

#[test]
fn an_offset_is_taken_off() {
    assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(read("1970-01-01T02:00:00+02:00"), Some(0));
    assert_eq!(read("1969-12-31T18:30:00-05:30"), Some(0));
    assert_eq!(read("2026-11-23T09:10:00.021000Z"), Some(1_795_425_000_021_000_000));
}

#[test]
fn lower_case_and_a_blank_are_taken() {
    assert_eq!(read("1970-01-01t00:00:01z"), Some(1_000_000_000));
    assert_eq!(read("1970-01-01 00:00:01Z"), Some(1_000_000_000));
}

#[test]
fn digits_after_the_ninth_are_cut() {
    assert_eq!(read("1970-01-01T00:00:00.123456789Z"), Some(123_456_789));
    assert_eq!(read("1970-01-01T00:00:00.1234567899999Z"), Some(123_456_789));
    assert_eq!(read("1970-01-01T00:00:00.5Z"), Some(500_000_000));
}

#[test]
fn a_leap_second_is_the_last_nanosecond_of_its_minute() {
    assert_eq!(read("2016-12-31T23:59:60Z"), read("2016-12-31T23:59:59.999999999Z"));
    assert_eq!(read("2016-12-31T23:59:60.3Z"), read("2016-12-31T23:59:59.999999999Z"));
    assert_eq!(read("2016-12-31T23:59:61Z"), None);
}

#[test]
fn the_leap_day_exists_in_leap_years_only() {
    assert!(read("2024-02-29T00:00:00Z").is_some());
    assert!(read("2000-02-29T00:00:00Z").is_some());
    assert_eq!(read("2026-02-29T00:00:00Z"), None);
    assert_eq!(read("1900-02-29T00:00:00Z"), None);
}

#[test]
fn what_is_not_a_time_is_refused() {
    for text in [
        "",
        "2026-11-23",
        "2026-11-23T09:10:00",
        "2026-11-23T09:10:00.Z",
        "2026-11-23T09:10:00Zx",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:60:00Z",
        "2026-13-23T09:10:00Z",
        "2026-00-23T09:10:00Z",
        "2026-11-00T09:10:00Z",
        "2026-11-31T09:10:00Z",
        "2026-11-23T09:10:00+24:00",
        "2026-11-23T09:10:00+02:60",
        "2026-11-23T09:10:00+0200",
        "2026-11-23X09:10:00Z",
        "2026/11/23T09:10:00Z",
        "+026-11-23T09:10:00Z",
        "1677-09-21T00:12:43.145224191Z",
        "2262-04-11T23:47:16.854775808Z",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn the_ends_of_the_range_are_read_and_written() {
    assert_eq!(written(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    assert_eq!(written(i64::MAX), "2262-04-11T23:47:16.854775807Z");
    assert_eq!(read(&written(i64::MIN)), Some(i64::MIN));
    assert_eq!(read(&written(i64::MAX)), Some(i64::MAX));
}

#[test]
fn a_fraction_is_written_in_groups_of_three_digits() {
    assert_eq!(written(0), "1970-01-01T00:00:00Z");
    assert_eq!(written(1_000_000), "1970-01-01T00:00:00.001Z");
    assert_eq!(written(1_000), "1970-01-01T00:00:00.000001Z");
    assert_eq!(written(-1), "1969-12-31T23:59:59.999999999Z");
}

#[test]
fn the_size_of_a_number_tells_its_unit() {
    let expected = Some(1_700_000_000_250_000_000);
    assert_eq!(number_of("1700000000.25"), expected);
    assert_eq!(number_of("1700000000250"), expected);
    assert_eq!(number_of("1700000000250000.0"), expected);
    assert_eq!(number_of("1700000000250000000"), expected);
    assert_eq!(number_of("1700000000250.1234567"), Some(1_700_000_000_250_123_456));
    assert_eq!(number_of("0"), Some(0));
}

#[test]
fn what_is_not_a_plain_number_is_refused() {
    for text in ["", "-1", "+1", "1.", ".5", "1e9", "1700000000 ", "17000000000000000000", "9300000000000000000", "99999999999"] {
        assert_eq!(number_of(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn reading_undoes_writing(nanos: i64) {
        prop_assert_eq!(read(&written(nanos)), Some(nanos));
    }

    #[test]
    fn no_bytes_make_it_panic(text: Vec<u8>) {
        let _ = parse_rfc3339(&text);
        let _ = parse_number(&text);
    }

    #[test]
    fn a_broken_time_never_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?([Zz]|[+-][0-9]{2}:[0-9]{2})?") {
        let _ = parse_rfc3339(text.as_bytes());
    }
}
