//! Tests of the position log's records.
