//! What can be wrong with a journal file: as a whole, or at one of its entries.

use std::io;

use thiserror::Error;

/// Why a file is not read at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its first bytes could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is shorter than the shortest header.
    #[error("the file ends within its header: it may be about to be written")]
    TooShort,
    /// It does not begin as a journal file does.
    #[error("the file is no journal file: {0}")]
    NotAJournal(&'static str),
    /// Its format goes beyond what this reader knows.
    #[error("the journal file has incompatible flags that are not known: {0:#x}; a newer agent may know them")]
    UnknownFlags(u32),
    /// Another file stands where the one stood that was opened.
    #[error("another journal file was written over the one that was open")]
    Replaced,
}

/// An entry that cannot be read, at least not now: in a file that is being written the damage may be a write in progress.
#[derive(Debug, Error)]
#[error("entry {place} of the journal file cannot be read: at offset {offset}, {flaw}")]
pub struct Damaged {
    /// How many entries stand before it.
    pub place: u64,
    /// Where in the file the flaw is.
    pub offset: u64,
    /// How many entries are lost with it, itself included. More than one where the list of entries itself is damaged.
    pub missing: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong at a place of a file.
#[derive(Debug, Error)]
pub enum Flaw {
    /// The system could not read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file ends too early: cut, or not yet written.
    #[error("the file ends too early")]
    Short,
    /// No object can be at this offset.
    #[error("no object can be")]
    Offset,
    /// Another kind of object is there.
    #[error("an object of type {found} stands where one of type {expected} should")]
    Kind {
        /// The type that should be there.
        expected: u8,
        /// The type that is there.
        found: u8,
    },
    /// No object of its type can have this size.
    #[error("an object claims {0} bytes")]
    Size(u64),
    /// The list of entries has nothing where something should be: not yet written, or zeroed.
    #[error("the list of entries is empty")]
    Empty,
    /// The list of entries goes back to where it was.
    #[error("the list of entries goes in a circle")]
    Circle,
    /// The entry's number or its times cannot be.
    #[error("an entry's number or times cannot be")]
    Head,
    /// More fields than any writer lets through.
    #[error("an entry has {0} fields")]
    Fields(u64),
    /// No name at the beginning of a field.
    #[error("a field has no name")]
    Name,
    /// Compressed bytes that do not decompress.
    #[error("compressed bytes cannot be decompressed")]
    Compression,
}
