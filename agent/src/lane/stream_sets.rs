//! Which streams the entries of a chain become, by what the chain is: a job's, its routes', or those of the journal's selections.

use std::sync::Arc;

use proto::labels::Labels;
use twox_hash::XxHash3_64;

use super::Settings;
use super::journal::JournalLane;
use super::standing::PARTS;
use crate::batch::Extent;
use crate::config::checked::{Format, JournalInput, JournalSelection, LongLines};
use crate::metrics::Counter;
use crate::shape::Shaper;
use crate::tail::inputs::JOURNAL_SOURCE;
use crate::tail::origin::Origin;

/// The streams of one job of a chain.
pub struct StreamSet {
    /// The account that its bytes belong to: the job.
    pub source: Arc<str>,
    /// How its records are understood.
    pub shaper: Shaper,
    /// Whether the destination wants this job.
    pub wanted: bool,
    /// Labels by part.
    pub labels: [Arc<str>; PARTS],
    /// For a route: whether a record belongs to it.
    pub takes: Option<fn(&[u8]) -> bool>,
    read_bytes: Counter,
    read_lines: Counter,
}

impl StreamSet {
    /// Counts a record that was read, whatever becomes of it.
    #[inline]
    pub fn count(&self, extent: Extent) {
        self.read_bytes.add(extent.bytes);
        self.read_lines.add(extent.lines);
    }

    /// Names the stream of a part in the position log.
    pub(super) fn labels_hash(&self, part: usize) -> u64 {
        XxHash3_64::oneshot(self.labels[part].as_bytes())
    }

    /// Bytes and lines that were read since it was asked last.
    pub fn take_read(&self) -> (u64, u64) {
        (self.read_bytes.take(), self.read_lines.take())
    }
}

/// The jobs that a chain of that origin can have: its own, and those of its routes.
pub fn jobs(origin: &Origin) -> Vec<String> {
    match origin {
        Origin::File { input, .. } => vec![input.job.clone()],
        Origin::Pod { input, container } => {
            let pod = format!("{}/{}", container.namespace, container.pod);
            let routes = input.routes.iter().filter(|route| route.pods.is_match(&pod));
            let routes = routes.filter(|route| route.container.as_ref().is_none_or(|glob| glob.is_match(&container.container)));
            std::iter::once(format!("{}/{}", container.namespace, container.container))
                .chain(routes.map(|route| route.job.clone()))
                .collect()
        }
        Origin::Journal { input } => {
            let jobs = |selection: &JournalSelection| {
                let otherwise = selection.proof.as_ref().map(|proof| proof.otherwise.clone());
                std::iter::once(selection.job.clone()).chain(otherwise)
            };
            input.selections.iter().flat_map(jobs).collect()
        }
    }
}

/// The streams of a chain of that origin: its own job first, then its routes. Errors are configuration that was not checked.
pub fn streams(origin: &Origin, settings: &Settings) -> Result<Vec<StreamSet>, String> {
    let mut base = Labels::new();
    for (name, value) in settings.labels.iter() {
        base.set(name, value);
    }
    base.set("node", &settings.node);
    match origin {
        Origin::File { input, path, path_is_label } => {
            for (name, value) in &input.labels {
                base.set(name, value);
            }
            if *path_is_label {
                base.set("filename", &path.to_string_lossy());
            }
            base.set("job", &input.job);
            let drop = input.drop.iter().map(|rule| (rule.name.as_str().into(), rule.regex.clone())).collect();
            let shaper = Shaper::new(&input.format, drop, input.long_lines, settings.line_max)?;
            let labels = if input.format == Format::Cri { by_output(&base) } else { [text(&base), text(&base)] };
            Ok(vec![StreamSet {
                source: input.job.as_str().into(),
                shaper,
                wanted: settings.wants(&input.job),
                labels,
                takes: None,
                read_bytes: Counter::default(),
                read_lines: Counter::default(),
            }])
        }
        Origin::Pod { input, container } => {
            let pod = format!("{}/{}", container.namespace, container.pod);
            for (name, value) in &input.labels {
                base.set(name, value);
            }
            base.set("namespace", &container.namespace);
            base.set("pod", &container.pod);
            base.set("container", &container.container);
            let own = format!("{}/{}", container.namespace, container.container);
            let rules = input.drop.iter().filter(|rule| rule.pods.as_ref().is_none_or(|glob| glob.is_match(&pod)));
            let drop: Vec<_> = rules.map(|rule| (Arc::<str>::from(rule.name.as_str()), rule.regex.clone())).collect();
            let mut set = |job: &str, format: &Format, takes: Option<fn(&[u8]) -> bool>| -> Result<StreamSet, String> {
                base.set("job", job);
                let shaper = Shaper::new(format, drop.clone(), input.long_lines, settings.line_max)?;
                Ok(StreamSet {
                    source: job.into(),
                    shaper,
                    wanted: settings.wants(job),
                    labels: by_output(&base),
                    takes,
                    read_bytes: Counter::default(),
                    read_lines: Counter::default(),
                })
            };
            let mut streams = vec![set(&own, &Format::Raw, None)?];
            for route in &input.routes {
                let applies =
                    route.pods.is_match(&pod) && route.container.as_ref().is_none_or(|glob| glob.is_match(&container.container));
                if applies {
                    streams.push(set(&route.job, &route.format, Some(belongs(&route.format)))?);
                }
            }
            Ok(streams)
        }
        Origin::Journal { input } => {
            let sets = journal_sets(input, settings);
            let set = |(job, selection): (&str, Option<&JournalSelection>)| -> Result<StreamSet, String> {
                let drop = selection.into_iter().flat_map(|selection| &selection.drop);
                let drop = drop.map(|rule| (rule.name.as_str().into(), rule.regex.clone())).collect();
                let long_lines = selection.map_or(LongLines::Cut, |selection| selection.long_lines);
                Ok(StreamSet {
                    source: job.into(),
                    shaper: Shaper::new(&Format::Raw, drop, long_lines, settings.line_max)?,
                    wanted: selection.is_some() && settings.wants(job),
                    labels: Default::default(),
                    takes: None,
                    read_bytes: Counter::default(),
                    read_lines: Counter::default(),
                })
            };
            sets.iter().map(|(job, selection, _)| set((job, *selection))).collect()
        }
    }
}

/// The stream sets of the journal: first the account of what is nobody's, then each selection's, and behind it that of what only
/// pretends to belong to it. Each with the labels of all its streams.
fn journal_sets<'a>(input: &'a JournalInput, settings: &Settings) -> Vec<(String, Option<&'a JournalSelection>, Labels)> {
    let mut sets = vec![(JOURNAL_SOURCE.to_owned(), None, Labels::new())];
    for selection in &input.selections {
        let otherwise = selection.proof.as_ref().map(|proof| &proof.otherwise);
        for job in std::iter::once(&selection.job).chain(otherwise) {
            let mut base = Labels::new();
            for (name, value) in settings.labels.iter() {
                base.set(name, value);
            }
            base.set("node", &settings.node);
            for (name, value) in &selection.labels {
                base.set(name, value);
            }
            base.set("job", job);
            sets.push((job.clone(), Some(selection), base));
        }
    }
    sets
}

/// What reads a chain of that origin, if it is the journal.
pub(super) fn journal(origin: &Origin, settings: &Settings) -> Option<Box<JournalLane>> {
    let Origin::Journal { input } = origin else { return None };
    let mut next = 1;
    let places = input.selections.iter().map(|selection| {
        let (own, otherwise) = (next, next + usize::from(selection.proof.is_some()));
        next = otherwise + 1;
        (own, otherwise)
    });
    let places = places.collect();
    let bases = journal_sets(input, settings).into_iter().map(|(_, _, base)| base).collect();
    Some(Box::new(JournalLane::new(input, settings, places, bases)))
}

/// How a route knows its lines.
fn belongs(format: &Format) -> fn(&[u8]) -> bool {
    match format {
        Format::VaultAudit(_) => record::vault_audit::is_vault_audit,
        Format::KubeAudit(_) => |line| line.first() == Some(&b'{') && memchr::memmem::find(line, b"\"auditID\"").is_some(),
        Format::Json(_) => |line| line.first() == Some(&b'{') && line.last() == Some(&b'}'),
        Format::Raw | Format::Cri => |_| true,
    }
}

fn by_output(base: &Labels) -> [Arc<str>; PARTS] {
    ["stdout", "stderr"].map(|output| {
        let mut labels = base.clone();
        labels.set("stream", output);
        text(&labels)
    })
}

fn text(labels: &Labels) -> Arc<str> {
    labels.to_string().into()
}
