//! Every family of `mountstats`, in the order of the numbers that they come from.

use proto::metric::Desc;

const LABELS: &[&str] = &["export", "protocol", "mountaddr"];
const TRANSPORT: &[&str] = &["export", "protocol", "mountaddr", "transport"];
const OPERATION: &[&str] = &["export", "protocol", "mountaddr", "operation"];

pub(super) static AGE: Desc =
    Desc::counter("node_mountstats_nfs_age_seconds_total", "Seconds since the export was mounted.", LABELS);
pub(super) static MOUNTPOINT: Desc = Desc::gauge(
    "node_mountstats_nfs_mountpoint_info",
    "Where the export is mounted.",
    &["export", "protocol", "mountaddr", "mountpoint"],
);

static READ: Desc = Desc::counter("node_mountstats_nfs_read_bytes_total", "Bytes that programs read.", LABELS);
static WRITE: Desc = Desc::counter("node_mountstats_nfs_write_bytes_total", "Bytes that programs wrote.", LABELS);
static DIRECT_READ: Desc =
    Desc::counter("node_mountstats_nfs_direct_read_bytes_total", "Bytes that programs read past the cache.", LABELS);
static DIRECT_WRITE: Desc =
    Desc::counter("node_mountstats_nfs_direct_write_bytes_total", "Bytes that programs wrote past the cache.", LABELS);
static TOTAL_READ: Desc = Desc::counter("node_mountstats_nfs_total_read_bytes_total", "Bytes read from the server.", LABELS);
static TOTAL_WRITE: Desc = Desc::counter("node_mountstats_nfs_total_write_bytes_total", "Bytes written to the server.", LABELS);
static READ_PAGES: Desc = Desc::counter("node_mountstats_nfs_read_pages_total", "Pages read by mmap and splice.", LABELS);
static WRITE_PAGES: Desc = Desc::counter("node_mountstats_nfs_write_pages_total", "Pages written by mmap and splice.", LABELS);

static EVENT_INODE_REVALIDATE: Desc = Desc::counter(
    "node_mountstats_nfs_event_inode_revalidate_total",
    "Cached attributes of inodes checked against the server's.",
    LABELS,
);
static EVENT_DNODE_REVALIDATE: Desc = Desc::counter(
    "node_mountstats_nfs_event_dnode_revalidate_total",
    "Cached directory entries checked against the server's.",
    LABELS,
);
static EVENT_DATA_INVALIDATE: Desc =
    Desc::counter("node_mountstats_nfs_event_data_invalidate_total", "Times that an inode's cached data were dropped.", LABELS);
static EVENT_ATTRIBUTE_INVALIDATE: Desc = Desc::counter(
    "node_mountstats_nfs_event_attribute_invalidate_total",
    "Times that an inode's cached attributes were dropped.",
    LABELS,
);
static EVENT_VFS_OPEN: Desc = Desc::counter("node_mountstats_nfs_event_vfs_open_total", "Files opened.", LABELS);
static EVENT_VFS_LOOKUP: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_lookup_total", "Names looked up in directories.", LABELS);
static EVENT_VFS_ACCESS: Desc = Desc::counter("node_mountstats_nfs_event_vfs_access_total", "Permissions checked.", LABELS);
static EVENT_VFS_UPDATE_PAGE: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_update_page_total", "Pages updated (and perhaps written).", LABELS);
static EVENT_VFS_READ_PAGE: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_read_page_total", "Pages read one by one.", LABELS);
static EVENT_VFS_READ_PAGES: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_read_pages_total", "Groups of pages read.", LABELS);
static EVENT_VFS_WRITE_PAGE: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_write_page_total", "Pages written one by one.", LABELS);
static EVENT_VFS_WRITE_PAGES: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_write_pages_total", "Groups of pages written.", LABELS);
static EVENT_VFS_GETDENTS: Desc = Desc::counter("node_mountstats_nfs_event_vfs_getdents_total", "Directories listed.", LABELS);
static EVENT_VFS_SETATTR: Desc = Desc::counter("node_mountstats_nfs_event_vfs_setattr_total", "Attributes set.", LABELS);
static EVENT_VFS_FLUSH: Desc = Desc::counter("node_mountstats_nfs_event_vfs_flush_total", "Files flushed.", LABELS);
static EVENT_VFS_FSYNC: Desc = Desc::counter("node_mountstats_nfs_event_vfs_fsync_total", "Files synced.", LABELS);
static EVENT_VFS_LOCK: Desc =
    Desc::counter("node_mountstats_nfs_event_vfs_lock_total", "Locks asked for on parts of files.", LABELS);
static EVENT_VFS_FILE_RELEASE: Desc = Desc::counter("node_mountstats_nfs_event_vfs_file_release_total", "Files closed.", LABELS);
static EVENT_TRUNCATION: Desc = Desc::counter("node_mountstats_nfs_event_truncation_total", "Files truncated.", LABELS);
static EVENT_WRITE_EXTENSION: Desc =
    Desc::counter("node_mountstats_nfs_event_write_extension_total", "Files extended by a write behind their end.", LABELS);
static EVENT_SILLY_RENAME: Desc = Desc::counter(
    "node_mountstats_nfs_event_silly_rename_total",
    "Open files removed, which are renamed until they are closed.",
    LABELS,
);
static EVENT_SHORT_READ: Desc =
    Desc::counter("node_mountstats_nfs_event_short_read_total", "Answers to reads with less than was asked for.", LABELS);
static EVENT_SHORT_WRITE: Desc =
    Desc::counter("node_mountstats_nfs_event_short_write_total", "Answers to writes that took less than was sent.", LABELS);
static EVENT_JUKEBOX_DELAY: Desc =
    Desc::counter("node_mountstats_nfs_event_jukebox_delay_total", "Answers by which the server asked for patience.", LABELS);
static EVENT_PNFS_READ: Desc = Desc::counter("node_mountstats_nfs_event_pnfs_read_total", "Reads over pNFS.", LABELS);
static EVENT_PNFS_WRITE: Desc = Desc::counter("node_mountstats_nfs_event_pnfs_write_total", "Writes over pNFS.", LABELS);

static TRANSPORT_BIND: Desc =
    Desc::counter("node_mountstats_nfs_transport_bind_total", "Times that the connection was given a port.", TRANSPORT);
static TRANSPORT_CONNECT: Desc =
    Desc::counter("node_mountstats_nfs_transport_connect_total", "Times that it was connected.", TRANSPORT);
static TRANSPORT_IDLE: Desc =
    Desc::gauge("node_mountstats_nfs_transport_idle_time_seconds", "Seconds since it was used.", TRANSPORT);
static TRANSPORT_SENDS: Desc = Desc::counter("node_mountstats_nfs_transport_sends_total", "Requests sent.", TRANSPORT);
static TRANSPORT_RECEIVES: Desc = Desc::counter("node_mountstats_nfs_transport_receives_total", "Answers received.", TRANSPORT);
static TRANSPORT_BAD_IDS: Desc =
    Desc::counter("node_mountstats_nfs_transport_bad_transaction_ids_total", "Answers to no known request.", TRANSPORT);
static TRANSPORT_BACKLOG: Desc = Desc::counter(
    "node_mountstats_nfs_transport_backlog_queue_total",
    "Requests that waited for a slot, summed up at each sending.",
    TRANSPORT,
);
static TRANSPORT_SLOTS: Desc =
    Desc::gauge("node_mountstats_nfs_transport_maximum_rpc_slots", "Slots that were in use at once, at most.", TRANSPORT);
static TRANSPORT_SENDING: Desc = Desc::counter(
    "node_mountstats_nfs_transport_sending_queue_total",
    "Requests that waited to be sent, summed up at each sending.",
    TRANSPORT,
);
static TRANSPORT_PENDING: Desc = Desc::counter(
    "node_mountstats_nfs_transport_pending_queue_total",
    "Requests that waited for an answer, summed up at each sending.",
    TRANSPORT,
);

static OPERATION_REQUESTS: Desc = Desc::counter("node_mountstats_nfs_operations_requests_total", "Requests.", OPERATION);
static OPERATION_TRANSMISSIONS: Desc =
    Desc::counter("node_mountstats_nfs_operations_transmissions_total", "Requests sent, with those sent again.", OPERATION);
static OPERATION_TIMEOUTS: Desc =
    Desc::counter("node_mountstats_nfs_operations_major_timeouts_total", "Requests that ran into a major timeout.", OPERATION);
static OPERATION_SENT: Desc =
    Desc::counter("node_mountstats_nfs_operations_sent_bytes_total", "Bytes sent, with all headers.", OPERATION);
static OPERATION_RECEIVED: Desc =
    Desc::counter("node_mountstats_nfs_operations_received_bytes_total", "Bytes received, with all headers.", OPERATION);
static OPERATION_QUEUE_TIME: Desc = Desc::counter(
    "node_mountstats_nfs_operations_queue_time_seconds_total",
    "Seconds that requests waited to be sent.",
    OPERATION,
);
static OPERATION_RESPONSE_TIME: Desc =
    Desc::counter("node_mountstats_nfs_operations_response_time_seconds_total", "Seconds from sending to the answer.", OPERATION);
static OPERATION_REQUEST_TIME: Desc = Desc::counter(
    "node_mountstats_nfs_operations_request_time_seconds_total",
    "Seconds from the request's making to its end.",
    OPERATION,
);

pub(super) static BYTES: [&Desc; 8] =
    [&READ, &WRITE, &DIRECT_READ, &DIRECT_WRITE, &TOTAL_READ, &TOTAL_WRITE, &READ_PAGES, &WRITE_PAGES];
/// In the kernel's order; nobody counts waiting for congestion any more.
pub(super) static EVENTS: [Option<&Desc>; 27] = [
    Some(&EVENT_INODE_REVALIDATE),
    Some(&EVENT_DNODE_REVALIDATE),
    Some(&EVENT_DATA_INVALIDATE),
    Some(&EVENT_ATTRIBUTE_INVALIDATE),
    Some(&EVENT_VFS_OPEN),
    Some(&EVENT_VFS_LOOKUP),
    Some(&EVENT_VFS_ACCESS),
    Some(&EVENT_VFS_UPDATE_PAGE),
    Some(&EVENT_VFS_READ_PAGE),
    Some(&EVENT_VFS_READ_PAGES),
    Some(&EVENT_VFS_WRITE_PAGE),
    Some(&EVENT_VFS_WRITE_PAGES),
    Some(&EVENT_VFS_GETDENTS),
    Some(&EVENT_VFS_SETATTR),
    Some(&EVENT_VFS_FLUSH),
    Some(&EVENT_VFS_FSYNC),
    Some(&EVENT_VFS_LOCK),
    Some(&EVENT_VFS_FILE_RELEASE),
    None,
    Some(&EVENT_TRUNCATION),
    Some(&EVENT_WRITE_EXTENSION),
    Some(&EVENT_SILLY_RENAME),
    Some(&EVENT_SHORT_READ),
    Some(&EVENT_SHORT_WRITE),
    Some(&EVENT_JUKEBOX_DELAY),
    Some(&EVENT_PNFS_READ),
    Some(&EVENT_PNFS_WRITE),
];
pub(super) static TRANSPORTS: [&Desc; 10] = [
    &TRANSPORT_BIND,
    &TRANSPORT_CONNECT,
    &TRANSPORT_IDLE,
    &TRANSPORT_SENDS,
    &TRANSPORT_RECEIVES,
    &TRANSPORT_BAD_IDS,
    &TRANSPORT_BACKLOG,
    &TRANSPORT_SLOTS,
    &TRANSPORT_SENDING,
    &TRANSPORT_PENDING,
];
/// The last three are seconds, of milliseconds.
pub(super) static OPERATIONS: [&Desc; 8] = [
    &OPERATION_REQUESTS,
    &OPERATION_TRANSMISSIONS,
    &OPERATION_TIMEOUTS,
    &OPERATION_SENT,
    &OPERATION_RECEIVED,
    &OPERATION_QUEUE_TIME,
    &OPERATION_RESPONSE_TIME,
    &OPERATION_REQUEST_TIME,
];

pub(in crate::collector) const FAMILIES: &[&Desc] = &[
    &AGE,
    &MOUNTPOINT,
    &READ,
    &WRITE,
    &DIRECT_READ,
    &DIRECT_WRITE,
    &TOTAL_READ,
    &TOTAL_WRITE,
    &READ_PAGES,
    &WRITE_PAGES,
    &EVENT_INODE_REVALIDATE,
    &EVENT_DNODE_REVALIDATE,
    &EVENT_DATA_INVALIDATE,
    &EVENT_ATTRIBUTE_INVALIDATE,
    &EVENT_VFS_OPEN,
    &EVENT_VFS_LOOKUP,
    &EVENT_VFS_ACCESS,
    &EVENT_VFS_UPDATE_PAGE,
    &EVENT_VFS_READ_PAGE,
    &EVENT_VFS_READ_PAGES,
    &EVENT_VFS_WRITE_PAGE,
    &EVENT_VFS_WRITE_PAGES,
    &EVENT_VFS_GETDENTS,
    &EVENT_VFS_SETATTR,
    &EVENT_VFS_FLUSH,
    &EVENT_VFS_FSYNC,
    &EVENT_VFS_LOCK,
    &EVENT_VFS_FILE_RELEASE,
    &EVENT_TRUNCATION,
    &EVENT_WRITE_EXTENSION,
    &EVENT_SILLY_RENAME,
    &EVENT_SHORT_READ,
    &EVENT_SHORT_WRITE,
    &EVENT_JUKEBOX_DELAY,
    &EVENT_PNFS_READ,
    &EVENT_PNFS_WRITE,
    &TRANSPORT_BIND,
    &TRANSPORT_CONNECT,
    &TRANSPORT_IDLE,
    &TRANSPORT_SENDS,
    &TRANSPORT_RECEIVES,
    &TRANSPORT_BAD_IDS,
    &TRANSPORT_BACKLOG,
    &TRANSPORT_SLOTS,
    &TRANSPORT_SENDING,
    &TRANSPORT_PENDING,
    &OPERATION_REQUESTS,
    &OPERATION_TRANSMISSIONS,
    &OPERATION_TIMEOUTS,
    &OPERATION_SENT,
    &OPERATION_RECEIVED,
    &OPERATION_QUEUE_TIME,
    &OPERATION_RESPONSE_TIME,
    &OPERATION_REQUEST_TIME,
];
