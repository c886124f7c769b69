//! What others expose: a real exporter, scraped, relabelled, killed and started again.

use tests::metrics::get;
use tests::program::{Program, Running};
use tests::receiver::{Receiver, Speaks};
use tests::skip::skipped;
use tests::wait;

use crate::stage::{PATIENCE, Stage};

fn start(exporter: &Program, address: &str, stage: &Stage) -> Running {
    let running = exporter.serve([format!("--web.listen-address={address}")], &[], &stage.path("exporter.log"));
    wait::for_condition("node_exporter answers", PATIENCE, || get(address, "/metrics").is_ok());
    running
}

#[test]
fn a_real_exporter_is_up_and_down_and_its_series_end() {
    let name = "a_real_exporter_is_up_and_down_and_its_series_end";
    let Some(stage) = Stage::new(name) else { return };
    let Some(exporter) = Program::find("prometheus-node-exporter") else {
        return skipped(name, "no prometheus-node-exporter is installed");
    };
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let running = start(&exporter, &address, &stage);
    let receiver = Receiver::start(Speaks::Both);
    let scrape = format!(
        "scrape: [{{job: other, url: \"http://{address}\", interval: 200ms, labels: {{rack: \"2\"}}}}], \
         relabel: [{{job: other, action: drop, source_labels: [__name__], regex: \"go_.*\"}}, {{job: other, name_prefix: x_}}]"
    );
    let agent = stage.start_measuring(&receiver.url(), &scrape);
    let one = |name: &str| receiver.received().one(name, "other").cloned();
    let up = || one("up").and_then(|series| series.samples.last().copied()).map(|(_, bits)| f64::from_bits(bits).to_string());
    wait::for_condition("it is up", PATIENCE, || up().as_deref() == Some("1") && one("x_node_load1").is_some());
    drop(running);
    wait::for_condition("it is down", PATIENCE, || up().as_deref() == Some("0"));
    wait::for_condition("its series end", PATIENCE, || one("x_node_load1").is_some_and(|series| series.has_ended()));
    let _running = start(&exporter, &address, &stage);
    wait::for_condition("it is up again", PATIENCE, || {
        up().as_deref() == Some("1") && one("x_node_load1").is_some_and(|series| !series.has_ended())
    });
    agent.terminate();

    let arrived = receiver.received();
    assert_eq!(arrived.violations, Vec::<String>::new());
    assert_eq!(arrived.named("x_go_goroutines").count() + arrived.named("go_goroutines").count(), 0);
    assert!(arrived.one("scrape_duration_seconds", "other").is_some(), "what a scrape says of itself is not relabelled");
    let (labels, _) = arrived.named("up").find(|(labels, _)| labels.contains("job=\"other\"")).unwrap();
    assert!(labels.contains("rack=\"2\"") && labels.contains(&format!("instance={address:?}")), "{labels}");
    let samples = arrived.one("scrape_samples_scraped", "other").unwrap();
    let values: Vec<f64> = samples.samples.iter().map(|(_, bits)| f64::from_bits(*bits)).collect();
    assert!(values.iter().any(|value| *value > 300.0) && values.contains(&0.0), "{values:?}");
}

#[test]
fn text_files_of_others_are_samples_of_the_node() {
    let Some(stage) = Stage::new("text_files_of_others_are_samples_of_the_node") else { return };
    std::fs::create_dir_all(stage.path("root/text")).unwrap();
    stage.write("root/text/backup.prom", "# TYPE backup_size_bytes gauge\nbackup_size_bytes{name=\"db\"} 12\n");
    let receiver = Receiver::start(Speaks::Both);
    let agent = stage.start_measuring(&receiver.url(), "textfile: {directory: /text}");
    let size = || receiver.received().one("backup_size_bytes", "node").cloned();
    wait::for_condition("the file's sample arrives", PATIENCE, || size().is_some());
    std::fs::remove_file(stage.path("root/text/backup.prom")).unwrap();
    wait::for_condition("it ends with the file", PATIENCE, || size().is_some_and(|series| series.has_ended()));
    agent.terminate();
}
