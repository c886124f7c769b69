//! The journal, with a real systemd-journald and a real sshd: whatever happens to journald's files, the agent ships what journalctl reads,
//! once, at its time.
//!
//! A test is a story as in `chaos`; journald has a node of its own, whose tree is the agent's `--path-rootfs`. Where one belongs: `load`
//! (it is written while files are rotated and deleted, and the agent dies), `flush` (from memory to the disk), `missing` (deleted
//! unread, damaged), `messages` (of every shape, and from every user), `clock` (it is set, and the machine starts anew), `login` (sshd, and
//! who pretends to be it), `selection` (who takes what, and its labels), `refused` (by its destination), `command` (a dry run).
//!
//! Variables as in `chaos`; `PICKET_OPENSSH` as in `tests/run`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod clock;
mod command;
mod flush;
mod load;
mod login;
mod messages;
mod missing;
mod refused;
mod selection;
mod stage;

use tests::scene;
