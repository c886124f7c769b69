//! Prometheus' relabelling: rules that rename, rewrite and drop, one after the other, over the labels of one series.
//!
//! In: a set of labels. Out: the set as the rules leave it, and whether the series stays. Regular expressions match whole values and
//! are RE2's; names of labels may be any text, as in Prometheus 3.

mod label_set;

use md5::{Digest as _, Md5};
use regex::{Captures, Regex};
use thiserror::Error;

pub use label_set::{LabelSet, METRIC_NAME};

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Sets the target label to the replacement if the source labels match.
    #[default]
    Replace,
    /// Drops the series unless they match.
    Keep,
    /// Drops the series if they match.
    Drop,
    /// Drops the series unless they are equal to the target label.
    KeepEqual,
    /// Drops the series if they are equal to the target label.
    DropEqual,
    /// Sets the target label to a hash of the source labels, modulo `modulus`.
    HashMod,
    /// Sets the target label to the source labels in small letters.
    Lowercase,
    /// Sets the target label to the source labels in capitals.
    Uppercase,
    /// Copies labels whose names match to the name that the replacement makes of them.
    LabelMap,
    /// Takes labels away whose names match.
    LabelDrop,
    /// Takes labels away whose names do not match.
    LabelKeep,
}

impl Action {
    const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
    ];

    /// The names of all, as they are written.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }

    /// As it is written; capitals do not matter.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, action)| *action)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

/// A rule as it is written; what is not written is as in Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Labels whose values it looks at, joined.
    pub source_labels: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// What they have to match, or names of labels.
    pub regex: String,
    /// Of `hashmod`.
    pub modulus: u64,
    /// The label that is set or compared with; of `replace` with references to groups.
    pub target_label: String,
    /// What it is set to, with references to groups: `$1`, `${name}`, `$$`.
    pub replacement: String,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            action: Action::Replace,
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
        }
    }
}

impl Rule {
    /// Puts something before the name of every metric: the shorthand `name_prefix`.
    pub fn name_prefix(prefix: &str) -> Self {
        Self {
            source_labels: vec![METRIC_NAME.to_owned()],
            target_label: METRIC_NAME.to_owned(),
            replacement: format!("{}${{1}}", prefix.replace('$', "$$")),
            ..Self::default()
        }
    }
}

/// Why a rule cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// It is no regular expression.
    #[error("`regex`: {0}")]
    Regex(String),
    /// There is nothing to set or to compare with.
    #[error("`{0}` needs a `target_label`")]
    NoTarget(&'static str),
    /// There is no name to map to.
    #[error("`labelmap` needs a `replacement`")]
    NoReplacement,
    /// Nothing is divided by 0.
    #[error("`hashmod` needs a `modulus` above 0")]
    NoModulus,
    /// Something is written that the action does not look at.
    #[error("`{action}` takes no `{key}`: leave it out")]
    Unused {
        /// What the rule does.
        action: &'static str,
        /// What it has besides.
        key: &'static str,
    },
}

/// Whether a series stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
}

/// Rules, compiled.
#[derive(Clone, Debug, Default)]
pub struct Relabelling(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Replace { source: Source, regex: Regex, target: String, replacement: String },
    KeepIf { source: Source, regex: Regex, matches: bool },
    KeepIfEqual { source: Source, target: String, equal: bool },
    HashMod { source: Source, modulus: u64, target: String },
    Case { source: Source, target: String, change: fn(&str) -> String },
    LabelMap { regex: Regex, replacement: String },
    KeepLabels { regex: Regex, matches: bool },
}

#[derive(Clone, Debug)]
struct Source {
    labels: Vec<String>,
    separator: String,
}

impl Source {
    fn value(&self, set: &LabelSet) -> String {
        let mut value = String::new();
        for (place, label) in self.labels.iter().enumerate() {
            if place > 0 {
                value.push_str(&self.separator);
            }
            value.push_str(set.get(label));
        }
        value
    }
}

impl Relabelling {
    /// Compiles rules; of one that cannot be followed, its place among them and why.
    pub fn new(rules: &[Rule]) -> Result<Self, (usize, RuleError)> {
        let steps = rules.iter().enumerate().map(|(place, rule)| compile(rule).map_err(|error| (place, error)));
        Ok(Self(steps.collect::<Result<_, _>>()?))
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Follows the rules in their order. Of a series that goes, the labels are left as they were then.
    pub fn apply(&self, set: &mut LabelSet) -> Verdict {
        if self.0.iter().all(|step| step.apply(set)) { Verdict::Keep } else { Verdict::Drop }
    }
}

fn compile(rule: &Rule) -> Result<Step, RuleError> {
    let default = Rule::default();
    let action = rule.action.name();
    let target = || match rule.target_label.as_str() {
        "" => Err(RuleError::NoTarget(action)),
        target => Ok(target.to_owned()),
    };
    let regex = || settings::re2::compile(&format!("^(?s:{})$", rule.regex)).map_err(|_| regex_error(&rule.regex));
    let source = || Source { labels: rule.source_labels.clone(), separator: rule.separator.clone() };
    let unused = |keys: &[(&'static str, bool)]| match keys.iter().find(|(_, is_written)| *is_written) {
        Some((key, _)) => Err(RuleError::Unused { action, key }),
        None => Ok(()),
    };
    let has_source = ("source_labels", !rule.source_labels.is_empty());
    let has_separator = ("separator", rule.separator != default.separator);
    let has_regex = ("regex", rule.regex != default.regex);
    let has_modulus = ("modulus", rule.modulus != 0);
    let has_target = ("target_label", !rule.target_label.is_empty());
    let has_replacement = ("replacement", rule.replacement != default.replacement);
    Ok(match rule.action {
        Action::Replace => {
            Step::Replace { source: source(), regex: regex()?, target: target()?, replacement: rule.replacement.clone() }
        }
        Action::Keep | Action::Drop => Step::KeepIf { source: source(), regex: regex()?, matches: rule.action == Action::Keep },
        Action::KeepEqual | Action::DropEqual => {
            unused(&[has_regex, has_modulus, has_separator, has_replacement])?;
            Step::KeepIfEqual { source: source(), target: target()?, equal: rule.action == Action::KeepEqual }
        }
        Action::HashMod if rule.modulus == 0 => return Err(RuleError::NoModulus),
        Action::HashMod => Step::HashMod { source: source(), modulus: rule.modulus, target: target()? },
        Action::Lowercase | Action::Uppercase => {
            unused(&[has_replacement])?;
            let change = if rule.action == Action::Lowercase { str::to_lowercase } else { str::to_uppercase };
            Step::Case { source: source(), target: target()?, change }
        }
        Action::LabelMap if rule.replacement.is_empty() => return Err(RuleError::NoReplacement),
        Action::LabelMap => Step::LabelMap { regex: regex()?, replacement: rule.replacement.clone() },
        Action::LabelDrop | Action::LabelKeep => {
            unused(&[has_source, has_target, has_modulus, has_separator, has_replacement])?;
            Step::KeepLabels { regex: regex()?, matches: rule.action == Action::LabelKeep }
        }
    })
}

/// What is wrong with a regular expression, as it was written and not as it is anchored.
fn regex_error(text: &str) -> RuleError {
    let why = settings::re2::compile(text).err();
    RuleError::Regex(why.unwrap_or_else(|| format!("`{text}` is no regular expression within `^(?s:…)$`")))
}

impl Step {
    /// Whether the series stays.
    fn apply(&self, set: &mut LabelSet) -> bool {
        match self {
            Self::Replace { source, regex, target, replacement } => {
                let value = source.value(set);
                if let Some(groups) = regex.captures(&value) {
                    let target = expanded(&groups, target);
                    // What no group gives a name has none.
                    if !target.is_empty() {
                        set.set(&target, &expanded(&groups, replacement));
                    }
                }
            }
            Self::KeepIf { source, regex, matches } => return regex.is_match(&source.value(set)) == *matches,
            Self::KeepIfEqual { source, target, equal } => return (set.get(target) == source.value(set)) == *equal,
            Self::HashMod { source, modulus, target } => {
                // The last eight bytes, as a number.
                let hash = u128::from_be_bytes(Md5::digest(source.value(set)).into()) as u64;
                set.set(target, &(hash % modulus).to_string());
            }
            Self::Case { source, target, change } => {
                let value = change(&source.value(set));
                set.set(target, &value);
            }
            Self::LabelMap { regex, replacement } => {
                // What is copied is not looked at again.
                for (name, value) in set.clone().iter() {
                    if let Some(groups) = regex.captures(name) {
                        let name = expanded(&groups, replacement);
                        if !name.is_empty() {
                            set.set(&name, value);
                        }
                    }
                }
            }
            Self::KeepLabels { regex, matches } => set.retain(|name| regex.is_match(name) == *matches),
        }
        true
    }
}

fn expanded(groups: &Captures<'_>, template: &str) -> String {
    let mut text = String::new();
    groups.expand(template, &mut text);
    text
}

#[cfg(test)]
mod tests;
