//! Runs a template over the labels of one line.
//!
//! Errors say where in the template they happened, as Go's do: the place is that of the part that was looked at last.

use std::borrow::Cow;
use std::fmt::Write as _;

use gotmpl::Value as GoValue;
use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, Pos, SmolStr, TemplateNode};

use super::functions::{self, Call};
use super::value::Value;
use super::{Context, Parsed};

/// How deep templates may call themselves, and branches nest.
const DEPTH_MAX: usize = 100;

/// How many times all `range` of one run may go round.
const ROUNDS_MAX: usize = 10_000;

/// How long the result may be, bytes.
const OUTPUT_MAX: usize = 1024 * 1024;

/// What stops a run.
enum Stop {
    Error(String),
    Break,
    Continue,
}

type Run<T> = Result<T, Stop>;

/// A part of a template, for errors.
#[derive(Clone, Copy)]
enum Part<'t> {
    Expression(&'t Expr),
    Command(&'t CommandNode),
    Pipe(&'t PipeNode),
}

/// One run of a template.
pub(super) struct Execution<'t> {
    template: &'t Parsed,
    context: Context<'t>,
    variables: Vec<(&'t SmolStr, Value<'t>)>,
    at: Option<Part<'t>>,
    depth: usize,
    rounds: usize,
}

impl<'t> Execution<'t> {
    pub(super) fn new(template: &'t Parsed, context: Context<'t>) -> Self {
        Self { template, context, variables: Vec::new(), at: None, depth: 0, rounds: 0 }
    }

    pub(super) fn run(mut self, out: &mut String) -> Result<(), String> {
        match self.list(&self.template.body, &Value::Labels, out) {
            Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(()),
            Err(Stop::Error(why)) => Err(why),
        }
    }

    fn error(&self, why: &str) -> Stop {
        let name = &self.template.name;
        let Some(part) = self.at else {
            return Stop::Error(format!("template: {name}: {why}"));
        };
        let (line, column) = self.place(position(part));
        Stop::Error(format!(
            "template: line:{line}:{column}: executing {} at <{}>: {why}",
            crate::logql::quantity::quoted(name),
            shown(part)
        ))
    }

    /// Line and column, as Go counts them: columns from 0 in the first line, and from 1 in others.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.template.source.get(..offset).unwrap_or(&self.template.source);
        let line = before.matches('\n').count() + 1;
        let column = before.rfind('\n').map_or(before.len(), |newline| before.len() - newline);
        (line, column)
    }

    fn list(&mut self, list: &'t ListNode, dot: &Value<'t>, out: &mut String) -> Run<()> {
        list.nodes.iter().try_for_each(|node| self.node(node, dot, out))
    }

    fn node(&mut self, node: &'t Node, dot: &Value<'t>, out: &mut String) -> Run<()> {
        match node {
            Node::Text(text) => out.push_str(&text.text),
            Node::Action(action) => {
                let value = self.pipe(&action.pipe, dot)?;
                if action.pipe.decl.is_empty() {
                    self.print(&value, out);
                }
            }
            Node::If(branch) => self.nested(|run| run.branch(branch, dot, false, out))?,
            Node::With(branch) => self.nested(|run| run.branch(branch, dot, true, out))?,
            Node::Range(branch) => self.nested(|run| run.range(branch, dot, out))?,
            Node::Template(call) => self.nested(|run| run.call(call, dot, out))?,
            Node::List(list) => self.list(list, dot, out)?,
            Node::Define(_) => {}
            Node::Break(_) => return Err(Stop::Break),
            Node::Continue(_) => return Err(Stop::Continue),
        }
        if out.len() > OUTPUT_MAX {
            return Err(self.error(&format!("the result has more than {OUTPUT_MAX} bytes")));
        }
        Ok(())
    }

    fn print(&self, value: &Value<'t>, out: &mut String) {
        match value {
            Value::Labels => {
                let _ = write!(out, "{}", self.all_labels());
            }
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }

    /// All labels as one value, which only `{{ . }}` and the like need.
    fn all_labels(&self) -> GoValue {
        let labels = self.context.labels.to_set(|_| true);
        let pairs = labels.iter().map(|(name, value)| (name.into(), GoValue::String(value.into())));
        GoValue::Map(std::sync::Arc::new(pairs.collect()))
    }

    fn nested(&mut self, run: impl FnOnce(&mut Self) -> Run<()>) -> Run<()> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error("exceeded maximum template depth"));
        }
        self.depth += 1;
        let variables = self.variables.len();
        let result = run(self);
        self.variables.truncate(variables);
        self.depth -= 1;
        result
    }

    fn branch(&mut self, branch: &'t BranchNode, dot: &Value<'t>, is_with: bool, out: &mut String) -> Run<()> {
        let value = self.pipe(&branch.pipe, dot)?;
        if value.is_true() {
            self.list(&branch.body, if is_with { &value } else { dot }, out)
        } else {
            branch.else_body.as_ref().map_or(Ok(()), |body| self.list(body, dot, out))
        }
    }

    fn range(&mut self, branch: &'t BranchNode, dot: &Value<'t>, out: &mut String) -> Run<()> {
        let over = match self.commands(&branch.pipe, dot)? {
            Value::Labels => Value::Other(self.all_labels()),
            other => other,
        };
        let items: Vec<(Value<'t>, Value<'t>)> = match &over {
            Value::Other(GoValue::List(list)) => {
                list.iter().enumerate().map(|(place, item)| (Value::int(place as i64), Value::of(item.clone()))).collect()
            }
            Value::Other(GoValue::Map(map)) => {
                map.iter().map(|(key, item)| (Value::text(key.to_string()), Value::of(item.clone()))).collect()
            }
            Value::Other(GoValue::Int(count)) => {
                let count = (*count).clamp(0, ROUNDS_MAX as i64 + 1);
                (0..count).map(|number| (Value::int(number), Value::int(number))).collect()
            }
            Value::Other(GoValue::Nil) => Vec::new(),
            other => return Err(self.error(&format!("range can't iterate over {other}"))),
        };
        if items.is_empty() {
            return branch.else_body.as_ref().map_or(Ok(()), |body| self.list(body, dot, out));
        }
        let outer = self.variables.len();
        for (key, item) in items {
            self.rounds += 1;
            if self.rounds > ROUNDS_MAX {
                return Err(self.error(&format!("range went round more than {ROUNDS_MAX} times")));
            }
            self.variables.truncate(outer);
            let bind = |run: &mut Self, name: &'t SmolStr, value: Value<'t>| {
                if branch.pipe.is_assign { run.assign(name, value) } else { run.variables.push((name, value)) }
            };
            match branch.pipe.decl.as_slice() {
                [value] => bind(self, value, item.clone()),
                [place, value] => {
                    bind(self, place, key);
                    bind(self, value, item.clone());
                }
                _ => {}
            }
            match self.list(&branch.body, &item, out) {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &'t TemplateNode, dot: &Value<'t>, out: &mut String) -> Run<()> {
        let Some(body) = self.template.defines.get(call.name.as_str()) else {
            return Err(self.error(&format!("template {} not defined", crate::logql::quantity::quoted(&call.name))));
        };
        let dot = match &call.pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::nil(),
        };
        self.list(body, &dot, out)
    }

    fn assign(&mut self, name: &'t SmolStr, value: Value<'t>) {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.variables.push((name, value)),
        }
    }

    fn pipe(&mut self, pipe: &'t PipeNode, dot: &Value<'t>) -> Run<Value<'t>> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.decl {
            if pipe.is_assign {
                self.assign(name, value.clone());
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'t PipeNode, dot: &Value<'t>) -> Run<Value<'t>> {
        self.at = Some(Part::Pipe(pipe));
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or_else(Value::nil))
    }

    fn command(&mut self, command: &'t CommandNode, dot: &Value<'t>, piped: Option<Value<'t>>) -> Run<Value<'t>> {
        let [first, arguments @ ..] = command.args.as_slice() else { return Ok(Value::nil()) };
        let (function, fields): (_, &[SmolStr]) = match first {
            Expr::Identifier(_, name) => (Some((first, name)), &[]),
            Expr::Chain(_, inner, fields) => match inner.as_ref() {
                Expr::Identifier(_, name) => (Some((inner.as_ref(), name)), fields.as_slice()),
                _ => (None, &[]),
            },
            _ => (None, &[]),
        };
        if let Some((node, name)) = function {
            self.at = Some(Part::Expression(node));
            let result = self.function(command, name, arguments, dot, piped)?;
            return self.fields(result, fields);
        }
        if piped.is_some() || !arguments.is_empty() {
            self.at = Some(Part::Expression(first));
            return Err(self.error(&format!("can't give argument to non-function {}", shown(Part::Expression(first)))));
        }
        if let Expr::Nil(_) = first {
            return Err(self.error("nil is not a command"));
        }
        self.expression(first, dot)
    }

    fn function(
        &mut self,
        command: &'t CommandNode,
        name: &str,
        arguments: &'t [Expr],
        dot: &Value<'t>,
        piped: Option<Value<'t>>,
    ) -> Run<Value<'t>> {
        // These two look at no more than they need.
        if let "and" | "or" = name {
            let mut last = Value::nil();
            for argument in arguments {
                last = self.expression(argument, dot)?;
                if last.is_true() != (name == "and") {
                    return Ok(last);
                }
            }
            return Ok(piped.unwrap_or(last));
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            values.push(match self.expression(argument, dot)? {
                // It looks into them by itself.
                Value::Labels if name == "index" && values.is_empty() => Value::Labels,
                Value::Labels => Value::Other(self.all_labels()),
                other => other,
            });
        }
        values.extend(piped);
        let call = Call { context: self.context, regexes: &self.template.regexes };
        call.run(name, values).map_err(|fault| {
            // An error of a function is at the whole call; what fails after is at the argument that was looked at last.
            self.at = Some(Part::Command(command));
            match fault {
                functions::Fault::Arguments(why) => self.error(&why),
                functions::Fault::Failed(why) => self.error(&format!("error calling {name}: {why}")),
            }
        })
    }

    fn expression(&mut self, expression: &'t Expr, dot: &Value<'t>) -> Run<Value<'t>> {
        self.at = Some(Part::Expression(expression));
        match expression {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(_, names) => self.fields(dot.clone(), names),
            Expr::Variable(_, name, names) => {
                let value = if name.as_str() == "$" {
                    Value::Labels
                } else {
                    match self.variables.iter().rev().find(|(known, _)| *known == name) {
                        Some((_, value)) => value.clone(),
                        None => return Err(self.error(&format!("undefined variable: {name}"))),
                    }
                };
                self.fields(value, names)
            }
            Expr::Identifier(_, name) => {
                let call = Call { context: self.context, regexes: &self.template.regexes };
                call.run(name, Vec::new()).map_err(|fault| match fault {
                    functions::Fault::Arguments(why) => self.error(&why),
                    functions::Fault::Failed(why) => self.error(&format!("error calling {name}: {why}")),
                })
            }
            Expr::String(_, text) => Ok(Value::Text(Cow::Borrowed(text))),
            Expr::Number(_, Number::Int(number)) => Ok(Value::int(*number)),
            Expr::Number(_, Number::Float(number)) => Ok(Value::float(*number)),
            Expr::Number(_, Number::Uint(number)) => Err(self.error(&format!("{number} overflows int"))),
            Expr::Bool(_, truth) => Ok(Value::bool(*truth)),
            Expr::Nil(_) => Ok(Value::nil()),
            Expr::Pipe(_, pipe) => self.pipe(pipe, dot),
            Expr::Chain(_, inner, names) => {
                let value = self.expression(inner, dot)?;
                self.fields(value, names)
            }
        }
    }

    fn fields(&mut self, mut value: Value<'t>, names: &'t [SmolStr]) -> Run<Value<'t>> {
        for name in names {
            value = match value {
                Value::Labels => {
                    let labels: &'t super::Labels<'t> = self.context.labels;
                    Value::Text(Cow::Borrowed(labels.get_for_template(name).unwrap_or_default()))
                }
                Value::Other(GoValue::Map(map)) => map.get(name.as_str()).cloned().map_or_else(Value::nil, Value::of),
                Value::Other(GoValue::Nil) => Value::nil(),
                other => {
                    return Err(self.error(&format!("can't evaluate field {name} in type {}", other.type_name())));
                }
            };
        }
        Ok(value)
    }
}

/// Where a part stands, as Go counts it.
fn position(part: Part<'_>) -> usize {
    match part {
        // Of several fields in a row, the second.
        Part::Expression(Expr::Field(Pos { offset, .. }, names)) if names.len() > 1 => {
            offset + 1 + names.first().map_or(0, SmolStr::len)
        }
        Part::Expression(expression) => expression.pos().offset,
        Part::Command(command) => command.args.first().map_or(command.pos.offset, |first| first.pos().offset),
        Part::Pipe(pipe) => pipe.commands.first().map_or(pipe.pos.offset, |command| position(Part::Command(command))),
    }
}

/// A part as Go prints it.
fn shown(part: Part<'_>) -> String {
    let several = |parts: Vec<String>, between: &str| parts.join(between);
    let fields = |names: &[SmolStr]| names.iter().fold(String::new(), |text, name| text + "." + name);
    match part {
        Part::Pipe(pipe) => several(pipe.commands.iter().map(|command| shown(Part::Command(command))).collect(), " | "),
        Part::Command(command) => several(
            command
                .args
                .iter()
                .map(|argument| match argument {
                    Expr::Pipe(..) => format!("({})", shown(Part::Expression(argument))),
                    other => shown(Part::Expression(other)),
                })
                .collect(),
            " ",
        ),
        Part::Expression(expression) => match expression {
            Expr::Dot(_) => ".".to_owned(),
            Expr::Field(_, names) => fields(names),
            Expr::Variable(_, name, names) => format!("{name}{}", fields(names)),
            Expr::Identifier(_, name) => name.to_string(),
            Expr::String(_, text) => crate::logql::quantity::quoted(text),
            Expr::Number(_, Number::Int(number)) => number.to_string(),
            Expr::Number(_, Number::Uint(number)) => number.to_string(),
            Expr::Number(_, Number::Float(number)) => number.to_string(),
            Expr::Bool(_, truth) => truth.to_string(),
            Expr::Nil(_) => "nil".to_owned(),
            Expr::Pipe(_, pipe) => shown(Part::Pipe(pipe)),
            Expr::Chain(_, inner, names) => match inner.as_ref() {
                Expr::Pipe(..) => format!("({}){}", shown(Part::Expression(inner)), fields(names)),
                other => format!("{}{}", shown(Part::Expression(other)), fields(names)),
            },
        },
    }
}
