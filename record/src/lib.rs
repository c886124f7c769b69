//! One log format a file: line in; time, structured metadata and text out. Pure: no files, no sockets, no clock.
//!
//! What a line gives depends on nothing but the line and the options, so a line that is read again after a crash is
//! sent again byte for byte. No function panics on any input, none allocates once its buffers are warm.

// What all formats stand on.
pub mod json;
pub mod metadata;
pub mod time;

// What a structured line gives, then the formats.
pub mod cri;
pub mod docker;
pub mod event;
pub mod journal_json;
pub mod json_line;
pub mod kube_audit;
pub mod vault_audit;

// What plain messages of the journal say.
pub mod netfilter;
pub mod sshd;

// What becomes of an event that is too long for where it goes.
pub mod reduce;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod fixtures;
