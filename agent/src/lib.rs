//! The agent: reads a node's logs and ships them, every line once in effect. The modules stand in the order the data flows.

pub mod catalogue;
pub mod cli;
pub mod config;
pub mod detect;
pub mod pipeline;

pub mod changes;
pub mod collector;
pub mod host_root;
pub mod journal;
pub mod relabel;
pub mod scrape;
pub mod tail;
pub mod wake;

pub mod compare;
pub mod measure;
pub mod target;

pub mod batch;
pub mod kubelet;
pub mod lane;
pub mod shape;
pub mod sink;

pub mod checkpoint;
pub mod ledger;
pub mod position_log;
pub mod sample_spool;
pub mod spool;

pub mod listener;
pub mod metrics;
pub mod status;
