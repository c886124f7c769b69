//! Into a real Prometheus, which is killed twice: every sample is there, none was refused.

use tests::exposed::{Exposed, OPEN_METRICS};
use tests::prometheus::Prometheus;
use tests::skip::skipped;
use tests::wait;

use crate::stage::{PATIENCE, Stage, gaps};

/// An hour at an interval of 15 s.
const SAMPLES: usize = 240;

#[test]
fn an_hours_samples_have_no_gap_though_prometheus_is_killed_twice() {
    let name = "an_hours_samples_have_no_gap_though_prometheus_is_killed_twice";
    let Some(stage) = Stage::new(name) else { return };
    let Some(mut prometheus) = Prometheus::start(&stage.path("prometheus")) else {
        return skipped(name, "no prometheus is installed");
    };
    let agent = stage.start(&prometheus.url(), "");
    let stored = |agent: &tests::agent::Agent| {
        agent.metrics().map_or(0.0, |metrics| metrics.of("picket_agent_samples_stored_total").map(|sample| sample.value).sum())
    };
    let spooled = |agent: &tests::agent::Agent| {
        agent.metrics().map_or(0.0, |metrics| metrics.of("picket_agent_samples_spooled").map(|sample| sample.value).sum())
    };
    for _ in 0..2 {
        let before = stored(&agent);
        wait::for_condition("some seconds of samples are stored", PATIENCE, || stored(&agent) > before + 2000.0);
        prometheus.kill();
        wait::for_condition("some seconds of samples are on disk", PATIENCE, || spooled(&agent) > 2000.0);
        prometheus.start_again();
        wait::for_condition("the disk is empty again", PATIENCE, || spooled(&agent) == 0.0);
    }
    let selector = "node_load1{job=\"node\"}[10m]";
    wait::for_condition("an hour of samples is there", PATIENCE, || prometheus.times(selector).len() >= SAMPLES);
    let metrics = agent.metrics().unwrap();
    agent.terminate();
    let times = prometheus.times(selector);
    assert_eq!(gaps(&times), [], "of {}", times.len());
    for refused in metrics.of("picket_agent_samples_refused_total").chain(metrics.of("picket_agent_samples_given_up_total")) {
        assert!(refused.value == 0.0, "{refused:?}");
    }
    let up = prometheus.query("up{instance=\"node-1\",cluster=\"default\",node=\"node-1\"}");
    assert_eq!(up.len(), 2, "{up:?}");
}

#[test]
fn exemplars_can_be_asked_for_in_prometheus() {
    let name = "exemplars_can_be_asked_for_in_prometheus";
    let Some(stage) = Stage::new(name) else { return };
    let Some(prometheus) = Prometheus::start(&stage.path("prometheus")) else {
        return skipped(name, "no prometheus is installed");
    };
    let text = |trace: &str, seconds: i64| {
        format!("# TYPE requests counter\nrequests_total 7 # {{trace_id=\"{trace}\"}} 0.5 {seconds}\n# EOF\n")
    };
    let target = Exposed::start(OPEN_METRICS, &text("first", 1_700_000_000));
    let agent = stage.start_scraping(&[(&prometheus.url(), "")], &[("test", &target)]);
    let traces = || -> Vec<String> {
        let series = prometheus.exemplars("requests_total{job=\"test\"}");
        let all = series.iter().filter_map(|series| series["exemplars"].as_array()).flatten();
        all.map(|exemplar| format!("{} {}", exemplar["labels"]["trace_id"], exemplar["timestamp"])).collect()
    };
    wait::for_condition("the first is there", PATIENCE, || traces() == ["\"first\" 1700000000"]);
    target.show(Some((OPEN_METRICS, &text("second", 1_700_000_001))));
    let both = ["\"first\" 1700000000", "\"second\" 1700000001"];
    wait::for_condition("the second is there", PATIENCE, || traces() == both);
    agent.terminate();
}
