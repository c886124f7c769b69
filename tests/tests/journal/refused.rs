//! A Loki that refuses one of the journal's streams for now: nothing of it is passed over.

use std::time::Duration;

use tests::journald::Settings;
use tests::loki::{Answer, Behaviour};

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

#[test]
fn a_stream_that_is_refused_before_an_outage_is_not_passed_over_by_what_waits_behind_it() {
    let name = "a_stream_that_is_refused_before_an_outage_is_not_passed_over_by_what_waits_behind_it";
    let Some(stage) = Stage::set(name, Settings::of(""), ALL) else {
        return;
    };
    // The request with the refused stream has its answer, and the next ones have none for longer than a stream is left alone: the
    // lane waits with a batch in its hands, and has not heard of the refusal.
    stage.loki.behave(Behaviour::Answer(Answer::of(503)));
    stage.loki.for_next(3, &Behaviour::StreamLimit("level=\"error\"".to_owned()));
    let native = stage.journald.native();
    native.say("n", 3, "refused");
    (0..5000).for_each(|number| native.say("n", 3 + 3 * u8::from(number > 300), &format!("after {number}")));
    let written = stage.written();
    let agent = stage.start();
    tests::wait::for_condition("the refusal", crate::scene::scale().deliver_max, || {
        agent.metrics().is_some_and(|metrics| metrics.of("picket_agent_parked_streams").any(|sample| sample.value > 0.0))
    });
    let begun = std::time::Instant::now();
    tests::wait::for_condition("the stream's time to be over", Duration::from_secs(90), || {
        begun.elapsed() > Duration::from_secs(65)
    });
    stage.loki.behave(Behaviour::Accept);
    stage.assert_arrives(&written, 5 * REPEATS_PER_KILL_MAX);
    stage.finish(agent);
}
