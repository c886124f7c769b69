//! Which rules are blind under an audit policy of the kube-apiserver, and why.
//!
//! In: the policy ([`policy`]) and what rules say that they need ([`needs`]); out: of each alert what it does not see, and which rule
//! of the policy takes it away. Pure. What a need leaves open (whose request, in which namespace) may be decided either way by a
//! rule of the policy that asks for it: then the alert sees some of it.

use std::collections::BTreeMap;
use std::fmt;

use settings::problem::At;

pub mod needs;
pub mod policy;

#[cfg(test)]
mod tests;

pub use needs::{Need, Resource};
pub use policy::{Level, Policy};

use policy::{Answer, PolicyRule, Request};

/// What an alert sees of what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// All of it.
    All,
    /// Not all.
    Some,
    /// Nothing: it can never fire.
    Nothing,
}

/// One alert under the policy.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name.
    pub alert: String,
    /// Where it says what it needs.
    pub at: At,
    /// How much it sees.
    pub sight: Sight,
    /// What it does not see, one line each.
    pub reasons: Vec<String>,
}

/// One line for each reason, or one that all is well.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.sight {
            Sight::All => return write!(f, "{}: sees all that it needs", self.alert),
            Sight::Some => "partly blind",
            Sight::Nothing => "blind",
        };
        for (place, reason) in self.reasons.iter().enumerate() {
            write!(f, "{}{}: {word}: {reason}", if place > 0 { "\n" } else { "" }, self.alert)?;
        }
        Ok(())
    }
}

/// Every alert that says what it needs, in the order of `needs`.
pub fn check(policy: &Policy, needs: &[Need]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut start = 0;
    while let Some(first) = needs.get(start) {
        let of_alert = needs[start..].iter().take_while(|need| need.alert == first.alert).count();
        findings.push(judge(policy, &needs[start..start + of_alert]));
        start += of_alert;
    }
    findings
}

/// The needs of one alert, which are at least one.
fn judge(policy: &Policy, needs: &[Need]) -> Finding {
    let (mut seen, mut asked) = (0, 0);
    let mut lost: BTreeMap<Cause, Lost> = BTreeMap::new();
    for need in needs {
        for request in need.requests() {
            let verdict = decide(policy, need.level, &request);
            asked += 1;
            seen += usize::from(verdict.some_seen);
            for cause in verdict.causes {
                lost.entry(Cause { needed: need.level, ..cause }).or_default().add(&request);
            }
        }
    }
    let sight = match (lost.is_empty(), seen) {
        (true, _) => Sight::All,
        (false, 0) if asked > 0 => Sight::Nothing,
        (false, _) => Sight::Some,
    };
    let (alert, at) = needs.first().map(|need| (need.alert.clone(), need.at.clone())).unwrap_or_default();
    Finding { alert, at, sight, reasons: lost.iter().map(|(cause, lost)| lost.in_words(cause)).collect() }
}

/// What happens to one kind of request.
struct Verdict {
    /// Some of these requests, or all, are logged as they are needed.
    some_seen: bool,
    /// Why some are not.
    causes: Vec<Cause>,
}

/// The rule of the policy that takes requests away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    /// Line and column of the rule; nothing where no rule of the policy matches.
    place: Option<(usize, usize)>,
    file: String,
    lack: Lack,
    needed: Level,
    /// Of which users, groups, or namespaces alone.
    only: String,
}

/// What is not enough about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// It logs at this level.
    Level(Level),
    /// It omits every stage at which there is an outcome.
    Stages,
}

fn decide(policy: &Policy, needed: Level, request: &Request<'_>) -> Verdict {
    let mut verdict = Verdict { some_seen: false, causes: Vec::new() };
    for rule in &policy.rules {
        let answer = rule.matches(request);
        let only = match &answer {
            Answer::No => continue,
            Answer::Maybe(only) => only.clone(),
            Answer::Yes => String::new(),
        };
        match shortcoming(policy, rule, needed, request) {
            None => verdict.some_seen = true,
            Some(lack) => verdict.causes.push(Cause {
                place: Some((rule.at.line, rule.at.column)),
                file: rule.at.file.to_string(),
                lack,
                needed,
                only,
            }),
        }
        if matches!(answer, Answer::Yes) {
            return verdict;
        }
    }
    let lack = Lack::Level(Level::None);
    verdict.causes.push(Cause { place: None, file: policy.file.to_string(), lack, needed, only: String::new() });
    verdict
}

/// Why what the rule logs is not enough, if it is not.
fn shortcoming(policy: &Policy, rule: &PolicyRule, needed: Level, request: &Request<'_>) -> Option<Lack> {
    if rule.level < needed {
        return Some(Lack::Level(rule.level));
    }
    let left = |stage: &str| ![&policy.omit_stages, &rule.omit_stages].iter().any(|omitted| omitted.iter().any(|s| s == stage));
    let answered = left("ResponseComplete") || (request.is_long() && left("ResponseStarted"));
    (!answered).then_some(Lack::Stages)
}

/// Requests that share a cause.
#[derive(Default)]
struct Lost {
    verbs: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    users: Vec<String>,
}

impl Lost {
    fn add(&mut self, request: &Request<'_>) {
        let mut note = |list: fn(&mut Self) -> &mut Vec<String>, word: String| {
            let list = list(self);
            if !list.contains(&word) {
                list.push(word);
            }
        };
        note(|lost| &mut lost.verbs, request.verb.to_owned());
        note(|lost| &mut lost.resources, request.resource.to_string());
        if let Some(namespace) = request.namespace {
            note(|lost| &mut lost.namespaces, namespace.to_owned());
        }
        if let Some(user) = request.user {
            note(|lost| &mut lost.users, user.to_owned());
        }
    }

    fn in_words(&self, cause: &Cause) -> String {
        let mut words = format!("does not see {} of {}", self.verbs.join(", "), self.resources.join(", "));
        for (joint, list) in [(" in ", &self.namespaces), (" by ", &self.users)] {
            if !list.is_empty() {
                words.extend([joint, &list.join(", ")]);
            }
        }
        if !cause.only.is_empty() {
            words.extend([" (", &cause.only, " alone)"]);
        }
        words
            + &match (cause.place, cause.lack) {
                (None, _) => format!(": no rule of {} matches, which logs nothing", cause.file),
                (Some((line, column)), Lack::Level(level)) => {
                    format!(": {}:{line}:{column} logs at level {level}, and {} is needed", cause.file, cause.needed)
                }
                (Some((line, column)), Lack::Stages) => {
                    format!(": {}:{line}:{column} omits the stages that tell the outcome", cause.file)
                }
            }
    }
}
