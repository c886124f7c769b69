//! GPUs, by NVIDIA's library NVML, under dcgm-exporter's names: its default counters as far as NVML has them, and the common extras.
//!
//! The library is loaded when the program runs; where it is missing, or has no driver, that is said once and looked at again every
//! minute. What a card does not support is left out, never 0. Xid errors are heard in a thread of their own (`xid.rs`); whose memory it is
//! say the processes' control groups (`processes.rs`).
//! In: NVML's answers (nvml.h). Out: samples of the target `dcgm-exporter`.

mod card;
mod fields;
mod processes;
mod xid;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use proto::metric::{Desc, Families, UnixMillis};
use tracing::{info, warn};

use super::host::Host;
use crate::config::checked::HostLabel;
use crate::measure::Sampler;
use card::Card;
use fields::FIELDS;
use processes::Processes;
use xid::XidEvents;

/// Between two attempts to load the library.
const TRY_AGAIN: Duration = Duration::from_mins(1);

/// How GPUs are measured.
#[derive(Clone, Debug)]
pub struct GpuSettings {
    /// The library: a name that the loader looks for, or a path.
    pub library: OsString,
    /// Value of the label for the host's name.
    pub hostname: String,
    /// Its name.
    pub host_label: HostLabel,
    /// Whether memory by pod is told apart by process too.
    pub pids: bool,
}

/// Every family that GPUs give.
pub fn families() -> impl Iterator<Item = &'static Desc> {
    FIELDS.iter().map(|field| field.desc).chain(xid::FAMILIES.iter().chain(processes::FAMILIES).copied())
}

/// The GPUs of this node.
pub struct Gpus {
    settings: GpuSettings,
    processes: Processes,
    loaded: Option<Loaded>,
    tried: Option<Instant>,
    /// What was said last.
    said: Option<String>,
}

/// The library, with a driver behind it.
struct Loaded {
    nvml: Arc<Nvml>,
    driver: String,
    xid: Option<XidEvents>,
}

impl Gpus {
    /// Nothing is loaded yet.
    pub fn new(settings: GpuSettings, host: &Host) -> Self {
        Self { processes: Processes::new(host, settings.pids), settings, loaded: None, tried: None, said: None }
    }

    /// Why there are none, if so: for a dry run.
    pub fn why_none(&mut self) -> Option<String> {
        match self.load() {
            Ok(_) => None,
            Err(error) => Some(explain(&error)),
        }
    }

    fn load(&mut self) -> Result<&Loaded, NvmlError> {
        if self.loaded.is_none() {
            let nvml = Arc::new(Nvml::builder().lib_path(&self.settings.library).init()?);
            let driver = nvml.sys_driver_version().unwrap_or_default();
            let cards = nvml.device_count()?;
            info!(driver, cards, "GPUs are measured");
            let xid = XidEvents::start(&nvml);
            self.said = None;
            self.loaded = Some(Loaded { nvml, driver, xid });
        }
        self.loaded.as_ref().ok_or(NvmlError::Uninitialized)
    }

    fn say(&mut self, what: String) {
        if self.said.as_ref() != Some(&what) {
            warn!("no GPU is measured: {what}");
            self.said = Some(what);
        }
    }
}

impl Sampler for Gpus {
    fn sample(&mut self, _: UnixMillis, out: &mut Families) -> bool {
        if self.loaded.is_none() && self.tried.is_some_and(|at| at.elapsed() < TRY_AGAIN) {
            return false;
        }
        self.tried = Some(Instant::now());
        let counted = self.load().and_then(|loaded| loaded.nvml.device_count());
        let count = match counted {
            Ok(count) => count,
            Err(error) => {
                // Where the driver was taken away, the library has to be loaded anew.
                self.loaded = None;
                self.say(explain(&error));
                return false;
            }
        };
        let Some(loaded) = &self.loaded else { return false };
        let mut is_whole = true;
        for index in 0..count {
            match loaded.nvml.device_by_index(index) {
                Ok(device) => {
                    let Some(card) = Card::of(&device, index, &loaded.driver, &self.settings) else { continue };
                    sample_card(&device, &card, loaded.xid.as_ref(), &mut self.processes, out);
                }
                Err(_) => is_whole = false,
            }
        }
        is_whole || count == 0
    }

    fn missing(&self) -> Vec<String> {
        let of_processes = if self.loaded.is_some() { self.processes.missing() } else { None };
        self.said.iter().cloned().chain(of_processes).collect()
    }
}

/// A card and its instances.
fn sample_card(device: &Device<'_>, card: &Card, xid: Option<&XidEvents>, processes: &mut Processes, out: &mut Families) {
    sample_fields(device, card, out);
    if let Some(xid) = xid {
        xid.sample(card, out);
    }
    if !device.mig_mode().is_ok_and(|mode| mode.current == 1) {
        processes.sample(device, card, out);
        return;
    }
    for place in 0..device.mig_device_count().unwrap_or(0) {
        // There are gaps in the numbers.
        if let Ok(instance) = device.mig_device_by_index(place) {
            let card = card.instance(&instance, place);
            sample_fields(&instance, &card, out);
            // The card lists the processes of all its instances once more.
            processes.sample(&instance, &card, out);
        }
    }
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
