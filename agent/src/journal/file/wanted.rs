//! Which fields of an entry are read, and how much of each.

use super::damage::Flaw;

/// No value is longer, whatever its limit says.
pub const HARD_LIMIT: usize = 64 << 20;
/// The journal takes no longer names.
pub(super) const LONGEST_NAME: usize = 64;

/// A wanted field, by its place in [`Wanted::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// The fields that are read; all others cost next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    fields: Vec<Field>,
    limits: usize,
}

#[derive(Clone, Debug)]
struct Field {
    name: Box<[u8]>,
    limit: usize,
}

impl Wanted {
    /// Wants these fields, each with the most bytes of a value that are read. The first is `FieldId(0)`, and so on. Of a name that
    /// comes twice, the second is never found; of names, the first 65,534 count.
    pub fn new(fields: &[(&str, usize)]) -> Self {
        let field = |&(name, limit): &(&str, usize)| Field { name: name.as_bytes().into(), limit: limit.min(HARD_LIMIT) };
        let fields: Vec<Field> = fields.iter().take(usize::from(u16::MAX - 1)).map(field).collect();
        let limits = fields.iter().map(|field| field.limit).sum();
        Self { fields, limits }
    }

    /// How many fields are wanted.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// All limits together.
    pub(super) fn limits(&self) -> usize {
        self.limits
    }

    /// The field of this name, and the most bytes that are read of its values.
    pub(super) fn find(&self, name: &[u8]) -> Option<(FieldId, usize)> {
        let at = self.fields.iter().position(|field| *field.name == *name)?;
        Some((FieldId(at as u16), self.fields.get(at)?.limit))
    }
}

/// The name at the beginning of a payload.
pub(super) fn name(payload: &[u8]) -> Result<&[u8], Flaw> {
    let head = payload.get(..=LONGEST_NAME).unwrap_or(payload);
    match memchr::memchr(b'=', head) {
        Some(end) => Ok(&head[..end]), // `end` was found in it
        None => Err(Flaw::Name),
    }
}
