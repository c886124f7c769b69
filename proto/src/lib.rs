//! What crosses the wire: Loki push, labels, and what an answer of the server means. Encodes and decodes; opens no socket.

pub mod time;
