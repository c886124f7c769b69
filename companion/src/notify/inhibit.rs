//! Which alerts mute others. Pure.
//!
//! A target is mute while a source fires whose `equal` labels have the target's values; missing and empty are equal. What is
//! source and target of a rule is not muted by another that is both. A source need not have been told to anybody.

use proto::time::UnixNanos;

use super::alert::{Alert, Fingerprint};
use super::matcher::Matchers;
use crate::labels::LabelSet;

/// One rule.
#[derive(Clone, Debug, Default)]
pub struct InhibitRule {
    /// Which alerts mute.
    pub source: Matchers,
    /// Which are muted.
    pub target: Matchers,
    /// Labels that both must have alike.
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// Of one that is a source, and one that is a target.
    fn mutes(&self, source: &LabelSet, target: &LabelSet, target_is_source: bool) -> bool {
        self.equal.iter().all(|name| source.get(name).unwrap_or_default() == target.get(name).unwrap_or_default())
            && !(target_is_source && self.target.matches(source))
    }
}

/// What mutes others at one time: the firing sources of each rule.
#[derive(Clone, Debug, Default)]
pub struct Inhibitors(Vec<(InhibitRule, Vec<(Fingerprint, LabelSet)>)>);

impl Inhibitors {
    /// Of the alerts that fire now.
    pub fn at<'a>(
        rules: &[InhibitRule],
        alerts: &(impl Iterator<Item = (Fingerprint, &'a Alert)> + Clone),
        now: UnixNanos,
    ) -> Self {
        let sources = |rule: &InhibitRule| {
            let firing = alerts.clone().filter(|(_, alert)| !alert.is_resolved(now) && rule.source.matches(&alert.labels));
            firing.map(|(fingerprint, alert)| (fingerprint, alert.labels.clone())).collect()
        };
        Self(rules.iter().map(|rule| (rule.clone(), sources(rule))).collect())
    }

    /// The alert that mutes this one, if one does.
    pub fn of(&self, target: &LabelSet) -> Option<Fingerprint> {
        self.0.iter().filter(|(rule, sources)| !sources.is_empty() && rule.target.matches(target)).find_map(|(rule, sources)| {
            let target_is_source = rule.source.matches(target);
            sources.iter().find(|(_, source)| rule.mutes(source, target, target_is_source)).map(|(fingerprint, _)| *fingerprint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::matcher;
    use super::*;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        let read = |text| Matchers(matcher::parse(text).unwrap());
        InhibitRule { source: read(source), target: read(target), equal: equal.iter().map(ToString::to_string).collect() }
    }

    fn labels(text: &str) -> LabelSet {
        text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect()
    }

    #[test]
    fn a_target_is_mute_while_its_source_fires() {
        let by_severity = [rule("severity=critical", "severity=warning", &["node"])];
        let anything = [rule("alertname=NodeDown", "alertname!=NodeDown", &[])];
        let two_sided = [rule("a=1", "a=1", &[])];
        for (rules, source, target, muted) in [
            (&by_severity, "severity=critical node=a", "severity=warning node=a", true),
            (&by_severity, "severity=critical node=a", "severity=warning node=b", false),
            (&by_severity, "severity=critical node=a", "severity=info node=a", false),
            (&by_severity, "severity=critical", "severity=warning", true), // missing on both sides
            (&by_severity, "severity=critical node=", "severity=warning", true), // empty is missing
            (&by_severity, "severity=critical node=a", "severity=warning", false),
            (&anything, "alertname=NodeDown", "alertname=Other node=z", true),
            (&anything, "alertname=NodeDown", "alertname=NodeDown node=z", false),
            (&two_sided, "a=1 b=1", "a=1 b=2", false), // both are both
        ] {
            let source = Alert { labels: labels(source), ..Alert::default() };
            let found = |source: &Alert| {
                let alerts = [(source.fingerprint(), source)];
                Inhibitors::at(rules, &alerts.into_iter(), UnixNanos(10)).of(&labels(target)).is_some()
            };
            assert_eq!(found(&source), muted, "{} {target}", source.labels);
            assert!(!found(&Alert { ends_at: UnixNanos(10), ..source }), "a resolved source mutes nothing");
        }
    }
}
