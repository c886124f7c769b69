//! A Loki that refuses one of the journal's streams for now: nothing of it is passed over.

use tests::journald::Settings;
use tests::loki::Behaviour;

use crate::scene::REPEATS_PER_KILL_MAX;
use crate::stage::{ALL, Stage};

#[test]
fn a_stream_that_is_refused_is_shipped_in_the_end_and_nothing_behind_it_is_lost() {
    let name = "a_stream_that_is_refused_is_shipped_in_the_end_and_nothing_behind_it_is_lost";
    let Some(stage) = Stage::set(name, Settings::of(""), ALL) else {
        return;
    };
    stage.loki.behave(Behaviour::StreamLimit("level=\"error\"".to_owned()));
    // Batches of which the first has an entry of the refused stream, and those behind it have none.
    let native = stage.journald.native();
    (0..300).for_each(|number| native.say("n", 6, &format!("before {number}")));
    native.say("n", 3, "refused");
    (0..5000).for_each(|number| native.say("n", 6, &format!("after {number}")));
    let written = stage.written();
    let agent = stage.start();
    tests::wait::for_condition("the refusal", crate::scene::scale().deliver_max, || {
        agent.metrics().is_some_and(|metrics| metrics.of("picket_agent_parked_streams").any(|sample| sample.value > 0.0))
    });
    stage.loki.behave(Behaviour::Accept);
    // What was sent together with the refused stream comes again.
    stage.assert_arrives(&written, 3 * REPEATS_PER_KILL_MAX);
    stage.finish(agent);
}
