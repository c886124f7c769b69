//! What each answer to a remote write request leads to, and what no answer at all: sent again, held, refused for good, or taken.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::agent::Agent;
use tests::exposed::{Exposed, TEXT};
use tests::receiver::{Manners, Received, Receiver, Speaks, Taken};
use tests::{stamp, wait};

use crate::stage::{PATIENCE, Stage};

/// Between two scrapes, in milliseconds.
const INTERVAL: i64 = 500;
const WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written";

/// An agent that scrapes one target for one receiver.
struct Scene {
    receiver: Receiver,
    agent: Agent,
    _stage: Stage,
    _target: Exposed,
}

impl Scene {
    fn start(test: &str, prepare: impl Fn(&Receiver), more: &str) -> Option<Self> {
        let stage = Stage::new(test)?;
        let target = Exposed::start(TEXT, "steady 42\n");
        let receiver = Receiver::start(Speaks::Both);
        prepare(&receiver);
        let agent = stage.start_scraping(&[(&receiver.url(), more)], &[("test", &target)]);
        Some(Self { receiver, agent, _stage: stage, _target: target })
    }

    fn received(&self) -> Received {
        self.receiver.received()
    }

    /// The sum of one of the agent's own metrics.
    fn own(&self, name: &str) -> f64 {
        let metrics = self.agent.metrics();
        metrics.map_or(0.0, |metrics| metrics.of(&format!("picket_agent_samples_{name}")).map(|sample| sample.value).sum())
    }

    /// Waits until so many more requests were answered with that status.
    fn answered(&self, status: u16, more: usize) {
        let count = || self.received().log.iter().filter(|taken| taken.status == status).count();
        let before = count();
        wait::for_condition(&format!("{more} more answers {status}"), PATIENCE, || count() >= before + more);
    }

    /// Waits until samples are stored again, those that waited too.
    fn recovers(&self) {
        let begin = stamp::now_nanos() / 1_000_000;
        let is_new = || self.received().one("steady", "test").is_some_and(|series| series.times().last() > Some(&begin));
        wait::for_condition("fresh samples arrive", PATIENCE, is_new);
        wait::for_condition("nothing waits", PATIENCE, || self.own("spooled") == 0.0 && self.own("held") == 0.0);
    }

    /// The end: no request was wrong and no sample is missing, refused or given up.
    fn ends_whole(self) -> Received {
        assert!(self.own("refused_total") == 0.0 && self.own("given_up_total") == 0.0, "{}", self.agent.log());
        self.agent.terminate();
        let received = self.receiver.received();
        assert_eq!(received.violations, Vec::<String>::new());
        let times = received.one("steady", "test").unwrap().times();
        let gaps: Vec<_> = times.windows(2).filter(|pair| pair[1] - pair[0] != INTERVAL).collect();
        assert!(gaps.is_empty(), "{gaps:?} of {}", times.len());
        received
    }
}

/// The pauses between requests, as long as they are answered so.
fn pauses(log: &[Taken], status: u16) -> Vec<Duration> {
    let answered: Vec<&Taken> = log.iter().filter(|taken| taken.status == status).collect();
    answered.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}

#[test]
fn what_may_pass_is_sent_again_until_it_has_passed() {
    let Some(scene) = Scene::start("what_may_pass_is_sent_again_until_it_has_passed", |_| (), "") else { return };
    scene.answered(200, 3);
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        scene.receiver.answer(Some((status, "busy")));
        scene.answered(status, 3);
        scene.receiver.answer(None);
        scene.recovers();
    }
    let received = scene.ends_whole();
    assert_eq!(received.requests.keys().collect::<Vec<_>>(), ["2.0.0"]);
    // The same samples were tried again, first.
    let of_busy: Vec<&Taken> = received.log.iter().filter(|taken| taken.status == 503).collect();
    assert!(of_busy.windows(2).all(|pair| pair[0].times.first() == pair[1].times.first()), "{of_busy:?}");
}

#[test]
fn what_only_a_person_can_mend_is_held_said_and_lost_by_nobody() {
    let Some(scene) = Scene::start("what_only_a_person_can_mend_is_held_said_and_lost_by_nobody", |_| (), "") else { return };
    scene.answered(200, 3);
    for (status, words) in [
        (302, "elsewhere"),
        (401, "Unauthorized: token of yesterday"),
        (403, "Forbidden"),
        (404, "no such place"),
        (501, "not implemented"),
        (999, "what is that"),
    ] {
        scene.receiver.answer(Some((status, words)));
        wait::for_condition(&format!("{status} is held"), PATIENCE, || scene.own("held") > 0.0);
        let log = scene.agent.log();
        assert!(log.contains(&format!("{status}: {words}")), "{log}");
        scene.receiver.answer(None);
        scene.recovers();
    }
    scene.ends_whole();
}

#[test]
fn pauses_grow_and_no_pause_is_none() {
    let busy = |receiver: &Receiver| receiver.answer(Some((503, "busy")));
    let Some(scene) = Scene::start("pauses_grow_and_no_pause_is_none", busy, "") else { return };
    scene.answered(503, 6);
    scene.receiver.answer(None);
    scene.recovers();
    let pauses = pauses(&scene.ends_whole().log, 503);
    // Each is a part of twice the one before, by chance, and not more than 5 s.
    for (place, pause) in pauses.iter().take(5).enumerate() {
        let most = Duration::from_millis(30) * 2_u32.pow(place as u32);
        assert!(*pause >= most / 2 && *pause <= most + Duration::from_secs(5), "{place}: {pauses:?}");
    }
    assert!(pauses.iter().all(|pause| *pause < Duration::from_secs(20)));
}

#[test]
fn who_says_when_to_come_again_is_not_asked_before() {
    for status in [429, 503] {
        let busy = |receiver: &Receiver| receiver.answer_with(status, &[("Retry-After", "2")], "later");
        let Some(scene) = Scene::start("who_says_when_to_come_again_is_not_asked_before", busy, "") else { return };
        scene.answered(status, 2);
        scene.receiver.answer(None);
        scene.recovers();
        let pauses = pauses(&scene.ends_whole().log, status);
        assert!(pauses[0] >= Duration::from_secs(2) && pauses[0] < Duration::from_secs(20), "{status}: {pauses:?}");
    }
}

#[test]
fn every_success_is_one_whatever_the_body_says() {
    // All that a request of this target holds.
    let all = [(WRITTEN, "100000")];
    for (status, words) in [(200, "OK"), (202, "Error: this should be ignored"), (204, ""), (299, "{\"errors\": [\"none\"]}")] {
        let taking = |receiver: &Receiver| receiver.answer_with(status, &all, words);
        let Some(scene) = Scene::start("every_success_is_one_whatever_the_body_says", taking, "") else { return };
        scene.answered(status, 5);
        assert!(scene.own("stored_total") > 0.0 && scene.own("refused_total") == 0.0 && scene.own("spooled") == 0.0);
        scene.agent.terminate();
        let received = scene.receiver.received();
        assert_eq!(received.requests.keys().collect::<Vec<_>>(), ["2.0.0"], "a success is no reason to speak another version");
        let mut times = BTreeSet::new();
        assert!(received.log.iter().all(|taken| taken.times.iter().all(|time| times.insert(*time))), "nothing is sent twice");
    }
}

#[test]
fn of_a_request_of_2_0_that_was_refused_nothing_is_sent_again() {
    let told = "Error: Invalid label name '__invalid__'";
    let two = &[(WRITTEN, "2")][..];
    for (status, headers, more) in [
        (400, two, ""),
        (422, two, ""),
        (200, two, ""),
        // Nothing was stored: it says so, or it does not say.
        (400, &[(WRITTEN, "0")][..], ""),
        (400, &[("X-Prometheus-Remote-Write-Exemplars-Written", "0")][..], ""),
        (400, &[][..], "version: 2.0"),
    ] {
        let taking = |receiver: &Receiver| receiver.answer_with(status, headers, told);
        let Some(scene) = Scene::start("of_a_request_of_2_0_that_was_refused_nothing_is_sent_again", taking, more) else {
            return;
        };
        scene.answered(status, 5);
        wait::for_condition("it is counted", PATIENCE, || scene.own("refused_total") > 12.0);
        let (stored, refused) = (scene.own("stored_total"), scene.own("refused_total"));
        assert_eq!(stored > 0.0, headers == two, "{status} {headers:?}: {stored}");
        assert!(refused > stored && scene.own("spooled") == 0.0, "{status} {headers:?}: {stored}, {refused}");
        let log = scene.agent.log();
        assert!(log.contains(told), "the receiver's own words: {log}");
        scene.agent.terminate();
        let received = scene.receiver.received();
        assert_eq!(received.requests.keys().collect::<Vec<_>>(), ["2.0.0"], "{status} {headers:?}");
        let mut times = BTreeSet::new();
        assert!(received.log.iter().all(|taken| taken.times.iter().all(|time| times.insert(*time))), "{:?}", received.log);
    }
}

#[test]
fn a_request_that_was_refused_as_a_whole_is_looked_through_and_let_go() {
    // Of 1.0 nothing is stored when one sample is wrong; one that is too large may be sent in smaller ones.
    for (status, more, version) in
        [(400, "version: 1.0", "0.1.0"), (413, "version: 2.0", "2.0.0"), (413, "version: 1.0", "0.1.0")]
    {
        // The header means nothing there.
        let refusing = |receiver: &Receiver| receiver.answer_with(status, &[(WRITTEN, "3")], "no");
        let name = "a_request_that_was_refused_as_a_whole_is_looked_through_and_let_go";
        let Some(scene) = Scene::start(name, refusing, more) else { return };
        let rounds = || scene.received().log.iter().flat_map(|taken| taken.times.clone()).collect::<BTreeSet<_>>().len();
        wait::for_condition("several rounds are refused", PATIENCE, || rounds() >= 4 && scene.own("refused_total") > 12.0);
        scene.receiver.answer(None);
        scene.recovers();
        let refused = scene.own("refused_total");
        scene.agent.terminate();
        let received = scene.receiver.received();
        assert_eq!(received.requests.keys().collect::<Vec<_>>(), [version], "{status}");
        assert_eq!(received.violations, Vec::<String>::new());
        // Halves of halves, down to single samples: for n of them, 2n - 1 requests.
        let log: Vec<&Taken> = received.log.iter().filter(|taken| taken.status == status).collect();
        let single = log.iter().filter(|taken| taken.samples == 1).count();
        assert!(refused <= single as f64 && log.len() <= 2 * single, "{status}: {refused}, {single}, {}", log.len());
    }
}

#[test]
fn the_older_version_is_spoken_at_once_and_stays() {
    for (status, headers) in [(415, &[][..]), (200, &[][..]), (204, &[][..]), (400, &[][..])] {
        let deaf = |receiver: &Receiver| receiver.answer_with(status, headers, "prometheus.WriteRequest only");
        let Some(scene) = Scene::start("the_older_version_is_spoken_at_once_and_stays", deaf, "") else { return };
        scene.answered(status, 1);
        scene.receiver.answer(None);
        scene.recovers();
        scene.agent.terminate();
        let received = scene.receiver.received();
        assert_eq!(received.violations, Vec::<String>::new());
        let (first, rest) = received.log.split_first().unwrap();
        assert_eq!((first.version.as_str(), first.status), ("2.0.0", status));
        assert!(rest.iter().all(|taken| taken.version == "0.1.0" && taken.kind == "application/x-protobuf"), "{rest:?}");
        assert_eq!(rest[0].times, first.times, "the same samples");
    }
}

#[test]
fn who_knows_neither_version_is_waited_for() {
    let deaf = |receiver: &Receiver| receiver.answer(Some((415, "I read XML")));
    let Some(scene) = Scene::start("who_knows_neither_version_is_waited_for", deaf, "") else { return };
    wait::for_condition("it is held", PATIENCE, || scene.own("held") > 0.0);
    assert!(scene.agent.log().contains("415: I read XML"), "{}", scene.agent.log());
    scene.receiver.answer(None);
    scene.recovers();
    let received = scene.ends_whole();
    assert_eq!(received.requests.keys().collect::<Vec<_>>(), ["0.1.0", "2.0.0"]);
}

#[test]
fn an_answer_of_a_megabyte_is_said_by_its_beginning() {
    let words = format!("Error details: {}", "x".repeat(1 << 20));
    let taking = |receiver: &Receiver| receiver.answer_with(400, &[(WRITTEN, "2")], &words);
    let Some(scene) = Scene::start("an_answer_of_a_megabyte_is_said_by_its_beginning", taking, "") else { return };
    scene.answered(400, 3);
    let log = scene.agent.log();
    assert!(log.contains("Error details: xxx") && log.len() < 10_000, "{} bytes", log.len());
    scene.agent.terminate();
}

#[test]
fn whoever_does_not_answer_properly_is_asked_again() {
    let Some(scene) = Scene::start("whoever_does_not_answer_properly_is_asked_again", |_| (), "timeout: 1s") else { return };
    scene.answered(200, 3);
    for manners in [
        Manners::Rude(String::new()),
        Manners::Rude("Not valid response headers\r\n".to_owned()),
        Manners::Rude("\0\u{1}\u{2}\r\n\r\n".to_owned()),
        Manners::Rude("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial".to_owned()),
        Manners::Rude("HTTP/1.1 200".to_owned()),
        Manners::Silent,
    ] {
        let before = scene.received().snubbed;
        scene.receiver.behave(manners.clone());
        wait::for_condition(&format!("two requests in vain: {manners:?}"), PATIENCE, || scene.received().snubbed >= before + 2);
        scene.receiver.behave(Manners::Proper);
        scene.recovers();
    }
    let received = scene.ends_whole();
    assert_eq!(received.requests.keys().collect::<Vec<_>>(), ["2.0.0"]);
}

#[test]
fn a_receiver_that_is_not_there_is_waited_for_and_an_address_that_is_none_is_refused() {
    let name = "a_receiver_that_is_not_there_is_waited_for_and_an_address_that_is_none_is_refused";
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}"), "http://receiver.invalid:9999/api/v1/write".to_owned()] {
        let Some(stage) = Stage::new(name) else { return };
        let target = Exposed::start(TEXT, "steady 42\n");
        let agent = stage.start_scraping(&[(&url, "")], &[("test", &target)]);
        let spooled = || {
            let metrics = agent.metrics();
            metrics.map_or(0.0, |metrics| metrics.of("picket_agent_samples_spooled").map(|sample| sample.value).sum::<f64>())
        };
        wait::for_condition("samples are on disk", PATIENCE, || spooled() >= 10.0);
        assert!(agent.log().contains("does not take samples: trying again"), "{}", agent.log());
        agent.terminate();
    }
    let Some(stage) = Stage::new(name) else { return };
    let (status, _, log) = stage.run_once("invalid://localhost:9999");
    assert!(!status.success() && log.contains("url"), "{status} {log}");
}
