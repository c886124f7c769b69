//! What can be asked of the companion: `/metrics`, the read API in Loki's, Prometheus' and Alertmanager's words, silences, and a page
//! for people. `server` has the sockets, `site` says who answers which path.

pub mod answer;
pub mod loki;
pub mod metrics;
pub mod page;
pub mod parameters;
pub mod server;
pub mod tls;
