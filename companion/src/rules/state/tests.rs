use std::sync::Arc;

use proto::time::UnixNanos;

use super::*;
use crate::entry::Entry;
use crate::rules::alert::Phase;
use crate::rules::engine::{Options, Restore};
use crate::rules::file;

const SECOND: i64 = 1_000_000_000;

fn engine() -> Engine {
    let text =
        "groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1h])) > 1'}\n";
    let groups = file::load(&"rules.yaml".into(), text.as_bytes(), &Arc::default()).unwrap();
    Engine::new(groups, Options { is_journaled: true, ..Options::default() }, UnixNanos(0))
}

fn offer(engine: &mut Engine, second: i64, line: &str) {
    let stream = [("job", "a")].into_iter().collect();
    engine.offer(&stream, Entry { time: UnixNanos(second * SECOND), line, metadata: &[] }, UnixNanos(second * SECOND));
    engine.advance(UnixNanos(second * SECOND));
}

/// Everything that an engine knows, for comparison, without what the next evaluation finds again.
fn known(engine: &Engine) -> Vec<String> {
    let lasting = |mut record: Record| {
        if let Record::Alert { alert: Some(alert), .. } = &mut record {
            (alert.value, alert.seen_at) = (0.0, UnixNanos(0));
        }
        format!("{record:?}")
    };
    let mut known: Vec<String> = engine.snapshot().into_iter().map(lasting).collect();
    known.sort();
    known
}

#[test]
fn what_was_flushed_is_there_whatever_was_written_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    let (mut state, records) = State::open(directory.path()).unwrap();
    assert_eq!(records, []);
    let mut first = engine();
    state.flush(&mut first).unwrap();
    let mut stages = vec![(fs::read(&path).unwrap(), known(&first))];
    for second in 1..6 {
        offer(&mut first, second, &format!("user=eve n={second}"));
        state.flush(&mut first).unwrap();
        stages.push((fs::read(&path).unwrap(), known(&first)));
    }
    drop(state);
    for pair in stages.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        for length in before.0.len()..after.0.len() {
            fs::write(&path, &after.0[..length]).unwrap();
            let (_, records) = State::open(directory.path()).unwrap();
            let mut restored = engine();
            restored.restore(records, UnixNanos(6 * SECOND), Restore::Reload);
            assert_eq!(known(&restored), before.1, "{length} bytes");
        }
    }
}

#[test]
fn an_alert_that_fired_fires_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = engine();
    {
        let (mut state, _) = State::open(directory.path()).unwrap();
        offer(&mut first, 1, "user=eve n=1");
        offer(&mut first, 2, "user=eve n=2");
        state.flush(&mut first).unwrap();
    }
    let (mut state, records) = State::open(directory.path()).unwrap();
    let mut second = engine();
    second.restore(records, UnixNanos(100 * SECOND), Restore::Restart);
    second.advance(UnixNanos(100 * SECOND));
    let rule = second.rules().next().unwrap();
    assert_eq!(rule.alerts().phase(), Phase::Firing);
    // It was saved before it was told, so it is told now.
    assert_eq!(second.notifications().len(), 1);
    state.flush(&mut second).unwrap();
    assert_eq!(second.notifications().len(), 0);
}

#[test]
fn a_file_of_another_kind_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(NAME), "something else").unwrap();
    let (mut state, records) = State::open(directory.path()).unwrap();
    assert_eq!(records, []);
    assert_eq!(fs::read(directory.path().join("rules.damaged-0")).unwrap(), b"something else");
    state.flush(&mut engine()).unwrap();
    assert!(state.size() > 0);
}

#[test]
fn two_processes_do_not_share_a_state() {
    let directory = tempfile::tempdir().unwrap();
    let (_state, _) = State::open(directory.path()).unwrap();
    assert!(matches!(State::open(directory.path()), Err(StateError::InUse { .. })));
}

#[test]
fn a_journal_that_has_grown_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (mut state, _) = State::open(directory.path()).unwrap();
    let mut grown = engine();
    let mut longest = 0;
    for second in 0..1_500 {
        for number in 0..40 {
            let line = format!("user={} n={number}", second % 7);
            let stream = [("job", "a")].into_iter().collect();
            let time = UnixNanos((second * 120 + number) * SECOND);
            grown.offer(&stream, Entry { time, line: &line, metadata: &[] }, time);
        }
        grown.advance(UnixNanos((second * 120 + 40) * SECOND));
        grown.notifications();
        state.flush(&mut grown).unwrap();
        longest = longest.max(state.size());
    }
    assert!(longest > COMPACT_ABOVE / 2, "{longest}");
    assert!(state.size() < COMPACT_ABOVE + (1 << 20), "{} bytes", state.size());
    let before = known(&grown);
    drop(state);
    let (_, records) = State::open(directory.path()).unwrap();
    let mut restored = engine();
    restored.restore(records, UnixNanos(1_500 * 120 * SECOND), Restore::Reload);
    let after = known(&restored);
    assert_eq!(before.len(), after.len());
}
