//! An audit policy of the kube-apiserver (`audit.k8s.io/v1`, kind Policy), and which of its rules a request meets.
//!
//! Rules are asked in order and the first that matches decides; where none does, nothing is logged. How a rule matches is
//! described in the Kubernetes documentation, "Auditing", and by the type `PolicyRule` of `audit.k8s.io/v1`.

use std::fmt;
use std::sync::Arc;

use settings::problem::{At, Problems, quote};
use settings::read::{Read, Section, one_of};
use settings::yaml::{self, Node};

use super::needs::Resource;

/// How much of a request is logged; each level holds what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// Who, what, when, and the outcome.
    Metadata,
    /// And what the client sent.
    Request,
    /// And what the server answered.
    RequestResponse,
}

/// Levels by name.
pub(super) const LEVELS: [(&str, Level); 4] = [
    ("None", Level::None),
    ("Metadata", Level::Metadata),
    ("Request", Level::Request),
    ("RequestResponse", Level::RequestResponse),
];

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = LEVELS.iter().find(|(_, level)| level == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Read for Level {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        one_of(name, node, problems, &LEVELS)
    }
}

/// Which part of a request's life an event tells of.
struct Stage(String);

impl Read for Stage {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        const STAGES: [(&str, &str); 4] = [
            ("RequestReceived", "RequestReceived"),
            ("ResponseStarted", "ResponseStarted"),
            ("ResponseComplete", "ResponseComplete"),
            ("Panic", "Panic"),
        ];
        one_of(name, node, problems, &STAGES).map(|stage| Self(stage.to_owned()))
    }
}

/// Resources of one API group.
#[derive(Clone, Debug)]
pub(super) struct GroupResources {
    group: String,
    resources: Vec<String>,
    names: Vec<String>,
}

impl Read for GroupResources {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let section = Section::read(name, node, &["group", "resources", "resourceNames"], problems, |_| None)?;
        Some(Self {
            group: take(&section, "group", problems).unwrap_or_default(),
            resources: take(&section, "resources", problems).unwrap_or_default(),
            names: take(&section, "resourceNames", problems).unwrap_or_default(),
        })
    }
}

/// One rule of the policy.
#[derive(Clone, Debug)]
pub(super) struct PolicyRule {
    pub(super) at: At,
    pub(super) level: Level,
    pub(super) omit_stages: Vec<String>,
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<GroupResources>,
    namespaces: Vec<String>,
    urls: Vec<String>,
}

impl Read for PolicyRule {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        const KEYS: [&str; 9] = [
            "level",
            "users",
            "userGroups",
            "verbs",
            "resources",
            "namespaces",
            "nonResourceURLs",
            "omitStages",
            "omitManagedFields",
        ];
        let section = Section::read(name, node, &KEYS, problems, |_| None)?;
        let _: Option<bool> = take(&section, "omitManagedFields", problems);
        let rule = Self {
            at: node.at.clone(),
            level: section.take("level", problems).map_or(Level::None, |level| level.value),
            omit_stages: stages(&section, problems),
            users: take(&section, "users", problems).unwrap_or_default(),
            groups: take(&section, "userGroups", problems).unwrap_or_default(),
            verbs: take(&section, "verbs", problems).unwrap_or_default(),
            resources: take(&section, "resources", problems).unwrap_or_default(),
            namespaces: take(&section, "namespaces", problems).unwrap_or_default(),
            urls: take(&section, "nonResourceURLs", problems).unwrap_or_default(),
        };
        let about_resources = !(rule.resources.is_empty() && rule.namespaces.is_empty());
        if about_resources && !rule.urls.is_empty() {
            problems.push(&node.at, "a rule is about resources or about `nonResourceURLs`, not both; make two of it");
        }
        Some(rule)
    }
}

/// The policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Path of the file as it was given.
    pub(super) file: Arc<str>,
    pub(super) omit_stages: Vec<String>,
    pub(super) rules: Vec<PolicyRule>,
}

impl Policy {
    /// Reads the file.
    pub fn read(file: &Arc<str>, text: &[u8]) -> Result<Self, Problems> {
        const KEYS: [&str; 6] = ["apiVersion", "kind", "metadata", "omitStages", "omitManagedFields", "rules"];
        let root = yaml::parse(file, text)?;
        let mut problems = Problems::default();
        let Some(section) = Section::read("the policy", &root, &KEYS, &mut problems, |_| None) else {
            return Err(problems);
        };
        for (key, expected) in [("apiVersion", "audit.k8s.io/v1"), ("kind", "Policy")] {
            let found = section.take::<String>(key, &mut problems);
            if found.as_ref().is_none_or(|found| found.value != expected) {
                let at = found.as_ref().map_or(&root.at, |found| &found.at);
                let found = found.as_ref().map_or_else(|| "nothing".to_owned(), |found| quote(&found.value));
                problems.push(at, format!("`{key}` is `{expected}`, not {found}: API servers read no other"));
            }
        }
        let _: Option<bool> = take(&section, "omitManagedFields", &mut problems);
        let omit_stages = stages(&section, &mut problems);
        let rules: Vec<PolicyRule> = take(&section, "rules", &mut problems).unwrap_or_default();
        if rules.is_empty() && problems.count() == 0 {
            problems.push(&root.at, "`rules` is missing or empty: API servers refuse such a policy");
        }
        problems.or(Self { file: Arc::clone(file), omit_stages, rules })
    }
}

fn take<T: Read>(section: &Section<'_>, name: &str, problems: &mut Problems) -> Option<T> {
    section.take(name, problems).map(|spanned| spanned.value)
}

fn stages(section: &Section<'_>, problems: &mut Problems) -> Vec<String> {
    let stages: Vec<Stage> = take(section, "omitStages", problems).unwrap_or_default();
    stages.into_iter().map(|stage| stage.0).collect()
}

/// A request on a resource, as far as it is known.
pub(super) struct Request<'a> {
    pub(super) verb: &'a str,
    pub(super) resource: &'a Resource,
    /// `None`: in any namespace, or in none.
    pub(super) namespace: Option<&'a str>,
    /// `None`: by anybody.
    pub(super) user: Option<&'a str>,
}

impl Request<'_> {
    /// It has a stage of its own between the beginning of the answer and the end.
    pub(super) fn is_long(&self) -> bool {
        let sub = self.resource.sub.as_deref();
        self.verb == "watch" || matches!(sub, Some("exec" | "attach" | "portforward" | "proxy"))
    }

    /// Groups that the API server itself gives to a user of that name.
    fn groups(&self) -> Vec<String> {
        let mut groups = vec!["system:authenticated".to_owned()];
        let user = self.user.unwrap_or_default();
        if let Some((namespace, _)) = user.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':')) {
            groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
        } else if user.starts_with("system:node:") {
            groups.push("system:nodes".to_owned());
        }
        groups
    }
}

/// Whether a rule is about a request.
pub(super) enum Answer {
    /// It is.
    Yes,
    /// About some of what the request leaves open, in words.
    Maybe(String),
    /// It is not.
    No,
}

impl PolicyRule {
    /// Asks the rule.
    pub(super) fn matches(&self, request: &Request<'_>) -> Answer {
        let mut only = Vec::new();
        if !self.users.is_empty() {
            match request.user {
                Some(user) if !self.users.iter().any(|known| known == user) => return Answer::No,
                Some(_) => {}
                None => only.push(format!("users {}", self.users.join(", "))),
            }
        }
        // A group that everybody has asks for nobody in particular.
        if !self.groups.is_empty() && !self.groups.iter().any(|group| group == "system:authenticated") {
            match request.user {
                Some(_) if !request.groups().iter().any(|group| self.groups.contains(group)) => return Answer::No,
                Some(_) => {}
                None => only.push(format!("groups {}", self.groups.join(", "))),
            }
        }
        if !(self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == request.verb)) || !self.urls.is_empty() {
            return Answer::No;
        }
        if !self.namespaces.is_empty() {
            match request.namespace {
                Some(namespace) if !self.namespaces.iter().any(|known| known == namespace) => return Answer::No,
                Some(_) => {}
                None => only.push(format!("namespaces {}", self.namespaces.join(", "))),
            }
        }
        if !self.resources.is_empty() {
            let of_resource: Vec<_> = self.resources.iter().filter(|resources| resources.hold(request.resource)).collect();
            if of_resource.is_empty() {
                return Answer::No;
            }
            if !of_resource.iter().any(|resources| resources.names.is_empty()) {
                only.push("objects of certain names".to_owned());
            }
        }
        if only.is_empty() { Answer::Yes } else { Answer::Maybe(only.join(", ")) }
    }
}

impl GroupResources {
    /// `pods` is the resource alone, `pods/*` all below it, `*/scale` that below any, `*` everything.
    fn hold(&self, wanted: &Resource) -> bool {
        let sub = wanted.sub.as_deref();
        self.group == wanted.group
            && (self.resources.is_empty()
                || self.resources.iter().any(|pattern| match pattern.split_once('/') {
                    None => pattern == "*" || (*pattern == wanted.name && sub.is_none()),
                    Some(("*", below)) => sub == Some(below),
                    Some((name, "*")) => name == wanted.name && sub.is_some(),
                    Some((name, below)) => name == wanted.name && sub == Some(below),
                }))
    }
}
