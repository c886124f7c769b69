//! Which card a sample is of: dcgm-exporter's labels.

use nvml_wrapper::Device;

use super::GpuSettings;
use crate::config::checked::HostLabel;

/// dcgm-exporter's labels, in its order.
pub(super) const LABELS: [&str; 10] = [
    "gpu",
    "UUID",
    "pci_bus_id",
    "device",
    "modelName",
    "GPU_I_PROFILE",
    "GPU_I_ID",
    "Hostname",
    "hostname",
    "DCGM_FI_DRIVER_VERSION",
];

/// The same with further ones behind them.
pub(super) const fn labels_with<const MORE: usize, const ALL: usize>(more: [&'static str; MORE]) -> [&'static str; ALL] {
    assert!(LABELS.len() + MORE == ALL);
    let mut all = [""; ALL];
    let mut place = 0;
    while place < ALL {
        all[place] = if place < LABELS.len() { LABELS[place] } else { more[place - LABELS.len()] };
        place += 1;
    }
    all
}

/// A card, or an instance of one.
pub(super) struct Card {
    values: [String; LABELS.len()],
}

impl Card {
    /// Nothing if the card does not even say who it is.
    pub(super) fn of(device: &Device<'_>, index: u32, driver: &str, settings: &GpuSettings) -> Option<Self> {
        let uuid = device.uuid().ok()?;
        let host = |label| if settings.host_label == label { settings.hostname.clone() } else { String::new() };
        let values = [
            index.to_string(),
            uuid,
            device.pci_info().map(|pci| pci.bus_id).unwrap_or_default(),
            device.minor_number().map(|minor| format!("nvidia{minor}")).unwrap_or_default(),
            device.name().unwrap_or_default(),
            String::new(),
            String::new(),
            host(HostLabel::Capital),
            host(HostLabel::Small),
            driver.to_owned(),
        ];
        Some(Self { values })
    }

    /// The same card's instance at that place.
    pub(super) fn instance(&self, device: &Device<'_>, place: u32) -> Self {
        let mut values = self.values.clone();
        values[5] = device.attributes().map(|of| profile(of.gpu_instance_slice_count, of.memory_size_mb)).unwrap_or_default();
        values[6] = instance_id(device, place);
        Self { values }
    }

    /// Who it is, for good.
    pub(super) fn uuid(&self) -> &str {
        &self.values[1]
    }

    /// Values of [`LABELS`].
    pub(super) fn values(&self) -> [&str; LABELS.len()] {
        self.values.each_ref().map(String::as_str)
    }

    /// The same with those of further labels behind them.
    pub(super) fn values_with<'c, const ALL: usize>(&'c self, more: &[&'c str]) -> [&'c str; ALL] {
        let mut all = [""; ALL];
        for (place, value) in all.iter_mut().zip(self.values().iter().chain(more)) {
            *place = value;
        }
        all
    }
}

/// `1g.10gb`: slices and gibibytes, as NVIDIA names profiles; what it rounds up is some hundred MiB short.
fn profile(slices: u32, mebibytes: u64) -> String {
    format!("{slices}g.{}gb", mebibytes.div_ceil(1024))
}

/// Instances are numbered by the driver, which says so in old names (`MIG-GPU-…/7/0`) and of processes. Otherwise the place tells them
/// apart.
fn instance_id(device: &Device<'_>, place: u32) -> String {
    let uuid = device.uuid().unwrap_or_default();
    let in_name = uuid.strip_prefix("MIG-GPU-").and_then(|rest| rest.split('/').nth(1));
    if let Some(id) = in_name {
        return id.to_owned();
    }
    let processes = device.running_compute_processes().unwrap_or_default();
    processes.iter().find_map(|process| process.gpu_instance_id).unwrap_or(place).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_named_as_nvidia_does() {
        assert_eq!((profile(1, 9_856), profile(7, 80_896)), ("1g.10gb".to_owned(), "7g.79gb".to_owned()));
    }
}
