//! Loki's limits on a push as they are by default, so that what would be refused need not be sent.
//!
//! An operator may set others on the server (`limits_config`); its answer then says so. Source: the reference of
//! Loki's configuration, section `limits_config`, Loki 3.

use std::time::Duration;

/// Bytes of one line (`max_line_size`); metadata is not counted. A longer one is refused, the rest of the request stored.
pub const LINE_BYTES: usize = 256 << 10;

/// Labels of one stream (`max_label_names_per_series`), `service_name` not counted. A stream with more is refused.
pub const LABELS: usize = 15;

/// Bytes of a label's name (`max_label_name_length`). A stream with a longer one is refused.
pub const LABEL_NAME_BYTES: usize = 1024;

/// Bytes of a label's value (`max_label_value_length`). A stream with a longer one is refused.
pub const LABEL_VALUE_BYTES: usize = 2048;

/// Bytes of names and values of one entry's metadata (`max_structured_metadata_size`). An entry with more is refused.
pub const METADATA_BYTES: usize = 64 << 10;

/// Pairs of one entry's metadata (`max_structured_metadata_entries_count`). An entry with more is refused.
pub const METADATA_PAIRS: usize = 128;

/// Age of an entry when it arrives (`reject_old_samples_max_age`). An older one is refused.
pub const AGE: Duration = Duration::from_hours(7 * 24);

/// How far ahead of the server's clock an entry may be (`creation_grace_period`). One beyond is refused.
pub const AHEAD: Duration = Duration::from_mins(10);

/// How far an entry may be behind the newest of its stream: half of the ingester's `max_chunk_age`. One beyond is refused.
pub const BEHIND: Duration = Duration::from_hours(1);

/// Bytes of lines and metadata a second and tenant (`ingestion_rate_mb`). A request above is answered 429, nothing stored.
pub const RATE_BYTES: usize = 4 << 20;

/// Bytes that a tenant may send at once (`ingestion_burst_size_mb`). A request above this can never pass.
pub const BURST_BYTES: usize = 6 << 20;

/// Bytes a second and stream (`per_stream_rate_limit`). A stream above is answered 429, the other streams are stored.
pub const STREAM_RATE_BYTES: usize = 3 << 20;

/// Bytes that a stream may take at once (`per_stream_rate_limit_burst`).
pub const STREAM_BURST_BYTES: usize = 15 << 20;

/// Active streams of a tenant (`max_global_streams_per_user`). New ones above are answered 429 until others go idle.
pub const STREAMS: usize = 5000;

/// Bytes of a whole request as sent (the distributor's `max_recv_msg_size`). A larger one is answered 413; proxies in
/// front often allow 1 to 8 MB only.
pub const REQUEST_BYTES: usize = 100 << 20;

/// The status of a tenant whose ingestion is blocked (`block_ingestion_status_code`). Though a 2xx, nothing is stored.
pub const BLOCKED_STATUS: u16 = 260;
