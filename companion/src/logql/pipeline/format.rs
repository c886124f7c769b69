//! `| line_format` and `| label_format`.
//!
//! A template that fails leaves all as it was, with an error.

use std::collections::BTreeSet;

use super::{Line, Passage};
use crate::logql::ast::{FormatSource, LabelFormat};
use crate::logql::template::{Context, Template};

const TEMPLATE_ERROR: &str = "TemplateFormatErr";

#[derive(Clone, Debug)]
pub(super) struct LineFormat(Template);

impl LineFormat {
    pub(super) fn new(template: &str) -> Result<Self, String> {
        Template::new("line", template).map(Self)
    }

    pub(super) fn reads(&self, names: &mut BTreeSet<String>) {
        names.extend(self.0.reads().iter().cloned());
    }

    pub(super) fn run(&self, passage: &mut Passage<'_, '_>) {
        let mut made = String::new();
        let context = Context { labels: passage.labels, line: passage.line.text(), time: passage.time };
        match self.0.render(context, &mut made) {
            Ok(()) => passage.line = Line::Made(made),
            Err(why) => passage.labels.fail(TEMPLATE_ERROR, Some(why)),
        }
    }
}

/// Several labels, made one after another.
#[derive(Clone, Debug)]
pub(super) struct LabelFormats(Vec<(String, Source)>);

#[derive(Clone, Debug)]
enum Source {
    Rename(String),
    Template(Template),
}

impl LabelFormats {
    pub(super) fn new(formats: &[LabelFormat]) -> Result<Self, String> {
        let formats = formats.iter().map(|format| {
            if format.name == "__error__" {
                return Err("`__error__` cannot be made".to_owned());
            }
            let source = match &format.from {
                FormatSource::Rename(from) => Source::Rename(from.clone()),
                FormatSource::Template(template) => Source::Template(Template::new(&format.name, template)?),
            };
            Ok((format.name.clone(), source))
        });
        Ok(Self(formats.collect::<Result<_, _>>()?))
    }

    pub(super) fn reads(&self, names: &mut BTreeSet<String>) {
        for (_, source) in &self.0 {
            match source {
                Source::Rename(from) => {
                    names.insert(from.clone());
                }
                Source::Template(template) => names.extend(template.reads().iter().cloned()),
            }
        }
    }

    pub(super) fn run(&self, passage: &mut Passage<'_, '_>) {
        let mut made = String::new();
        for (name, source) in &self.0 {
            made.clear();
            match source {
                Source::Rename(from) => {
                    let Some(value) = passage.labels.get(from) else { continue };
                    made.push_str(value);
                    passage.labels.set(name, &made);
                    passage.labels.remove(from);
                }
                Source::Template(template) => {
                    let context = Context { labels: passage.labels, line: passage.line.text(), time: passage.time };
                    match template.render(context, &mut made) {
                        Ok(()) => passage.labels.set(name, &made),
                        Err(why) => passage.labels.fail(TEMPLATE_ERROR, Some(why)),
                    }
                }
            }
        }
    }
}
