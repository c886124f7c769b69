//! Notification against others: doubles of Slack, webhooks, Alertmanager and a mail server on loopback, and Debian's Alertmanager
//! where it is installed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod differential;
mod double;
mod mail;
mod real;
mod shipped;
mod told;
mod trust;
