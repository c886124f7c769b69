//! Loki's push protocol: the request as bytes, and what the answer means for each entry of it.
//!
//! In the order of use: `metadata` and `push` build requests on the hot path, `decode` reads and splits them again, `answer` says what
//! to do after the server spoke, `attribution` says which entries it refused.

pub mod answer;
pub mod attribution;
pub mod decode;
mod fields;
pub mod limits;
pub mod metadata;
pub mod push;
pub(crate) mod text;
pub mod wire;
