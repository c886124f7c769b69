//! The agent: reads a node's logs and ships them, every line once in effect. The modules stand in the order the data flows.

pub mod cli;
pub mod config;
pub mod detect;
