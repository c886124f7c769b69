//! The labels of an entry on its way: those of its stream, its structured metadata, and what stages make of them.
//!
//! The stream's labels are looked at where they are; all others lie in one text, which is used again for each line. A name is
//! there once: what is set later hides what was before. Precedence is by name: where a parser finds a field with the name of
//! a stream's label or of metadata, its label is called `NAME_extracted`.

use std::collections::HashMap;
use std::ops::Range;

use twox_hash::XxHash3_64;

use super::name::push_sanitized;
use crate::labels::LabelSet;

pub(crate) const ERROR: &str = "__error__";
pub(crate) const ERROR_DETAILS: &str = "__error_details__";
const EXTRACTED: &str = "_extracted";

/// From so many labels on their places are kept by hash.
const MANY: usize = 64;

const HEAD_BYTES: usize = 8;

/// What is kept from line to line, so that none allocates.
#[derive(Debug, Default)]
pub(crate) struct LabelBuffers {
    text: String,
    slots: Vec<Slot>,
    places: HashMap<u64, u32>,
    name: String,
}

/// A label that hides one of the stream, or adds to them.
#[derive(Clone, Debug)]
struct Slot {
    /// Of the name, so that most others are told apart without looking at it.
    head: Head,
    name: Range<u32>,
    value: Range<u32>,
    /// It hides the stream's label, and has no value itself.
    is_gone: bool,
    /// A parser made it, so that later ones leave it alone.
    is_parsed: bool,
}

/// A name's length and first bytes: all there is of a short one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    len: usize,
    bytes: [u8; HEAD_BYTES],
}

impl Head {
    fn of(name: &str) -> Self {
        let mut bytes = [0; HEAD_BYTES];
        bytes.iter_mut().zip(name.as_bytes()).for_each(|(byte, of_name)| *byte = *of_name);
        Self { len: name.len(), bytes }
    }

    fn is_all(self) -> bool {
        self.len <= HEAD_BYTES
    }
}

/// The labels of an entry.
#[derive(Debug)]
pub(crate) struct Labels<'e> {
    stream: &'e LabelSet,
    text: String,
    slots: Vec<Slot>,
    /// Where the slots of names are, by hash, once there are many.
    places: HashMap<u64, u32>,
    /// So many slots are the entry's metadata.
    metadata: usize,
    error: Option<&'static str>,
    details: Option<String>,
    /// The error came from a parser, whose errors a query that groups by `__error__` may see.
    parser_failed: bool,
    /// For names that are put together.
    scratch: String,
}

fn span(start: usize, end: usize) -> Range<u32> {
    // A line has at most some megabytes, and no stage makes it grow without bound.
    start as u32..end as u32
}

fn of<'t>(text: &'t str, range: &Range<u32>) -> &'t str {
    text.get(range.start as usize..range.end as usize).unwrap_or_default()
}

impl<'e> Labels<'e> {
    pub(crate) fn new(stream: &'e LabelSet, metadata: &[(String, String)], mut buffers: LabelBuffers) -> Self {
        buffers.text.clear();
        buffers.slots.clear();
        buffers.places.clear();
        let mut labels = Self {
            stream,
            text: buffers.text,
            slots: buffers.slots,
            places: buffers.places,
            metadata: 0,
            error: None,
            details: None,
            parser_failed: false,
            scratch: buffers.name,
        };
        for (name, value) in metadata {
            let mut label = std::mem::take(&mut labels.scratch);
            label.clear();
            push_sanitized(&mut label, name);
            if stream.get(&label).is_some() {
                label.push_str(EXTRACTED);
            }
            // The first of a name counts.
            if !label.is_empty() && labels.slot(&label).is_none() {
                labels.push(&label, value);
            }
            labels.scratch = label;
        }
        labels.metadata = labels.slots.len();
        labels
    }

    /// Gives back what can be used for the next line.
    pub(crate) fn into_buffers(self) -> LabelBuffers {
        LabelBuffers { text: self.text, slots: self.slots, places: self.places, name: self.scratch }
    }

    fn slot(&self, name: &str) -> Option<usize> {
        if self.slots.len() >= MANY {
            let place = *self.places.get(&XxHash3_64::oneshot(name.as_bytes()))? as usize;
            return self.slots.get(place).filter(|slot| of(&self.text, &slot.name) == name).map(|_| place);
        }
        let head = Head::of(name);
        self.slots.iter().position(|slot| slot.head == head && (head.is_all() || of(&self.text, &slot.name) == name))
    }

    fn append(&mut self, text: &str) -> Range<u32> {
        let start = self.text.len();
        self.text.push_str(text);
        span(start, self.text.len())
    }

    fn push(&mut self, name: &str, value: &str) -> usize {
        let head = Head::of(name);
        let name = self.append(name);
        let value = self.append(value);
        self.slots.push(Slot { head, name, value, is_gone: false, is_parsed: false });
        // A line may have thousands of fields; of few, looking at each is quicker.
        let first_new = match self.slots.len() {
            MANY => 0,
            more if more > MANY => more - 1,
            _ => self.slots.len(),
        };
        for (place, slot) in self.slots.iter().enumerate().skip(first_new) {
            let hash = XxHash3_64::oneshot(of(&self.text, &slot.name).as_bytes());
            self.places.insert(hash, place as u32);
        }
        self.slots.len() - 1
    }

    /// Its value, if it is there. `__error_details__` cannot be read, as in Loki.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if name.starts_with("__error") {
            if name == ERROR {
                return self.error;
            }
            if name == ERROR_DETAILS {
                return None;
            }
        }
        match self.slot(name) {
            Some(place) => self.slots.get(place).filter(|slot| !slot.is_gone).map(|slot| of(&self.text, &slot.value)),
            None => self.stream.get(name),
        }
    }

    /// Its value for a template, which may see the details of an error.
    pub(crate) fn get_for_template(&self, name: &str) -> Option<&str> {
        if name == ERROR_DETAILS { self.details.as_deref() } else { self.get(name) }
    }

    /// Sets it, whatever was there.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.slot(name) {
            Some(place) => {
                let value = self.append(value);
                if let Some(slot) = self.slots.get_mut(place) {
                    slot.value = value;
                    slot.is_gone = false;
                }
            }
            None => {
                self.push(name, value);
            }
        }
    }

    /// Takes it away.
    pub(crate) fn remove(&mut self, name: &str) {
        match self.slot(name) {
            Some(place) => {
                if let Some(slot) = self.slots.get_mut(place) {
                    slot.is_gone = true;
                }
            }
            None if self.stream.get(name).is_some() => {
                let place = self.push(name, "");
                if let Some(slot) = self.slots.get_mut(place) {
                    slot.is_gone = true;
                }
            }
            None => {}
        }
    }

    /// The stream or the metadata has it, even if a stage took it away.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.stream.get(name).is_some()
            || self
                .slots
                .iter()
                .take(self.metadata)
                .any(|slot| slot.name.len() == name.len() && of(&self.text, &slot.name) == name)
    }

    /// The name under which a parser's field is to be found: `field`, or with `_extracted`.
    fn given_or<'n>(&self, field: &'n str, scratch: &'n mut String) -> &'n str {
        if self.is_given(field) {
            scratch.clear();
            scratch.push_str(field);
            scratch.push_str(EXTRACTED);
            scratch
        } else {
            field
        }
    }

    /// A parser found a field, whose name is a label's already; `fill` writes its value. The first of a name counts. Says the
    /// name under which it was set.
    pub(super) fn parse_first(&mut self, field: &str, wants: impl FnOnce(&str) -> bool, fill: impl FnOnce(&mut String)) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let name = self.given_or(field, &mut scratch);
        let place = self.slot(name);
        let is_new = place.and_then(|place| self.slots.get(place)).is_none_or(|slot| !slot.is_parsed);
        let is_set = is_new && wants(name);
        if is_set {
            self.parsed(name, place, fill);
        }
        self.scratch = scratch;
        is_set
    }

    /// The same, but the last of a name counts.
    pub(super) fn parse_last(&mut self, field: &str, fill: impl FnOnce(&mut String)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let name = self.given_or(field, &mut scratch);
        let place = self.slot(name);
        self.parsed(name, place, fill);
        self.scratch = scratch;
    }

    fn parsed(&mut self, name: &str, place: Option<usize>, fill: impl FnOnce(&mut String)) {
        let place = place.unwrap_or_else(|| self.push(name, ""));
        let start = self.text.len();
        fill(&mut self.text);
        let value = span(start, self.text.len());
        if let Some(slot) = self.slots.get_mut(place) {
            slot.value = value;
            slot.is_gone = false;
            slot.is_parsed = true;
        }
    }

    /// Something went wrong. The last of several counts.
    pub(super) fn fail(&mut self, kind: &'static str, details: Option<String>) {
        self.error = Some(kind);
        self.details = details.or_else(|| self.details.take());
    }

    /// A parser could not read the line.
    pub(super) fn fail_parsing(&mut self, kind: &'static str, details: Option<String>) {
        self.fail(kind, details);
        self.parser_failed = true;
    }

    pub(crate) fn error(&self) -> Option<&'static str> {
        self.error
    }

    pub(crate) fn details(&self) -> Option<&str> {
        self.details.as_deref()
    }

    pub(crate) fn parser_failed(&self) -> bool {
        self.parser_failed
    }

    pub(super) fn forget_error(&mut self) {
        self.error = None;
    }

    pub(super) fn forget_details(&mut self) {
        self.details = None;
    }

    /// Keeps those that `keeps` says yes to.
    pub(super) fn retain(&mut self, keeps: impl Fn(&str, &str) -> bool) {
        let Self { text, slots, .. } = self;
        for slot in slots.iter_mut() {
            slot.is_gone |= !keeps(of(text, &slot.name), of(text, &slot.value));
        }
        let stream = self.stream;
        for (name, value) in stream.iter() {
            if self.slot(name).is_none() && !keeps(name, value) {
                self.remove(name);
            }
        }
    }

    /// Calls `visit` with each label that is there, but for errors.
    fn visit<'l>(&'l self, mut visit: impl FnMut(&'l str, &'l str)) {
        for (name, value) in self.stream.iter() {
            if self.slots.is_empty() || self.slot(name).is_none() {
                visit(name, value);
            }
        }
        for slot in self.slots.iter().filter(|slot| !slot.is_gone) {
            visit(of(&self.text, &slot.name), of(&self.text, &slot.value));
        }
    }

    /// Those of these names that are there.
    pub(crate) fn pick(&self, names: &std::collections::BTreeSet<String>) -> LabelSet {
        names.iter().filter_map(|name| Some((name, self.get_for_template(name)?))).collect()
    }

    /// All of them that `keeps` says yes to, errors too.
    pub(crate) fn to_set(&self, keeps: impl Fn(&str) -> bool) -> LabelSet {
        if self.slots.is_empty() && self.error.is_none() && self.stream.iter().all(|(name, _)| keeps(name)) {
            return self.stream.clone();
        }
        let mut pairs = Vec::with_capacity(self.stream.len() + self.slots.len() + 2);
        self.visit(|name, value| {
            if keeps(name) {
                pairs.push((name, value));
            }
        });
        // Details of an error that was dropped stay, but are only seen where a stage has made or taken a label.
        let details = self.details.as_deref().filter(|_| self.error.is_some() || !self.slots.is_empty());
        let errors = [(ERROR, self.error), (ERROR_DETAILS, details)];
        pairs.extend(errors.into_iter().filter_map(|(name, value)| Some((name, value.filter(|_| keeps(name))?))));
        pairs.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_labels_are_found_as_few_are() {
        let stream: LabelSet = [("app", "x")].into_iter().collect();
        let mut labels = Labels::new(&stream, &[], LabelBuffers::default());
        for round in 0..2 {
            for number in 0..MANY * 3 {
                let is_new = labels.parse_first(&format!("l{number}"), |_| true, |value| value.push_str(&number.to_string()));
                assert_eq!(is_new, round == 0, "{number}");
            }
        }
        labels.set("l7", "seven");
        labels.remove("l100");
        labels.remove("app");
        assert_eq!(
            (labels.get("l7"), labels.get("l100"), labels.get("l191"), labels.get("l192")),
            (Some("seven"), None, Some("191"), None)
        );
        assert_eq!(labels.to_set(|_| true).len(), MANY * 3 - 1);
    }

    #[test]
    fn an_entry_that_no_stage_touches_has_its_streams_labels() {
        let stream: LabelSet = [("app", "x"), ("user", "given")].into_iter().collect();
        let metadata = [("user".to_owned(), "meta".to_owned()), ("a.b".to_owned(), "c".to_owned())];
        assert_eq!(Labels::new(&stream, &[], LabelBuffers::default()).to_set(|_| true), stream);
        let labels = Labels::new(&stream, &metadata, LabelBuffers::default()).to_set(|name| name != "app");
        assert_eq!(labels.to_string(), r#"{a_b="c", user="given", user_extracted="meta"}"#);
    }
}
