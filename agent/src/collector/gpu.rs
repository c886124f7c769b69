//! GPUs, by NVIDIA's library NVML, under dcgm-exporter's names: its default counters as far as NVML has them, and the common extras.
//!
//! The library is loaded when the program runs; where it is missing, or has no driver, that is said once and looked at again every
//! minute. What a card does not support is left out, never 0. Xid errors are heard in a thread of their own (`xid.rs`); whose memory it is
//! say the processes' control groups (`processes.rs`).
//! In: NVML's answers (nvml.h). Out: samples of the target `dcgm-exporter`.

mod card;
mod fields;
mod processes;
mod rest;
mod xid;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use proto::metric::{Desc, Families, UnixMillis};
use tracing::{debug, info, warn};

use super::host::Host;
use super::seldom::Seldom;
use crate::config::checked::HostLabel;
use crate::measure::Sampler;
use card::Card;
use fields::FIELDS;
use processes::Processes;
use rest::Rest;
use xid::XidEvents;

/// The library as the loader knows it.
pub const LIBRARY: &str = "libnvidia-ml.so.1";
/// Between two attempts to hear of XID errors.
const LISTEN_AGAIN: Duration = Duration::from_mins(1);

/// How GPUs are measured.
#[derive(Clone, Debug)]
pub struct GpuSettings {
    /// Whether there have to be some: otherwise nothing is said of a node without.
    pub is_expected: bool,
    /// The library: a name that the loader looks for, or a path.
    pub library: OsString,
    /// Value of the label for the host's name.
    pub hostname: String,
    /// Its name.
    pub host_label: HostLabel,
    /// Whether memory by pod is told apart by process too.
    pub pids: bool,
    /// Whether the library is closed while no process uses a card.
    pub close_when_idle: bool,
}

/// Every family that GPUs give.
pub fn families() -> impl Iterator<Item = &'static Desc> {
    FIELDS.iter().map(|field| field.desc).chain(xid::FAMILIES.iter().chain(processes::FAMILIES).copied())
}

/// The GPUs of this node.
pub struct Gpus {
    settings: GpuSettings,
    host: Host,
    processes: Processes,
    loaded: Option<Loaded>,
    rest: Option<Rest>,
    tried: Seldom,
    /// Why there are none, as it was said last; nothing while there are some.
    said: Option<String>,
    /// Whether there ever were some.
    is_here: bool,
    buffer: Vec<u8>,
}

/// The library, with a driver behind it.
struct Loaded {
    nvml: Arc<Nvml>,
    driver: String,
    xid: Option<XidEvents>,
    /// As they were when they answered last.
    cards: BTreeMap<u32, Card>,
}

/// What became of a sample.
#[derive(Clone, Copy)]
struct Sampled {
    cards: u32,
    /// Whether every card has answered.
    is_whole: bool,
    /// Whether no process uses any, and the driver lets go of what nobody uses.
    is_idle: bool,
}

impl Gpus {
    /// Nothing is loaded yet.
    pub fn new(settings: GpuSettings, host: &Host) -> Self {
        Self {
            processes: Processes::new(host, settings.pids),
            settings,
            host: host.clone(),
            loaded: None,
            rest: None,
            tried: Seldom::default(),
            said: None,
            is_here: false,
            buffer: Vec::new(),
        }
    }

    fn sample_cards(&mut self, out: &mut Families) -> Result<Sampled, NvmlError> {
        let loaded = match &mut self.loaded {
            Some(loaded) => loaded,
            none => none.insert(Loaded::new(&self.settings)?),
        };
        let cards = loaded.nvml.device_count()?;
        let mut sampled = Sampled { cards, is_whole: true, is_idle: cards > 0 };
        for index in 0..cards {
            let device = loaded.nvml.device_by_index(index).ok();
            let found =
                device.and_then(|device| Card::of(&device, index, &loaded.driver, &self.settings).map(|card| (device, card)));
            let Some((device, card)) = found else {
                sampled.is_whole = false;
                // One that has fallen off the bus does not even say who it was; why it is gone, the driver has said.
                if let (Some(card), Some(xid)) = (loaded.cards.get(&index), &loaded.xid) {
                    xid.sample(card, out);
                }
                continue;
            };
            let is_idle = sample_card(&device, &card, loaded.xid.as_ref(), &mut self.processes, out);
            sampled.is_idle &= is_idle && device.is_in_persistent_mode().is_ok_and(|is_kept| !is_kept);
            loaded.cards.insert(index, card);
        }
        Ok(sampled)
    }

    /// Once, at each change.
    fn say(&mut self, why_none: Option<String>, cards: u32) {
        match &why_none {
            None if self.said.is_some() || !self.is_here => info!(cards, "GPUs are measured"),
            Some(why) if self.said != why_none && (self.is_here || self.settings.is_expected) => {
                warn!("no GPU is measured: {why}; looking again each minute");
            }
            _ => {}
        }
        self.said = why_none;
    }
}

impl Loaded {
    fn new(settings: &GpuSettings) -> Result<Self, NvmlError> {
        let nvml = Arc::new(Nvml::builder().lib_path(&settings.library).init()?);
        let driver = nvml.sys_driver_version().unwrap_or_default();
        let xid = XidEvents::start(&nvml, LISTEN_AGAIN);
        Ok(Self { nvml, driver, xid, cards: BTreeMap::new() })
    }

    /// Returns when nobody here uses the library any more.
    fn close(self) {
        if let Some(xid) = self.xid {
            xid.end();
        }
    }
}

impl Sampler for Gpus {
    fn sample(&mut self, now: UnixMillis, out: &mut Families) -> bool {
        if let Some(rest) = &mut self.rest {
            if !rest.is_over(now, &mut self.buffer) {
                return true;
            }
            debug!("the library is opened again");
            self.rest = None;
        } else if self.loaded.is_none() && !self.tried.is_due(now) {
            return false;
        }
        match self.sample_cards(out) {
            Ok(sampled) => {
                let why_none = (sampled.cards == 0).then(|| "the driver knows no card".to_owned());
                self.say(why_none, sampled.cards);
                self.is_here |= sampled.cards > 0;
                if self.settings.close_when_idle
                    && sampled.is_whole
                    && sampled.is_idle
                    && let Some(loaded) = self.loaded.take()
                {
                    debug!("no process uses a GPU; the library is closed");
                    loaded.close();
                    self.rest = Some(Rest::begin(&self.host, now));
                }
                sampled.is_whole
            }
            Err(error) => {
                // Where the driver was taken away, the library has to be loaded anew.
                self.loaded = None;
                self.say(Some(explain(&error)), 0);
                false
            }
        }
    }

    fn is_here(&self) -> bool {
        self.is_here || self.settings.is_expected
    }

    fn missing(&self) -> Vec<String> {
        let is_measured = self.loaded.is_some() || self.rest.is_some();
        let of_processes = if is_measured { self.processes.missing() } else { None };
        self.said.iter().cloned().chain(of_processes).collect()
    }
}

/// A card and its instances; says whether certainly no process uses it.
fn sample_card(device: &Device<'_>, card: &Card, xid: Option<&XidEvents>, processes: &mut Processes, out: &mut Families) -> bool {
    sample_fields(device, card, out);
    if let Some(xid) = xid {
        xid.sample(card, out);
    }
    if !device.mig_mode().is_ok_and(|mode| mode.current == 1) {
        return processes.sample(device, card, out);
    }
    let mut is_idle = true;
    for place in 0..device.mig_device_count().unwrap_or(0) {
        // There are gaps in the numbers.
        if let Ok(instance) = device.mig_device_by_index(place) {
            let card = card.instance(&instance, place);
            sample_fields(&instance, &card, out);
            // The card lists the processes of all its instances once more.
            is_idle &= processes.sample(&instance, &card, out);
        }
    }
    is_idle
}

fn sample_fields(device: &Device<'_>, card: &Card, out: &mut Families) {
    for field in FIELDS {
        // What the card does not have, or not now, is left out.
        if let Ok(value) = (field.read)(device) {
            out.sample(field.desc, &card.values(), value);
        }
    }
}

/// Why there is nothing, in words that lead on.
/// The cards that a library knows, in words; why there are none otherwise.
pub fn look(library: &OsStr) -> Result<String, String> {
    let nvml = Nvml::builder().lib_path(library).init().map_err(|error| match error {
        NvmlError::LibloadingError(_) => "the library cannot be loaded".to_owned(),
        error => explain(&error),
    })?;
    let driver = nvml.sys_driver_version().unwrap_or_default();
    match nvml.device_count() {
        Ok(0) => Err("the driver knows no card".to_owned()),
        Ok(cards) => {
            let names = (0..cards).filter_map(|index| nvml.device_by_index(index).ok()?.name().ok());
            Ok(format!("{}, driver {driver}", names.collect::<Vec<_>>().join(", ")))
        }
        Err(error) => Err(explain(&error)),
    }
}

fn explain(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(error) => {
            format!("NVIDIA's library cannot be loaded ({error}); in a container it comes with RuntimeClass nvidia")
        }
        NvmlError::DriverNotLoaded => "NVIDIA's library is there, the driver is not loaded".to_owned(),
        NvmlError::FailedToLoadSymbol(symbol) => format!("NVIDIA's library is too old: {symbol}"),
        error => error.to_string(),
    }
}
