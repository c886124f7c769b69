//! `timex`: how well the node's clock is kept (adjtimex(2), which only reads here and needs no capability).

use proto::metric::{Desc, Families};
use rtime_clock::adjtime::{Timex as Kernel, adjtimex};

use super::{Collector, Failed, Round};

static SYNC_STATUS: Desc = Desc::gauge("node_timex_sync_status", "Whether the clock is kept in step with a reliable one.", &[]);
static OFFSET: Desc = Desc::gauge("node_timex_offset_seconds", "Seconds that the clock is to be shifted by.", &[]);
static FREQUENCY: Desc = Desc::gauge("node_timex_frequency_adjustment_ratio", "How much faster the clock is made to run.", &[]);
static MAXERROR: Desc = Desc::gauge("node_timex_maxerror_seconds", "Seconds that the clock may be wrong by.", &[]);
static ESTIMATED_ERROR: Desc =
    Desc::gauge("node_timex_estimated_error_seconds", "Seconds that the clock is likely wrong by.", &[]);
static STATUS: Desc = Desc::gauge("node_timex_status", "Status bits.", &[]);
static LOOP_TIME_CONSTANT: Desc = Desc::gauge("node_timex_loop_time_constant", "Time constant of the phase-locked loop.", &[]);
static TICK: Desc = Desc::gauge("node_timex_tick_seconds", "Seconds between ticks.", &[]);
static PPS_FREQUENCY: Desc = Desc::gauge("node_timex_pps_frequency_hertz", "Frequency of the pulse per second.", &[]);
static PPS_JITTER: Desc = Desc::gauge("node_timex_pps_jitter_seconds", "Jitter of the pulse per second.", &[]);
static PPS_SHIFT: Desc = Desc::gauge("node_timex_pps_shift_seconds", "Interval of the pulse per second.", &[]);
static PPS_STABILITY: Desc = Desc::gauge("node_timex_pps_stability_hertz", "Stability of the pulse per second.", &[]);
static PPS_JITTER_EXCEEDED: Desc = Desc::counter("node_timex_pps_jitter_total", "How often the jitter was too large.", &[]);
static PPS_CALIBRATION: Desc = Desc::counter("node_timex_pps_calibration_total", "Intervals of calibration.", &[]);
static PPS_ERROR: Desc = Desc::counter("node_timex_pps_error_total", "Errors of calibration.", &[]);
static PPS_STABILITY_EXCEEDED: Desc =
    Desc::counter("node_timex_pps_stability_exceeded_total", "How often the pulse was too unstable.", &[]);
static TAI_OFFSET: Desc =
    Desc::gauge("node_timex_tai_offset_seconds", "Seconds that international atomic time is ahead of UTC.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[
    &SYNC_STATUS,
    &OFFSET,
    &FREQUENCY,
    &MAXERROR,
    &ESTIMATED_ERROR,
    &STATUS,
    &LOOP_TIME_CONSTANT,
    &TICK,
    &PPS_FREQUENCY,
    &PPS_JITTER,
    &PPS_SHIFT,
    &PPS_STABILITY,
    &PPS_JITTER_EXCEEDED,
    &PPS_CALIBRATION,
    &PPS_ERROR,
    &PPS_STABILITY_EXCEEDED,
    &TAI_OFFSET,
];

/// `TIME_ERROR`: the clock is not kept in step.
const TIME_ERROR: i32 = 5;
/// `STA_NANO`: offset and jitter are in nanoseconds.
const STA_NANO: i32 = 0x2000;
const MICROSECONDS: f64 = 1e6;
const NANOSECONDS: f64 = 1e9;
/// Parts per million with 16 bits behind the point.
const SCALED_PPM: f64 = 65536.0 * 1e6;

pub(super) struct Timex;

impl Collector for Timex {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut kernel = Kernel::new();
        match adjtimex(&mut kernel) {
            Ok(state) => give(state, &kernel, round.out),
            // A sandbox that takes reading for setting.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Failed::NoData("adjtimex is not allowed".into()));
            }
            Err(source) => return Err(Failed::Unreadable { path: "adjtimex".into(), source }),
        }
        Ok(())
    }
}

fn give(state: i32, Kernel(kernel): &Kernel, out: &mut Families) {
    let fine = if kernel.status & STA_NANO == STA_NANO { NANOSECONDS } else { MICROSECONDS };
    for (desc, value) in [
        (&SYNC_STATUS, f64::from(state != TIME_ERROR)),
        (&OFFSET, kernel.offset as f64 / fine),
        (&FREQUENCY, 1.0 + kernel.freq as f64 / SCALED_PPM),
        (&MAXERROR, kernel.maxerror as f64 / MICROSECONDS),
        (&ESTIMATED_ERROR, kernel.esterror as f64 / MICROSECONDS),
        (&STATUS, f64::from(kernel.status)),
        (&LOOP_TIME_CONSTANT, kernel.constant as f64),
        (&TICK, kernel.tick as f64 / MICROSECONDS),
        (&PPS_FREQUENCY, kernel.ppsfreq as f64 / SCALED_PPM),
        (&PPS_JITTER, kernel.jitter as f64 / fine),
        (&PPS_SHIFT, f64::from(kernel.shift)),
        (&PPS_STABILITY, kernel.stabil as f64 / SCALED_PPM),
        (&PPS_JITTER_EXCEEDED, kernel.jitcnt as f64),
        (&PPS_CALIBRATION, kernel.calcnt as f64),
        (&PPS_ERROR, kernel.errcnt as f64),
        (&PPS_STABILITY_EXCEEDED, kernel.stbcnt as f64),
        (&TAI_OFFSET, f64::from(kernel.tai)),
    ] {
        out.sample(desc, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(out: &Families, name: &str) -> f64 {
        out.samples().find(|sample| sample.name() == name).unwrap().value()
    }

    #[test]
    fn offset_and_jitter_are_in_the_units_that_the_status_says() {
        for (status, fine) in [(STA_NANO | 1, 1e9), (1, 1e6)] {
            let mut kernel = Kernel::new();
            (kernel.0.status, kernel.0.offset, kernel.0.jitter) = (status, -1500, 20);
            (kernel.0.freq, kernel.0.maxerror, kernel.0.tick, kernel.0.tai) = (65_536 * 5, 16_000_000, 10_000, 37);
            let mut out = Families::new();
            give(0, &kernel, &mut out);
            assert_eq!(out.len(), FAMILIES.len());
            assert_eq!(value(&out, "node_timex_offset_seconds"), -1500.0 / fine);
            assert_eq!(value(&out, "node_timex_pps_jitter_seconds"), 20.0 / fine);
            assert_eq!(value(&out, "node_timex_frequency_adjustment_ratio"), 1.000_005);
            assert_eq!(value(&out, "node_timex_maxerror_seconds"), 16.0);
            assert_eq!(value(&out, "node_timex_tick_seconds"), 0.01);
            assert_eq!(value(&out, "node_timex_tai_offset_seconds"), 37.0);
            assert_eq!(value(&out, "node_timex_sync_status"), 1.0);
        }
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_not_in_step() {
        let mut out = Families::new();
        give(TIME_ERROR, &Kernel::new(), &mut out);
        assert_eq!(value(&out, "node_timex_sync_status"), 0.0);
    }

    #[test]
    fn the_kernel_answers() {
        let mut kernel = Kernel::new();
        if adjtimex(&mut kernel).is_ok() {
            // A tick is a hundredth of a second, give or take a tenth.
            assert!((9_000..=11_000).contains(&kernel.0.tick), "{}", kernel.0.tick);
        }
    }
}
