//! Pod logs: which pods, which lines, and whose job they are.

use std::path::PathBuf;

use globset::GlobMatcher;

use super::super::checked::{DropRule, PodInput, PodMultiline, Route};
use super::super::raw::{FormatName, RawDrop, RawMultiline, RawPodDrop, RawPodMultiline, RawPods, RawRoute};
use super::super::{defaults, patterns};
use super::formats::{FormatOptions, preset};
use super::inputs::Reading;
use super::{Check, items};
use settings::read::Spanned;

impl Check {
    pub(super) fn pods(&mut self, raw: &RawPods) -> Option<PodInput> {
        let root = match &raw.root {
            None => Some(defaults::PODS_ROOT.to_owned()),
            Some(root) => {
                let trimmed = root.with(root.value.trim_end_matches('/').to_owned());
                self.path("root", &trimmed)
            }
        };
        let include = self.name_globs("include", raw.include.as_ref(), pod_name);
        let exclude = self.name_globs("exclude", raw.exclude.as_ref(), pod_name);
        let drop = items(raw.drop.as_ref());
        let drop = drop.iter().filter_map(|rule| self.pod_drop_rule(rule)).collect();
        let routes = items(raw.routes.as_ref());
        let routes = routes.iter().filter_map(|route| self.route(route)).collect();
        let multiline = items(raw.multiline.as_ref());
        let multiline = multiline.iter().filter_map(|join| self.pod_multiline(join)).collect();
        let reading = Reading {
            max_age: &raw.max_age,
            long_lines: &raw.long_lines,
            max_line: &raw.max_line,
            rotate_wait: &raw.rotate_wait,
        };
        let (max_age, long_lines, max_line, rotate_wait) = self.reading(&reading, false);
        let labels = self.labels(raw.labels.as_ref());
        let app_labels = items(raw.app_labels.as_ref()).iter().map(|label| label.value.clone()).collect();
        let root = PathBuf::from(root?);
        Some(PodInput {
            root,
            include,
            exclude,
            drop,
            routes,
            multiline,
            labels,
            app_labels,
            max_age,
            long_lines,
            max_line,
            rotate_wait,
        })
    }

    fn pod_drop_rule(&mut self, section: &Spanned<RawPodDrop>) -> Option<DropRule> {
        let raw = &section.value;
        let pods = raw.pods.as_ref().map(|pods| self.pod_glob(pods));
        let rule = RawDrop { name: raw.name.clone(), regex: raw.regex.clone() };
        let rule = self.drop_rule(&section.with(rule))?;
        match pods {
            None => Some(rule),
            Some(pods) => Some(DropRule { pods: Some(pods?), ..rule }),
        }
    }

    fn route(&mut self, section: &Spanned<RawRoute>) -> Option<Route> {
        let raw = &section.value;
        let pods = self.needed(raw.pods.as_ref(), "pods", section).and_then(|pods| self.pod_glob(pods));
        let container =
            raw.container.as_ref().map(|container| self.take("container", container, patterns::name_glob(&container.value)));
        let job = self.needed(raw.job.as_ref(), "job", section).and_then(|job| self.job(job));
        let name = raw.format.as_ref().map(|format| format.value).or_else(|| job.as_deref().and_then(preset));
        if job.is_some() && name.is_none() && !section.damaged {
            self.problems.push(&section.at, "`format` is missing: it says which lines the route takes");
        }
        if let Some(format) = raw.format.as_ref().filter(|format| matches!(format.value, FormatName::Raw | FormatName::Cri)) {
            self.problems.push(&format.at, "every line is of this format; a route takes json, kube-audit or vault-audit");
        }
        let options =
            FormatOptions { timestamp: &raw.timestamp, metadata: &raw.metadata, redact: &raw.redact, prefix: &raw.prefix };
        let format = name.map(|name| self.format(name, &options));
        let container = match container {
            None => None,
            Some(container) => Some(container?),
        };
        Some(Route { pods: pods?, container, format: format?, job: job? })
    }

    fn pod_multiline(&mut self, section: &Spanned<RawPodMultiline>) -> Option<PodMultiline> {
        let raw = &section.value;
        let pods = self.needed(raw.pods.as_ref(), "pods", section).and_then(|pods| self.pod_glob(pods));
        let container =
            raw.container.as_ref().map(|container| self.take("container", container, patterns::name_glob(&container.value)));
        let RawPodMultiline { first, max_lines, timeout, .. } = raw.clone();
        let join = self.multiline(&section.with(RawMultiline { first, max_lines, timeout }));
        let container = match container {
            None => None,
            Some(container) => Some(container?),
        };
        Some(PodMultiline { pods: pods?, container, join: join? })
    }

    fn pod_glob(&mut self, text: &Spanned<String>) -> Option<GlobMatcher> {
        let glob = pod_name(&text.value).and_then(|()| patterns::name_glob(&text.value));
        self.take("pods", text, glob)
    }
}

/// A glob without a slash would match no pod at all, since each is named by its namespace too.
fn pod_name(glob: &str) -> Result<(), String> {
    if glob.contains('/') {
        return Ok(());
    }
    if glob == "*" {
        return Err("names no namespace; write */* for all pods".to_owned());
    }
    Err(format!("names no namespace; write {glob}/* for all pods of a namespace, */{glob} for pods of this name"))
}
