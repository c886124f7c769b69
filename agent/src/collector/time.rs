//! `time`: what time it is for the node, its time zone (/etc/localtime, localtime(5)), and which clocks it has
//! (/sys/devices/system/clocksource).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proto::metric::{Desc, UnixMillis};

use super::host::Host;
use super::kept::KeptFile;
use super::listing::numbered;
use super::seldom::Seldom;
use super::text::{Decimal, name, words};
use super::{Collector, Failed, Round};
use crate::host_root::HostRoot;

static SECONDS: Desc = Desc::gauge("node_time_seconds", "The node's time, in seconds since 1970.", &[]);
static ZONE: Desc = Desc::gauge("node_time_zone_offset_seconds", "Seconds that local time is ahead of UTC.", &["time_zone"]);
static AVAILABLE: Desc =
    Desc::gauge("node_time_clocksource_available_info", "A clock that the node has.", &["device", "clocksource"]);
static CURRENT: Desc =
    Desc::gauge("node_time_clocksource_current_info", "The clock that the node uses.", &["device", "clocksource"]);

pub(super) const FAMILIES: &[&Desc] = &[&SECONDS, &ZONE, &AVAILABLE, &CURRENT];

/// The longest of the usual ones has 4 KiB.
const ZONE_MAX: u64 = 256 << 10;

pub(super) struct Time {
    root: HostRoot,
    seldom: Seldom,
    zone: TimeZone,
    clocks: Vec<Clock>,
}

struct Clock {
    number: u64,
    available: KeptFile,
    current: KeptFile,
}

impl Time {
    pub(super) fn new(host: &Host) -> Self {
        let directory = host.sys("devices/system/clocksource");
        let clock = |number| {
            let file = |file: &str| KeptFile::new(PathBuf::from(format!("{}/clocksource{number}/{file}", directory.display())));
            Clock { number, available: file("available_clocksource"), current: file("current_clocksource") }
        };
        let clocks = numbered(&directory, "clocksource").into_iter().map(clock).collect();
        Self { root: host.root().clone(), seldom: Seldom::default(), zone: TimeZone::UTC, clocks }
    }
}

/// The host's time zone; UTC where it has none, as localtime(5) says.
fn zone(root: &HostRoot) -> TimeZone {
    let mut bytes = Vec::new();
    let read = root.open(Path::new("/etc/localtime")).and_then(|file| file.take(ZONE_MAX).read_to_end(&mut bytes));
    read.ok().and_then(|_| TimeZone::tzif("localtime", &bytes).ok()).unwrap_or(TimeZone::UTC)
}

fn moment(now: UnixMillis) -> Timestamp {
    Timestamp::from_millisecond(now.0).unwrap_or_default()
}

impl Collector for Time {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.seldom.is_due(round.now) {
            self.zone = zone(&self.root);
        }
        round.out.sample(&SECONDS, &[], round.now.0 as f64 / 1000.0);
        let zone = self.zone.to_offset_info(moment(round.now));
        round.out.sample(&ZONE, &[zone.abbreviation()], f64::from(zone.offset().seconds()));
        let mut number = Decimal::default();
        for clock in &mut self.clocks {
            let device = number.write(clock.number);
            if let Ok(available) = clock.available.read(round.buffer) {
                for clock in words(available).filter_map(name) {
                    round.out.sample(&AVAILABLE, &[device, clock], 1.0);
                }
            }
            if let Ok(current) = clock.current.read(round.buffer)
                && let Some(clock) = words(current).next().and_then(name)
            {
                round.out.sample(&CURRENT, &[device, clock], 1.0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("time", &["usual", "zone", "damaged_zone"]);
    }
}
