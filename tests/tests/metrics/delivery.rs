//! What becomes of every sample: versions, refusals, outages. The receiver judges each request.

use tests::agent::Agent;
use tests::receiver::{Receiver, Speaks};
use tests::wait;

use crate::stage::{PATIENCE, Stage, gaps};

/// The sum of one of the agent's own metrics.
pub(crate) fn own(agent: &Agent, name: &str) -> f64 {
    agent.metrics().map_or(0.0, |metrics| metrics.of(&format!("picket_agent_samples_{name}")).map(|sample| sample.value).sum())
}

/// Waits until so many more samples of the load have arrived.
pub(crate) fn arrive(receiver: &Receiver, more: usize) {
    let count = || receiver.received().one("node_load1", "node").map_or(0, |series| series.samples.len());
    let before = count();
    wait::for_condition("samples to arrive", PATIENCE, || count() >= before + more);
}

/// The end of a story: no request was wrong, and of this series no sample is missing.
fn is_whole(receiver: &Receiver, name: &str) {
    let arrived = receiver.received();
    assert_eq!(arrived.violations, Vec::<String>::new());
    let times = arrived.one(name, "node").unwrap().times();
    assert_eq!(gaps(&times), [], "{name}: of {}", times.len());
}

#[test]
fn in_2_0_types_travel_with_every_series_and_help_once() {
    let Some(stage) = Stage::new("in_2_0_types_travel_with_every_series_and_help_once") else { return };
    let receiver = Receiver::start(Speaks::Both);
    let agent = stage.start(&receiver.url(), "");
    arrive(&receiver, 20);
    agent.terminate();
    is_whole(&receiver, "node_load1");
    let arrived = receiver.received();
    assert_eq!(arrived.requests.keys().collect::<Vec<_>>(), ["2.0.0"]);
    let told = &arrived.families["node_load1"];
    assert_eq!((told.help.as_str(), told.helped), ("1m load average.", 1));
    let kinds = |name: &str| arrived.named(name).map(|(_, series)| series.kind).collect::<Vec<_>>();
    assert_eq!((kinds("node_load1"), kinds("picket_agent_samples_stored_total")), (vec![2], vec![1]));
    let load = arrived.one("node_load1", "node").unwrap();
    assert!(load.samples.iter().all(|(_, bits)| *bits == 0.25_f64.to_bits()));
}

#[test]
fn a_receiver_that_knows_1_0_alone_gets_it_and_nothing_is_lost_over_that() {
    for speaks in [Speaks::OnlyOld, Speaks::OldAndDeaf] {
        let Some(stage) = Stage::new("a_receiver_that_knows_1_0_alone_gets_it_and_nothing_is_lost_over_that") else { return };
        let receiver = Receiver::start(speaks);
        let agent = stage.start(&receiver.url(), "");
        arrive(&receiver, 20);
        agent.terminate();
        is_whole(&receiver, "node_load1");
        let arrived = receiver.received();
        assert_eq!(arrived.requests["2.0.0"], 1, "{speaks:?}");
        assert_eq!(arrived.families["node_load1"].help, "1m load average.", "{speaks:?}");
    }
}

#[test]
fn one_bad_series_costs_itself_alone() {
    for speaks in [Speaks::Both, Speaks::OnlyOld] {
        let Some(stage) = Stage::new("one_bad_series_costs_itself_alone") else { return };
        let receiver = Receiver::start(speaks);
        receiver.refuse("__name__=\"node_load5\"");
        let agent = stage.start(&receiver.url(), "");
        arrive(&receiver, 10);
        let (refused, spooled) = (own(&agent, "refused_total"), own(&agent, "spooled"));
        agent.terminate();
        is_whole(&receiver, "node_load1");
        let arrived = receiver.received();
        assert!(arrived.one("node_load5", "node").is_none());
        let rounds = arrived.one("node_load1", "node").unwrap().samples.len() as f64;
        assert!((rounds - 3.0..=rounds + 1.0).contains(&refused) && spooled == 0.0, "{speaks:?}: {refused} of {rounds}");
    }
}

#[test]
fn an_outage_leaves_no_gap_though_the_agent_is_killed_in_it() {
    let Some(stage) = Stage::new("an_outage_leaves_no_gap_though_the_agent_is_killed_in_it") else { return };
    let receiver = Receiver::start(Speaks::Both);
    let agent = stage.start(&receiver.url(), "");
    arrive(&receiver, 5);
    receiver.answer(Some((503, "away")));
    wait::for_condition("samples on disk", PATIENCE, || own(&agent, "spooled") > 5000.0);
    agent.kill();
    receiver.answer(None);
    let killed = receiver.received().one("node_load1", "node").unwrap().samples.len();
    let agent = stage.start(&receiver.url(), "");
    wait::for_condition("the disk is empty again", PATIENCE, || {
        own(&agent, "stored_total") > 0.0 && own(&agent, "spooled") == 0.0
    });
    arrive(&receiver, 5);
    agent.terminate();
    let arrived = receiver.received();
    assert_eq!(arrived.violations, Vec::<String>::new());
    // Between the two agents nothing was measured; that is the only gap, and what was in memory when it was killed is in it.
    let times = arrived.one("node_load1", "node").unwrap().times();
    assert!(gaps(&times).len() <= 1 && times.len() > killed + 10, "{:?} of {}", gaps(&times), times.len());
    // A restart ends no series.
    assert!(arrived.series.values().all(|series| !series.has_ended()));
}

#[test]
fn what_a_person_has_to_mend_is_held_and_said() {
    let Some(stage) = Stage::new("what_a_person_has_to_mend_is_held_and_said") else { return };
    let receiver = Receiver::start(Speaks::Both);
    receiver.ask_for("second");
    stage.write("token", "first");
    let token = stage.path("token");
    let agent = stage.start(&receiver.url(), &format!("bearer_token_file: {}", token.display()));
    wait::for_condition("it is held", PATIENCE, || own(&agent, "held") > 0.0 && own(&agent, "spooled") > 100.0);
    assert!(agent.log().contains("who are you"), "{}", agent.log());
    stage.write("token", "second");
    arrive(&receiver, 20);
    wait::for_condition("nothing waits", PATIENCE, || own(&agent, "spooled") == 0.0 && own(&agent, "held") == 0.0);
    let lost = own(&agent, "refused_total") + own(&agent, "given_up_total");
    agent.terminate();
    is_whole(&receiver, "node_load1");
    assert!(lost == 0.0);
}

#[test]
fn a_receiver_of_small_requests_gets_smaller_ones() {
    let Some(stage) = Stage::new("a_receiver_of_small_requests_gets_smaller_ones") else { return };
    let receiver = Receiver::start(Speaks::Both);
    receiver.take_at_most(50);
    let agent = stage.start(&receiver.url(), "");
    arrive(&receiver, 20);
    let refused = own(&agent, "refused_total");
    let too_large = receiver.received().requests["2.0.0"];
    arrive(&receiver, 10);
    agent.terminate();
    is_whole(&receiver, "node_load1");
    assert!(refused == 0.0);
    assert!(too_large > 20, "more than one request for each sample of the node");
}

#[test]
fn a_series_that_is_gone_ends() {
    let Some(stage) = Stage::new("a_series_that_is_gone_ends") else { return };
    let receiver = Receiver::start(Speaks::Both);
    let agent = stage.start(&receiver.url(), "");
    arrive(&receiver, 5);
    stage.write("proc/meminfo", "MemTotal: 1000 kB\n");
    wait::for_condition("the end of a series", PATIENCE, || {
        receiver.received().one("node_memory_MemFree_bytes", "node").is_some_and(tests::receiver::Series::has_ended)
    });
    arrive(&receiver, 5);
    stage.write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 20 kB\n");
    wait::for_condition("it begins anew", PATIENCE, || {
        receiver.received().one("node_memory_MemFree_bytes", "node").is_some_and(|series| !series.has_ended())
    });
    agent.terminate();
    is_whole(&receiver, "node_memory_MemTotal_bytes");
    let arrived = receiver.received();
    assert!(!arrived.one("node_memory_MemTotal_bytes", "node").unwrap().has_ended());
}

#[test]
fn with_once_a_sample_of_everything_is_delivered() {
    let Some(stage) = Stage::new("with_once_a_sample_of_everything_is_delivered") else { return };
    let receiver = Receiver::start(Speaks::Both);
    let (status, _, log) = stage.run_once(&receiver.url());
    assert_eq!(status.code(), Some(0), "{log}");
    let arrived = receiver.received();
    assert_eq!(arrived.violations, Vec::<String>::new());
    assert_eq!(arrived.one("node_load1", "node").unwrap().samples.len(), 1);
    receiver.answer(Some((404, "no such thing")));
    let (status, _, log) = stage.run_once(&receiver.url());
    assert_eq!(status.code(), Some(1), "{log}");
    receiver.answer(None);
    let (status, _, log) = stage.run_once(&receiver.url());
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(receiver.received().one("node_load1", "node").unwrap().samples.len(), 3, "what was left was sent later");
}
