//! The systemd journal, read from its files alone: no libsystemd, no journalctl.
//!
//! In: bytes of journal files. Out: entries with the fields that are wanted, their order among files, what is missing between them,
//! and whose they are. Nothing here knows a lane or a destination.

pub mod continuity;
pub mod file;
pub mod order;
pub mod selection;
pub mod unit;
