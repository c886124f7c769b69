//! The families that a text has told of, and which of them a sample belongs to.
//!
//! A histogram `x` has the samples `x_bucket`, `x_sum` and `x_count`; a counter `x` of `OpenMetrics` has `x_total`, and is given as
//! the family `x_total`, as the text format names it. `x_created` becomes a family of its own, a gauge: it counts nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cursor::Quoted;
use super::{Format, Problem, error};
use crate::metric::{Families, Kind};

/// What a sample's name may have behind that of its family.
const SUFFIXES: [&str; 8] = ["_total", "_created", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_info"];

/// Whose sample it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    /// One of a family's own.
    Own {
        /// Its place among the families.
        place: usize,
    },
    /// It says when samples of a family began.
    Created {
        /// The place of its own family.
        place: usize,
        /// The place of that family, if it had a sample before.
        of: Option<usize>,
    },
}

impl Bearer {
    /// Among which family's samples it stands.
    pub(super) fn place(self) -> usize {
        match self {
            Self::Own { place } | Self::Created { place, .. } => place,
        }
    }
}

#[derive(Debug)]
struct Told<'t> {
    name: Cow<'t, str>,
    kind: Option<Kind>,
    help: Option<String>,
    unit: &'t str,
    /// Among the families, from its first sample on; so that of its `_created`.
    place: Option<usize>,
    created: Option<usize>,
}

/// What has been told.
#[derive(Debug)]
pub(super) struct Known<'t> {
    format: Format,
    told: Vec<Told<'t>>,
    by_name: HashMap<Cow<'t, str>, usize>,
    /// The one that came last: the next sample is mostly its.
    current: usize,
}

impl<'t> Known<'t> {
    pub(super) fn new(format: Format) -> Self {
        Self { format, told: Vec::new(), by_name: HashMap::new(), current: 0 }
    }

    pub(super) fn kind(&mut self, name: Quoted<'t>, kind: Kind, once: bool) -> Result<(), Problem> {
        let told = self.begin(name.text());
        if told.kind.is_none() && told.place.is_none() {
            told.kind = Some(kind);
        } else if once {
            return Err(Problem::ToldAgain { what: "TYPE", name: error::excerpt(&told.name) });
        }
        Ok(())
    }

    pub(super) fn help(&mut self, name: Quoted<'t>, help: String, once: bool) -> Result<(), Problem> {
        let told = self.begin(name.text());
        if told.help.is_none() {
            told.help = Some(help);
        } else if once {
            return Err(Problem::ToldAgain { what: "HELP", name: error::excerpt(&told.name) });
        }
        Ok(())
    }

    pub(super) fn unit(&mut self, name: Quoted<'t>, unit: &'t str) -> Result<(), Problem> {
        let told = self.begin(name.text());
        let is_its = unit.is_empty() || told.name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        if !is_its {
            return Err(Problem::NotItsUnit { name: error::excerpt(&told.name), unit: error::excerpt(unit) });
        }
        told.unit = unit;
        Ok(())
    }

    /// Which family a sample of that name belongs to; it is begun if this is its first.
    pub(super) fn bearer(&mut self, name: &Cow<'t, str>, out: &mut Families) -> Bearer {
        let format = self.format;
        let is_current = self.told.get(self.current).is_some_and(|told| told.bears(name, format).is_some());
        if !is_current {
            self.current = self.find(name);
        }
        // `find` gives a place that there is.
        let told = &mut self.told[self.current];
        if told.bears(name, format) == Some(Role::Created) {
            let place = *told.created.get_or_insert_with(|| out.read_family(name, Kind::Gauge, "", ""));
            return Bearer::Created { place, of: told.place };
        }
        let place = *told.place.get_or_insert_with(|| {
            let (kind, help) = (told.kind.unwrap_or_default(), told.help.as_deref().unwrap_or_default());
            out.read_family(&shown(&told.name, kind, format), kind, help, told.unit)
        });
        Bearer::Own { place }
    }

    /// The place of the family of a sample that is not the current one's.
    fn find(&mut self, name: &Cow<'t, str>) -> usize {
        let longer = || {
            SUFFIXES.iter().find_map(|suffix| {
                let place = *self.by_name.get(name.strip_suffix(suffix)?)?;
                self.told[place].bears(name, self.format).is_some().then_some(place)
            })
        };
        if let Some(place) = self.by_name.get(name).copied().or_else(longer) {
            return place;
        }
        self.begin(name.clone());
        self.current
    }

    fn begin(&mut self, name: Cow<'t, str>) -> &mut Told<'t> {
        self.current = *self.by_name.entry(name).or_insert_with_key(|name| {
            self.told.push(Told { name: name.clone(), kind: None, help: None, unit: "", place: None, created: None });
            self.told.len() - 1
        });
        &mut self.told[self.current]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Own,
    Created,
}

impl Told<'_> {
    /// What a sample of that name is to it, if it is its.
    fn bears(&self, name: &str, format: Format) -> Option<Role> {
        use Kind::{Counter, GaugeHistogram, Histogram, Info, Summary};
        let suffix = name.strip_prefix(&*self.name)?;
        let is_open = format == Format::OpenMetrics;
        match (suffix, self.kind.unwrap_or_default()) {
            ("", _) => Some(Role::Own),
            ("_bucket", Histogram | GaugeHistogram) => Some(Role::Own),
            ("_sum" | "_count", Histogram | Summary) => Some(Role::Own),
            ("_gsum" | "_gcount", GaugeHistogram) if is_open => Some(Role::Own),
            ("_total", Counter) | ("_info", Info) if is_open => Some(Role::Own),
            ("_created", Counter | Histogram | Summary) if is_open => Some(Role::Created),
            _ => None,
        }
    }
}

/// The name under which a family is given: where all samples have the same, theirs.
fn shown<'n>(name: &'n str, kind: Kind, format: Format) -> Cow<'n, str> {
    let suffix = match (format, kind) {
        (Format::OpenMetrics, Kind::Counter) => "_total",
        (Format::OpenMetrics, Kind::Info) => "_info",
        _ => return Cow::Borrowed(name),
    };
    if name.ends_with(suffix) { Cow::Borrowed(name) } else { Cow::Owned(format!("{name}{suffix}")) }
}
