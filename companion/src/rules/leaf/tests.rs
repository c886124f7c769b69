//! Points of leaves against simple models of them.

use proptest::prelude::*;

use super::*;

fn leaf(is_absence: bool, by_id: bool) -> LeafPoints {
    LeafPoints::new(Keeping { range: 10, is_absence, by_id })
}

fn put(leaf: &mut LeafPoints, time: i64, hash: u64) -> Inserted {
    let mark = Mark { hash, arrival: UnixNanos(time) };
    leaf.insert(&LabelSet::new(), &LabelSet::new(), Point { time: UnixNanos(time), value: 1.0 }, mark, None)
}

fn times(leaf: &LeafPoints, after: i64, until: i64) -> Vec<i64> {
    leaf.times(None, UnixNanos(after), UnixNanos(until)).map(|time| time.0).collect()
}

#[test]
fn points_go_to_their_place_and_the_same_entry_counts_once() {
    let mut leaf = leaf(false, false);
    for (time, hash) in [(5, 1), (3, 2), (9, 3), (5, 4)] {
        assert_eq!(put(&mut leaf, time, hash), Inserted::New);
    }
    assert_eq!(put(&mut leaf, 5, 1), Inserted::Again);
    assert_eq!(put(&mut leaf, 5, 4), Inserted::Again);
    assert_eq!(times(&leaf, i64::MIN, i64::MAX), [3, 5, 5, 9]);
    assert_eq!(times(&leaf, 3, 5), [5, 5]);
    leaf.prune(UnixNanos(6), UnixNanos(4));
    assert_eq!(times(&leaf, i64::MIN, i64::MAX), [5, 5, 9]);
    assert_eq!(leaf.bytes(), series_bytes(&LabelSet::new()) + 3 * POINT_BYTES);
    assert_eq!(leaf.give_up(1), 2);
    assert_eq!(leaf.give_up(usize::MAX), 1);
    assert_eq!((leaf.bytes(), leaf.len()), (0, 0));
}

#[test]
fn an_id_counts_once_in_each_window() {
    let mut leaf = leaf(false, true);
    for (time, id) in [(0, 7), (9, 7), (9, 8), (18, 7)] {
        put(&mut leaf, time, id);
    }
    let window = |until: i64| {
        let window = leaf.window_by_id(None, UnixNanos(until - 10), UnixNanos(until));
        window.iter().flat_map(|(_, points)| points.iter().map(|point| point.time.0)).collect::<Vec<_>>()
    };
    assert_eq!(window(9), [0, 9]);
    assert_eq!(window(10), [9, 9]);
    assert_eq!(window(19), [18]);
}

proptest! {
    #[test]
    fn an_absence_keeps_what_its_windows_can_tell_apart(given in prop::collection::vec(0_i64..200, 1..60)) {
        let mut thin = leaf(true, false);
        for time in &given {
            put(&mut thin, *time, 0);
        }
        for until in 0..220 {
            let has = given.iter().any(|time| *time > until - 10 && *time <= until);
            prop_assert_eq!(!times(&thin, until - 10, until).is_empty(), has, "window until {}", until);
        }
        prop_assert!(thin.len() <= 2 * 220 / 10 + 2);
    }

    #[test]
    fn what_is_counted_is_what_is_there(steps in prop::collection::vec((0_i64..100, 0_u64..5, 0_u8..8), 1..80)) {
        let mut leaf = leaf(false, false);
        let mut model: Vec<(i64, u64)> = Vec::new();
        for (time, hash, what) in steps {
            if what == 0 {
                leaf.prune(UnixNanos(time), UnixNanos(i64::MAX));
                model.retain(|(known, _)| *known >= time);
            } else {
                let known = model.contains(&(time, hash));
                prop_assert_eq!(put(&mut leaf, time, hash) == Inserted::Again, known);
                if !known {
                    model.push((time, hash));
                }
            }
            let mut expected: Vec<i64> = model.iter().map(|(time, _)| *time).collect();
            expected.sort_unstable();
            prop_assert_eq!(times(&leaf, i64::MIN, i64::MAX), expected);
            prop_assert_eq!(leaf.len(), model.len());
        }
    }

    #[test]
    fn ids_are_counted_as_if_every_window_were_looked_through(
        steps in prop::collection::vec((0_i64..100, 0_u64..6, 0_u8..10), 1..80),
    ) {
        let mut leaf = leaf(false, true);
        for (time, id, what) in steps {
            match what {
                // In the engine no window reaches behind what was pruned.
                0 => leaf.prune(UnixNanos(time), UnixNanos(i64::MAX)),
                1 => drop(leaf.give_up(POINT_BYTES)),
                _ => drop(put(&mut leaf, time, id)),
            }
            for until in 0..110 {
                let (after, until) = (UnixNanos(until - 10), UnixNanos(until));
                let counted: usize = leaf.window(None, after, until).iter().map(|series| series.count).sum();
                let seen: usize = leaf.window_by_id(None, after, until).iter().map(|(_, points)| points.len()).sum();
                prop_assert_eq!(counted, seen, "window until {}", until.0);
            }
        }
    }
}
