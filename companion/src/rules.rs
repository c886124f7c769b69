//! Rules: how they are filled in, and what they need in order to see anything.

pub mod audit_policy;
pub mod render;
