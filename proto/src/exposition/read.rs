//! Text of `/metrics` in, families out: Prometheus' text format 0.0.4 and 1.0.0 (which has names in any UTF-8), and `OpenMetrics` 1.0.
//!
//! What is read is borrowed from the buffer and copied once, into the families; a sample allocates nothing else. Taken is what
//! Prometheus takes, and what is wrong is refused with its line: a family that is read to half would be a wrong one.

mod cursor;
mod error;
mod known;

use std::fmt;

use crate::metric::{Families, Kind, UnixMillis};
use cursor::{Cursor, Quoted, unescape};
pub use error::{Problem, ReadError};
use known::{Bearer, Known};

/// Characters of an exemplar's labels, names and values together, that `OpenMetrics` allows.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, 0.0.4 or 1.0.0: times are milliseconds, a counter is named as its samples are.
    Text,
    /// `OpenMetrics`: times are seconds, the samples of a counter `x` are `x_total`, and the last line is `# EOF`.
    OpenMetrics,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text format",
            Self::OpenMetrics => "OpenMetrics",
        })
    }
}

impl Format {
    /// As the media type of an answer says; nothing if it says none of the two.
    pub fn of_content_type(value: &str) -> Option<Self> {
        let kind = value.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("text/plain") {
            Some(Self::Text)
        } else if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            Some(Self::OpenMetrics)
        } else {
            None
        }
    }
}

/// How it is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How it is written.
    pub format: Format,
    /// Most samples.
    pub samples_max: usize,
    /// Most labels of a sample.
    pub labels_max: usize,
    /// Most bytes of a label's name or value.
    pub label_bytes_max: usize,
    /// Whether a label without value is kept: it says nothing of the series, but takes the place of a label of the target
    /// where exposed ones win (a Pushgateway gives `instance=""` for that).
    pub keeps_empty_labels: bool,
    /// Whether a family's type and help have to be told once and before its samples. Otherwise what is told first stands, since
    /// scripts print them before every sample.
    pub told_once: bool,
}

impl Reading {
    /// As Prometheus reads, within limits that no honest text comes near.
    pub fn of(format: Format) -> Self {
        Self {
            format,
            samples_max: 1_000_000,
            labels_max: 64,
            label_bytes_max: 16 << 10,
            keeps_empty_labels: false,
            told_once: false,
        }
    }
}

/// Reads a whole text behind what is in `out`. After an error, what came before it stands there too.
pub fn read(text: &[u8], reading: &Reading, out: &mut Families) -> Result<(), ReadError> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return Err(ReadError::at(&text[..error.valid_up_to()], Problem::NotUtf8)),
    };
    let mut reader = Reader {
        reading,
        cursor: Cursor::new(text),
        known: Known::new(reading.format),
        line: 0,
        labels: Vec::new(),
        exemplar_labels: Vec::new(),
        scratch: String::new(),
        samples: 0,
        out,
    };
    let result = reader.text();
    result.map_err(|problem| ReadError::at(text.as_bytes().get(..reader.line).unwrap_or_default(), problem))
}

struct Reader<'t, 'r> {
    reading: &'r Reading,
    cursor: Cursor<'t>,
    known: Known<'t>,
    /// Where the line begins that is being read.
    line: usize,
    /// Of the sample that is being read.
    labels: Vec<(Quoted<'t>, Quoted<'t>)>,
    /// Of its exemplar.
    exemplar_labels: Vec<(Quoted<'t>, Quoted<'t>)>,
    scratch: String,
    samples: usize,
    out: &'r mut Families,
}

impl<'t> Reader<'t, '_> {
    fn is_open_metrics(&self) -> bool {
        self.reading.format == Format::OpenMetrics
    }

    fn text(&mut self) -> Result<(), Problem> {
        loop {
            self.line = self.cursor.at();
            self.cursor.blanks();
            match self.cursor.peek() {
                None if self.is_open_metrics() => return Err(Problem::NoEof),
                None => return Ok(()),
                Some(b'\n') if self.is_open_metrics() => return Err(self.expected("a sample or a comment")),
                Some(b'\n') => self.cursor.step(),
                Some(b'#') => {
                    if self.comment()? {
                        return Ok(());
                    }
                }
                Some(_) => self.sample()?,
            }
        }
    }

    /// A line that begins with `#`; whether it was the last.
    fn comment(&mut self) -> Result<bool, Problem> {
        self.cursor.step();
        if !self.cursor.blanks() {
            self.cursor.line();
            return Ok(false);
        }
        match self.cursor.word() {
            "HELP" if self.cursor.blanks() => {
                let name = self.family_name()?;
                let help = self.cursor.line();
                let mut text = String::new();
                unescape(help.get(1..).unwrap_or_default(), self.is_open_metrics(), &mut text);
                self.known.help(name, text, self.reading.told_once)?;
            }
            "TYPE" if self.cursor.blanks() => {
                let name = self.family_name()?;
                let word = self.cursor.line().trim();
                let kind = kind(word).ok_or_else(|| Problem::NoType(error::excerpt(word)))?;
                self.known.kind(name, kind, self.reading.told_once)?;
            }
            "UNIT" if self.is_open_metrics() && self.cursor.blanks() => {
                let name = self.family_name()?;
                self.known.unit(name, self.cursor.line().trim())?;
            }
            "EOF" if self.is_open_metrics() => {
                if !(self.cursor.end_of_line() && self.cursor.peek().is_none()) {
                    return Err(Problem::BehindEof);
                }
                return Ok(true);
            }
            _ => {
                self.cursor.line();
            }
        }
        Ok(false)
    }

    /// The name behind HELP, TYPE or UNIT.
    fn family_name(&mut self) -> Result<Quoted<'t>, Problem> {
        let name = match self.cursor.metric_name() {
            Some(name) => name,
            None => self.cursor.quoted(false).ok_or_else(|| self.expected("the name of a family"))?,
        };
        match self.cursor.peek() {
            None | Some(b' ' | b'\t' | b'\n') if !name.is_empty() => Ok(name),
            _ => Err(self.expected("a blank behind the name of a family")),
        }
    }

    fn sample(&mut self) -> Result<(), Problem> {
        let mut name = self.cursor.metric_name();
        if name.is_none() && self.cursor.peek() != Some(b'{') {
            return Err(self.expected("the name of a metric"));
        }
        self.labels.clear();
        self.cursor.blanks();
        if self.cursor.eat(b'{') {
            self.labels(&mut name, true)?;
        }
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(self.expected("the name of a metric within the braces"));
        };
        let value = self.value("a value")?;
        let time = self.time()?;
        let exemplar = if self.is_open_metrics() && self.cursor.eat(b'#') { Some(self.exemplar()?) } else { None };
        if !self.cursor.end_of_line() {
            return Err(self.expected(if time.is_some() { "the end of the line" } else { "a time or the end of the line" }));
        }
        self.keep(name, value, time)?;
        if let Some((value, time)) = exemplar {
            self.keep_exemplar(value, time);
        }
        Ok(())
    }

    /// What stands between braces, with the closing one. A quoted name without value is the metric's.
    fn labels(&mut self, metric: &mut Option<Quoted<'t>>, may_name_metric: bool) -> Result<(), Problem> {
        loop {
            self.cursor.blanks();
            if self.cursor.eat(b'}') {
                return Ok(());
            }
            let name = match self.cursor.label_name() {
                Some(name) => name,
                None => self.cursor.quoted(false).ok_or_else(|| self.expected("the name of a label or `}`"))?,
            };
            self.cursor.blanks();
            if self.cursor.eat(b'=') {
                self.cursor.blanks();
                let value = self.cursor.quoted(self.reading.format == Format::Text);
                let value = value.ok_or_else(|| self.expected("a value in quotes, to its closing quote"))?;
                self.label(name, value)?;
            } else if name.is_quoted() && may_name_metric && metric.is_none() {
                *metric = Some(name);
            } else {
                return Err(self.expected("`=`"));
            }
            self.cursor.blanks();
            if !self.cursor.eat(b',') && self.cursor.peek() != Some(b'}') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn label(&mut self, name: Quoted<'t>, value: Quoted<'t>) -> Result<(), Problem> {
        if name.is_empty() {
            return Err(self.expected("a label with a name"));
        }
        if self.labels.len() == self.reading.labels_max {
            return Err(Problem::TooManyLabels(self.reading.labels_max));
        }
        if name.len().max(value.len()) > self.reading.label_bytes_max {
            return Err(Problem::LongLabel(self.reading.label_bytes_max));
        }
        if name.is("__name__") || self.labels.iter().any(|(other, _)| other.is_same(&name)) {
            return Err(Problem::TwoLabels(error::excerpt(&name.text())));
        }
        self.labels.push((name, value));
        Ok(())
    }

    fn value(&mut self, what: &'static str) -> Result<f64, Problem> {
        self.cursor.blanks();
        let before = self.cursor.clone();
        cursor::number(self.cursor.word()).ok_or_else(|| {
            self.cursor = before;
            self.expected(what)
        })
    }

    /// The time of a sample, if one follows.
    fn time(&mut self) -> Result<Option<UnixMillis>, Problem> {
        self.cursor.blanks();
        let is_time = self.cursor.peek().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'));
        if !is_time {
            return Ok(None);
        }
        let before = self.cursor.clone();
        let word = self.cursor.word();
        let (time, what) = match self.reading.format {
            Format::Text => (word.parse().ok(), "a time in milliseconds"),
            Format::OpenMetrics => (cursor::number(word).and_then(millis), "a time in seconds"),
        };
        let Some(time) = time else {
            self.cursor = before;
            return Err(self.expected(what));
        };
        self.cursor.blanks();
        Ok(Some(UnixMillis(time)))
    }

    /// An example of what was counted, behind the `#`: its value and its time. Its labels are in `exemplar_labels`.
    fn exemplar(&mut self) -> Result<(f64, Option<UnixMillis>), Problem> {
        self.cursor.blanks();
        if !self.cursor.eat(b'{') {
            return Err(self.expected("`{` of an exemplar"));
        }
        self.exemplar_labels.clear();
        std::mem::swap(&mut self.labels, &mut self.exemplar_labels);
        let read = self.labels(&mut None, false);
        std::mem::swap(&mut self.labels, &mut self.exemplar_labels);
        read?;
        let value = self.value("the value of an exemplar")?;
        Ok((value, self.time()?))
    }

    /// Gives it to the families, unless its labels are longer than any may be: the sample is good without it.
    fn keep_exemplar(&mut self, value: f64, time: Option<UnixMillis>) {
        let texts = self.exemplar_labels.iter().flat_map(|(name, value)| [name.text(), value.text()]);
        if texts.map(|text| text.chars().count()).sum::<usize>() > EXEMPLAR_CHARS_MAX {
            return;
        }
        self.out.exemplar(value, time);
        for (name, value) in &self.exemplar_labels {
            if !value.is_empty() {
                self.out.exemplar_label(&name.text(), &value.text());
            }
        }
    }

    /// Gives what was read to the families.
    fn keep(&mut self, quoted: Quoted<'t>, value: f64, time: Option<UnixMillis>) -> Result<(), Problem> {
        if self.samples == self.reading.samples_max {
            return Err(Problem::TooManySamples(self.reading.samples_max));
        }
        self.samples += 1;
        let name = quoted.text();
        let bearer = self.known.bearer(quoted, &name, self.out);
        self.out.read_sample_of(bearer.place(), &name, value, time);
        for place in 0..self.labels.len() {
            let (label, value) = self.labels[place];
            let value = if value.is_escaped() {
                self.scratch.clear();
                unescape(value.raw(), true, &mut self.scratch);
                self.scratch.as_str()
            } else {
                value.raw()
            };
            if value.is_empty() && self.reading.keeps_empty_labels {
                self.out.empty_label(&label.text());
            } else {
                self.out.label(&label.text(), value);
            }
        }
        if let Bearer::Created { of: Some(family), .. } = bearer
            && let Some(at) = millis(value)
        {
            began(self.out, family, UnixMillis(at));
        }
        Ok(())
    }

    fn expected(&self, what: &'static str) -> Problem {
        Problem::Expected { what, found: error::excerpt(self.cursor.rest_of_line()) }
    }
}

/// What a `_created` that came last says of the samples before it: those of its family with its labels began then.
fn began(out: &mut Families, family: usize, at: UnixMillis) {
    let last = out.len().saturating_sub(1);
    let is_same = |out: &Families, place: usize| {
        let (Some(sample), Some(created)) = (out.sample_at(place), out.sample_at(last)) else { return false };
        let labels = sample.labels().filter(|(name, _)| !matches!(*name, "le" | "quantile"));
        sample.family_place() == family && labels.eq(created.labels())
    };
    let mut place = last;
    while place > 0 && is_same(out, place - 1) {
        place -= 1;
        out.set_started(place, at);
    }
}

/// Seconds as milliseconds, to the nearest; for an i64 the largest are too large.
fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    (millis.abs() < 9e18).then_some(millis as i64)
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "gaugehistogram" => Kind::GaugeHistogram,
        "summary" => Kind::Summary,
        "info" => Kind::Info,
        "stateset" => Kind::StateSet,
        "untyped" | "unknown" => Kind::Unknown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
