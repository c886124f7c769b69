//! Xid errors, the driver's word for what goes wrong on a card: heard as events, kept as the last one and as counts.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use proto::metric::{Desc, Families};
use tracing::{debug, warn};

use super::card::{Card, labels_with};

/// How long the thread waits for an event before it looks whether it is to end, in milliseconds.
const WAIT_MS: u32 = 1000;
const STACK_BYTES: usize = 128 * 1024;

const LABELS: [&str; 12] = labels_with(["err_code", "err_msg"]);
static LAST: Desc = Desc::gauge("DCGM_FI_DEV_XID_ERRORS", "The last XID error; 0 if there was none since the start.", &LABELS);
static TOTAL: Desc =
    Desc::counter("picket_gpu_xid_errors_total", "XID errors since the start, by number.", &["gpu", "UUID", "xid"]);

/// What Xid errors give.
pub(super) const FAMILIES: &[&Desc] = &[&LAST, &TOTAL];

/// What a card has had.
#[derive(Debug, Default)]
struct Had {
    last: u64,
    counts: BTreeMap<u64, u64>,
}

/// The thread that listens, and what it has heard, by the card's UUID.
pub(super) struct XidEvents {
    heard: Arc<Mutex<BTreeMap<String, Had>>>,
    /// Dropped, it ends the thread.
    alive: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl XidEvents {
    /// Begins to listen; nothing where no card reports events, as in some virtual machines. A card that is lost ends the hearing of all:
    /// after `pause` it begins anew with those that are left.
    pub(super) fn start(nvml: &Arc<Nvml>, pause: Duration) -> Option<Self> {
        let heard: Arc<Mutex<BTreeMap<String, Had>>> = Arc::default();
        let (alive, ends) = sync_channel(0);
        let thread = {
            let (nvml, heard) = (Arc::clone(nvml), Arc::clone(&heard));
            move || {
                while let Err(error) = listen(&nvml, &heard, &ends) {
                    debug!(%error, "XID errors are not reported as events");
                    let is_for_good = matches!(error, NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_));
                    if is_for_good || ends.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("xid".to_owned()).stack_size(STACK_BYTES).spawn(thread).ok()?;
        Some(Self { heard, alive, thread })
    }

    /// Hears no more; returns when the thread has let go of the library, within a second.
    pub(super) fn end(self) {
        drop(self.alive);
        // A fault was said by the panic's own message.
        let _ = self.thread.join();
    }

    /// The samples of a card.
    pub(super) fn sample(&self, card: &Card, out: &mut Families) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let had = heard.get(card.uuid());
        let last = had.map_or(0, |had| had.last);
        let code = last.to_string();
        out.sample(&LAST, &card.values_with::<{ LABELS.len() }>(&[&code, name(last)]), last as f64);
        // From the beginning, or the first error would be no increase.
        let known = NAMES.iter().map(|(xid, _)| *xid).filter(|xid| *xid != 0);
        let others =
            had.iter().flat_map(|had| had.counts.keys().copied()).filter(|xid| !NAMES.iter().any(|(known, _)| known == xid));
        for xid in known.chain(others) {
            let count = had.and_then(|had| had.counts.get(&xid)).copied().unwrap_or(0);
            out.sample(&TOTAL, &[card.values()[0], card.uuid(), &xid.to_string()], count as f64);
        }
    }
}

/// Returns when it is to end.
fn listen(nvml: &Nvml, heard: &Mutex<BTreeMap<String, Had>>, ends: &Receiver<()>) -> Result<(), NvmlError> {
    let mut set = nvml.create_event_set()?;
    let (mut known, mut is_any_lost) = (BTreeMap::new(), false);
    for index in 0..nvml.device_count()? {
        let found = nvml.device_by_index(index).and_then(|device| Ok((device.uuid()?, device)));
        let Ok((uuid, device)) = found else {
            is_any_lost = true;
            continue;
        };
        if device.supported_event_types().is_ok_and(|kinds| kinds.contains(EventTypes::CRITICAL_XID_ERROR)) {
            set = device.register_events(EventTypes::CRITICAL_XID_ERROR, set).map_err(|failed| failed.error)?;
            known.insert(index, uuid);
        }
    }
    if known.is_empty() {
        // One that is lost may come back.
        return Err(if is_any_lost { NvmlError::GpuLost } else { NvmlError::NotSupported });
    }
    while ends.try_recv() != Err(TryRecvError::Disconnected) {
        let event = match set.wait(WAIT_MS) {
            Ok(event) => event,
            Err(NvmlError::Timeout) => continue,
            Err(error) => return Err(error),
        };
        let xid = match event.event_data {
            Some(XidError::Value(xid)) => xid,
            Some(XidError::Unknown) => 999,
            None => continue,
        };
        let uuid = event.device.uuid().unwrap_or_else(|_| silent(nvml, &known));
        warn!(uuid, xid, meaning = name(xid), "a GPU reports an XID error");
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let had = heard.entry(uuid).or_default();
        had.last = xid;
        *had.counts.entry(xid).or_default() += 1;
    }
    Ok(())
}

/// The card that answers no more: it is the one that an event speaks of whose card cannot say who it is.
fn silent(nvml: &Nvml, known: &BTreeMap<u32, String>) -> String {
    let is_silent = |index: u32| nvml.device_by_index(index).and_then(|device| device.uuid()).is_err();
    known.iter().find(|(index, _)| is_silent(**index)).map(|(_, uuid)| uuid.clone()).unwrap_or_default()
}

/// What NVIDIA's documentation calls an Xid; by number.
const NAMES: [(u64, &str); 22] = [
    (0, "No Error"),
    (8, "GPU stopped processing"),
    (13, "Graphics Engine Exception"),
    (31, "GPU memory page fault"),
    (32, "Invalid or corrupted push buffer stream"),
    (38, "Driver firmware error"),
    (43, "GPU stopped processing"),
    (45, "Preemptive cleanup, due to previous errors"),
    (48, "Double Bit ECC Error"),
    (61, "Internal micro-controller breakpoint/warning"),
    (62, "Internal micro-controller halt"),
    (63, "ECC page retirement or row remapping recording event"),
    (64, "ECC page retirement or row remapper recording failure"),
    (68, "NVDEC0 Exception"),
    (69, "Graphics Engine class error"),
    (74, "NVLINK Error"),
    (79, "GPU has fallen off the bus"),
    (92, "High single-bit ECC error rate"),
    (94, "Contained ECC error"),
    (95, "Uncontained ECC error"),
    (119, "GSP RPC Timeout"),
    (120, "GSP Error"),
];

fn name(xid: u64) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == xid).map_or("Unknown Error", |(_, name)| name)
}
