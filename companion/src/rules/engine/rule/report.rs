//! What others may know of a rule: the page, the read APIs, unit tests, a replay.

use std::sync::Arc;
use std::time::Duration;

use proto::time::UnixNanos;

use super::{Health, RuleCounts, RuleState};
use crate::labels::LabelSet;
use crate::logql::{MetricQuery, PipelineError, Sample};
use crate::rules::alert::{Alert, Episode};
use crate::rules::alerts::Alerts;
use crate::rules::file;
use crate::rules::journal::RuleId;

impl RuleState {
    /// Whether it reads anything.
    pub fn has_leaves(&self) -> bool {
        !self.leaves.is_empty()
    }

    /// Whether more events can only make it true.
    pub fn is_monotone(&self) -> bool {
        self.is_monotone
    }

    /// What makes it the same rule after a restart.
    pub fn id(&self) -> RuleId {
        self.id
    }

    /// As it was read.
    pub fn rule(&self) -> &Arc<file::Rule> {
        &self.rule
    }

    /// Its query.
    pub fn query_ast(&self) -> &MetricQuery {
        &self.rule.query
    }

    /// Its alerts.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// What a recording rule gave last.
    pub fn recorded(&self) -> &[Sample] {
        &self.recorded
    }

    /// What its query gives at that time, of the points that it has; its state stays as it is.
    pub fn evaluate(&self, at: UnixNanos) -> Result<Vec<Sample>, String> {
        self.query(None, at, 0)
    }

    /// What became of its alerts since this was last asked, or saved.
    pub(in crate::rules::engine) fn take_changes(&mut self) -> (Vec<(LabelSet, Option<Alert>)>, Vec<Episode>) {
        self.alerts.take_changes()
    }

    /// How the last evaluation went.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The last line that passed its filters with an error, if there was one.
    pub fn failed_line(&self) -> Option<&PipelineError> {
        self.failed_line.as_ref()
    }

    /// The last time that was evaluated.
    pub fn last_evaluation(&self) -> Option<UnixNanos> {
        self.last
    }

    /// How long the last evaluation took.
    pub fn evaluation_took(&self) -> Duration {
        self.took
    }

    /// What it has counted.
    pub fn counts(&self) -> RuleCounts {
        self.counts
    }

    /// What its points take in memory.
    pub fn bytes(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.points.bytes()).sum()
    }

    /// How many points its leaves have.
    pub fn points(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.points.len()).sum()
    }
}
