//! Rules: files of people → what is counted as events arrive → alerts, and which of them to tell.
//!
//! In the order in which it goes: `file` reads rule files (`duration` and `template` are what stands in them), `leaf` keeps what a
//! rule has counted, `timeline` says at which times a rule is evaluated, `alert` is the state of one alert and `alerts` those
//! of a rule, `engine` puts them together, `journal` is what must survive a crash and `state` the file of it, `status` is what the read API shows. `generated` makes rules that watch the sources.
//! `render` fills values into the sources of rules, and `audit_policy` says which of them a policy blinds.
//! `check` says what in rules can never fire, or fires for more than it seems to.
//! `unit_test` and `replay` drive the same engine over written and past events, which `log_format` reads. Nothing here reads a clock: the time is given.

pub mod audit_policy;
pub mod render;

pub mod duration;
pub mod file;
pub mod generated;
pub mod template;

pub mod alert;
pub mod alerts;
pub mod engine;
pub mod leaf;
pub mod timeline;

pub mod journal;
pub mod state;
pub mod status;

pub mod check;
pub mod log_format;
pub mod replay;
pub mod unit_test;
