//! The position log's records: what is written is read again, what is torn is cut, and replaying gives the last settled place.

use durable::frame::Damage;
use proptest::prelude::*;

use super::*;

fn cursor(at: u64) -> Cursor {
    Cursor { segment: SegmentNumber(3), at, marker: Marker(at * 7), ..Cursor::default() }
}

fn step(at: u64) -> Move {
    let stamp = Stamp { segment: SegmentNumber(3), from: at, time: -5 };
    Move { chain: 1, cursors: vec![cursor(at)], stamps: vec![stamp], newest: vec![newest(0, at as i64)] }
}

fn newest(part: u16, time: i64) -> Newest {
    Newest { stream: 77, part: Part(part), time }
}

fn begun() -> Positions {
    let mut positions = Positions::default();
    positions.apply(Record::Destination { id: 0, name: "loki".into() });
    positions.apply(Record::Chain { id: 1, key: "file a".into() });
    positions.apply(Record::Segment { chain: 1, number: SegmentNumber(3), identity: SegmentIdentity::default() });
    positions
}

fn log(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_header(&mut bytes);
    for record in records {
        encode(record, &mut bytes);
    }
    bytes
}

#[test]
fn a_batch_moves_positions_only_when_it_is_settled() {
    let mut positions = begun();
    positions.apply(Record::Sending { destination: 0, sequence: 1, seen: 9, moves: vec![step(100)] });
    assert!(positions.destinations[&0].cursors.is_empty());
    assert_eq!(positions.destinations[&0].announced.as_ref().unwrap().moves, [step(100)]);
    positions.apply(Record::Settled { destination: 0, sequence: 2, except: vec![], ledger: vec![] });
    assert!(positions.destinations[&0].announced.is_some(), "another batch's answer settles nothing");
    positions.apply(Record::Settled { destination: 0, sequence: 1, except: vec![], ledger: vec![] });
    assert_eq!(positions.destinations[&0].cursors[&1], [cursor(100)]);
    assert_eq!(positions.destinations[&0].newest[&1], [newest(0, 100)]);
    assert!(positions.destinations[&0].announced.is_none());
}

#[test]
fn a_compacted_log_says_the_same() {
    let mut positions = begun();
    positions.apply(Record::Name { id: 4, text: "audit".into() });
    positions.apply(Record::Sending { destination: 0, sequence: 1, seen: 9, moves: vec![step(100)] });
    let delta = Delta { source: 4, fate: crate::ledger::Fate::Shipped, reason: 4, bytes: 100, lines: 2 };
    positions.apply(Record::Settled { destination: 0, sequence: 1, except: vec![], ledger: vec![delta] });
    positions.apply(Record::Sending { destination: 0, sequence: 2, seen: 10, moves: vec![step(200)] });
    positions.apply(Record::Missing { chain: 1, since: 7 });
    let mut again = Positions::default();
    let (records, damage) = decode(&log(&positions.records()));
    assert_eq!(damage, None);
    for record in records {
        again.apply(record);
    }
    assert_eq!(again.destinations, positions.destinations);
    assert_eq!((again.chains, again.segments, again.ledger), (positions.chains, positions.segments, positions.ledger));
    assert_eq!(again.missing, positions.missing);
}

#[test]
fn of_a_forgotten_chain_nothing_is_left() {
    let mut positions = begun();
    positions.apply(Record::Sending { destination: 0, sequence: 1, seen: 9, moves: vec![step(100)] });
    positions.apply(Record::Settled { destination: 0, sequence: 1, except: vec![], ledger: vec![] });
    positions.apply(Record::Sending { destination: 0, sequence: 2, seen: 9, moves: vec![step(200)] });
    positions.apply(Record::Missing { chain: 1, since: 9 });
    assert_eq!((positions.missing.get(&1), positions.is_unfinished(0, 1)), (Some(&9), true));
    positions.apply(Record::Forget { chain: 1 });
    // What is said of it later is a late word about a number that is not given any more.
    positions.apply(Record::Settled { destination: 0, sequence: 2, except: vec![step(150)], ledger: vec![] });
    positions.apply(Record::Moved { destination: 0, seen: 10, moves: vec![step(300)], ledger: vec![] });
    positions.apply(Record::Missing { chain: 1, since: 10 });
    assert!(positions.chains.is_empty() && positions.segments.is_empty() && positions.missing.is_empty());
    assert!(positions.destinations[&0].cursors.is_empty() && !positions.is_unfinished(0, 1));
}

#[test]
fn a_chain_is_unfinished_where_a_cursor_or_an_announced_batch_is_left() {
    let mut positions = begun();
    assert!(!positions.is_unfinished(0, 1));
    positions.apply(Record::Sending { destination: 0, sequence: 1, seen: 9, moves: vec![step(100)] });
    assert!(positions.is_unfinished(0, 1), "the batch may never have arrived");
    positions.apply(Record::Settled { destination: 0, sequence: 1, except: vec![], ledger: vec![] });
    assert!(positions.is_unfinished(0, 1), "there may be more behind the cursor");
    let over = Move { chain: 1, cursors: vec![], stamps: vec![], newest: vec![] };
    positions.apply(Record::Moved { destination: 0, seen: 10, moves: vec![over], ledger: vec![] });
    assert!(!positions.is_unfinished(0, 1));
    positions.drop_unknown();
    assert_eq!(positions.chains.len(), 1, "that it was read to its end is known");
    positions.apply(Record::Chain { id: 2, key: "file b".into() });
    positions.drop_unknown();
    assert_eq!(positions.chains.keys().collect::<Vec<_>>(), [&1]);
}

#[test]
fn a_foreign_or_newer_file_is_told_apart_from_damage() {
    assert_eq!(decode(b"").1, Some(Damage::Foreign));
    assert_eq!(decode(b"something else entirely").1, Some(Damage::Foreign));
    assert_eq!(decode(&[0; 4096]).1, Some(Damage::Foreign), "a file full of NULs is what a power cut leaves");
    let mut newer = log(&[]);
    *newer.last_mut().unwrap() = 9;
    assert_eq!(decode(&newer).1, Some(Damage::Version(9)));
}

#[test]
fn a_part_that_is_refused_stays_where_it_was() {
    let held = hold_back(&[cursor(100)], &[cursor(500)], Part(1));
    assert_eq!(held, [Cursor { ahead: vec![(Part(0), 500)], ..cursor(100) }]);
    let again = hold_back(&held, &[cursor(900)], Part(1));
    assert_eq!(again, [Cursor { ahead: vec![(Part(0), 900)], ..cursor(100) }]);
    // The others have finished the segment: what is held still needs it.
    assert_eq!(hold_back(&[cursor(100)], &[], Part(0))[0].at, 100);
    let (before, after) = ([newest(0, 1), newest(1, 2)], [newest(0, 8), newest(1, 9)]);
    assert_eq!(hold_back_newest(&before, &after, Part(1)), [newest(1, 2), newest(0, 8)]);
    assert_eq!(hold_back_newest(&[], &after, Part(1)), [newest(0, 8)], "what was never settled has no newest");
}

#[test]
fn of_the_journal_newest_times_add_up_and_files_that_are_there_stay_known() {
    let mut positions = begun();
    positions.apply(Record::Chain { id: 2, key: "journal".to_owned() });
    for number in 0..4 {
        let identity = SegmentIdentity::default();
        positions.apply(Record::Segment { chain: 2, number: SegmentNumber(number), identity });
    }
    let cursors = vec![Cursor { segment: SegmentNumber(3), at: 7, ..Cursor::default() }];
    let times =
        |streams: &[u64], time| streams.iter().map(|stream| Newest { stream: *stream, part: Part(0), time }).collect::<Vec<_>>();
    for (sequence, newest) in [(1, times(&[1, 2], 10)), (2, times(&[2], 20))] {
        let step = Move { chain: 2, cursors: cursors.clone(), stamps: vec![], newest };
        positions.apply(Record::Sending { destination: 0, sequence, seen: 9, moves: vec![step] });
        positions.apply(Record::Settled { destination: 0, sequence, except: vec![], ledger: vec![] });
    }
    let expected: Vec<Newest> = times(&[1], 10).into_iter().chain(times(&[2], 20)).collect();
    assert_eq!(positions.destinations[&0].newest[&2], expected);
    positions.prune();
    assert_eq!(positions.segments[&2].len(), 4, "those that were read to their end must not be read again");
    positions.keep_segments(2, &[SegmentNumber(1)]);
    let left: Vec<u64> = positions.segments[&2].keys().map(|number| number.0).collect();
    assert_eq!(left, [1, 3], "one is there, and a cursor speaks of the other");
}

fn any_record() -> impl Strategy<Value = Record> {
    let cursor = (
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<i64>(),
        any::<u32>(),
        any::<bool>(),
        proptest::collection::vec((any::<u16>(), any::<u64>()), 0..3),
        proptest::option::of((any::<[u64; 5]>(), any::<bool>())),
    );
    let entry = |([directory, sequence, seqnum, boot, monotonic], in_memory): ([u64; 5], bool)| EntryPlace {
        directory,
        in_memory,
        sequence,
        seqnum,
        boot,
        monotonic,
    };
    let cursor = cursor.prop_map(move |(segment, at, marker, last, added, mid_line, ahead, place)| Cursor {
        segment: SegmentNumber(segment),
        at,
        marker: Marker(marker),
        ties: [Ties { last, added }, Ties::default()],
        mid_line,
        ahead: ahead.into_iter().map(|(part, at)| (Part(part), at)).collect(),
        entry: place.map(entry),
    });
    let stamp = (any::<u64>(), any::<u64>(), any::<i64>()).prop_map(|(segment, from, time)| Stamp {
        segment: SegmentNumber(segment),
        from,
        time,
    });
    let newest = (any::<u64>(), any::<u16>(), any::<i64>());
    let newest = newest.prop_map(|(stream, part, time)| Newest { stream, part: Part(part), time });
    let lists = (
        proptest::collection::vec(cursor, 0..3),
        proptest::collection::vec(stamp, 0..3),
        proptest::collection::vec(newest, 0..3),
    );
    let step = (any::<u32>(), lists);
    let step = step.prop_map(|(chain, (cursors, stamps, newest))| Move { chain, cursors, stamps, newest });
    let moves = proptest::collection::vec(step, 0..4);
    prop_oneof![
        (any::<u32>(), any::<String>()).prop_map(|(id, key)| Record::Chain { id, key }),
        (any::<u32>(), any::<u64>(), any::<u64>(), moves).prop_map(|(destination, sequence, seen, moves)| Record::Sending {
            destination,
            sequence,
            seen,
            moves
        }),
        any::<u32>().prop_map(|chain| Record::Forget { chain }),
        (any::<u32>(), any::<u64>()).prop_map(|(chain, since)| Record::Missing { chain, since }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in proptest::collection::vec(any_record(), 0..20)) {
        prop_assert_eq!(decode(&log(&records)), (records, None));
    }

    #[test]
    fn a_log_cut_anywhere_gives_the_records_before_the_cut(records in proptest::collection::vec(any_record(), 1..10), cut in any::<prop::sample::Index>()) {
        let bytes = log(&records);
        let (read, _) = decode(&bytes[..cut.index(bytes.len())]);
        prop_assert!(records.starts_with(&read));
    }

    #[test]
    fn no_bytes_make_it_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut log = log(&[]);
        log.extend(&bytes);
        let _ = decode(&log);
        let _ = read_spooled(&bytes);
    }
}
