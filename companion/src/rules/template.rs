//! Go templates in the labels and annotations of rules, with Prometheus' functions and variables.
//!
//! Parsed when the file is read, so that a broken one is an error with a place; run for each alert. A label that an alert does not
//! have prints as nothing, and what fails while it runs prints what failed: the alert goes out all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gotmpl::parse::{Expr, ListNode, Node, PipeNode};
use gotmpl::{MissingKey, TemplateError, Value};
use proto::time::UnixNanos;

use crate::labels::LabelSet;
use crate::logql::Sample;

mod functions;
pub mod humanize;
mod print;
#[cfg(test)]
mod tests;

/// What every template begins with, as in Prometheus; `define`d templates do not see it.
const VARIABLES: &str =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";
/// What the text itself is called among the templates that it defines.
const NAME: &str = "text";
/// Longest text that one template may make.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Most rounds of `range` in one run.
const ROUNDS_MAX: u64 = 100_000;

/// Answers `query "…"` at an instant.
pub type Querier = dyn Fn(&str, UnixNanos) -> Result<Vec<Sample>, String> + Send + Sync;

/// What is the same for all templates.
#[derive(Clone, Default)]
pub struct Environment {
    /// `$externalLabels`.
    pub external_labels: LabelSet,
    /// `$externalURL`, without a slash at its end.
    pub external_url: String,
    /// Who answers `query`; with nobody it is an error of the template.
    pub querier: Option<Arc<Querier>>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("external_labels", &self.external_labels)
            .field("external_url", &self.external_url)
            .field("querier", &self.querier.is_some())
            .finish()
    }
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadTemplate {
    /// Line within the text, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// What the text of a template depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing but the labels.
    Labels,
    /// The value too.
    Value,
    /// The time, or the answer to a query.
    Moment,
}

/// A template that was parsed.
#[derive(Clone)]
pub struct Template(Kind);

#[derive(Clone)]
enum Kind {
    /// Without a single action.
    Plain(Arc<str>),
    Parsed(Arc<Parsed>),
}

struct Parsed {
    text: Arc<str>,
    template: gotmpl::Template,
    environment: Arc<Environment>,
    /// The instant of the run that is under way, for `now` and `query`.
    now: Arc<AtomicI64>,
    /// Names that the text asks label maps for.
    names: Arc<BTreeSet<Arc<str>>>,
    needs: Needs,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text()).finish()
    }
}

impl Template {
    /// Parses a text; nothing is run.
    pub fn parse(text: &str, environment: &Arc<Environment>) -> Result<Self, BadTemplate> {
        if !text.contains("{{") {
            return Ok(Self(Kind::Plain(text.into())));
        }
        let now = Arc::new(AtomicI64::new(0));
        // The names are known only once it is parsed, and the functions must be there before: they are filled in between.
        let names = Arc::new(std::sync::OnceLock::new());
        let functions = functions::all(&Arc::clone(environment), &now, &names);
        let known: BTreeSet<String> = functions.keys().cloned().chain(BUILTINS.map(str::to_owned)).collect();
        let empty = gotmpl::Template::new(NAME).missing_key(MissingKey::ZeroValue).max_range_iters(ROUNDS_MAX).funcs(functions);
        let template = empty.parse(&format!("{VARIABLES}{text}")).map_err(|error| bad(&error))?;
        let mut walk = Walk::default();
        for list in template.templates().into_iter().filter_map(|name| template.lookup(name)) {
            walk.list(list);
        }
        if let Some((name, line)) = walk.functions.iter().find(|(name, _)| !known.contains(name.as_str())) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = match settings::read::nearest(name, &known) {
                Some(near) => format!(", did you mean `{near}`?"),
                None => String::new(),
            };
            return Err(BadTemplate { line: *line, message: format!("there is no function `{name}`{hint}") });
        }
        let unknown = walk.variables.iter().find(|(name, _)| !walk.declared.contains(*name) && *name != "$");
        if let Some((name, line)) = unknown {
            let declared: Vec<&str> = walk.declared.iter().map(String::as_str).collect();
            let hint =
                settings::read::nearest(name, &declared).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
            return Err(BadTemplate { line: *line, message: format!("there is no variable `{name}`{hint}") });
        }
        let _ = names.set(walk.names.clone());
        let trees = template.templates().into_iter().filter_map(|name| Some((name.to_owned(), template.lookup(name)?.clone())));
        let trees: Vec<(String, ListNode)> = trees.collect();
        let template = trees.into_iter().fold(template, |template, (name, mut tree)| {
            print::as_go_does(&mut tree);
            template.add_parse_tree(&name, tree)
        });
        Ok(Self(Kind::Parsed(Arc::new(Parsed {
            text: text.into(),
            template,
            environment: Arc::clone(environment),
            now,
            needs: walk.needs(),
            names: Arc::new(walk.names),
        }))))
    }

    /// The text as it stands in the file.
    pub fn text(&self) -> &str {
        match &self.0 {
            Kind::Plain(text) => text,
            Kind::Parsed(parsed) => &parsed.text,
        }
    }

    /// What its text depends on: with the same it comes out the same.
    pub fn needs(&self) -> Needs {
        match &self.0 {
            Kind::Plain(_) => Needs::Labels,
            Kind::Parsed(parsed) => parsed.needs,
        }
    }

    /// Runs it for one alert. What fails is said in the text that comes out.
    pub fn render(&self, labels: &LabelSet, value: f64, now: UnixNanos) -> String {
        let parsed = match &self.0 {
            Kind::Plain(text) => return text.to_string(),
            Kind::Parsed(parsed) => parsed,
        };
        parsed.now.store(now.0, Ordering::Relaxed);
        let environment = &parsed.environment;
        let data = BTreeMap::from([
            ("Labels".into(), label_map(labels, &parsed.names)),
            ("ExternalLabels".into(), label_map(&environment.external_labels, &parsed.names)),
            ("ExternalURL".into(), Value::String(environment.external_url.as_str().into())),
            ("Value".into(), Value::Float(value)),
        ]);
        let mut out = Bounded { text: String::new() };
        match parsed.template.execute_template_fmt(&mut out, NAME, &Value::Map(Arc::new(data))) {
            Ok(()) => out.text,
            Err(_) if out.text.len() >= OUTPUT_BYTES_MAX => {
                format!("<error expanding template: more than {OUTPUT_BYTES_MAX} bytes>")
            }
            Err(TemplateError::Exec(message)) => format!("<error expanding template: {message}>"),
            Err(error) => format!("<error expanding template: {error}>"),
        }
    }
}

/// Text that stops growing.
struct Bounded {
    text: String,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = OUTPUT_BYTES_MAX.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        // Full, even if a character did not fit.
        while self.text.len() < OUTPUT_BYTES_MAX {
            self.text.push(' ');
        }
        Err(fmt::Error)
    }
}

/// A label map of Go, in which every name that the template mentions is there: Go gives the empty text for others.
fn label_map(labels: &LabelSet, names: &BTreeSet<Arc<str>>) -> Value {
    let mut map: BTreeMap<Arc<str>, Value> = names.iter().map(|name| (Arc::clone(name), Value::String("".into()))).collect();
    map.extend(labels.iter().map(|(name, value)| (name.into(), Value::String(value.into()))));
    Value::Map(Arc::new(map))
}

/// The functions that every Go template has.
const BUILTINS: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println",
    "slice", "urlquery",
];

fn bad(error: &TemplateError) -> BadTemplate {
    match error {
        TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => {
            BadTemplate { line: *line, message: message.clone() }
        }
        other => BadTemplate { line: 1, message: other.to_string() },
    }
}

/// What a template mentions.
#[derive(Default)]
struct Walk {
    names: BTreeSet<Arc<str>>,
    /// Functions, with the line of their first call.
    functions: BTreeMap<String, usize>,
    /// Variables, with the line of their first use.
    variables: BTreeMap<String, usize>,
    /// Variables that are given a value somewhere. Where they can be seen is left to the run.
    declared: BTreeSet<String>,
    /// The whole of what is given is handed on.
    has_dot: bool,
    /// How often `.Value` stands there, once before the text.
    values: usize,
}

impl Walk {
    fn needs(&self) -> Needs {
        let calls = |name: &str| self.functions.contains_key(name);
        if calls("now") || calls("query") {
            Needs::Moment
        } else if self.has_dot || self.variables.contains_key("$value") || self.variables.contains_key("$") || self.values > 1 {
            Needs::Value
        } else {
            Needs::Labels
        }
    }

    fn list(&mut self, list: &ListNode) {
        for node in &list.nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipe(&action.pipe),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                self.pipe(&branch.pipe);
                self.list(&branch.body);
                branch.else_body.iter().for_each(|list| self.list(list));
            }
            Node::Template(call) => call.pipe.iter().for_each(|pipe| self.pipe(pipe)),
            Node::Define(define) => self.list(&define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }

    fn pipe(&mut self, pipe: &PipeNode) {
        self.declared.extend(pipe.decl.iter().map(ToString::to_string));
        for expr in pipe.commands.iter().flat_map(|command| &command.args) {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Field(_, names) => {
                self.values += usize::from(names.first().is_some_and(|name| name == "Value"));
                self.names.extend(names.iter().map(|name| name.as_str().into()));
            }
            Expr::Variable(pos, name, names) => {
                self.names.extend(names.iter().map(|name| name.as_str().into()));
                self.variables.entry(name.to_string()).or_insert(pos.line);
            }
            Expr::Chain(_, inner, names) => {
                self.names.extend(names.iter().map(|name| name.as_str().into()));
                self.expr(inner);
            }
            // `index $labels "name"`.
            Expr::String(_, text) => {
                self.names.insert(Arc::clone(text));
            }
            Expr::Identifier(pos, name) => {
                self.functions.entry(name.to_string()).or_insert(pos.line);
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Dot(_) => self.has_dot = true,
            Expr::Number(..) | Expr::Bool(..) | Expr::Nil(_) => {}
        }
    }
}
