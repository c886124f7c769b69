use super::*;

const SECOND: i64 = 1_000_000_000;

fn moment(at: i64, wait: i64, keep_firing: i64) -> Moment {
    let at = UnixNanos(at * SECOND);
    Moment {
        at,
        now: at,
        wait: wait * SECOND,
        keep_firing: keep_firing * SECOND,
        late_after: 30 * SECOND,
        hold: 300 * SECOND,
        is_catching_up: false,
        most: ALERTS_MAX,
    }
}

fn found(user: &str) -> Found {
    Found {
        series: LabelSet::new(),
        labels: [("alertname", "A"), ("user", user)].into_iter().collect(),
        annotations: LabelSet::new(),
        value: 1.0,
    }
}

/// One alert over a timeline of evaluations every 15 s: `x` where the condition holds, `.` where not.
fn timeline(pattern: &str, wait: i64, keep_firing: i64) -> String {
    let mut alerts = Alerts::default();
    let phases = pattern.bytes().enumerate().map(|(place, letter)| {
        let moment = moment(15 * place as i64, wait, keep_firing);
        let found = if letter == b'x' { vec![found("eve")] } else { Vec::new() };
        alerts.observe(&moment, found).unwrap();
        alerts.notifications(moment.now, 15 * SECOND, 60 * SECOND, &String::new);
        match alerts.iter().next().map(|alert| alert.phase) {
            None => '-',
            Some(Phase::Pending) => 'p',
            Some(Phase::Firing) => 'F',
            Some(Phase::Inactive) => 'i',
        }
    });
    phases.collect()
}

#[test]
fn phases_follow_each_other_as_in_prometheus() {
    // (pattern, for, keep_firing_for, phases)
    for (pattern, wait, keep, phases) in [
        ("x.", 0, 0, "Fi"),
        ("xx.x", 0, 0, "FFiF"),
        ("x.", 15, 0, "p-"),
        ("xxx.", 30, 0, "ppFi"),
        // Less than the interval fires at the next evaluation.
        ("xx", 1, 0, "pF"),
        ("xx.xx", 30, 0, "pp-pp"),
        ("x..x.", 0, 30, "FFFFF"),
        ("x....", 0, 30, "FFFii"),
        ("x...x", 0, 30, "FFFiF"),
    ] {
        assert_eq!(timeline(pattern, wait, keep), phases, "{pattern} for {wait} keep {keep}");
    }
}

#[test]
fn what_is_over_is_forgotten_after_a_quarter_of_an_hour() {
    let phases = timeline(&format!("x{}", ".".repeat(64)), 0, 0);
    // Resolved at the first evaluation after; 900 s later it is still there, and gone with the next.
    assert_eq!(phases, format!("F{}---", "i".repeat(61)));
}

#[test]
fn two_samples_of_one_alert_are_an_error_and_change_nothing() {
    let mut alerts = Alerts::default();
    alerts.observe(&moment(0, 0, 0), vec![found("eve")]).unwrap();
    let before: Vec<Alert> = alerts.iter().cloned().collect();
    assert!(alerts.observe(&moment(15, 0, 0), vec![found("bob"), found("bob")]).is_err());
    assert_eq!(alerts.iter().cloned().collect::<Vec<_>>(), before);
}

#[test]
fn alerts_are_sent_again_after_the_delay_and_resolved_ones_at_once() {
    let mut alerts = Alerts::default();
    let mut sent = Vec::new();
    for tick in 0..80 {
        let moment = moment(15 * tick, 0, 0);
        alerts.observe(&moment, if tick < 10 { vec![found("eve")] } else { Vec::new() }).unwrap();
        for told in alerts.notifications(moment.now, 15 * SECOND, 60 * SECOND, &String::new) {
            sent.push((15 * tick, told.is_resolved, told.starts_at.0 / SECOND, told.ends_at.0 / SECOND));
        }
    }
    // The first evaluation after more than a minute; it is valid for four times the longer of interval and delay.
    assert_eq!(sent[..3], [(0, false, 0, 240), (75, false, 0, 315), (150, true, 0, 150)]);
    assert!(sent[3..].iter().all(|(_, is_resolved, starts, ends)| (*is_resolved, *starts, *ends) == (true, 0, 150)));
    assert_eq!(sent.last().map(|(at, ..)| *at), Some(1050), "told again until it is forgotten");
}

#[test]
fn a_pending_alert_is_not_sent() {
    let mut alerts = Alerts::default();
    alerts.observe(&moment(0, 60, 0), vec![found("eve")]).unwrap();
    assert_eq!(alerts.notifications(UnixNanos(0), SECOND, SECOND, &String::new), []);
    assert_eq!(alerts.phase(), Phase::Pending);
}

#[test]
fn nobody_is_told_only_that_it_is_over() {
    let mut alerts = Alerts::default();
    alerts.observe(&moment(0, 0, 0), vec![found("eve")]).unwrap();
    alerts.observe(&moment(15, 0, 0), Vec::new()).unwrap();
    assert_eq!(alerts.phase(), Phase::Firing);
    let told = alerts.notifications(UnixNanos(15 * SECOND), SECOND, 60 * SECOND, &String::new);
    assert!(!told[0].is_resolved);
    alerts.observe(&moment(300, 0, 0), Vec::new()).unwrap();
    assert_eq!(alerts.phase(), Phase::Firing);
    alerts.observe(&moment(315, 0, 0), Vec::new()).unwrap();
    assert_eq!(alerts.phase(), Phase::Inactive);
}

#[test]
fn while_sources_catch_up_nothing_ends() {
    let mut alerts = Alerts::default();
    alerts.observe(&moment(0, 0, 0), vec![found("eve")]).unwrap();
    alerts.notifications(UnixNanos(0), SECOND, SECOND, &String::new);
    alerts.observe(&moment(1, 60, 0), vec![found("eve"), found("bob")]).unwrap();
    alerts.observe(&Moment { is_catching_up: true, ..moment(600, 60, 0) }, Vec::new()).unwrap();
    assert_eq!(alerts.iter().map(|alert| alert.phase).collect::<Vec<_>>(), [Phase::Pending, Phase::Firing]);
}
