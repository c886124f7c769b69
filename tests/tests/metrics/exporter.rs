//! Beside Debian's node_exporter: every family and series that it has, ours has, with the same type, and values that lie between our own
//! before and after.

use std::collections::BTreeMap;
use std::fs;

use proto::exposition::read::{Format, Reading, read};
use proto::metric::{Families, Kind};
use tests::agent::{self, Launch};
use tests::metrics::get;
use tests::program::Program;
use tests::skip::skipped;
use tests::wait;

use crate::stage::PATIENCE;

#[test]
fn promtool_finds_fault_with_no_name_that_is_our_own() {
    let name = "promtool_finds_fault_with_no_name_that_is_our_own";
    if agent::binary().is_none() {
        return skipped(name, "no agent was built");
    }
    let (Some(_), Some(shell)) = (Program::find("promtool"), Program::find("sh")) else {
        return skipped(name, "no promtool is installed");
    };
    let Some(stage) = crate::stage::Stage::new(name) else { return };
    let receiver = tests::receiver::Receiver::start(tests::receiver::Speaks::Both);
    let running = stage.start(&receiver.url(), "");
    let text = get(running.address().unwrap(), "/metrics").unwrap();
    running.terminate();
    fs::write(stage.path("metrics"), &text).unwrap();
    let command = format!("promtool check metrics < {} 2>&1", stage.path("metrics").display());
    let (code, output, _) = shell.outcome_with(["-c", &command], &[]);
    // 1 is for what cannot be read, 3 for names that it would have chosen otherwise: those are node_exporter's.
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {output}");
    let ours: Vec<&str> = output.lines().filter(|line| !line.starts_with("node_")).collect();
    assert_eq!(ours, Vec::<&str>::new());
    assert!(text.contains("\npicket_agent_build_info{"));
}

/// What is not given, and why.
const LEFT_OUT: [(&str, &str); 8] = [
    ("go_", "of the exporter's own runtime"),
    ("process_", "of the exporter's own process"),
    ("promhttp_", "of the exporter's own server"),
    ("node_exporter_build_info", "of the exporter itself"),
    ("node_scrape_collector_duration_seconds", "a figure of each program's own"),
    ("node_scrape_collector_success", "collectors are not all the same"),
    ("node_disk_info", "has the label rotational since 1.6"),
    ("node_network_info", "has the label adminstate since 1.6"),
];

/// What was exposed: families with their types, series with their values.
struct Exposed {
    kinds: BTreeMap<String, Kind>,
    series: BTreeMap<String, f64>,
}

fn exposed(address: &str) -> Exposed {
    let text = get(address, "/metrics").unwrap();
    let mut families = Families::new();
    read(text.as_bytes(), &Reading::of(Format::Text), &mut families).unwrap();
    let mut exposed = Exposed { kinds: BTreeMap::new(), series: BTreeMap::new() };
    for sample in families.samples() {
        let mut labels: Vec<(&str, &str)> = sample.labels().collect();
        labels.sort_unstable();
        exposed.kinds.insert(sample.family().name.to_owned(), sample.family().kind);
        exposed.series.insert(format!("{}{labels:?}", sample.name()), sample.value());
    }
    exposed
}

fn is_left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|(begin, _)| name.starts_with(begin))
}

#[test]
fn what_node_exporter_gives_is_given_under_the_same_names() {
    let name = "what_node_exporter_gives_is_given_under_the_same_names";
    if agent::binary().is_none() {
        return skipped(name, "no agent was built");
    }
    let Some(exporter) = Program::find("prometheus-node-exporter") else {
        return skipped(name, "no prometheus-node-exporter is installed");
    };
    let directory = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    // Defaults of later versions than Debian's, and what our agent has by default.
    let arguments = [
        &format!("--web.listen-address={address}"),
        r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
        "--collector.processes",
        "--collector.tcpstat",
        "--collector.mountstats",
    ];
    let _exporter = exporter.serve(arguments, &[], &directory.path().join("exporter.log"));
    wait::for_condition("node_exporter answers", PATIENCE, || get(&address, "/metrics").is_ok());
    let config = directory.path().join("agent.yaml");
    fs::write(&config, "listen: 127.0.0.1:0\nmetrics: {collectors: {enable: [tcpstat]}}\nlogs: {changes: {paths: [/nowhere]}}\noutputs: {loki: [{url: \"http://127.0.0.1:9\", spool: 0}]}\n").unwrap();
    let args =
        ["--config", config.to_str().unwrap(), "--state-dir", directory.path().join("state").to_str().unwrap()].map(Into::into);
    let launch =
        Launch { program: None, through: Vec::new(), args: args.to_vec(), env: Vec::new(), logs: directory.path().to_owned() };
    let running = launch.start_listening();
    let before = exposed(running.address().unwrap());
    let theirs = exposed(&address);
    let after = exposed(running.address().unwrap());
    running.terminate();

    assert!(theirs.kinds.len() > 150, "{}", theirs.kinds.len());
    let missing: Vec<&String> =
        theirs.kinds.keys().filter(|name| !is_left_out(name) && !after.kinds.contains_key(*name)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "families that are missing");
    let other_types: Vec<(&String, &Kind)> =
        theirs.kinds.iter().filter(|(name, kind)| after.kinds.get(*name).is_some_and(|ours| ours != *kind)).collect();
    assert_eq!(other_types, [], "families of another type");
    let missing: Vec<&String> = theirs
        .series
        .keys()
        .filter(|series| !is_left_out(series) && !before.series.contains_key(*series) && !after.series.contains_key(*series))
        .collect();
    assert_eq!(missing, Vec::<&String>::new(), "series that are missing");

    // What only grows lies between ours before and after; what did not move is the same.
    let mut compared = 0;
    for (series, value) in &theirs.series {
        let (Some(first), Some(last)) = (before.series.get(series), after.series.get(series)) else { continue };
        let family = series.split('[').next().unwrap();
        let grows = after.kinds.get(family) == Some(&Kind::Counter);
        let stands =
            first.to_bits() == last.to_bits() && !family.starts_with("node_sockstat") && !family.starts_with("node_procs");
        if grows || (stands && !is_left_out(family) && !moves(family)) {
            // A tick of the kernel's clock is not seen by both in the same moment.
            assert!((first - 0.02..=last + 0.02).contains(value), "{series}: {first}, {value} there, {last}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Gauges that may change and change back between two looks.
fn moves(family: &str) -> bool {
    [
        "node_memory_",
        "node_netstat_Tcp_CurrEstab",
        "node_tcp_connection_states",
        "node_processes_",
        "node_filefd_",
        "node_disk_io_now",
    ]
    .iter()
    .any(|begin| family.starts_with(begin))
}
