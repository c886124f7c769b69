//! Random events, in order and not, with crashes and restarts: what fires is what one evaluation at every event over all events
//! would find, and each alert is told once.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A rule: more than so many of one user in a window of so many seconds.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    threshold: usize,
    window: i64,
}

#[derive(Clone, Debug)]
struct Event {
    /// Seconds from the start.
    happened: i64,
    /// So many seconds later.
    delay: i64,
    user: u8,
    /// The engine is killed after the batch that this one is in.
    is_killed: bool,
    /// And had not yet written what that batch did.
    is_lost: bool,
}

fn event() -> impl Strategy<Value = Event> {
    let delay = prop_oneof![4 => Just(0), 2 => 0_i64..40, 1 => 0_i64..900];
    (1_i64..600, delay, 0_u8..3, prop::bool::weighted(0.1), any::<bool>())
        .prop_map(|(happened, delay, user, is_killed, is_lost)| Event { happened, delay, user, is_killed, is_lost })
}

/// Users of which some window that ends at an event of theirs holds too many.
fn oracle(events: &[Event], wanted: Wanted) -> BTreeSet<String> {
    let exceeds = |event: &&Event| {
        let within = |other: &&Event| other.user == event.user && other.happened > event.happened - wanted.window && other.happened <= event.happened;
        // The same second and user are the same entry.
        events.iter().filter(within).map(|other| other.happened).collect::<BTreeSet<_>>().len() > wanted.threshold
    };
    events.iter().filter(exceeds).map(|event| format!("u{}", event.user)).collect()
}

fn rules(wanted: Wanted) -> String {
    format!(
        "  - {{alert: Many, expr: 'sum by (user) (count_over_time({{job=\"a\"}} | logfmt [{}s])) > {}'}}\n",
        wanted.window, wanted.threshold
    )
}

/// Runs the events through an engine and gives who was told of, and how often with which start.
///
/// With `steps` the engine is advanced whenever it wants to be, else only when something arrives.
fn run(events: &[Event], wanted: Wanted, crashes: bool, steps: bool) -> (BTreeSet<String>, Vec<(String, UnixNanos)>) {
    let options = || Options { is_journaled: true, ..Options::default() };
    let mut engine = engine(&rules(wanted), options());
    let mut saved: Vec<Record> = engine.take_journal();
    let mut told = Vec::new();
    let mut tell = |engine: &mut Engine| {
        let new = engine.notifications().into_iter().filter(|told| !told.is_resolved);
        told.extend(new.map(|new| (new.labels.get("user").unwrap_or_default().to_owned(), new.starts_at)));
    };
    let mut batches: Vec<&Event> = events.iter().collect();
    batches.sort_by_key(|event| event.happened + event.delay);
    for event in batches {
        let now = at((event.happened + event.delay) as f64);
        // Whoever had no answer sends again.
        for attempt in 0..2 {
            while let Some(due) = engine.next_due().map(|due| due.max(engine.now())).filter(|due| steps && *due < now) {
                engine.advance(due);
                saved.extend(engine.take_journal());
                tell(&mut engine);
                if engine.next_due().is_some_and(|next| next <= due) {
                    break;
                }
            }
            let line = format!("user=u{} at={}", event.user, event.happened);
            engine.offer(&stream("a"), Entry { time: at(event.happened as f64), line: &line, metadata: &[] }, now);
            engine.advance(now);
            let is_killed = crashes && event.is_killed && attempt == 0;
            if !(is_killed && event.is_lost) {
                saved.extend(engine.take_journal());
                tell(&mut engine);
            }
            if !is_killed {
                break;
            }
            engine = super::engine(&rules(wanted), options());
            engine.restore(saved.clone(), now, Restore::Restart);
        }
    }
    (told.iter().map(|(user, _)| user.clone()).collect(), told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_fires_is_what_an_evaluation_at_every_event_finds(
        events in prop::collection::vec(event(), 1..60),
        threshold in 0_usize..4,
        window in prop::sample::select(vec![5_i64, 60, 300]),
        steps: bool,
    ) {
        let wanted = Wanted { threshold, window };
        let expected = oracle(&events, wanted);
        prop_assert_eq!(&run(&events, wanted, false, steps).0, &expected, "without crashes");
        let (users, told) = run(&events, wanted, true, steps);
        prop_assert_eq!(&users, &expected, "with crashes");
        // Told again each minute, perhaps, and after a crash; but an episode begins once.
        let starts: BTreeSet<_> = told.iter().collect();
        for (user, start) in starts {
            let own = events.iter().filter(|event| format!("u{}", event.user) == *user);
            prop_assert!(own.map(|event| at(event.happened as f64)).any(|time| time == *start), "{} starts at no event of its own: {}", user, (start.0 - START * SECOND) as f64 / 1e9);
        }
    }
}
