//! Texts of notifications: Alertmanager's template language, functions and data, and default texts of our own.
//!
//! Templates are read once, when the configuration is; what is wrong with one is said then, and so is a call of a template that
//! does not exist. Rendering is given the time. A text is bounded: a template that writes without end fails.

use std::fmt;
use std::sync::Arc;

use gotmpl::parse::{DefineNode, ListNode, Parser, Pos};
use gotmpl::{Template, TemplateError, Value};
use proto::time::UnixNanos;

use super::alert::{Alert, AlertStatus};
use crate::labels::LabelSet;
use functions::{list, structure, text, time};
use go_time::GoTime;
use rewrite::{Called, Escape, rewrite};

mod blocks;
mod functions;
mod go_time;
mod rewrite;
#[cfg(test)]
mod tests;

/// The longest text that a template may write. Slack cuts far sooner; an e-mail of a megabyte is read by nobody.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// The most rounds of all loops of one rendering.
const ROUNDS_MAX: u64 = 200_000;

/// A mistake in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Line within the template, from 1; 0 where none is known.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl TemplateProblem {
    fn at(source: &str, pos: Pos, message: String) -> Self {
        let before = source.get(..pos.offset).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line: pos.line, column, message }
    }
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 { write!(f, "line {}: {}", self.line, self.message) } else { f.write_str(&self.message) }
    }
}

impl From<TemplateError> for TemplateProblem {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Parse { line, col: column, message, .. } | TemplateError::Lex { line, col: column, message, .. } => {
                Self { line, column, message }
            }
            other => Self { line: 0, column: 0, message: other.to_string() },
        }
    }
}

/// The named templates: the default ones, and those of the configuration's files.
#[derive(Clone, Default)]
pub struct Templates {
    defines: Vec<(String, ListNode)>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.defines.iter().map(|(name, _)| name)).finish()
    }
}

/// One text of a receiver, ready to be rendered.
#[derive(Clone)]
pub struct Text {
    source: String,
    template: Arc<Template>,
}

/// As it was written.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl Templates {
    /// The default ones alone.
    pub fn builtin() -> Result<Self, TemplateProblem> {
        let mut templates = Self::default();
        templates.add(include_str!("template/default.tmpl"))?;
        Ok(templates)
    }

    /// Adds what a file defines; what it defines again replaces the earlier. What stands beside the definitions is nobody's.
    pub fn add(&mut self, source: &str) -> Result<(), TemplateProblem> {
        let (mut beside, defines) = parse(source)?;
        let mut called = Called::default();
        rewrite(&mut beside, Escape::Nothing, &mut called);
        for define in defines {
            rewrite(&mut define.body.clone(), Escape::Nothing, &mut called);
            self.defines.retain(|(other, _)| *other != *define.name);
            self.defines.push((define.name.to_string(), define.body));
        }
        match called.functions.iter().find(|(name, _)| !functions::is_known(name)) {
            Some((name, pos)) => Err(TemplateProblem::at(source, *pos, format!("no function is called {name:?}"))),
            None => Ok(()),
        }
    }

    /// A text.
    pub fn text(&self, source: &str) -> Result<Text, TemplateProblem> {
        self.compile(source, Escape::Nothing)
    }

    /// A page in which what is printed is escaped.
    pub fn html(&self, source: &str) -> Result<Text, TemplateProblem> {
        self.compile(source, Escape::Html)
    }

    /// A text for Slack, in which what is printed mentions nobody.
    pub fn slack(&self, source: &str) -> Result<Text, TemplateProblem> {
        self.compile(source, Escape::Slack)
    }

    fn compile(&self, source: &str, escape: Escape) -> Result<Text, TemplateProblem> {
        let (mut main, own) = parse(source)?;
        let mut called = Called::default();
        rewrite(&mut main, escape, &mut called);
        let mut template = functions::with_functions(Template::new("")).max_range_iters(ROUNDS_MAX);
        template = template.add_parse_tree(MAIN_TREE, main);
        let mut names: Vec<String> = Vec::new();
        // Its own definitions last: they replace the others.
        let others = self.defines.iter().map(|(name, tree)| (name.clone(), tree.clone()));
        let own = own.into_iter().map(|define| (define.name.to_string(), define.body));
        let n_others = self.defines.len();
        for (place, (name, mut tree)) in others.chain(own).enumerate() {
            let mut of_others = Called::default();
            rewrite(&mut tree, escape, if place < n_others { &mut of_others } else { &mut called });
            // Where a call stands in another text is not known here, but who calls whom is.
            called.templates.extend(of_others.templates.into_iter().map(|(name, _)| (name, Pos::new(0, 0))));
            template = template.add_parse_tree(&name, tree);
            names.push(name);
        }
        if let Some((name, pos)) = called.functions.iter().find(|(name, _)| !functions::is_known(name)) {
            return Err(TemplateProblem::at(source, *pos, format!("no function is called {name:?}")));
        }
        if let Some((name, pos)) = called.templates.iter().find(|(name, _)| !names.contains(name)) {
            return Err(TemplateProblem::at(source, *pos, format!("no template is called {name:?}")));
        }
        Ok(Text { source: source.to_owned(), template: Arc::new(template) })
    }
}

fn parse(source: &str) -> Result<(ListNode, Vec<DefineNode>), TemplateProblem> {
    let parsed = Parser::new(source, "{{", "}}")?.parse()?;
    blocks::check(source).map_err(|(at, message)| {
        let line = source.get(..at).unwrap_or_default().matches('\n').count() + 1;
        TemplateProblem::at(source, Pos::new(at, line), message)
    })?;
    Ok(parsed)
}

/// Under what name a text itself stands beside the templates that it calls.
const MAIN_TREE: &str = "\u{0}main";

impl Text {
    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it says of that data at that time.
    pub fn render(&self, data: &Data, now: UnixNanos) -> Result<String, String> {
        functions::set_now(now);
        let mut out = Bounded(String::new());
        match self.template.execute_template_fmt(&mut out, MAIN_TREE, &data.0) {
            Ok(()) => Ok(out.0),
            Err(TemplateError::Write) => Err(format!("writes more than {TEXT_BYTES_MAX} bytes")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A text that refuses to grow without end.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.0.len().saturating_add(more.len()) > TEXT_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(more);
        Ok(())
    }
}

/// What templates see: `.Receiver .Status .Alerts .GroupLabels .CommonLabels .CommonAnnotations .ExternalURL`.
#[derive(Clone, Debug)]
pub struct Data(Value);

/// What a notification is about, to make data of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The receiver's name.
    pub receiver: &'a str,
    /// The alerts, each with what it is.
    pub alerts: &'a [(Alert, AlertStatus)],
    /// By what they are grouped.
    pub group_labels: &'a LabelSet,
    /// Where this program can be looked at.
    pub external_url: &'a str,
}

impl Subject<'_> {
    /// Firing, if one is.
    pub fn status(&self) -> AlertStatus {
        let firing = self.alerts.iter().any(|(_, status)| *status == AlertStatus::Firing);
        if firing { AlertStatus::Firing } else { AlertStatus::Resolved }
    }

    /// What all alerts have alike.
    pub fn common(&self, of: impl Fn(&Alert) -> &LabelSet) -> LabelSet {
        let Some((first, rest)) = self.alerts.split_first() else { return LabelSet::new() };
        of(&first.0).without(|name| {
            let value = of(&first.0).get(name);
            rest.iter().any(|(alert, _)| of(alert).get(name) != value)
        })
    }

    /// For templates.
    pub fn data(&self) -> Data {
        Data(structure([
            ("Receiver", text(self.receiver.to_owned())),
            ("Status", text(self.status().as_str().to_owned())),
            ("Alerts", list(self.alerts.iter().map(|(alert, status)| of_alert(alert, *status)))),
            ("GroupLabels", of_labels(self.group_labels)),
            ("CommonLabels", of_labels(&self.common(|alert| &alert.labels))),
            ("CommonAnnotations", of_labels(&self.common(|alert| &alert.annotations))),
            ("ExternalURL", text(self.external_url.to_owned())),
        ]))
    }
}

fn of_alert(alert: &Alert, status: AlertStatus) -> Value {
    structure([
        ("Status", text(status.as_str().to_owned())),
        ("Labels", of_labels(&alert.labels)),
        ("Annotations", of_labels(&alert.annotations)),
        ("StartsAt", time(&GoTime::utc(alert.starts_at))),
        ("EndsAt", time(&GoTime::utc(alert.ends_at))),
        ("GeneratorURL", text(alert.generator_url.clone())),
        ("Fingerprint", text(alert.fingerprint().to_string())),
    ])
}

fn of_labels(labels: &LabelSet) -> Value {
    Value::Map(Arc::new(labels.iter().map(|(name, value)| (name.into(), text(value.to_owned()))).collect()))
}
