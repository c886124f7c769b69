//! Beside Debian's `node_exporter`: every family and series that it has, ours has, with the same type, and values that lie between our own
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
    // Other tests mount, start and connect things; what is different once need not be so again.
    let ours = || exposed(running.address().unwrap());
    let mut told = Vec::new();
    for _ in 0..5 {
        told = differences(&ours(), &exposed(&address), &ours());
        if told.is_empty() {
            break;
        }
    }
    running.terminate();
    assert_eq!(told, Vec::<String>::new());
}

/// What theirs has and ours has not, before and after, in words; values that do not lie between ours.
fn differences(before: &Exposed, theirs: &Exposed, after: &Exposed) -> Vec<String> {
    let mut told = Vec::new();
    if theirs.kinds.len() < 150 {
        told.push(format!("only {} families there", theirs.kinds.len()));
    }
    for (name, kind) in theirs.kinds.iter().filter(|(name, _)| !is_left_out(name)) {
        match after.kinds.get(name) {
            None => told.push(format!("family {name} is missing")),
            Some(ours) if ours != kind => told.push(format!("{name} is a {ours}, a {kind} there")),
            Some(_) => {}
        }
    }
    let mut compared = 0;
    for (series, value) in theirs.series.iter().filter(|(series, _)| !is_left_out(series)) {
        let (first, last) = (before.series.get(series), after.series.get(series));
        let (Some(first), Some(last)) = (first, last) else {
            if first.is_none() && last.is_none() {
                told.push(format!("series {series} is missing"));
            }
            continue;
        };
        let family = series.split('[').next().unwrap_or_default();
        // Time that nobody used is counted by each processor on its own, and may run backwards.
        let grows = after.kinds.get(family) == Some(&Kind::Counter) && !series.contains("iowait") && !series.contains("idle");
        if grows || STANDS.contains(&family) {
            compared += 1;
            // A tick of the kernel's clock is not seen by both in the same moment.
            if !(first - 0.05..=last + 0.05).contains(value) {
                told.push(format!("{series}: {first}, {value} there, {last}"));
            }
        }
    }
    if compared < 100 {
        told.push(format!("only {compared} values were compared"));
    }
    told
}

/// Gauges that do not move.
const STANDS: [&str; 14] = [
    "node_boot_time_seconds",
    "node_cpu_online",
    "node_disk_filesystem_info",
    "node_entropy_pool_size_bits",
    "node_filefd_maximum",
    "node_filesystem_readonly",
    "node_filesystem_size_bytes",
    "node_memory_HugePages_Total",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_network_mtu_bytes",
    "node_network_protocol_type",
    "node_os_info",
    "node_uname_info",
];
