//! The companion: rules over logs, evaluated as events arrive, and the notifications that follow.
//!
//! In the order in which an event goes: `intake` takes pushes, `window` keeps entries for a while, `rules` counts what each rule
//! asks for (in the language of `logql`) and turns it into alerts, `notify` tells people. `web` answers questions about all of
//! it. `entry` and `labels` are what they pass to each other.

pub mod entry;
pub mod labels;
pub mod logql;
pub mod notify;
