//! Numbers as Go prints them: `1.234567e+06` where the template engine would print `1234567`.
//!
//! Every action that prints is given one more function behind it, so that what is compared and calculated stays a number.

use gotmpl::parse::{CommandNode, Expr, ListNode, Node};
use gotmpl::{TemplateError, Value};

use super::humanize::general;

/// The function; its name cannot be written in a template.
pub(super) const NAME: &str = "to print";

/// What it does: a number becomes its text.
pub(super) fn text(args: &[Value]) -> Result<Value, TemplateError> {
    match args {
        [Value::Float(number)] => Ok(Value::String(general(*number, None).into())),
        [other] => Ok(other.clone()),
        _ => Err(TemplateError::Exec("one value is printed at a time".to_owned())),
    }
}

/// Puts the function behind everything that prints.
pub(super) fn as_go_does(list: &mut ListNode) {
    for node in &mut list.nodes {
        match node {
            Node::List(list) => as_go_does(list),
            Node::Action(action) if action.pipe.decl.is_empty() => {
                let name = Expr::Identifier(action.pos, NAME.into());
                action.pipe.commands.push(CommandNode { pos: action.pos, args: vec![name] });
            }
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                as_go_does(&mut branch.body);
                branch.else_body.iter_mut().for_each(as_go_does);
            }
            Node::Define(define) => as_go_does(&mut define.body),
            Node::Action(_) | Node::Template(_) | Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }
}
