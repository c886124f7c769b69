//! What the benches share: inputs of a given shape, a receiver that only counts, and what a process cost.
//!
//! Each program in `bin/` measures some rows of the README's table. Figures are of processor time where they can be, so
//! that other work on the machine counts less; they are printed, never asserted.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench ends when what it needs is not there")]
#![expect(clippy::missing_panics_doc, reason = "everything here panics when what it needs is not there")]

pub mod audit;
pub mod inputs;
pub mod peers;
pub mod process;
pub mod receiver;
pub mod rules;
pub mod subject;
