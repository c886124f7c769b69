//! What is known of a line's JSON so far, for all who ask for paths in it: each object is read at most once, and only when
//! something in it is asked for.

use record::json::Scanner;

use super::json_scan::{Fault, Go, Kind, Member, Value, elements, members, token};

/// An object or array that was read.
#[derive(Clone, Copy, Debug)]
struct Container {
    /// Where it begins in the line.
    start: u32,
    /// Its members, among all.
    first: u32,
    end: u32,
    /// Its last member does not end, for this reason.
    fault: Option<Fault>,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PathPart {
    /// A member's name.
    Name(String),
    /// An element's place.
    Place(usize),
}

/// Of one line. Empty it knows nothing; it must be emptied before the next line.
#[derive(Debug, Default)]
pub(crate) struct JsonIndex {
    containers: Vec<Container>,
    members: Vec<Member>,
}

/// What stands at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    Value(Value),
    /// Something that does not end.
    Broken(Fault),
}

impl JsonIndex {
    /// Forgets the line.
    pub(crate) fn clear(&mut self) {
        self.containers.clear();
        self.members.clear();
    }

    fn container(&mut self, text: &[u8], start: usize, kind: Kind) -> Container {
        if let Some(known) = self.containers.iter().find(|known| known.start as usize == start) {
            return *known;
        }
        let first = self.members.len();
        let mut fault = None;
        if kind == Kind::Array {
            elements(text, start, |value| {
                self.members.push(Member { key: (0, 0), key_has_escapes: false, value });
                Go::On
            });
        } else if !self.well_formed(text, start) {
            let read = members(text, start, |member| {
                self.members.push(member);
                Go::On
            });
            if let Err((why, Some(member))) = read {
                self.members.push(member);
                fault = Some(why);
            }
        }
        let container = Container { start: start as u32, first: first as u32, end: self.members.len() as u32, fault };
        self.containers.push(container);
        container
    }

    /// Reads the members of a well-formed object, at several bytes an instruction; of another none, and says so.
    fn well_formed(&mut self, text: &[u8], start: usize) -> bool {
        let first = self.members.len();
        let mut scanner = Scanner::new(text.get(start..).unwrap_or_default());
        let read = scanner.object(|scanner, key| {
            let raw = scanner.value()?;
            let end = start + scanner.position();
            let (inside, kind) = Kind::found(raw.kind());
            let value = Value { kind, start: (end - raw.bytes().len() + inside) as u32, end: (end - inside) as u32 };
            let key_start = start + key.start() + 1;
            let key_has_escapes = memchr::memchr(b'\\', key.raw()).is_some();
            self.members.push(Member { key: (key_start as u32, (key_start + key.raw().len()) as u32), key_has_escapes, value });
            Ok(())
        });
        if read.is_err() {
            self.members.truncate(first);
        }
        read.is_ok()
    }

    /// The value at the end of a path. Of a name that stands twice the first counts.
    pub(super) fn find(&mut self, text: &[u8], path: &[PathPart]) -> Found {
        let Some(start) = token(text, 0) else { return Found::Nothing };
        let kind = match text.get(start) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            _ => return Found::Nothing,
        };
        let mut value = Value { kind, start: start as u32, end: text.len() as u32 };
        let mut fault = None;
        for part in path {
            let wanted = match part {
                PathPart::Name(_) => Kind::Object,
                PathPart::Place(_) => Kind::Array,
            };
            if value.kind != wanted {
                return Found::Nothing;
            }
            let container = self.container(text, value.start as usize, wanted);
            let members = self.members.get(container.first as usize..container.end as usize).unwrap_or_default();
            let place = match part {
                PathPart::Name(name) => members.iter().position(|member| is_named(text, member, name)),
                PathPart::Place(place) => (*place < members.len()).then_some(*place),
            };
            let Some((place, member)) = place.and_then(|place| Some((place, members.get(place)?))) else { return Found::Nothing };
            fault = container.fault.filter(|_| place + 1 == members.len());
            value = member.value;
        }
        match fault {
            Some(fault) => Found::Broken(fault),
            None => Found::Value(value),
        }
    }
}

fn is_named(text: &[u8], member: &Member, name: &str) -> bool {
    let key = text.get(member.key.0 as usize..member.key.1 as usize).unwrap_or_default();
    if !member.key_has_escapes {
        return key == name.as_bytes();
    }
    let mut meaning = Vec::with_capacity(key.len());
    record::json::unescape(key, &mut meaning);
    meaning == name.as_bytes()
}
