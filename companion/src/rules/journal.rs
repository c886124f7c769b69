//! What must survive a crash, as records: what rules have counted, their alerts, and up to when they were evaluated. Pure.
//!
//! All records of one flush are one frame with one checksum: a frame that is torn is as if nothing of it had happened, and the
//! sender of the entries, who got no answer, sends them again. A rule is known again by its file, group, name and query: one that
//! was changed begins anew, and the others keep what they know.

use proto::time::UnixNanos;
use twox_hash::XxHash3_64;

use super::alert::{Alert, Episode};
use super::file::Group;
use super::leaf::Mark;
use crate::labels::LabelSet;
use crate::logql::Point;

mod codec;
#[cfg(test)]
mod tests;

pub use codec::{decode, encode_frame, encode_header};

/// What a rule is known by over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u64);

impl RuleId {
    /// Those of a group's rules, in their order. Rules that are alike in all that counts are told apart by their order.
    pub fn of_group(group: &Group) -> Vec<Self> {
        let mut ids: Vec<Self> = Vec::new();
        for rule in &group.rules {
            let mut text = [&*group.file, &group.name, &rule.name, &rule.expr].join("\0");
            let mut id = Self(XxHash3_64::oneshot(text.as_bytes()));
            while ids.contains(&id) {
                text.push('\0');
                id = Self(XxHash3_64::oneshot(text.as_bytes()));
            }
            ids.push(id);
        }
        ids
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A rule has seen everything since then.
    Rule {
        /// Which rule.
        rule: RuleId,
        /// Since when.
        seen_from: UnixNanos,
    },
    /// A rule was evaluated up to there.
    Evaluated {
        /// Which rule.
        rule: RuleId,
        /// The last time that was evaluated.
        at: UnixNanos,
        /// Times at which events have changed it that are not evaluated yet.
        waiting: Vec<UnixNanos>,
    },
    /// A rule has counted an entry.
    Point {
        /// Which rule.
        rule: RuleId,
        /// Which leaf of its query.
        leaf: u32,
        /// The labels of the series.
        labels: LabelSet,
        /// Its time and value.
        point: Point,
        /// What it is known by.
        mark: Mark,
    },
    /// An alert is now like this, or gone.
    Alert {
        /// Of which rule.
        rule: RuleId,
        /// Which alert.
        labels: LabelSet,
        /// What it is, if it is.
        alert: Option<Box<Alert>>,
    },
    /// An alert has fired for a while, and is over.
    Episode {
        /// Of which rule.
        rule: RuleId,
        /// When.
        episode: Episode,
    },
}

impl Record {
    /// The rule that it is about.
    pub fn rule(&self) -> RuleId {
        match self {
            Self::Rule { rule, .. }
            | Self::Evaluated { rule, .. }
            | Self::Point { rule, .. }
            | Self::Alert { rule, .. }
            | Self::Episode { rule, .. } => *rule,
        }
    }
}
