//! The page cache: what the agent has read does not stay there, and what one destination has still to read does.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use tests::agent::Agent;
use tests::line::Shape;
use tests::log_file::LogFile;
use tests::loki::{Answer, Behaviour, Loki};
use tests::program::Program;
use tests::skip::skipped;
use tests::wait;

use crate::scene::{Destination, Scene, deliver, scale, written};

const RAW: Shape = Shape::Raw { bytes: 1000 };
const MIB: u64 = 1 << 20;
/// What the agent keeps for slower destinations behind the fastest.
const KEPT_BYTES: u64 = 16 * MIB;
/// The last of a file stays, and the kernel reads ahead.
const MARGIN_BYTES: u64 = 4 * MIB;

/// Measures by `fincore`.
struct Cache(Program);

impl Cache {
    /// `None`, said aloud, where it cannot be measured or the file system has no cache that could be released.
    fn of(scene: &Scene) -> Option<Self> {
        let Some(fincore) = Program::find("fincore") else {
            skipped(scene.name, "no fincore (Debian package util-linux-extra)");
            return None;
        };
        let (cache, probe) = (Self(fincore), scene.path("probe"));
        fs::write(&probe, vec![1; MIB as usize]).unwrap();
        let file = File::open(&probe).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        if cache.resident(&probe) > 0 {
            skipped(scene.name, "the temporary directory's file system keeps what is released (tmpfs?)");
            return None;
        }
        Some(cache)
    }

    /// Bytes of the file in the page cache.
    fn resident(&self, path: &Path) -> u64 {
        let path = path.to_str().unwrap();
        self.0.run(["--bytes", "--noheadings", "--output", "RES", path]).trim().parse().unwrap()
    }
}

/// Two destinations, one of which takes nothing at first; a file of so many bytes, on disk and in the cache.
fn one_away(scene: &Scene, live: &Loki, away: &Loki, n_bytes: u64) -> (LogFile, Agent) {
    away.behave(Behaviour::Answer(Answer::of(503)));
    let mut log = scene.log("audit.log", RAW, 1);
    log.append(n_bytes / 1001);
    // What is not on disk yet cannot be released.
    File::open(log.path()).unwrap().sync_all().unwrap();
    let destinations = [Destination("live", live, ""), Destination("away", away, ", spool: 0")];
    scene.configure(&[("load", log.path(), "raw")], &destinations);
    (log, scene.start())
}

#[test]
fn what_was_read_does_not_stay_in_the_page_cache() {
    let Some(scene) = Scene::set("what_was_read_does_not_stay_in_the_page_cache") else {
        return;
    };
    let Some(cache) = Cache::of(&scene) else { return };
    let loki = Loki::start();
    let mut log = scene.log("audit.log", RAW, 1);
    log.append(48 * MIB / 1001);
    File::open(log.path()).unwrap().sync_all().unwrap();
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let agent = scene.start();
    delivered(&scene, &loki, &log);
    wait::for_condition("the cache to be released", Duration::from_secs(20), || cache.resident(log.path()) <= MARGIN_BYTES);
    agent.terminate();
}

fn delivered(scene: &Scene, loki: &Loki, log: &LogFile) {
    let mut book = scene.book(&[(1, RAW)]);
    deliver(&mut book, loki, &[log]);
    book.verdict(&written(&[log])).assert_whole(0);
}

#[test]
fn what_a_slower_destination_has_still_to_read_stays_in_the_page_cache() {
    let Some(scene) = Scene::set("what_a_slower_destination_has_still_to_read_stays_in_the_page_cache") else {
        return;
    };
    let Some(cache) = Cache::of(&scene) else { return };
    let (live, away) = (Loki::start(), Loki::start());
    let (log, agent) = one_away(&scene, &live, &away, 12 * MIB);
    delivered(&scene, &live, &log);
    let kept = cache.resident(log.path());
    assert!(kept >= 8 * MIB, "{kept} bytes are left of what the other has to read");
    away.behave(Behaviour::Accept);
    delivered(&scene, &away, &log);
    wait::for_condition("the cache to be released", Duration::from_secs(20), || cache.resident(log.path()) <= MARGIN_BYTES);
    agent.terminate();
}

#[test]
fn for_a_destination_that_is_away_the_page_cache_is_bounded() {
    let Some(scene) = Scene::set("for_a_destination_that_is_away_the_page_cache_is_bounded") else {
        return;
    };
    let Some(cache) = Cache::of(&scene) else { return };
    let (live, away) = (Loki::start(), Loki::start());
    let (log, agent) = one_away(&scene, &live, &away, 48 * MIB);
    let bound = KEPT_BYTES + 2 * MARGIN_BYTES;
    delivered(&scene, &live, &log);
    wait::for_condition("the rest to be released", scale().deliver_max, || cache.resident(log.path()) <= bound);
    away.behave(Behaviour::Accept);
    delivered(&scene, &away, &log);
    wait::for_condition("the cache to be released", Duration::from_secs(20), || cache.resident(log.path()) <= MARGIN_BYTES);
    agent.terminate();
}
