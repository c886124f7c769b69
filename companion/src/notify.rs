//! What becomes of alerts.

pub mod alert;
pub mod config;
pub mod decide;
pub mod dispatch;
pub mod group;
pub mod http;
pub mod inhibit;
pub mod matcher;
pub mod mute;
pub mod receiver;
pub mod route;
pub mod silence;
pub mod template;
