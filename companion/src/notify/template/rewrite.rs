//! What is changed in a parsed template before it runs, since the engine knows maps where Go knows types with methods.
//!
//! Every `.Name` becomes a call of `field`, so that `.Alerts.Firing`, `.Labels.SortedPairs` and `.StartsAt.Format "15:04"` work
//! and a missing label is the empty text. In HTML every printed value is escaped, unless its last word is `safeHtml` or `safeUrl`;
//! for Slack, it is kept from mentioning anybody.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, Pos, SmolStr};

use super::functions::{FIELD, UNMENTION};

/// Whether what is printed is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Plain text.
    Nothing,
    /// Text of an HTML page, or of a quoted attribute.
    Html,
    /// Slack's: what is printed mentions nobody, whatever stands in a log line.
    Slack,
}

impl Escape {
    fn function(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Html => Some("html"),
            Self::Slack => Some(UNMENTION),
        }
    }
}

/// What a tree calls, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Called {
    /// Templates.
    pub(super) templates: Vec<(String, Pos)>,
    /// Functions.
    pub(super) functions: Vec<(String, Pos)>,
}

/// Changes a tree, and adds what it calls.
pub(super) fn rewrite(list: &mut ListNode, escape: Escape, called: &mut Called) {
    for node in &mut list.nodes {
        match node {
            Node::List(list) => rewrite(list, escape, called),
            Node::Define(define) => rewrite(&mut define.body, escape, called),
            Node::Action(action) => {
                pipe(&mut action.pipe, called);
                if let Some(function) = escape.function()
                    && action.pipe.decl.is_empty()
                    && !is_safe(&action.pipe)
                {
                    let function = Expr::Identifier(action.pos, SmolStr::new(function));
                    action.pipe.commands.push(CommandNode { pos: action.pos, args: vec![function] });
                }
            }
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => of_branch(branch, escape, called),
            Node::Template(call) => {
                called.templates.push((call.name.to_string(), call.pos));
                if let Some(argument) = &mut call.pipe {
                    pipe(argument, called);
                }
            }
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }
}

fn of_branch(branch: &mut BranchNode, escape: Escape, called: &mut Called) {
    pipe(&mut branch.pipe, called);
    rewrite(&mut branch.body, escape, called);
    if let Some(other) = &mut branch.else_body {
        rewrite(other, escape, called);
    }
}

fn is_safe(pipe: &PipeNode) -> bool {
    let first = pipe.commands.last().and_then(|command| command.args.first());
    matches!(first, Some(Expr::Identifier(_, name)) if matches!(name.as_str(), "safeHtml" | "safeUrl" | "html"))
}

fn pipe(pipe: &mut PipeNode, called: &mut Called) {
    for (place, command) in pipe.commands.iter_mut().enumerate() {
        for arg in &mut command.args {
            expression(arg, called);
        }
        // With arguments, or with what is piped into it, the last name is a method: they go to its call.
        if (command.args.len() > 1 || place > 0)
            && let Some(Expr::Pipe(_, inner)) = command.args.first()
            && let [CommandNode { args, .. }] = inner.commands.as_slice()
            && matches!(args.first(), Some(Expr::Identifier(_, name)) if name == FIELD)
        {
            let call = args.clone();
            command.args.splice(..1, call);
        }
    }
}

fn expression(expr: &mut Expr, called: &mut Called) {
    match expr {
        Expr::Identifier(pos, name) => called.functions.push((name.to_string(), *pos)),
        Expr::Field(pos, names) => *expr = access(*pos, Expr::Dot(*pos), names),
        Expr::Variable(pos, name, names) if !names.is_empty() => {
            *expr = access(*pos, Expr::Variable(*pos, name.clone(), Vec::new()), names);
        }
        Expr::Chain(pos, inner, names) => {
            expression(inner, called);
            *expr = access(*pos, (**inner).clone(), names);
        }
        Expr::Pipe(_, inner) => pipe(inner, called),
        _ => {}
    }
}

/// `.a.b` → `field "b" (field "a" .)`.
fn access(pos: Pos, subject: Expr, names: &[SmolStr]) -> Expr {
    names.iter().fold(subject, |subject, name| {
        let call = vec![Expr::Identifier(pos, SmolStr::new(FIELD)), Expr::String(pos, name.as_str().into()), subject];
        let commands = vec![CommandNode { pos, args: call }];
        Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands, is_assign: false })
    })
}
