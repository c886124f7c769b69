//! What crosses the wire: Loki push, samples of metrics, labels, text exposition, and what an answer of the server means. Encodes and decodes; opens no
//! socket.

pub mod exposition;
mod http_answer;
pub mod labels;
pub mod loki;
pub mod metric;
pub mod remote_write;
pub mod snappy;
pub mod time;
