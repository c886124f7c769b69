//! What is given of containers beyond the usual, or not given.

/// The defaults are what dashboards and rules read.
#[derive(Clone, Debug)]
pub struct ContainerSettings {
    /// Page faults: four series a container.
    pub memory_failures: bool,
    /// Groups of classes of pods and of the system's slices, with `id` alone.
    pub slices: bool,
    /// How long threads waited for processors, memory and I/O.
    pub pressure: bool,
}

impl Default for ContainerSettings {
    fn default() -> Self {
        Self { memory_failures: false, slices: false, pressure: true }
    }
}
