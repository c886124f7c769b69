use proptest::prelude::*;

use super::*;
use crate::rules::alert::Phase;

fn labels() -> impl Strategy<Value = LabelSet> {
    prop::collection::vec(("[a-c]{1,2}", "\\PC{0,5}"), 0..3).prop_map(|pairs| pairs.into_iter().collect())
}

fn time() -> impl Strategy<Value = UnixNanos> {
    any::<i64>().prop_map(UnixNanos)
}

fn record() -> impl Strategy<Value = Record> {
    let rule = any::<u64>().prop_map(RuleId);
    let phase = prop::sample::select(vec![Phase::Inactive, Phase::Pending, Phase::Firing]);
    let alert = (labels(), labels(), -1e9..1e9_f64, phase, time(), prop::option::of(time())).prop_map(
        |(labels, annotations, value, phase, active_at, other)| Alert {
            labels,
            annotations,
            value,
            phase,
            active_at,
            fired_at: other,
            resolved_at: None,
            missing_since: other,
            last_sent: None,
            seen_at: active_at,
            held_until: other,
            late: other.map(|late| late.0),
        },
    );
    (rule, labels(), time(), time(), prop::collection::vec(time(), 0..3), alert, 0..6_u8).prop_map(
        |(rule, labels, at, other, waiting, alert, kind)| match kind {
            0 => Record::Rule { rule, seen_from: at },
            1 => Record::Evaluated { rule, at, waiting },
            2 => Record::Point {
                rule,
                leaf: 7,
                labels,
                point: Point { time: at, value: 1.5 },
                mark: Mark { hash: rule.0, arrival: other },
            },
            3 => Record::Alert { rule, labels: alert.labels.clone(), alert: Some(Box::new(alert)) },
            4 => Record::Alert { rule, labels, alert: None },
            _ => Record::Episode { rule, episode: Episode { labels, from: at, until: other, noted: at } },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_and_a_torn_frame_is_as_if_it_were_not(
        frames in prop::collection::vec(prop::collection::vec(record(), 1..5), 0..4),
        cut: prop::sample::Index,
    ) {
        let mut bytes = Vec::new();
        encode_header(&mut bytes);
        let mut ends = vec![bytes.len()];
        for frame in &frames {
            encode_frame(frame, &mut bytes);
            ends.push(bytes.len());
        }
        prop_assert_eq!(decode(&bytes), (frames.concat(), None));
        let cut = cut.index(bytes.len());
        let (records, damage) = decode(&bytes[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        prop_assert_eq!(records, frames[..whole].concat());
        prop_assert_eq!(damage.is_none(), ends.contains(&cut));
    }

    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, is_framed: bool) {
        if is_framed {
            let mut framed = Vec::new();
            encode_header(&mut framed);
            framed.extend((bytes.len() as u32).to_le_bytes());
            framed.extend(crc32fast::hash(&bytes).to_le_bytes());
            framed.append(&mut bytes);
            bytes = framed;
        } else if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1;
        }
        decode(&bytes);
    }
}
