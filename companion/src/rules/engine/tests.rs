//! The engine over small rules. Times are seconds from a start that is a multiple of every interval.

use std::fmt::Write as _;

use super::*;
use crate::rules::alerts::ALERTS_MAX;
use crate::rules::file;
use crate::rules::template::Environment;

mod oracle;

/// 2026-11-23T00:00:00Z.
const START: i64 = 1_795_392_000;

fn at(seconds: f64) -> UnixNanos {
    UnixNanos(START * SECOND + (seconds * 1e9) as i64)
}

/// Rules of one group, ticks every 15 s from the start on.
fn engine(rules: &str, options: Options) -> Engine {
    let text = format!("groups:\n- name: g\n  interval: 15s\n  rules:\n{rules}");
    let groups = file::load(&"rules.yaml".into(), text.as_bytes(), &Arc::new(Environment::default())).unwrap();
    Engine::new(groups, Options { ticks_from: Some(at(0.0)), ..options }, at(0.0))
}

fn stream(job: &str) -> LabelSet {
    [("job", job)].into_iter().collect()
}

/// An engine, and what was told, in words.
struct Scene {
    engine: Engine,
    told: String,
}

impl Scene {
    fn new(rules: &str) -> Self {
        Self { engine: engine(rules, Options { is_journaled: true, ..Options::default() }), told: String::new() }
    }

    fn offer(&mut self, happened: f64, arrives: f64, line: &str) {
        self.engine.offer(&stream("a"), Entry { time: at(happened), line, metadata: &[] }, at(arrives));
    }

    /// An event that arrives when it happens.
    fn event(&mut self, time: f64, line: &str) {
        self.up_to(time);
        self.offer(time, time, line);
        self.step(at(time));
    }

    /// All that is due until then.
    fn up_to(&mut self, time: f64) {
        while let Some(due) = self.engine.next_due().map(|due| due.max(self.engine.now())).filter(|due| *due <= at(time)) {
            self.step(due);
            if self.engine.next_due().is_some_and(|next| next <= due) {
                break;
            }
        }
        self.step(at(time));
    }

    fn step(&mut self, now: UnixNanos) {
        self.engine.advance(now);
        for told in self.engine.notifications() {
            let since = |time: UnixNanos| (time.0 - START * SECOND) as f64 / 1e9;
            let what = if told.is_resolved { format!("resolved at {}", since(told.ends_at)) } else { "fires".to_owned() };
            let labels = told.labels.without(|name| name == "alertname");
            let name = told.labels.get("alertname").unwrap_or_default();
            let late = told.annotations.get("late").map(|late| format!(" late {late}")).unwrap_or_default();
            let _ = writeln!(self.told, "{}: {name}{labels} {what} since {}{late}", since(now), since(told.starts_at));
        }
    }

    /// Killed and started anew with what was journaled.
    fn restart(self, rules: &str, now: f64) -> Self {
        let mut engine = engine(rules, Options { is_journaled: true, ..Options::default() });
        engine.restore(self.engine.snapshot(), at(now), Restore::Restart);
        Self { engine, told: self.told }
    }

    fn told(&mut self) -> String {
        std::mem::take(&mut self.told)
    }
}

const MANY: &str = "  - {alert: Many, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 2'}\n";

#[test]
fn windows_are_placed_at_events_and_end_at_ticks() {
    let mut scene = Scene::new(MANY);
    // Three within a minute, but in no minute that ends at a tick.
    for time in [1.0, 30.0, 60.9] {
        scene.event(time, "user=eve");
    }
    assert_eq!(scene.told(), "60.9: Many{user=\"eve\"} fires since 60.9\n");
    scene.up_to(74.0);
    assert_eq!(scene.told(), "");
    scene.up_to(75.0);
    assert_eq!(scene.told(), "75: Many{user=\"eve\"} resolved at 75 since 60.9\n");
}

#[test]
fn an_idle_rule_has_nothing_to_do() {
    let mut scene = Scene::new(MANY);
    scene.up_to(0.0);
    assert_eq!(scene.engine.next_due(), None);
    scene.event(100.0, "user=eve");
    // One is not enough, and time can only take away.
    assert_eq!(scene.engine.next_due(), None);
    let evaluations = scene.engine.rules().next().unwrap().counts().evaluations;
    scene.up_to(50_000.0);
    assert_eq!(scene.engine.rules().next().unwrap().counts().evaluations, evaluations);
    scene.engine.take_journal();
    scene.up_to(60_000.0);
    assert_eq!(scene.engine.take_journal(), []);
}

#[test]
fn the_same_entry_counts_once() {
    let mut scene = Scene::new(MANY);
    for _ in 0..5 {
        scene.event(1.0, "user=eve n=1");
    }
    assert_eq!(scene.told(), "");
    assert_eq!(scene.engine.counts().repeated, 4);
    scene.event(1.0, "user=eve n=2");
    scene.event(1.0, "user=eve n=3");
    assert_eq!(scene.told(), "1: Many{user=\"eve\"} fires since 1\n");
}

#[test]
fn an_event_id_counts_once_whatever_the_query_asks_for() {
    let rules = "  - {alert: Many, expr: 'sum by (user) (count_over_time({job=\"a\"} | json user=\"user.name\" [1m])) > 1', annotations: {event_id: auditID}}\n";
    let nested = "  - {alert: Many, expr: 'sum by (user) (count_over_time({job=\"a\"} | json user=\"user.name\" [1m])) > 1', annotations: {event_id: request.id}}\n";
    for (rules, line) in [
        (rules, |id: &str, stage: u8| format!("{{\"auditID\":\"{id}\",\"stage\":{stage},\"user\":{{\"name\":\"eve\"}}}}")),
        (nested, |id: &str, stage: u8| {
            format!("{{\"request\":{{\"id\":\"{id}\"}},\"stage\":{stage},\"user\":{{\"name\":\"eve\"}}}}")
        }),
    ] as [(&str, fn(&str, u8) -> String); 2]
    {
        let mut scene = Scene::new(rules);
        scene.event(1.0, &line("x", 1));
        scene.event(2.0, &line("x", 2));
        assert_eq!(scene.told(), "");
        scene.event(3.0, &line("y", 1));
        assert_eq!(scene.told(), "3: Many{user=\"eve\"} fires since 3\n");
    }
}

#[test]
fn a_late_event_is_evaluated_at_its_own_time_and_told_once() {
    let mut scene = Scene::new(MANY);
    scene.event(1.0, "user=eve");
    scene.event(20.0, "user=eve n=2");
    scene.up_to(600.0);
    // It makes three in a minute that passed ten minutes ago.
    scene.offer(40.0, 600.0, "user=eve n=3");
    scene.step(at(600.0));
    assert_eq!(scene.told(), "600: Many{user=\"eve\"} fires since 40 late 9m 20s\n");
    scene.up_to(899.0);
    assert_eq!(scene.told().lines().count(), 4, "told again every minute or so");
    scene.up_to(901.0);
    assert_eq!(scene.told(), "900: Many{user=\"eve\"} resolved at 900 since 40 late 9m 20s\n");
    // Another one of the same minute is no news.
    scene.up_to(2000.0);
    scene.told();
    scene.offer(41.0, 2000.0, "user=eve n=4");
    scene.step(at(2000.0));
    assert_eq!(scene.told(), "");
}

#[test]
fn events_in_the_wrong_order_are_found_without_being_late() {
    let mut scene = Scene::new(MANY);
    scene.event(1.0, "user=eve");
    scene.event(3.0, "user=eve n=3");
    scene.event(30.0, "user=bob");
    scene.offer(2.0, 30.0, "user=eve n=2");
    scene.step(at(30.0));
    assert_eq!(scene.told(), "30: Many{user=\"eve\"} fires since 3\n");
}

#[test]
fn a_wait_is_counted_over_ticks_and_late_events() {
    let rules = "  - {alert: On, expr: 'sum(count_over_time({job=\"a\"} [1m])) > 0', for: 2m}\n";
    let mut scene = Scene::new(rules);
    for time in [0.0, 50.0, 100.0] {
        scene.event(time + 1.0, &format!("{time}"));
    }
    scene.up_to(150.0);
    assert_eq!(scene.told(), "135: On{} fires since 135\n");
    scene.up_to(600.0);
    scene.told();
    // The same from late events alone.
    scene.up_to(2000.0);
    scene.told();
    for time in [601.0, 650.0, 700.0] {
        scene.offer(time, 2000.0, &format!("{time}"));
    }
    scene.step(at(2000.0));
    assert_eq!(scene.told(), "2000: On{} fires since 735 late 21m 5s\n");
}

#[test]
fn a_wait_goes_on_after_a_restart_and_firing_stays_firing() {
    let rules = "  - {alert: On, expr: 'sum(count_over_time({job=\"a\"} [1m])) > 0', for: 2m}\n";
    let mut scene = Scene::new(rules);
    for time in [0.0, 50.0, 90.0] {
        scene.event(time + 1.0, &format!("{time}"));
    }
    let mut scene = scene.restart(rules, 110.0);
    scene.up_to(115.0);
    assert_eq!(scene.told(), "");
    scene.event(130.0, "x");
    scene.up_to(150.0);
    assert_eq!(scene.told(), "130: On{} fires since 130\n");
    // Nothing came while it was away, and the sources are still to say so.
    let mut scene = scene.restart(rules, 600.0);
    scene.up_to(650.0);
    assert!(!scene.told().contains("resolved"));
    scene.up_to(670.0);
    assert!(scene.told().contains("resolved"));
}

#[test]
fn what_happened_while_the_engine_was_away_fires_once_and_late() {
    let mut scene = Scene::new(MANY);
    scene.up_to(10.0);
    let mut scene = scene.restart(MANY, 700.0);
    scene.up_to(701.0);
    for round in 0..2 {
        for time in [100.0, 110.0, 120.0] {
            scene.offer(time, 702.0, &format!("user=eve n={time}"));
        }
        scene.step(at(702.0 + f64::from(round)));
    }
    assert_eq!(scene.told(), "702: Many{user=\"eve\"} fires since 120 late 9m 42s\n");
    // The answer was lost, and the batch is sent again after another crash.
    let mut scene = scene.restart(MANY, 710.0);
    for time in [100.0, 110.0, 120.0] {
        scene.offer(time, 711.0, &format!("user=eve n={time}"));
    }
    scene.step(at(711.0));
    assert_eq!(scene.told(), "");
}

#[test]
fn absence_is_not_known_before_its_window_has_been_seen() {
    let rules = "  - {alert: Silent, expr: 'absent_over_time({job=\"a\"} [5m])'}\n";
    let mut scene = Scene::new(rules);
    scene.up_to(299.0);
    assert_eq!(*scene.engine.rules().next().unwrap().health(), Health::Unknown);
    assert_eq!(scene.told(), "");
    scene.up_to(300.0);
    assert_eq!(scene.told(), "300: Silent{job=\"a\"} fires since 300\n");
    scene.event(310.0, "x");
    assert_eq!(scene.told(), "310: Silent{job=\"a\"} resolved at 310 since 300\n");
    // Away for an hour: whether it was silent is known once the sources have sent what they have.
    let mut scene = scene.restart(rules, 4000.0);
    scene.up_to(4010.0);
    assert_eq!(scene.told(), "");
    for minute in 0..62 {
        scene.offer(311.0 + 60.0 * f64::from(minute), 4010.0, &format!("{minute}"));
    }
    scene.up_to(4200.0);
    assert_eq!(scene.told(), "");
    scene.up_to(4400.0);
    assert_eq!(scene.told().lines().next(), Some("4275: Silent{job=\"a\"} fires since 4275"));
}

#[test]
fn a_busy_stream_costs_an_absence_nothing() {
    let mut scene = Scene::new("  - {alert: Silent, expr: 'absent_over_time({job=\"a\"} [5m])'}\n");
    scene.up_to(301.0);
    let before = scene.engine.rules().next().unwrap().counts().evaluations;
    for number in 0..1000 {
        scene.offer(301.0 + f64::from(number) / 1000.0, 302.0, &number.to_string());
    }
    scene.step(at(302.0));
    let rule = scene.engine.rules().next().unwrap();
    assert!(rule.points() <= 2, "{} points", rule.points());
    assert!(rule.counts().evaluations <= before + 1);
}

#[test]
fn a_line_that_fails_and_a_rule_that_fails_are_two_things() {
    let mut scene = Scene::new(
        "  - {alert: Lines, expr: 'sum by (user) (count_over_time({job=\"a\"} | json | user=\"\" [1m])) > 0'}\n  - {alert: Twice, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0', labels: {user: same}}\n",
    );
    scene.event(1.0, "user=eve");
    scene.event(2.0, "user=bob");
    let rules: Vec<_> = scene.engine.rules().map(|rule| (rule.counts().failed_lines, rule.health().clone())).collect();
    assert_eq!(rules[0].0, 2);
    assert_eq!(scene.engine.rules().next().unwrap().failed_line().map(|error| error.kind.as_str()), Some("JSONParserErr"));
    assert!(matches!(&rules[1].1, Health::Err(error) if error.contains("user=\"same\"")), "{:?}", rules[1].1);
    // What it had before stands.
    assert_eq!(scene.told(), "1: Twice{user=\"same\"} fires since 1\n");
}

#[test]
fn over_the_limit_all_alerts_are_dropped() {
    let text = "groups:\n- name: g\n  interval: 15s\n  limit: 1\n  rules:\n  - {alert: A, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0'}\n";
    let groups = file::load(&"rules.yaml".into(), text.as_bytes(), &Arc::default()).unwrap();
    let engine = Engine::new(groups, Options { ticks_from: Some(at(0.0)), ..Options::default() }, at(0.0));
    let mut scene = Scene { engine, told: String::new() };
    scene.event(1.0, "user=eve");
    assert_eq!(scene.told(), "1: A{user=\"eve\"} fires since 1\n");
    scene.event(2.0, "user=bob");
    let rule = scene.engine.rules().next().unwrap();
    assert_eq!(
        (rule.alerts().active(), rule.health()),
        (0, &Health::Err("2 alerts, and the limit is 1: all of them are dropped".to_owned()))
    );
}

#[test]
fn of_a_flood_of_alerts_the_first_stay_and_the_rule_says_so() {
    let mut scene = Scene::new("  - {alert: A, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0'}\n");
    for number in 0..ALERTS_MAX + 5 {
        scene.offer(1.0 + number as f64 / 1e5, 2.0, &format!("user=u{number}"));
    }
    scene.step(at(2.0));
    let rule = scene.engine.rules().next().unwrap();
    assert_eq!(rule.alerts().active(), ALERTS_MAX);
    assert_eq!(*rule.health(), Health::Err("10000 alerts are pending or firing, and 1 more are not told of".to_owned()));
    assert_eq!(scene.told().lines().count(), ALERTS_MAX);
    // The tick sees them all.
    scene.up_to(15.0);
    let health = scene.engine.rules().next().unwrap().health().clone();
    assert_eq!(health, Health::Err("10000 alerts are pending or firing, and 5 more are not told of".to_owned()));
}

#[test]
fn an_event_is_evaluated_for_its_own_part_and_a_tick_for_all() {
    let mut scene = Scene::new(
        "  - {alert: Both, expr: 'sum by (user) (count_over_time({job=\"a\"} |= `in` | logfmt [1m])) > 0 unless on (user) sum by (user) (count_over_time({job=\"a\"} |= `out` | logfmt [1m])) > 0'}\n",
    );
    scene.engine.assume_all_seen();
    scene.event(1.0, "in user=eve");
    scene.event(2.0, "in user=bob");
    assert_eq!(scene.told(), "1: Both{user=\"eve\"} fires since 1\n2: Both{user=\"bob\"} fires since 2\n");
    // What is new for bob ends his alone, and at once; hers ends when its event has left the window.
    scene.event(20.0, "out user=bob");
    assert_eq!(scene.told(), "20: Both{user=\"bob\"} resolved at 20 since 2\n");
    scene.up_to(74.0);
    assert!(!scene.told().contains("eve\"} resolved"));
    scene.up_to(75.0);
    assert!(scene.told().contains("75: Both{user=\"eve\"} resolved at 75 since 1"));
}

#[test]
fn events_that_are_dated_ahead_keep_no_tick_from_being() {
    let rules = "  - {alert: One, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0'}\n  - {alert: Lasting, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0', for: 30s}\n";
    let mut scene = Scene::new(rules);
    scene.event(1.0, "user=eve");
    // Somebody's clock is two seconds ahead, and he has something to say each second.
    for second in 2..90 {
        scene.up_to(f64::from(second));
        scene.offer(f64::from(second) + 2.0, f64::from(second), &format!("user=bob n={second}"));
        scene.step(at(f64::from(second)));
    }
    let told = scene.told();
    assert!(told.contains("75: One{user=\"eve\"} resolved at 75 since 1"), "{told}");
    assert!(told.contains("45: Lasting{user=\"eve\"} fires since 45"), "{told}");
}

#[test]
fn annotations_tell_the_value_of_now() {
    let rules = "  - {alert: Many, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [5m])) > 1', annotations: {text: '{{ $value }}'}}\n";
    let mut scene = Scene::new(rules);
    let text = |scene: &Scene| {
        let rule = scene.engine.rules().next().unwrap();
        rule.alerts().iter().next().unwrap().annotations.get("text").map(str::to_owned)
    };
    for number in 0..7 {
        scene.offer(1.0 + f64::from(number), 20.0, &format!("user=eve n={number}"));
    }
    // Events and a tick in one go.
    scene.step(at(20.0));
    assert_eq!(text(&scene).as_deref(), Some("7"));
    scene.event(21.0, "user=eve n=8");
    assert_eq!(text(&scene).as_deref(), Some("8"));
}

#[test]
fn what_two_series_would_tell_alike_stops_nobody_else() {
    let rules = "  - {alert: Many, expr: 'sum by (user) (count_over_time({job=\"a\"} | json [1m])) > 0', for: 20s}\n";
    let mut scene = Scene::new(rules);
    scene.event(1.0, "{\"user\":\"eve\"}");
    scene.event(2.0, "{\"user\":\"\"}");
    scene.event(3.0, "{\"x\":1}");
    scene.up_to(90.0);
    let told = scene.told();
    assert!(told.contains("30: Many{user=\"eve\"} fires since 30"), "{told}");
    assert!(told.contains("75: Many{user=\"eve\"} resolved"), "{told}");
}

#[test]
fn a_busy_stream_is_not_silent_after_a_kill() {
    let rules = "  - {alert: Silent, expr: 'absent_over_time({job=\"a\"} [10m])'}\n";
    let mut scene = Scene::new(rules);
    let mut saved = scene.engine.take_journal();
    for minute in 1..180 {
        let time = 60.0 * f64::from(minute);
        scene.event(time, &format!("{minute}"));
        saved.extend(scene.engine.take_journal());
    }
    assert!(saved.len() < 600, "{} records", saved.len());
    // Killed: what was journaled is all that there is.
    let mut engine = engine(rules, Options { is_journaled: true, ..Options::default() });
    engine.restore(saved, at(10_800.0), Restore::Restart);
    let mut scene = Scene { engine, told: String::new() };
    for minute in 180..200 {
        scene.event(60.0 * f64::from(minute), &format!("{minute}"));
    }
    assert_eq!(scene.told(), "");
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut scene = Scene::new("  - {alert: One, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0'}\n");
    scene.event(7000.0, "user=eve");
    assert_eq!(scene.told(), "7000: One{user=\"eve\"} fires since 7000\n");
    // It was an hour ahead.
    scene.engine.clock_jumped(at(3400.0));
    scene.event(3401.0, "user=bob");
    assert_eq!(scene.told(), "3401: One{user=\"bob\"} fires since 3401\n");
    scene.up_to(3480.0);
    let told = scene.told();
    assert!(told.contains("3405: One{user=\"eve\"} resolved at 3405"), "{told}");
    assert!(told.contains("3465: One{user=\"bob\"} resolved at 3465"), "{told}");
}

#[test]
fn a_clock_that_is_set_forward_makes_nothing_silent() {
    let mut scene = Scene::new("  - {alert: Silent, expr: 'absent_over_time({job=\"a\"} [5m])'}\n");
    scene.up_to(400.0);
    scene.event(401.0, "x");
    assert!(scene.told().contains("401: Silent{job=\"a\"} resolved"));
    scene.engine.clock_jumped(at(8000.0));
    scene.up_to(8010.0);
    assert_eq!(scene.told(), "");
    scene.event(8011.0, "x");
    scene.up_to(8301.0);
    assert_eq!(scene.told(), "");
    scene.up_to(8325.0);
    assert_eq!(scene.told(), "8325: Silent{job=\"a\"} fires since 8325\n");
}

#[test]
fn a_recording_rule_is_evaluated_at_ticks() {
    let mut scene = Scene::new(
        "  - {record: 'job:lines', expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m]))', labels: {team: x}}\n",
    );
    scene.event(1.0, "user=eve");
    let samples = |scene: &Scene| {
        let recorded = scene.engine.rules().next().unwrap().recorded().iter();
        recorded.map(|sample| format!("{} {}", sample.labels, sample.value)).collect::<Vec<_>>()
    };
    assert_eq!(samples(&scene), [""; 0]);
    scene.up_to(15.0);
    assert_eq!(samples(&scene), ["{__name__=\"job:lines\", team=\"x\", user=\"eve\"} 1"]);
    scene.up_to(100.0);
    assert_eq!(samples(&scene), [""; 0]);
}

#[test]
fn points_keep_within_their_bytes() {
    let mut scene = Scene::new(MANY);
    scene.engine.options.points_bytes = 10_000;
    for number in 0..5000 {
        let time = 1.0 + f64::from(number) / 1000.0;
        scene.offer(time, time, &format!("user=eve n={number}"));
    }
    scene.step(at(10.0));
    assert!(scene.engine.bytes() <= 10_000, "{}", scene.engine.bytes());
    assert!(scene.engine.counts().given_up > 4000);
    let newest = scene.engine.rules().next().unwrap().event_times(None, at(0.0), at(10.0), 0);
    assert_eq!(newest.last(), Some(&at(5.999)));
}

#[test]
fn what_is_dated_far_ahead_is_not_taken_and_what_is_a_little_ahead_is() {
    let mut scene = Scene::new("  - {alert: One, expr: 'sum(count_over_time({job=\"a\"} [1m])) > 0'}\n");
    scene.offer(7200.0, 1.0, "far");
    scene.offer(5.0, 1.0, "near");
    scene.step(at(1.0));
    assert_eq!(scene.told(), "1: One{} fires since 5\n");
    assert_eq!(scene.engine.counts().from_the_future, 1);
}

#[test]
fn a_window_of_25_hours_works() {
    let mut scene = Scene::new("  - {alert: Slow, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [25h])) > 2'}\n");
    for hours in [1.0, 13.0, 25.9] {
        scene.event(hours * 3600.0, "user=eve");
    }
    assert_eq!(scene.told(), "93240: Slow{user=\"eve\"} fires since 93240\n");
}

#[test]
fn an_offset_moves_the_evaluation() {
    let mut scene = Scene::new("  - {alert: Then, expr: 'sum(count_over_time({job=\"a\"} [1m] offset 10m)) > 0'}\n");
    scene.event(1.0, "x");
    scene.up_to(650.0);
    assert_eq!(scene.told(), "601: Then{} fires since 601\n");
}

#[test]
fn keep_firing_for_keeps_it() {
    let mut scene = Scene::new("  - {alert: Kept, expr: 'sum(count_over_time({job=\"a\"} [1m])) > 0', keep_firing_for: 2m}\n");
    scene.event(1.0, "x");
    scene.up_to(194.0);
    assert!(!scene.told().contains("resolved"));
    scene.up_to(195.0);
    assert_eq!(scene.told(), "195: Kept{} resolved at 195 since 1\n");
}

#[test]
fn a_changed_rule_begins_anew_and_the_others_go_on() {
    let two = |second: u32| format!("{MANY}  - {{alert: Other, expr: 'sum(count_over_time({{job=\"a\"}} [1m])) > {second}'}}\n");
    let mut scene = Scene::new(&two(2));
    scene.event(1.0, "user=eve n=1");
    scene.event(2.0, "user=eve n=2");
    let mut scene = scene.restart(&two(1), 3.0);
    scene.event(4.0, "user=eve n=3");
    assert_eq!(scene.told(), "4: Many{user=\"eve\"} fires since 4\n");
}
