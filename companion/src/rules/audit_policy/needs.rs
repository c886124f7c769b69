//! What rules say that must be audited: comments right before an alert of a rule file, rendered or not.
//!
//! `# needs: LEVEL VERBS RESOURCES [in NAMESPACES] [by USERS]`, each a list with commas; a resource is `name`, `name/subresource`, with
//! `.group` after the name outside the core group. A comment, since rulers refuse keys that they do not know, and since
//! nobody who is alerted wants to read it.

use std::fmt;
use std::sync::Arc;

use settings::problem::{At, Problems, quote};
use settings::read::nearest;

use super::policy::{LEVELS, Level, Request};

/// What stands before a need.
const MARK: &str = "# needs:";

/// A resource, and what lies below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural, as in URLs.
    pub name: String,
    /// Such as `exec`.
    pub sub: Option<String>,
}

impl Resource {
    fn read(text: &str) -> Self {
        let (name, sub) = match text.split_once('/') {
            Some((name, sub)) => (name, Some(sub.to_owned())),
            None => (text, None),
        };
        let (name, group) = name.split_once('.').unwrap_or((name, ""));
        Self { group: group.to_owned(), name: name.to_owned(), sub }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, "/{sub}"))
    }
}

/// Requests that an alert must see.
#[derive(Clone, Debug)]
pub struct Need {
    /// The alert.
    pub alert: String,
    /// Where it is said.
    pub at: At,
    /// How much of them.
    pub level: Level,
    verbs: Vec<String>,
    resources: Vec<Resource>,
    namespaces: Vec<String>,
    users: Vec<String>,
}

impl Need {
    /// Each kind of request by itself.
    pub(super) fn requests(&self) -> impl Iterator<Item = Request<'_>> {
        let each = |list: &'_ [String]| -> Vec<Option<usize>> {
            if list.is_empty() { vec![None] } else { (0..list.len()).map(Some).collect() }
        };
        let (namespaces, users) = (each(&self.namespaces), each(&self.users));
        self.resources.iter().flat_map(move |resource| {
            let (namespaces, users) = (namespaces.clone(), users.clone());
            self.verbs.iter().flat_map(move |verb| {
                let users = users.clone();
                namespaces.clone().into_iter().flat_map(move |namespace| {
                    users.clone().into_iter().map(move |user| Request {
                        verb,
                        resource,
                        namespace: namespace.and_then(|index| self.namespaces.get(index)).map(String::as_str),
                        user: user.and_then(|index| self.users.get(index)).map(String::as_str),
                    })
                })
            })
        })
    }
}

/// The needs of a rule file, in its order.
pub fn read(file: &Arc<str>, text: &str) -> Result<Vec<Need>, Problems> {
    let (mut needs, mut waiting, mut problems) = (Vec::new(), Vec::<Need>::new(), Problems::default());
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let at = At { file: Arc::clone(file), line: index + 1, column: line.len() - bare.len() + 1 };
        if let Some(words) = bare.strip_prefix(MARK) {
            match need(&at, words) {
                Ok(need) => waiting.push(need),
                Err(reason) => problems.push(&at, reason),
            }
        } else if let Some(name) = bare.strip_prefix("- alert:") {
            let name = name.trim().trim_matches(['"', '\'']);
            needs.extend(waiting.drain(..).map(|need| Need { alert: name.to_owned(), ..need }));
        }
    }
    if let Some(need) = waiting.first() {
        problems.push(&need.at, "no alert follows that would need it");
    }
    problems.or(needs)
}

fn need(at: &At, words: &str) -> Result<Need, String> {
    const FORM: &str = "a need is `LEVEL VERBS RESOURCES`, then perhaps `in NAMESPACES` and `by USERS`, each list with commas";
    let words: Vec<&str> = words.split_whitespace().collect();
    let [level, verbs, resources, rest @ ..] = &words[..] else { return Err(FORM.to_owned()) };
    let level = LEVELS.iter().find(|(name, _)| name == level).map(|(_, level)| *level).ok_or_else(|| {
        let names = LEVELS.map(|(name, _)| name);
        let hint = nearest(level, &names).map_or_else(|| names.join(", "), ToOwned::to_owned);
        format!("unknown level {}; is {hint} meant?", quote(level))
    })?;
    let list = |text: &str| -> Vec<String> { text.split(',').map(ToOwned::to_owned).collect() };
    let (namespaces, users) = match rest {
        [] => (Vec::new(), Vec::new()),
        ["in", namespaces] => (list(namespaces), Vec::new()),
        ["by", users] => (Vec::new(), list(users)),
        ["in", namespaces, "by", users] => (list(namespaces), list(users)),
        _ => return Err(FORM.to_owned()),
    };
    let verbs = list(verbs);
    let resources = resources.split(',').map(Resource::read).collect();
    Ok(Need { alert: String::new(), at: at.clone(), level, verbs, resources, namespaces, users })
}
