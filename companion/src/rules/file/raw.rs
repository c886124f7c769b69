//! A rule file as it is written: its keys, without what they mean to each other.

use settings::problem::{Problems, quote};
use settings::read::{Count, Labels, Read, Section, Spanned};
use settings::yaml::{Node, Value};

use crate::rules::duration::RuleDuration;

const GROUP: [&str; 6] = ["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE: [&str; 7] = ["alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// A group.
#[derive(Debug)]
pub(super) struct RawGroup {
    pub(super) name: Option<Spanned<String>>,
    pub(super) interval: Option<RuleDuration>,
    pub(super) query_offset: Option<RuleDuration>,
    pub(super) limit: Option<usize>,
    pub(super) labels: Option<Spanned<Labels>>,
    pub(super) rules: Vec<Spanned<RawRule>>,
}

/// A rule.
#[derive(Debug)]
pub(super) struct RawRule {
    pub(super) alert: Option<Spanned<String>>,
    pub(super) record: Option<Spanned<String>>,
    pub(super) expr: Option<Spanned<String>>,
    pub(super) wait: Option<Spanned<RuleDuration>>,
    pub(super) keep_firing: Option<Spanned<RuleDuration>>,
    pub(super) labels: Option<Spanned<Labels>>,
    pub(super) annotations: Option<Spanned<Labels>>,
}

/// The groups of a file, in either form.
pub(super) fn read(root: &Node, problems: &mut Problems) -> Vec<Spanned<RawGroup>> {
    let has = |wanted: &str| matches!(&root.value, Value::Map(entries) if entries.iter().any(|(key, _)| key.name == wanted));
    if !has("groups") && (has("rules") || has("name")) {
        return Spanned::read("the group", root, problems).into_iter().collect();
    }
    if root.is_null() {
        return Vec::new();
    }
    let elsewhere = |key: &str| {
        let key_of_group = GROUP.contains(&key) || RULE.contains(&key);
        key_of_group.then(|| format!("unknown key {}; it belongs into an item of `groups`", quote(key)))
    };
    let Some(section) = Section::read("a rule file", root, &["groups"], problems, elsewhere) else { return Vec::new() };
    section.take::<List<Spanned<RawGroup>>>("groups", problems).map(|groups| groups.value.0).unwrap_or_default()
}

/// A list that may be left empty.
struct List<T>(Vec<T>);

impl<T: Read> Read for List<T> {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        Vec::read(name, node, problems).map(Self)
    }

    fn when_empty() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

impl Read for RawGroup {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let elsewhere =
            |key: &str| RULE.contains(&key).then(|| format!("unknown key {}; it belongs into an item of `rules`", quote(key)));
        let section = Section::read("a group", node, &GROUP, problems, elsewhere)?;
        Some(Self {
            name: section.take("name", problems),
            interval: section.take("interval", problems).map(|interval| interval.value),
            query_offset: section.take("query_offset", problems).map(|offset| offset.value),
            limit: section.take::<Count>("limit", problems).map(|limit| limit.value.0),
            labels: section.take("labels", problems),
            rules: section.take::<List<_>>("rules", problems).map(|rules| rules.value.0).unwrap_or_default(),
        })
    }
}

impl Read for RawRule {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let elsewhere = |key: &str| GROUP.contains(&key).then(|| format!("unknown key {}; it belongs to the group", quote(key)));
        let section = Section::read("a rule", node, &RULE, problems, elsewhere)?;
        Some(Self {
            alert: section.take("alert", problems),
            record: section.take("record", problems),
            expr: section.take("expr", problems),
            wait: section.take("for", problems),
            keep_firing: section.take("keep_firing_for", problems),
            labels: section.take("labels", problems),
            annotations: section.take("annotations", problems),
        })
    }
}
