//! Templates of `line_format` and `label_format`: Go's text/template over the labels of a line.
//!
//! The syntax is read by `gotmpl`, which annotations and notifications use too. They are executed here, for three reasons:
//! labels are read where they lie, with no map made of them for each line; regular expressions in them are compiled once; and
//! an error has Go's words, since it becomes the label `__error_details__`.

mod execute;
mod functions;
mod time;
mod value;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gotmpl::parse::{BranchNode, Expr, ListNode, Node, Parser, PipeNode};
use proto::time::UnixNanos;
use regex::Regex;
use settings::re2;

use super::pipeline::Labels;
use execute::Execution;

/// How long a template may be, bytes.
const LENGTH_MAX: usize = 64 * 1024;

/// A template that was read.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    name: String,
    source: String,
    body: ListNode,
    defines: HashMap<String, ListNode>,
    /// Of those regular expressions that stand in it as texts.
    regexes: Regexes,
    /// It is text and nothing else.
    plain: Option<String>,
    /// The labels that it reads.
    reads: BTreeSet<String>,
}

/// Compiled expressions, few enough to be found by looking at each.
#[derive(Debug, Default)]
struct Regexes(Vec<Known>);

#[derive(Debug)]
struct Known {
    pattern: String,
    regex: Regex,
    /// It finds something in the empty text.
    finds_in_empty: bool,
}

impl Regexes {
    fn add(&mut self, pattern: &str) -> Result<(), String> {
        if self.get(pattern).is_none() {
            let regex = re2::compile(pattern)?;
            self.0.push(Known { pattern: pattern.to_owned(), finds_in_empty: regex.is_match(""), regex });
        }
        Ok(())
    }

    fn get(&self, pattern: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.pattern == pattern)
    }
}

/// What a template is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'c> {
    pub(crate) labels: &'c Labels<'c>,
    pub(crate) line: &'c str,
    pub(crate) time: UnixNanos,
}

impl Template {
    /// Reads a template; its name is for errors.
    pub(crate) fn new(name: &str, source: &str) -> Result<Self, String> {
        if source.len() > LENGTH_MAX {
            return Err(format!("a template has at most {LENGTH_MAX} bytes"));
        }
        let parse = || Parser::new(source, "{{", "}}")?.parse();
        let (body, defines) = parse().map_err(|error| format!("the template cannot be read: {error}"))?;
        let mut parsed = Parsed {
            name: name.to_owned(),
            source: source.to_owned(),
            plain: None,
            defines: HashMap::new(),
            regexes: Regexes::default(),
            reads: BTreeSet::new(),
            body,
        };
        let mut found = Found::default();
        found.list(&parsed.body)?;
        for define in defines {
            found.list(&define.body)?;
            parsed.defines.insert(define.name.to_string(), define.body);
        }
        (parsed.regexes, parsed.reads) = (found.regexes, found.reads);
        parsed.plain = match parsed.body.nodes.as_slice() {
            [] => Some(String::new()),
            [Node::Text(text)] => Some(text.text.to_string()),
            _ => None,
        };
        Ok(Self(Arc::new(parsed)))
    }

    /// The labels that it reads.
    pub(crate) fn reads(&self) -> &BTreeSet<String> {
        &self.0.reads
    }

    /// Appends what it says; an error in Go's words.
    pub(crate) fn render(&self, context: Context<'_>, out: &mut String) -> Result<(), String> {
        match &self.0.plain {
            Some(plain) => {
                out.push_str(plain);
                Ok(())
            }
            None => Execution::new(&self.0, context).run(out),
        }
    }
}

/// What is learned of a template before it runs.
#[derive(Default)]
struct Found {
    regexes: Regexes,
    reads: BTreeSet<String>,
}

impl Found {
    fn list(&mut self, list: &ListNode) -> Result<(), String> {
        list.nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipe(&action.pipe),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => self.branch(branch),
            Node::Template(call) => call.pipe.as_ref().map_or(Ok(()), |pipe| self.pipe(pipe)),
            Node::Define(define) => self.list(&define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    fn branch(&mut self, branch: &BranchNode) -> Result<(), String> {
        self.pipe(&branch.pipe)?;
        self.list(&branch.body)?;
        branch.else_body.as_ref().map_or(Ok(()), |body| self.list(body))
    }

    fn pipe(&mut self, pipe: &PipeNode) -> Result<(), String> {
        for command in &pipe.commands {
            if let [Expr::Identifier(_, function), Expr::String(_, regex), ..] = command.args.as_slice()
                && functions::takes_regex(function)
            {
                self.regexes.add(regex)?;
            }
            command.args.iter().try_for_each(|argument| self.expression(argument))?;
        }
        Ok(())
    }

    fn expression(&mut self, expression: &Expr) -> Result<(), String> {
        match expression {
            Expr::Field(_, names) | Expr::Variable(_, _, names) => {
                self.reads.extend(names.first().map(ToString::to_string));
                Ok(())
            }
            Expr::Identifier(_, name) => functions::exists(name),
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => Ok(()),
        }
    }
}
