//! What can be asked of the companion: `/metrics`, the read API in Loki's, Prometheus' and Alertmanager's words, silences, and a page
//! for people. `server` has the sockets, `site` says who answers which path, and the rest is a file for each kind of question.

pub mod answer;
pub mod loki;
pub mod page;
pub mod parameters;
pub mod prometheus;
pub mod reading;
pub mod server;
pub mod site;
pub mod tls;
pub mod view;
