//! Files become records: which files there are, which of them are one log, and where in them each destination stands.
//!
//! In: paths and globs. Out: complete records with the place they came from. `identity`, `rotation` and `framing` are pure;
//! `chain` and
//! `catalog` know the files, `scout` looks for them, lanes read. Nothing under `tail` knows a destination or a network.

pub mod bounds;
pub mod catalog;
pub mod chain;
pub mod compressed;
pub mod discovery;
#[cfg(test)]
pub mod fixtures;
pub mod framing;
pub mod held;
pub mod identity;
pub mod inputs;
pub mod origin;
pub mod release;
pub mod rotation;
pub mod scout;
pub mod segment;
pub mod watch;
