//! The tree of routes: which alert goes to whom, how it is grouped, and when.
//!
//! An alert goes depth first to the first child that matches, and to later ones too where a child says `continue`; where no child
//! matches, the node itself takes it. What a node does not say it has from its parent.

use std::time::Duration;

use super::matcher::Matchers;
use crate::labels::LabelSet;

/// By which labels alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By these.
    Labels(Vec<String>),
    /// By all: each alert is a group.
    All,
}

impl GroupBy {
    /// The labels that tell an alert's group.
    pub fn of(&self, labels: &LabelSet) -> LabelSet {
        match self {
            Self::All => labels.clone(),
            Self::Labels(names) => labels.without(|name| !names.iter().any(|known| known == name)),
        }
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which alerts may come here.
    pub matchers: Matchers,
    /// Whether later siblings are asked, too.
    pub goes_on: bool,
    /// Who is told.
    pub receiver: String,
    /// How alerts are grouped.
    pub group_by: GroupBy,
    /// How long the first alert of a group waits for others.
    pub group_wait: Duration,
    /// How long until what is new in a group is told.
    pub group_interval: Duration,
    /// How long until the same is told again.
    pub repeat_interval: Duration,
    /// Intervals in which nothing is told.
    pub mute: Vec<String>,
    /// Intervals in which alone something is told; always, if there is none.
    pub active: Vec<String>,
    /// Its children, by their numbers.
    pub children: Vec<RouteId>,
    /// The matchers from the root to here, as Alertmanager prints them in group keys.
    pub key: String,
    /// `key` with the places among siblings: no two nodes have the same.
    pub path: String,
}

/// A node's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub usize);

/// The tree; the root has number 0.
#[derive(Clone, Debug)]
pub struct Routes(pub Vec<Route>);

impl Routes {
    /// A node.
    pub fn get(&self, id: RouteId) -> Option<&Route> {
        self.0.get(id.0)
    }

    /// The nodes that take an alert.
    pub fn of(&self, labels: &LabelSet) -> Vec<RouteId> {
        let mut taken = Vec::new();
        self.collect(RouteId(0), labels, &mut taken);
        taken
    }

    /// Depth is bounded by the reader of the file.
    fn collect(&self, id: RouteId, labels: &LabelSet, taken: &mut Vec<RouteId>) {
        let Some(route) = self.get(id) else { return };
        let before = taken.len();
        for child in &route.children {
            let Some(node) = self.get(*child) else { continue };
            if !node.matchers.matches(labels) {
                continue;
            }
            self.collect(*child, labels, taken);
            if !node.goes_on {
                break;
            }
        }
        if taken.len() == before {
            taken.push(id);
        }
    }
}
