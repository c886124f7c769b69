//! Stories: alerts in, time passes, notifications out. Each line that comes out has the minute and second, who is told, why, what
//! fires (+) and what is over (-).

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::notify::matcher::{self, Matchers};
use crate::notify::silence::Silence;

const SECOND: i64 = 1_000_000_000;
/// The stories begin at a round time: 2026-11-26T12:00:00Z, a Thursday.
const START: i64 = 1_795_694_400 * SECOND;

struct Story {
    dispatcher: Dispatcher,
    now: i64,
    /// Receivers that cannot be reached.
    down: Vec<&'static str>,
    told: Vec<String>,
}

fn labels(text: &str) -> LabelSet {
    text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect()
}

/// `1:30` → seconds; `2:00:00` too.
fn seconds(text: &str) -> i64 {
    text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap())
}

impl Story {
    fn new(config: &str) -> Self {
        let config = crate::notify::config::parse(&"am.yml".into(), config.as_bytes(), Path::new("/"))
            .unwrap_or_else(|error| panic!("{error}"));
        Self { dispatcher: Dispatcher::new(Arc::new(config)), now: START, down: Vec::new(), told: Vec::new() }
    }

    /// One receiver that is told of ends, and another, `quiet`, that is not; groups by alertname, 30 s / 5 m / 1 h.
    fn simple(more: &str) -> Self {
        Self::new(&format!(
            "route: {{receiver: team, group_by: [alertname], repeat_interval: 1h{more}}}\n\
             receivers:\n\
             - {{name: team, webhook_configs: [{{url: 'http://h.example.org'}}]}}\n\
             - {{name: quiet, webhook_configs: [{{url: 'http://h.example.org', send_resolved: false}}]}}\n"
        ))
    }

    fn at(&mut self, time: &str) -> &mut Self {
        let until = START + seconds(time) * SECOND;
        while let Some(wake) = self.dispatcher.next_wake().filter(|wake| wake.0 <= until) {
            self.now = self.now.max(wake.0);
            self.poll();
        }
        self.now = until;
        self
    }

    fn poll(&mut self) {
        let now = UnixNanos(self.now);
        for notification in self.dispatcher.poll(now) {
            let delivered = !self.down.contains(&notification.receiver.as_str());
            let mut words: Vec<String> = Vec::new();
            for (alert, status) in &notification.alerts {
                let sign = if *status == AlertStatus::Firing { '+' } else { '-' };
                let others: Vec<&str> =
                    alert.labels.iter().filter(|(name, _)| *name != "alertname").map(|(_, value)| value).collect();
                words.push(format!(
                    "{sign}{}{}",
                    alert.name(),
                    others.iter().flat_map(|other| ["/", *other]).collect::<String>()
                ));
            }
            let passed = (self.now - START) / SECOND;
            self.told.push(format!(
                "{:02}:{:02} {} {:?}{} {}",
                passed / 60,
                passed % 60,
                notification.receiver,
                notification.reason,
                if delivered { "" } else { " (failed)" },
                words.join(" ")
            ));
            self.dispatcher.settle(&notification, delivered, now);
        }
    }

    fn alert(&mut self, text: &str, starts_at: i64, ends_at: i64) {
        let alert =
            Alert { labels: labels(text), starts_at: UnixNanos(starts_at), ends_at: UnixNanos(ends_at), ..Alert::default() };
        self.dispatcher.take([alert], UnixNanos(self.now));
    }

    /// Fires from now on, for a day if nothing else is heard.
    fn fires(&mut self, text: &str) -> &mut Self {
        self.alert(text, self.now, self.now + 86_400 * SECOND);
        self
    }

    fn is_over(&mut self, text: &str) -> &mut Self {
        let began = self.dispatcher.alerts.get(&Fingerprint::of(&labels(text))).map_or(START, |known| known.alert.starts_at.0);
        self.alert(text, began, self.now);
        self
    }

    fn silence(&mut self, matchers: &str, until: &str) -> &mut Self {
        let silence = Silence {
            id: String::new(),
            matchers: Matchers(matcher::parse(matchers).unwrap()),
            starts_at: UnixNanos(self.now),
            ends_at: UnixNanos(START + seconds(until) * SECOND),
            updated_at: UnixNanos(0),
            created_by: String::new(),
            comment: String::new(),
        };
        self.dispatcher.silences.set(silence, || "s".to_owned(), UnixNanos(self.now)).unwrap();
        self
    }

    #[track_caller]
    fn told(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.told), lines);
    }
}

#[test]
fn a_group_waits_then_tells_what_is_new_and_what_is_over_and_repeats() {
    let mut story = Story::simple("");
    story.fires("alertname=A node=1").at("0:10").fires("alertname=A node=2").at("1:00").told(&["00:30 team First +A/1 +A/2"]);
    story.at("2:00").fires("alertname=A node=3").at("6:00").told(&["05:30 team NewFiring +A/1 +A/2 +A/3"]);
    story.is_over("alertname=A node=1").at("11:00").told(&["10:30 team SomeResolved -A/1 +A/2 +A/3"]);
    // An hour after the last word, at the next look that is later than that: as Alertmanager, it rounds up to its interval.
    story.at("1:15:00").told(&[]);
    story.at("1:20:00").told(&["75:30 team Repeat +A/2 +A/3"]);
    story.is_over("alertname=A node=2").is_over("alertname=A node=3").at("1:30:00").told(&["80:30 team AllResolved -A/2 -A/3"]);
    assert!(story.dispatcher.groups.is_empty() && story.dispatcher.alerts.is_empty(), "nothing stays behind");
    story.fires("alertname=A node=1").at("2:00:00").told(&["90:30 team NewFiring +A/1"]);
}

#[test]
fn what_is_over_within_group_wait_is_not_told() {
    let mut story = Story::simple("");
    story.fires("alertname=A").at("0:20").is_over("alertname=A").at("1:00:00").told(&[]);
    assert!(story.dispatcher.alerts.is_empty());
}

#[test]
fn an_alert_that_is_older_than_group_wait_does_not_wait() {
    let mut story = Story::simple("");
    story.at("10:00").alert("alertname=Late", START, START + 86_400 * SECOND);
    story.at("10:00").told(&["10:00 team First +Late"]);
    // The group has been looked at: the next old one waits for its interval.
    story.at("11:00").alert("alertname=Late node=2", START, START + 86_400 * SECOND);
    story.at("20:00").told(&["15:00 team NewFiring +Late +Late/2"]);
}

#[test]
fn who_does_not_want_to_hear_the_end_does_not_but_hears_the_next_beginning() {
    let mut story = Story::simple(", routes: [{matchers: [lane=quiet], receiver: quiet}]");
    story
        .fires("alertname=A lane=quiet")
        .at("6:00")
        .is_over("alertname=A lane=quiet")
        .at("12:00")
        .told(&["00:30 quiet First +A/quiet"]);
    story.fires("alertname=A lane=quiet").at("20:00").told(&["12:30 quiet NewFiring +A/quiet"]);
}

#[test]
fn an_alert_whose_sender_is_gone_ends_by_itself() {
    let mut story = Story::simple("");
    story.alert("alertname=A", START, START + 4 * 60 * SECOND);
    story.alert("alertname=B", START, 0);
    story.at("20:00").told(&[
        "00:30 team First +A",
        "00:30 team First +B",
        "05:30 team AllResolved -A",
        "05:30 team AllResolved -B",
    ]);
}

#[test]
fn inhibition_only_delays() {
    let mut story = Story::new(
        "route: {receiver: team, group_by: [alertname]}\n\
         receivers: [{name: team, webhook_configs: [{url: 'http://h.example.org'}]}]\n\
         inhibit_rules: [{source_matchers: [alertname=NodeDown], target_matchers: ['alertname=~Pod.*'], equal: [node]}]\n",
    );
    story.fires("alertname=NodeDown node=1").fires("alertname=PodDown node=1").fires("alertname=PodDown node=2");
    story.at("1:00").told(&["00:30 team First +NodeDown/1", "00:30 team First +PodDown/2"]);
    story.at("6:00").is_over("alertname=NodeDown node=1").at("11:00");
    story.told(&["10:30 team AllResolved -NodeDown/1", "10:30 team NewFiring +PodDown/1 +PodDown/2"]);
}

#[test]
fn a_silence_holds_back_until_it_ends() {
    let mut story = Story::simple("");
    story.silence("alertname=A", "8:00").fires("alertname=A").fires("alertname=B").at("7:00").told(&["00:30 team First +B"]);
    story.at("11:00").told(&["10:30 team First +A"]);
}

#[test]
fn a_route_is_mute_in_its_intervals_and_speaks_only_in_its_active_ones() {
    let config = |key: &str| {
        format!(
            "route: {{receiver: team, group_by: [alertname], routes: [{{receiver: team, {key}: [noon]}}]}}\n\
             receivers: [{{name: team, webhook_configs: [{{url: 'http://h.example.org'}}]}}]\n\
             time_intervals: [{{name: noon, time_intervals: [{{times: [{{start_time: '12:00', end_time: '12:07'}}]}}]}}]\n"
        )
    };
    let mut story = Story::new(&config("mute_time_intervals"));
    story.fires("alertname=A").at("11:00").told(&["10:30 team First +A"]);
    let mut story = Story::new(&config("active_time_intervals"));
    story.fires("alertname=A").at("6:00").told(&["00:30 team First +A"]);
    story.fires("alertname=B").at("8:00").is_over("alertname=A").at("1:00:00").told(&["06:30 team First +B"]);
}

#[test]
fn what_nobody_could_be_told_is_told_later_even_if_it_is_over() {
    let mut story = Story::simple(", routes: [{matchers: [lane=quiet], receiver: quiet}]");
    story.down = vec!["team", "quiet"];
    story.fires("alertname=A").fires("alertname=B lane=quiet").at("1:00");
    story.told(&["00:30 quiet First (failed) +B/quiet", "00:30 team First (failed) +A"]);
    assert_eq!(story.dispatcher.owing(), 2);
    story.is_over("alertname=A").is_over("alertname=B lane=quiet").at("6:00");
    story.told(&["05:30 quiet First (failed) +B/quiet", "05:30 team First (failed) +A"]);
    story.down.clear();
    story.at("1:00:00").told(&["10:30 quiet First +B/quiet", "10:30 team First +A", "15:30 team AllResolved -A"]);
    assert!(story.dispatcher.groups.is_empty() && story.dispatcher.alerts.is_empty() && story.dispatcher.owing() == 0);
}

#[test]
fn a_failed_word_about_the_end_is_said_again() {
    let mut story = Story::simple("");
    story.fires("alertname=A").at("1:00").told(&["00:30 team First +A"]);
    story.down = vec!["team"];
    story.is_over("alertname=A").at("6:00").told(&["05:30 team AllResolved (failed) -A"]);
    story.down.clear();
    story.at("30:00").told(&["10:30 team AllResolved -A"]);
}

#[test]
fn continue_tells_several_and_groups_by_all_labels_tell_each_alone() {
    let mut story = Story::simple(
        ", routes: [{matchers: [lane=quiet], receiver: quiet, continue: true}, {matchers: [lane=quiet], group_by: ['...'], receiver: team}]",
    );
    story.fires("alertname=A lane=quiet node=1").fires("alertname=A lane=quiet node=2").at("1:00").told.sort();
    story.told(&["00:30 quiet First +A/quiet/1 +A/quiet/2", "00:30 team First +A/quiet/1", "00:30 team First +A/quiet/2"]);
}

#[test]
fn the_security_lane_of_a_real_configuration_is_fast() {
    let mut story = Story::simple(
        ", routes: [{matchers: [lane=security], receiver: team, group_wait: 10s, group_interval: 1m, repeat_interval: 1h}]",
    );
    story.fires("alertname=K4 lane=security").at("1:30").fires("alertname=K4 lane=security user=b").at("1:05:00");
    story.told(&[
        "00:10 team First +K4/security",
        "02:10 team NewFiring +K4/security +K4/security/b",
        "63:10 team Repeat +K4/security +K4/security/b",
    ]);
}

#[test]
fn a_look_waits_for_the_answers_to_the_last_one() {
    let mut story = Story::simple("");
    story.fires("alertname=A").at("0:29");
    let now = |time: &str| UnixNanos(START + seconds(time) * SECOND);
    let first = story.dispatcher.poll(now("0:30"));
    assert_eq!((first.len(), story.dispatcher.next_wake()), (1, None));
    assert!(story.dispatcher.poll(now("5:30")).is_empty());
    story.dispatcher.settle(&first[0], false, now("5:31"));
    let second = story.dispatcher.poll(now("5:31"));
    assert_eq!((second.len(), second[0].deadline), (1, now("10:31")));
}

#[test]
fn more_alerts_than_can_be_kept_are_counted() {
    let mut story = Story::simple("");
    let alerts = (0..ALERTS_MAX + 5).map(|n| Alert { labels: labels(&format!("alertname=A n={n}")), ..Alert::default() });
    story.dispatcher.take(alerts, UnixNanos(START));
    assert_eq!((story.dispatcher.refused(), story.dispatcher.alerts.len()), (5, ALERTS_MAX));
}

/// A step of a random story.
#[derive(Clone, Debug)]
enum Step {
    Fires(usize),
    IsOver(usize),
    Passes(i64),
    GoesDown(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_usize).prop_map(Step::Fires),
        3 => (0..4_usize).prop_map(Step::IsOver),
        4 => (1..500_i64).prop_map(Step::Passes),
        1 => any::<bool>().prop_map(Step::GoesDown),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever fires for longer than a group waits is told, however long nobody could be reached; and in the end nothing is left.
    #[test]
    fn nothing_that_lasted_stays_untold_and_nothing_stays_behind(steps in proptest::collection::vec(step(), 0..60)) {
        let names = ["alertname=A n=0", "alertname=A n=1", "alertname=B n=2", "alertname=C n=3 lane=quiet"];
        let mut story = Story::simple(", routes: [{matchers: [lane=quiet], receiver: quiet}]");
        let mut since: [Option<i64>; 4] = [None; 4];
        // The seconds at which something fired that had lasted, by alert.
        let mut lasted: Vec<(usize, i64)> = Vec::new();
        let mut passed = 0;
        let wind_up = [Step::GoesDown(false), Step::IsOver(0), Step::IsOver(1), Step::IsOver(2), Step::IsOver(3), Step::Passes(4_000)];
        for step in steps.into_iter().chain(wind_up) {
            match step {
                Step::Fires(n) => {
                    since[n].get_or_insert(passed);
                    story.fires(names[n]);
                }
                Step::IsOver(n) => {
                    if let Some(began) = since[n].take() {
                        story.is_over(names[n]);
                        // A look comes at least every five minutes, the first within thirty seconds.
                        if passed - began > 301 {
                            lasted.push((n, began));
                        }
                    }
                }
                Step::Passes(seconds) => {
                    passed += seconds;
                    story.at(&format!("0:{passed}"));
                }
                Step::GoesDown(down) => story.down = if down { vec!["team", "quiet"] } else { Vec::new() },
            }
        }
        for (n, began) in lasted {
            // Words about it that arrived: when, and whether it fires.
            let words = story.told.iter().filter(|line| !line.contains("(failed)")).filter_map(|line| {
                let word = line.split(' ').find(|word| word.contains(&format!("/{n}")))?;
                Some((seconds(line.split(' ').next()?), word.starts_with('+')))
            });
            // One since then; or it was believed to fire anyway, having come again before its end was told.
            let is_told = words.clone().any(|(at, fires)| at >= began && fires)
                || words.clone().take_while(|(at, _)| *at < began).last().is_some_and(|(_, fires)| fires);
            prop_assert!(is_told, "{n} since {began}: {:#?}", story.told);
        }
        prop_assert!(story.dispatcher.groups.is_empty(), "{:?}", story.dispatcher.groups);
        prop_assert!(story.dispatcher.alerts.is_empty());
    }
}
