//! What is read of a card: one row a DCGM field, with NVML's call and the conversion to DCGM's unit.
//!
//! `DCGM_FI_PROF_*` are not here: they come from DCGM's profiling module alone on cards before Hopper, and what NVML has of that kind
//! is another figure.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PerformancePolicy, PerformanceState, TemperatureSensor,
};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_REMAPPED_COR, NVML_FI_DEV_REMAPPED_FAILURE, NVML_FI_DEV_REMAPPED_UNC,
    NVML_FI_DEV_RETIRED_DBE, NVML_FI_DEV_RETIRED_PENDING, NVML_FI_DEV_RETIRED_SBE,
};
use proto::metric::Desc;

use super::card::LABELS;

/// A row.
pub(super) struct Field {
    /// Its name and meaning.
    pub(super) desc: &'static Desc,
    /// Its value in DCGM's unit.
    pub(super) read: fn(&Device<'_>) -> Result<f64, NvmlError>,
}

type Value = Result<f64, NvmlError>;

/// A field whose description stands beside its call.
macro_rules! field {
    ($kind:ident $name:literal, $help:literal, $read:expr) => {{
        static DESC: Desc = Desc::$kind($name, $help, &LABELS);
        Field { desc: &DESC, read: $read }
    }};
}

/// All of them: first dcgm-exporter's default counters.
pub(super) const FIELDS: &[Field] = &[
    field!(gauge "DCGM_FI_DEV_SM_CLOCK", "SM clock frequency (in MHz).", |of| number(of.clock_info(Clock::SM))),
    field!(gauge "DCGM_FI_DEV_MEM_CLOCK", "Memory clock frequency (in MHz).", |of| number(of.clock_info(Clock::Memory))),
    field!(gauge "DCGM_FI_DEV_MEMORY_TEMP", "Memory temperature (in C).", |of| extra(of, NVML_FI_DEV_MEMORY_TEMP)),
    field!(gauge "DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", |of| number(of.temperature(TemperatureSensor::Gpu))),
    field!(gauge "DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", |of| watts(of.power_usage())),
    field!(counter "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Total energy consumption since the driver was loaded (in mJ).", |of| long(
        of.total_energy_consumption()
    )),
    field!(counter "DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Total number of PCIe retries.", |of| number(of.pcie_replay_counter())),
    field!(gauge "DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", |of| number(of.utilization_rates().map(|rates| rates.gpu))),
    field!(gauge "DCGM_FI_DEV_MEM_COPY_UTIL", "Memory utilization (in %).", |of| number(
        of.utilization_rates().map(|rates| rates.memory)
    )),
    field!(gauge "DCGM_FI_DEV_ENC_UTIL", "Encoder utilization (in %).", |of| number(
        of.encoder_utilization().map(|encoder| encoder.utilization)
    )),
    field!(gauge "DCGM_FI_DEV_DEC_UTIL", "Decoder utilization (in %).", |of| number(
        of.decoder_utilization().map(|decoder| decoder.utilization)
    )),
    field!(gauge "DCGM_FI_DEV_FB_FREE", "Frame buffer memory free (in MiB).", |of| mebibytes(of.memory_info().map(|info| info.free))),
    field!(gauge "DCGM_FI_DEV_FB_USED", "Frame buffer memory used (in MiB).", |of| mebibytes(of.memory_info().map(|info| info.used))),
    field!(gauge "DCGM_FI_DEV_FB_RESERVED", "Frame buffer memory reserved (in MiB).", |of| mebibytes(
        of.memory_info().map(|info| info.reserved)
    )),
    field!(counter "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "Number of remapped rows for uncorrectable errors.", |of| extra(
        of,
        NVML_FI_DEV_REMAPPED_UNC
    )),
    field!(counter "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "Number of remapped rows for correctable errors.", |of| extra(
        of,
        NVML_FI_DEV_REMAPPED_COR
    )),
    field!(gauge "DCGM_FI_DEV_ROW_REMAP_FAILURE", "Whether remapping of rows has failed.", |of| extra(of, NVML_FI_DEV_REMAPPED_FAILURE)),
    field!(gauge "DCGM_FI_DEV_FB_TOTAL", "Frame buffer memory (in MiB).", |of| mebibytes(of.memory_info().map(|info| info.total))),
    field!(gauge "DCGM_FI_DEV_FB_USED_PERCENT", "Frame buffer memory used, of what is not reserved (ratio).", used_ratio),
    field!(gauge "DCGM_FI_DEV_POWER_MGMT_LIMIT", "Power limit in force (in W).", |of| watts(of.enforced_power_limit())),
    field!(gauge "DCGM_FI_DEV_FAN_SPEED", "Fan speed (in % of the largest).", |of| number(of.fan_speed(0))),
    field!(gauge "DCGM_FI_DEV_PSTATE", "Performance state, 0 is the highest.", |of| of.performance_state().and_then(state)),
    field!(counter "DCGM_FI_DEV_POWER_VIOLATION", "Throttling duration due to power constraints (in ns).", |of| violation(
        of,
        PerformancePolicy::Power
    )),
    field!(counter "DCGM_FI_DEV_THERMAL_VIOLATION", "Throttling duration due to thermal constraints (in ns).", |of| violation(
        of,
        PerformancePolicy::Thermal
    )),
    field!(counter "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "Single-bit ECC errors since the driver was loaded.", |of| long(
        of.total_ecc_errors(MemoryError::Corrected, EccCounter::Volatile)
    )),
    field!(counter "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "Double-bit ECC errors since the driver was loaded.", |of| long(
        of.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
    )),
    field!(counter "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "Single-bit ECC errors ever.", |of| long(
        of.total_ecc_errors(MemoryError::Corrected, EccCounter::Aggregate)
    )),
    field!(counter "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "Double-bit ECC errors ever.", |of| long(
        of.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Aggregate)
    )),
    field!(counter "DCGM_FI_DEV_RETIRED_SBE", "Pages retired for single-bit errors.", |of| extra(of, NVML_FI_DEV_RETIRED_SBE)),
    field!(counter "DCGM_FI_DEV_RETIRED_DBE", "Pages retired for double-bit errors.", |of| extra(of, NVML_FI_DEV_RETIRED_DBE)),
    field!(counter "DCGM_FI_DEV_RETIRED_PENDING", "Pages that wait to be retired.", |of| extra(of, NVML_FI_DEV_RETIRED_PENDING)),
];

fn number(value: Result<u32, NvmlError>) -> Value {
    value.map(f64::from)
}

fn long(value: Result<u64, NvmlError>) -> Value {
    value.map(|value| value as f64)
}

/// From milliwatts.
fn watts(value: Result<u32, NvmlError>) -> Value {
    value.map(|milliwatts| f64::from(milliwatts) / 1000.0)
}

/// From bytes, rounded down as DCGM does.
fn mebibytes(value: Result<u64, NvmlError>) -> Value {
    value.map(|bytes| (bytes >> 20) as f64)
}

fn used_ratio(device: &Device<'_>) -> Value {
    let info = device.memory_info()?;
    let usable = info.total.saturating_sub(info.reserved);
    if usable == 0 { Err(NvmlError::NoData) } else { Ok(info.used as f64 / usable as f64) }
}

fn violation(device: &Device<'_>, policy: PerformancePolicy) -> Value {
    device.violation_status(policy).map(|time| time.violation_time as f64)
}

/// One of the fields that have a number and no call of their own.
fn extra(device: &Device<'_>, id: u32) -> Value {
    let answers = device.field_values_for(&[FieldId(id)])?;
    let sample = answers.into_iter().next().ok_or(NvmlError::NoData)??;
    Ok(match sample.value? {
        SampleValue::F64(value) => value,
        SampleValue::U32(value) => f64::from(value),
        SampleValue::U64(value) => value as f64,
        SampleValue::I64(value) => value as f64,
    })
}

fn state(state: PerformanceState) -> Value {
    match state {
        PerformanceState::Unknown => Err(NvmlError::NoData),
        state => Ok(f64::from(state.as_c())),
    }
}
