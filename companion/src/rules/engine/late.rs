//! Events that are older than the rule's last evaluation: what would have been found, had they arrived in time?
//!
//! The stretch of the timeline that they can have changed is run once more on a copy without alerts, for the parts of the rule that
//! they are in. What fires there and was told by nobody is the rule's from now on, with the time at which it would have fired.

use std::collections::BTreeMap;

use proto::time::UnixNanos;

use super::Context;
use super::rule::{RuleState, Touched};
use crate::labels::LabelSet;
use crate::rules::alert::{Alert, Found, Moment, Phase};
use crate::rules::alerts::{ALERTS_MAX, Alerts};

/// Most ticks of one such run; a longer stretch is looked at more coarsely, at its events never.
const TICKS_MAX: i64 = 5_000;

/// Evaluates events at these times, all before `last`.
pub(super) fn evaluate(rule: &mut RuleState, late: BTreeMap<UnixNanos, Touched>, last: UnixNanos, context: &Context<'_>) {
    // Of each part the first time and the last.
    let mut scopes: BTreeMap<Option<LabelSet>, (UnixNanos, UnixNanos)> = BTreeMap::new();
    for (at, touched) in late {
        for part in touched.scopes() {
            scopes.entry(part).or_insert((at, at)).1 = at;
        }
    }
    for (part, (first, newest)) in scopes {
        evaluate_part(rule, part.as_ref(), (first, newest), last, context);
    }
}

fn evaluate_part(
    rule: &mut RuleState,
    part: Option<&LabelSet>,
    (first, newest): (UnixNanos, UnixNanos),
    last: UnixNanos,
    context: &Context<'_>,
) {
    let (wait, _) = rule.waits();
    let from = UnixNanos(first.0.saturating_sub(wait.min(context.options.late)));
    // Their windows end there, and a condition that they began may need as long again to fire.
    let to = UnixNanos(newest.0.saturating_add(rule.range()).saturating_add(wait)).min(last);
    let is_to_the_end = to == last;
    let run = match Run::over(rule, part, from, to, context) {
        Ok(run) => run,
        Err(error) => return rule.failed(error),
    };
    let moment = rule.moment(last, context);
    for Fired { alert, ended } in run.fired {
        rule.adopt(alert, ended, &moment);
    }
    if is_to_the_end {
        let pending: Vec<Alert> = run.alerts.iter().filter(|alert| alert.phase == Phase::Pending).cloned().collect();
        for alert in pending {
            rule.adopt(alert, None, &moment);
        }
    }
}

/// A run over a stretch of the timeline.
struct Run {
    alerts: Alerts,
    /// Everything that fired, in the order in which it began.
    fired: Vec<Fired>,
}

/// An alert as it was seen last, and when it ended.
struct Fired {
    alert: Alert,
    ended: Option<UnixNanos>,
}

impl Run {
    fn over(
        rule: &RuleState,
        part: Option<&LabelSet>,
        from: UnixNanos,
        to: UnixNanos,
        context: &Context<'_>,
    ) -> Result<Self, String> {
        let mut events = rule.event_times(part, from, to, context.query_offset);
        // How it stands at the beginning says what holds already, and at the end what goes on.
        events.extend([from, to]);
        let (wait, _) = rule.waits();
        let stride = (to.0.saturating_sub(from.0) / context.ticks.interval() / TICKS_MAX).max(0) + 1;
        let stride = stride.saturating_mul(context.ticks.interval());
        let next_tick =
            |after: UnixNanos| UnixNanos(context.ticks.after(after).0.saturating_add(stride - context.ticks.interval()));
        let mut run = Self { alerts: Alerts::default(), fired: Vec::new() };
        let mut places: BTreeMap<(LabelSet, UnixNanos), usize> = BTreeMap::new();
        let mut is_quiet = rule.is_monotone();
        // Texts are made once.
        let mut found: Vec<Found> = Vec::new();
        let mut last = from;
        loop {
            // Only events make more of a monotone rule: one that fires, and that none is left for, ends once.
            let mut tick = next_tick(last);
            if rule.is_monotone() && events.len() == 1 && found.len() == 1 && run.alerts.phase() == Phase::Firing {
                let has = |at: UnixNanos| Ok::<_, String>(!rule.query(part, at, context.query_offset)?.is_empty());
                tick = first_without(tick, to, stride, has)?;
            }
            let tick = (!is_quiet && tick <= to).then_some(tick);
            let Some(at) = events.first().copied().into_iter().chain(tick).min() else { return Ok(run) };
            events.remove(&at);
            last = at;
            if !rule.is_known(at, context.query_offset) {
                continue;
            }
            let samples = rule.query(part, at, context.query_offset)?;
            is_quiet = rule.is_monotone() && samples.is_empty();
            found = rule.found_for_event(samples, at, &found);
            let moment = Moment {
                at,
                now: at,
                wait,
                keep_firing: 0,
                late_after: i64::MAX,
                hold: 0,
                is_catching_up: false,
                most: ALERTS_MAX,
            };
            run.alerts.observe(&moment, found.clone()).map_err(|error| error.to_string())?;
            // On this copy everybody is told of everything, so that alerts end when they would have ended.
            run.alerts.notifications(at, 0, i64::MAX, &String::new);
            is_quiet &= run.alerts.phase() == Phase::Inactive;
            for alert in run.alerts.iter().filter(|alert| alert.phase != Phase::Pending) {
                let Some(fired_at) = alert.fired_at else { continue };
                let place = *places.entry((alert.labels.clone(), fired_at)).or_insert_with(|| {
                    run.fired.push(Fired { alert: alert.clone(), ended: None });
                    run.fired.len() - 1
                });
                let fired = &mut run.fired[place];
                fired.ended = alert.resolved_at;
                fired.alert.seen_at = alert.seen_at;
            }
        }
    }
}

/// The first of the ticks up to `to` at which it is no longer true; the one behind `to` if it stays. It does not become true again.
fn first_without(
    first: UnixNanos,
    to: UnixNanos,
    stride: i64,
    holds: impl Fn(UnixNanos) -> Result<bool, String>,
) -> Result<UnixNanos, String> {
    let nth = |number: i64| UnixNanos(first.0.saturating_add(number.saturating_mul(stride)));
    let (mut low, mut high) = (0, (to.0.saturating_sub(first.0) / stride).max(-1) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(nth(middle))? { low = middle + 1 } else { high = middle }
    }
    Ok(nth(low))
}
