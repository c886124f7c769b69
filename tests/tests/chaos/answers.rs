//! The server is there and says no, says it late, or says something else than it did.

use std::time::Duration;

use tests::line::{self, Shape};
use tests::load::{Load, Turn};
use tests::loki::{Answer, Behaviour, Loki, Refusal};
use tests::wait;

use crate::scene::{Destination, REPEATS_PER_KILL_MAX, Scene, deliver, scale, written};

const RAW: Shape = Shape::Raw { bytes: 100 };

/// A load for some seconds, during which requests meet these, each so many times, one after another.
fn misbehaving(name: &'static str, script: &[(usize, Behaviour)], options: &str, n_repeats_max: u64) -> Option<Loki> {
    let scene = Scene::set(name)?;
    let loki = Loki::start();
    for (n_requests, behaviour) in script {
        loki.for_next(*n_requests, behaviour);
    }
    // Its begin tells that the failures are over.
    loki.for_next(1, &Behaviour::Accept);
    let log = scene.log("audit.log", RAW, 1);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, options)]);
    let load = Load::start(log, scale().rate, Turn::Never);
    let agent = scene.start();
    wait::for_condition("the failures to be over", scale().deliver_max, || loki.n_next() == 0);
    let log = load.stop();
    scene.finish(agent, &loki, scene.book(&[(1, RAW)]), &[&log], n_repeats_max);
    Some(loki)
}

#[test]
fn too_many_requests() {
    let script = [(3, Behaviour::Answer(Answer::of(429))), (2, Behaviour::Answer(Answer::of(429).retry_after(1)))];
    let Some(loki) = misbehaving("too_many_requests", &script, "", 0) else {
        return;
    };
    let requests = loki.requests();
    // The fourth and fifth said when to come back.
    for idx in [3, 4] {
        assert_eq!(requests[idx].status, Some(429));
        let waited = requests[idx + 1].at - requests[idx].at;
        assert!(waited >= Duration::from_millis(950), "came back after {waited:?}, told to wait a second");
    }
    // What is tried again is the same bytes.
    for pair in requests[..6].windows(2) {
        assert_eq!(pair[0].body, pair[1].body);
    }
}

#[test]
fn cut_inside_the_body() {
    misbehaving("cut_inside_the_body", &[(5, Behaviour::CutBody)], "", 0);
}

#[test]
fn answered_late_but_in_time() {
    let delay = scale().slow_answer;
    let timeout = format!(", timeout: {}s", delay.as_secs() + 10);
    misbehaving("answered_late_but_in_time", &[(1, Behaviour::AcceptAfter(delay))], &timeout, 0);
}

#[test]
fn answered_after_the_client_has_given_up() {
    let delay = scale().slow_answer;
    let script = [(2, Behaviour::AcceptAfter(delay))];
    misbehaving("answered_after_the_client_has_given_up", &script, ", timeout: 1s", 2 * REPEATS_PER_KILL_MAX);
}

#[test]
fn swallowed_by_a_black_hole() {
    misbehaving("swallowed_by_a_black_hole", &[(2, Behaviour::BlackHole)], ", timeout: 1s", 0);
}

#[test]
fn stored_and_then_denied() {
    let script = [
        (2, Behaviour::StoreThenAnswer(Answer::of(500))),
        (1, Behaviour::Accept),
        (2, Behaviour::StoreThenReset),
        (1, Behaviour::Accept),
        (1, Behaviour::StoreThenAnswer(Answer::of(503))),
    ];
    let Some(loki) = misbehaving("stored_and_then_denied", &script, "", 5 * REPEATS_PER_KILL_MAX) else {
        return;
    };
    // The repeat is the same request, byte for byte, and so prompt that Loki still knows all of it.
    let requests = loki.requests();
    for idx in [0, 1, 3, 4, 6] {
        assert_eq!(requests[idx].body, requests[idx + 1].body, "request {idx} and the one after it");
    }
}

/// One destination each for what only a person can mend: held, and delivered when mended.
#[test]
fn what_only_a_person_can_mend_is_held() {
    let Some(scene) = Scene::set("what_only_a_person_can_mend_is_held") else {
        return;
    };
    let statuses = [260, 401, 403, 404];
    let lokis = statuses.map(|status| {
        let loki = Loki::start();
        loki.behave(Behaviour::Answer(Answer::of(status)));
        loki
    });
    let mut log = scene.log("audit.log", Shape::Audit, 1);
    log.append(1000);
    let names = ["blocked", "unknown", "forbidden", "lost"];
    let destinations: Vec<Destination<'_>> = names.iter().zip(&lokis).map(|(name, loki)| Destination(name, loki, "")).collect();
    scene.configure(&[("load", log.path(), "kube-audit")], &destinations);
    let agent = scene.start();
    for (loki, status) in lokis.iter().zip(statuses) {
        wait::for_condition(&format!("a request that gets {status}"), Duration::from_secs(20), || loki.n_requests() > 0);
    }
    log.append(1000);
    for loki in &lokis {
        loki.behave(Behaviour::Accept);
    }
    for loki in &lokis {
        let mut book = scene.book(&[(1, Shape::Audit)]);
        deliver(&mut book, loki, &[&log]);
        book.verdict(&written(&[&log])).assert_whole(0);
    }
    scene.balance(&agent, Some(log.n_bytes()));
    agent.terminate();
}

#[test]
fn entries_refused_and_the_rest_stored() {
    let Some(scene) = Scene::set("entries_refused_and_the_rest_stored") else {
        return;
    };
    let loki = Loki::start();
    loki.behave(Behaviour::RefuseEntries(|text| line::parse(text).is_ok_and(|mark| mark.seq % 100 == 7)));
    let mut log = scene.log("audit.log", RAW, 1);
    log.append(5000);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, RAW)]);
    let agent = scene.start();
    wait::for_condition("4950 lines", scale().deliver_max, || loki.n_stored() >= 4950);
    let n_rejected = scene.balance(&agent, Some(log.n_bytes()));
    book.read(&loki);
    let verdict = book.verdict(&written(&[&log]));
    scene.say(&verdict);
    assert!(!verdict.has_violations() && verdict.n_repeats == 0, "{verdict:#}");
    let expected: Vec<(u32, u64, u64)> = (0..50).map(|n| (1, n * 100 + 7, n * 100 + 7)).collect();
    assert_eq!(verdict.lost, expected, "{verdict:#}");
    assert_eq!(loki.refused().len(), 50, "each is refused once and not sent again");
    assert!(n_rejected.is_none_or(|n_bytes| n_bytes == bytes_of(&loki.refused())), "{n_rejected:?} bytes rejected");
    agent.terminate();
}

#[test]
fn a_stream_whose_labels_are_refused_does_not_take_others_with_it() {
    let Some(scene) = Scene::set("a_stream_whose_labels_are_refused_does_not_take_others_with_it") else {
        return;
    };
    let loki = Loki::start();
    loki.behave(Behaviour::RefuseLabels("job=\"bad\"".to_owned()));
    let (mut good, mut bad) = (scene.log("good.log", RAW, 1), scene.log("bad.log", RAW, 11));
    good.append(2000);
    bad.append(2000);
    let files = [("good", good.path(), "raw"), ("bad", bad.path(), "raw")];
    scene.configure(&files, &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, RAW)]);
    let agent = scene.start();
    deliver(&mut book, &loki, &[&good]);
    book.verdict(&written(&[&good])).assert_whole(0);
    let n_rejected = scene.balance(&agent, Some(good.n_bytes() + bad.n_bytes()));
    assert!(n_rejected.is_none_or(|n_bytes| n_bytes == bad.n_bytes()), "{n_rejected:?} bytes rejected");
    agent.terminate();
}

#[test]
fn a_body_that_is_too_large_is_sent_in_smaller_ones() {
    let Some(mut scene) = Scene::set("a_body_that_is_too_large_is_sent_in_smaller_ones") else {
        return;
    };
    let loki = Loki::start();
    loki.behave(Behaviour::BodyLimit(4096));
    let mut log = scene.log("audit.log", RAW, 1);
    log.append(2000);
    // One line that is too large by itself, of letters that do not compress.
    let monster: String = (0..20_000).map(|_| char::from(scene.random.between(33, 127) as u8)).collect();
    log.append_foreign(&monster);
    log.append(2000);
    scene.configure(&[("load", log.path(), "raw")], &[Destination("main", &loki, "")]);
    let mut book = scene.book(&[(1, RAW)]);
    let agent = scene.start();
    deliver(&mut book, &loki, &[&log]);
    let verdict = book.verdict(&written(&[&log]));
    scene.say(&verdict);
    verdict.assert_whole(0);
    let n_rejected = scene.balance(&agent, Some(log.n_bytes()));
    assert!(n_rejected.is_none_or(|n_bytes| n_bytes == monster.len() as u64 + 1), "{n_rejected:?} bytes rejected");
    agent.terminate();
}

#[test]
fn streams_over_the_limit_wait_and_others_go_on() {
    let Some(scene) = Scene::set("streams_over_the_limit_wait_and_others_go_on") else {
        return;
    };
    let loki = Loki::start();
    loki.behave(Behaviour::StreamLimit("job=\"limited\"".to_owned()));
    let (mut free, mut limited) = (scene.log("free.log", RAW, 1), scene.log("limited.log", RAW, 11));
    limited.append(2000);
    free.append(2000);
    let files = [("free", free.path(), "raw"), ("limited", limited.path(), "raw")];
    scene.configure(&files, &[Destination("main", &loki, "")]);
    let agent = scene.start();
    let mut book = scene.book(&[(1, RAW), (11, RAW)]);
    deliver(&mut book, &loki, &[&free]);
    free.append(2000);
    deliver(&mut book, &loki, &[&free]);
    // What came with the first refusal was stored with it, and may come again.
    book.verdict(&written(&[&free])).assert_whole(REPEATS_PER_KILL_MAX);
    loki.behave(Behaviour::Accept);
    scene.finish(agent, &loki, book, &[&free, &limited], REPEATS_PER_KILL_MAX);
}

/// The source bytes of what was refused: text and newline.
fn bytes_of(refused: &[Refusal]) -> u64 {
    refused.iter().map(|refusal| refusal.line.len() as u64 + 1).sum()
}
