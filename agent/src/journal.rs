//! The systemd journal, read from its files alone: no libsystemd, no journalctl.
//!
//! In: bytes of journal files. Out: entries with the fields that are wanted, and their order among files. Nothing here knows a lane
//! or a destination.

pub mod file;
pub mod order;
