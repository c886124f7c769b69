//! Times of each processor, of which none ever falls: what the kernel has counted less than before stays as it was, as long as it is
//! little. More than that, and the processor was taken out and put back.

use proto::metric::Families;

use super::{GUEST, SECONDS};
use crate::collector::text::{Decimal, integer, lines, words};

/// In the order of the line.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
/// And behind those.
const GUEST_MODES: [&str; 2] = ["user", "nice"];
const FIELDS: usize = MODES.len() + GUEST_MODES.len();
const IDLE: usize = 3;
/// `USER_HZ` of every architecture that this runs on (time(7)).
const TICKS_A_SECOND: f64 = 100.0;
/// Idle time that falls by so much was begun anew.
const BEGUN_ANEW: u64 = 300;

/// Those of all processors that are on line.
#[derive(Default)]
pub(super) struct Times {
    cpus: Vec<Cpu>,
    online: Vec<u64>,
}

struct Cpu {
    number: u64,
    ticks: [u64; FIELDS],
    /// Whether it stands in what was read last.
    there: bool,
}

impl Times {
    /// Takes what stands in /proc/stat, and says how many processors do.
    pub(super) fn take(&mut self, stat: &[u8]) -> usize {
        for cpu in &mut self.cpus {
            cpu.there = false;
        }
        for line in lines(stat) {
            // They stand first.
            let Some(rest) = line.strip_prefix(b"cpu") else { break };
            let mut words = words(rest);
            // The first line is that of all together.
            if rest.starts_with(b" ") {
                continue;
            }
            let Some(number) = words.next().and_then(integer) else { continue };
            let mut ticks = [0; FIELDS];
            for (ticks, word) in ticks.iter_mut().zip(words) {
                *ticks = integer(word).unwrap_or(0);
            }
            self.merge(number, &ticks);
        }
        self.cpus.retain(|cpu| cpu.there);
        if !self.online.iter().eq(self.cpus.iter().map(|cpu| &cpu.number)) {
            self.online.clear();
            self.online.extend(self.cpus.iter().map(|cpu| cpu.number));
        }
        self.cpus.len()
    }

    fn merge(&mut self, number: u64, ticks: &[u64; FIELDS]) {
        let place = self.cpus.partition_point(|cpu| cpu.number < number);
        if self.cpus.get(place).is_none_or(|cpu| cpu.number != number) {
            self.cpus.insert(place, Cpu { number, ticks: [0; FIELDS], there: true });
        }
        let cpu = &mut self.cpus[place];
        cpu.there = true;
        if cpu.ticks[IDLE] >= ticks[IDLE].saturating_add(BEGUN_ANEW) {
            cpu.ticks = [0; FIELDS];
        }
        for (ours, kernels) in cpu.ticks.iter_mut().zip(ticks) {
            *ours = (*ours).max(*kernels);
        }
    }

    /// The processors that are on line, in order.
    pub(super) fn online(&self) -> &[u64] {
        &self.online
    }

    /// Their times in seconds.
    pub(super) fn give(&self, guest: bool, out: &mut Families) {
        let mut number = Decimal::default();
        for cpu in &self.cpus {
            let label = number.write(cpu.number);
            let (own, guests) = cpu.ticks.split_at(MODES.len());
            for (mode, ticks) in MODES.iter().zip(own) {
                out.sample(&SECONDS, &[label, mode], *ticks as f64 / TICKS_A_SECOND);
            }
            for (mode, ticks) in GUEST_MODES.iter().zip(guests).filter(|_| guest) {
                out.sample(&GUEST, &[label, mode], *ticks as f64 / TICKS_A_SECOND);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_and_iowait(times: &Times) -> Vec<(u64, u64, u64)> {
        times.cpus.iter().map(|cpu| (cpu.number, cpu.ticks[IDLE], cpu.ticks[IDLE + 1])).collect()
    }

    #[test]
    fn a_time_that_runs_backwards_stays_and_one_that_begins_anew_begins() {
        let mut times = Times::default();
        assert_eq!(times.take(b"cpu  1 1 1 1000 50\ncpu0 1 1 1 1000 50\ncpu2 0 0 0 7 7 0 0 0 0 0 99\nintr 1\n"), 2);
        assert_eq!(idle_and_iowait(&times), [(0, 1000, 50), (2, 7, 7)]);
        times.take(b"cpu  1 1 1 1 1\ncpu0 1 1 1 990 40\ncpu2 0 0 0 8 8\n");
        assert_eq!(idle_and_iowait(&times), [(0, 1000, 50), (2, 8, 8)]);
        assert_eq!(times.online(), [0, 2]);
        times.take(b"cpu0 1 1 1 700 40\ncpu1 0 0 0 3 3\ncpux 1\ncpu3 x\n");
        assert_eq!(idle_and_iowait(&times), [(0, 700, 40), (1, 3, 3), (3, 0, 0)]);
        assert_eq!(times.take(b""), 0);
    }
}
