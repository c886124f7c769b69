//! Randomness that can be had again: one seed a process, printed, and taken from `PICKET_SEED` when that is set.

use std::io::Write as _;
use std::sync::OnceLock;

use crate::stamp;

/// A generator for one test. Tests share the seed and not the numbers, so their order does not matter.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of the test of this name.
    pub fn of(test: &str) -> Self {
        Self(seed() ^ (u64::from(crc32fast::hash(test.as_bytes())) << 32 | 1))
    }

    /// The next number (`SplitMix64`, which is short and good enough to pick moments).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high - 1`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high - low)
    }
}

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let seed = match std::env::var("PICKET_SEED") {
            Ok(text) => text.parse().expect("PICKET_SEED is a number"),
            Err(_) => stamp::now_nanos().cast_unsigned(),
        };
        // Past the capture of libtest, so that a run that fails now and then can be had again.
        writeln!(std::io::stderr(), "PICKET_SEED={seed}").ok();
        seed
    })
}
