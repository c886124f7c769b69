//! What becomes of alerts: they go to Alertmanagers, or people are told by the embedded router.
//!
//! [`notifier`] is the way in. Towards Alertmanagers there is [`alertmanager`]. The embedded router is, in the order in which an
//! alert goes: [`config`] (Alertmanager's own file), [`route`], [`group`], then at each look of a group [`inhibit`], [`mute`],
//! [`silence`] and [`decide`], all of which [`dispatch`] brings together without I/O and without a clock; [`template`] makes texts of
//! a notification and [`receiver`] sends it; [`router`] is what runs, [`state`] (in a [`state_file`]) what survives a restart, [`api`] and [`metrics`] what
//! others see.

pub mod alert;
pub mod alertmanager;
pub mod api;
pub mod clock;
pub mod config;
pub mod decide;
pub mod dispatch;
pub mod group;
pub mod http;
pub mod inhibit;
pub mod matcher;
pub mod metrics;
pub mod mute;
pub mod notifier;
pub mod receiver;
pub mod route;
pub mod router;
pub mod silence;
pub mod state;
pub mod state_file;
pub mod template;
