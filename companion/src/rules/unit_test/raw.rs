//! A test file as it is written, checked as far as that goes without running it.

use std::sync::Arc;

use proto::time::UnixNanos;
use record::time;
use settings::problem::{At, Problems, quote};
use settings::read::{Labels, Read, Section, Spanned};
use settings::yaml::{self, Node, Value};

use super::query;
use crate::labels::LabelSet;
use crate::logql::MetricQuery;
use crate::rules::duration::RuleDuration;
use crate::rules::log_format::{FORMATS, Format};

/// A test file.
#[derive(Debug)]
pub struct TestFile {
    /// Paths or globs, beside the file.
    pub rule_files: Vec<Spanned<String>>,
    /// What rule sources are filled in with, beside the file.
    pub values: Option<Spanned<String>>,
    /// Of groups that do not say theirs.
    pub evaluation_interval: RuleDuration,
    /// In their order.
    pub tests: Vec<Test>,
}

/// A test.
#[derive(Debug)]
pub struct Test {
    /// For messages; may be empty.
    pub name: String,
    /// What `eval_time` counts from; else the first time of its lines, or the epoch where those count from it too.
    pub start: Option<UnixNanos>,
    /// The lines.
    pub streams: Vec<InputStream>,
    /// Alerts to be compared.
    pub alert_tests: Vec<AlertTest>,
    /// Queries to be compared.
    pub expr_tests: Vec<ExprTest>,
    /// `$externalLabels`.
    pub external_labels: LabelSet,
    /// `$externalURL`.
    pub external_url: String,
}

/// Lines of one stream.
#[derive(Debug)]
pub struct InputStream {
    /// Its labels.
    pub labels: LabelSet,
    /// Written here.
    pub lines: Vec<InputLine>,
    /// A file of lines, beside the test file.
    pub file: Option<Spanned<String>>,
    /// How they are written; by the label `job` where it is not said.
    pub format: Format,
    /// The time of the first line, from the test's start; without it lines have the times that stand in them.
    pub start: Option<RuleDuration>,
    /// From one line to the next.
    pub step: RuleDuration,
}

/// A line of a test.
#[derive(Clone, Debug)]
pub struct InputLine {
    /// From the test's start.
    pub time: Option<RuleDuration>,
    /// When it reaches the companion, from the test's start; at its time where it is not said.
    pub arrival: Option<RuleDuration>,
    /// The line.
    pub line: String,
    /// Names and values.
    pub metadata: Vec<(String, String)>,
}

/// Alerts that are expected.
#[derive(Debug)]
pub struct AlertTest {
    /// Where it stands.
    pub at: At,
    /// From the test's start.
    pub eval_time: RuleDuration,
    /// Of which name.
    pub alertname: String,
    /// Those that fire.
    pub alerts: Vec<ExpectedAlert>,
}

/// An alert that is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// Without `alertname`.
    pub labels: LabelSet,
    /// All of them.
    pub annotations: LabelSet,
}

/// Samples that are expected.
#[derive(Debug)]
pub struct ExprTest {
    /// Where it stands.
    pub at: At,
    /// From the test's start.
    pub eval_time: RuleDuration,
    /// What is asked.
    pub query: MetricQuery,
    /// All that it gives.
    pub samples: Vec<ExpectedSample>,
}

/// A sample that is expected.
#[derive(Clone, Debug)]
pub struct ExpectedSample {
    /// All of them.
    pub labels: LabelSet,
    /// The number.
    pub value: f64,
}

/// Reads a test file.
pub(super) fn read(file: &Arc<str>, bytes: &[u8]) -> Result<TestFile, Problems> {
    let root = yaml::parse(file, bytes).map_err(Problems::from)?;
    let mut problems = Problems::default();
    let read = TestFile::read("a test file", &root, &mut problems);
    problems.and(read.ok_or_else(Problems::default))
}

impl Read for TestFile {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let known = ["rule_files", "values", "evaluation_interval", "tests"];
        let elsewhere = |key: &str| match key {
            "group_eval_order" => Some(
                "`group_eval_order` has no meaning here: over logs no rule reads what another one makes; remove it".to_owned(),
            ),
            "fuzzy_compare" => {
                Some("`fuzzy_compare` has no meaning here: numbers are always compared to six digits; remove it".to_owned())
            }
            _ => None,
        };
        let section = Section::read(name, node, &known, problems, elsewhere)?;
        let minute = RuleDuration(std::time::Duration::from_mins(1));
        Some(Self {
            rule_files: section.take::<Vec<_>>("rule_files", problems).map(|files| files.value).unwrap_or_default(),
            values: section.take("values", problems),
            evaluation_interval: section.take("evaluation_interval", problems).map_or(minute, |interval| interval.value),
            tests: section.take::<Vec<_>>("tests", problems).map(|tests| tests.value).unwrap_or_default(),
        })
    }
}

impl Read for Test {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let known =
            ["name", "start_timestamp", "input_streams", "alert_rule_test", "logql_expr_test", "external_labels", "external_url"];
        let elsewhere = |key: &str| match key {
            "input_series" | "promql_expr_test" => {
                Some(format!("`{key}` belongs to tests of metric rules; here are `input_streams` and `logql_expr_test`"))
            }
            "interval" => Some("`interval` belongs to `input_series`; an input stream has its own `step`".to_owned()),
            _ => None,
        };
        let section = Section::read("a test", node, &known, problems, elsewhere)?;
        Some(Self {
            name: section.take("name", problems).map(|name| name.value).unwrap_or_default(),
            start: section.take::<Start>("start_timestamp", problems).map(|start| start.value.0),
            streams: section.take::<Vec<_>>("input_streams", problems).map(|streams| streams.value).unwrap_or_default(),
            alert_tests: section.take::<Vec<_>>("alert_rule_test", problems).map(|tests| tests.value).unwrap_or_default(),
            expr_tests: section.take::<Vec<_>>("logql_expr_test", problems).map(|tests| tests.value).unwrap_or_default(),
            external_labels: labels(section.take("external_labels", problems)),
            external_url: section.take("external_url", problems).map(|url| url.value).unwrap_or_default(),
        })
    }
}

/// Seconds since the epoch, or RFC 3339.
struct Start(UnixNanos);

impl Read for Start {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let time = match &node.value {
            Value::Scalar { text, .. } => time::parse_rfc3339(text.as_bytes())
                .or_else(|| Some(UnixNanos(text.parse::<i64>().ok()?.checked_mul(1_000_000_000)?))),
            _ => None,
        };
        if time.is_none() {
            problems.push(
                &node.at,
                format!("`{name}` takes seconds since 1970 or a time like 2026-11-23T08:00:00Z, not {}", node.kind()),
            );
        }
        time.map(Self)
    }
}

impl Read for InputStream {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let known = ["stream", "lines", "file", "format", "start", "step"];
        let section = Section::read("an input stream", node, &known, problems, |_| None)?;
        let stream: Option<Spanned<Stream>> = section.take("stream", problems);
        let lines: Option<Spanned<Vec<InputLine>>> = section.take("lines", problems);
        let file = section.take::<String>("file", problems);
        let format = section.take::<NamedFormat>("format", problems);
        let start = section.take::<RuleDuration>("start", problems).map(|start| start.value);
        let step = section.take::<RuleDuration>("step", problems).map(|step| step.value);
        if stream.is_none() {
            problems.push(&node.at, "an input stream takes `stream: '{job=\"…\"}'`");
        }
        if lines.is_some() == file.is_some() {
            problems.push(&node.at, "an input stream takes either `lines` or `file`");
        }
        let labels = stream?.value.0;
        let format = format.map_or_else(|| Format::of_job(labels.get("job").unwrap_or_default()), |format| format.value.0);
        let start = start.or(step.map(|_| RuleDuration::default()));
        let step = step.unwrap_or(RuleDuration(std::time::Duration::from_secs(1)));
        Some(Self { labels, lines: lines.map(|lines| lines.value).unwrap_or_default(), file, format, start, step })
    }
}

/// `{job="x"}`, or a map of labels.
struct Stream(LabelSet);

impl Read for Stream {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Value::Scalar { text, .. } = &node.value {
            // A bare word would be read as the name of a metric.
            let labels = proto::labels::Labels::parse(text).ok().filter(|_| text.trim_start().starts_with('{'));
            if labels.is_none() {
                problems.push(&node.at, format!("`{name}`: {} is no stream; write {{job=\"…\"}}", quote(text)));
            }
            return labels.map(|labels| Self(labels.iter().collect()));
        }
        Labels::read(name, node, problems).map(|labels| Self(pairs(&labels).into_iter().collect()))
    }
}

struct NamedFormat(Format);

impl Read for NamedFormat {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        settings::read::one_of(name, node, problems, &FORMATS).map(Self)
    }
}

impl Read for InputLine {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Value::Scalar { text, .. } = &node.value {
            return Some(Self { time: None, arrival: None, line: text.clone(), metadata: Vec::new() });
        }
        let section = Section::read(name, node, &["time", "arrival", "line", "metadata"], problems, |_| None)?;
        let line = section.take("line", problems).map(|line: Spanned<String>| line.value);
        if line.is_none() {
            problems.push(&node.at, "a line takes its text as `line`");
        }
        Some(Self {
            time: section.take("time", problems).map(|time| time.value),
            arrival: section.take("arrival", problems).map(|arrival| arrival.value),
            line: line?,
            metadata: section.take::<Labels>("metadata", problems).map(|labels| pairs(&labels.value)).unwrap_or_default(),
        })
    }
}

impl Read for AlertTest {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let section = Section::read("an alert test", node, &["eval_time", "alertname", "exp_alerts"], problems, |_| None)?;
        let eval_time = section.take("eval_time", problems).map(|time| time.value).unwrap_or_default();
        let alertname: Option<Spanned<String>> = section.take("alertname", problems);
        if alertname.is_none() {
            problems.push(&node.at, "an alert test takes `alertname`");
        }
        let alerts =
            section.take::<Listed<ExpectedAlert>>("exp_alerts", problems).map(|alerts| alerts.value.0).unwrap_or_default();
        Some(Self { at: node.at.clone(), eval_time, alertname: alertname?.value, alerts })
    }
}

/// A list that may be left empty.
struct Listed<T>(Vec<T>);

impl<T: Read> Read for Listed<T> {
    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        Vec::read(name, node, problems).map(Self)
    }

    fn when_empty() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

impl Read for ExpectedAlert {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let section = Section::read("an expected alert", node, &["exp_labels", "exp_annotations"], problems, |_| None)?;
        Some(Self {
            labels: labels(section.take("exp_labels", problems)),
            annotations: labels(section.take("exp_annotations", problems)),
        })
    }
}

impl Read for ExprTest {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let section = Section::read("an expression test", node, &["expr", "eval_time", "exp_samples"], problems, |_| None)?;
        let eval_time = section.take("eval_time", problems).map(|time| time.value).unwrap_or_default();
        let samples =
            section.take::<Listed<ExpectedSample>>("exp_samples", problems).map(|samples| samples.value.0).unwrap_or_default();
        let Some(expr) = section.take::<String>("expr", problems) else {
            problems.push(&node.at, "an expression test takes `expr`");
            return None;
        };
        let read = query(&expr.value).map_err(|error| problems.push(&expr.at, format!("`expr`: {error}"))).ok()?;
        Some(Self { at: node.at.clone(), eval_time, query: read, samples })
    }
}

impl Read for ExpectedSample {
    fn read(_: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let section = Section::read("an expected sample", node, &["labels", "value"], problems, |_| None)?;
        let stream: Option<Spanned<Stream>> = section.take("labels", problems);
        let value: Option<Spanned<String>> = section.take("value", problems);
        let number = value.as_ref().and_then(|value| value.value.parse().ok());
        if number.is_none() {
            problems.push(&node.at, "an expected sample takes a number as `value`");
        }
        Some(Self { labels: stream.map(|stream| stream.value.0).unwrap_or_default(), value: number? })
    }
}

fn pairs(labels: &Labels) -> Vec<(String, String)> {
    labels.0.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect()
}

fn labels(labels: Option<Spanned<Labels>>) -> LabelSet {
    labels.map(|labels| pairs(&labels.value).into_iter().collect()).unwrap_or_default()
}
