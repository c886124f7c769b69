//! Who takes an entry, and which labels its stream has.

use std::collections::BTreeSet;

use tests::journald::{Entry, Settings};
use tests::{stamp, wait};

use crate::scene::scale;
use crate::stage::{ALL, Stage};

#[test]
fn packets_go_to_calico_flow_and_the_kernel_and_warnings_to_node_journal() {
    let name = "packets_go_to_calico_flow_and_the_kernel_and_warnings_to_node_journal";
    let selections = "[{preset: sshd, job: sshd-pve}, {job: calico-flow, match: {_TRANSPORT: [kernel]}, grep: \"^calico-packet\"}, \
                      {job: node-journal, priority: warning, kernel: all}]";
    let Some(stage) = Stage::set(name, Settings::of(""), selections) else {
        return;
    };
    let packet = "calico-packet: IN=cali1a2b3c4d5e6 OUT=ens18 MAC=ee:ee SRC=10.10.3.17 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=59934 DPT=4444";
    let mut kernel = stage.journald.kernel();
    kernel.say(4, packet);
    kernel.say(6, "eth0: link up");
    let native = stage.journald.native();
    native.say("any", 4, packet);
    native.say("any", 6, "not worth telling");
    native.say("any", 3, "worth telling");
    stage.journald.sync();
    let agent = stage.start();
    let is_here = |line: &str| stage.arrived().iter().any(|delivery| delivery.line == line);
    wait::for_condition("the last one", scale().deliver_max, || is_here("worth telling"));
    let arrived = stage.arrived();
    let said: BTreeSet<(String, &str)> = arrived
        .iter()
        .map(|delivery| {
            let job = delivery.stream.split_once("job=\"").unwrap().1.split('"').next().unwrap();
            let transport = delivery.stream.split_once("transport=\"").unwrap().1.split('"').next().unwrap();
            (format!("{job} {transport}"), delivery.line.as_str())
        })
        .collect();
    let expected = [
        ("calico-flow kernel", packet),
        ("node-journal journal", packet),
        ("node-journal journal", "worth telling"),
        ("node-journal kernel", "eth0: link up"),
    ];
    assert_eq!(said, expected.map(|(stream, line)| (stream.to_owned(), line)).into());
    let flow = arrived.iter().find(|delivery| delivery.stream.contains("calico-flow")).unwrap();
    for (name, value) in [("src", "10.10.3.17"), ("dst", "203.0.113.9"), ("dpt", "4444"), ("proto", "TCP")] {
        assert!(flow.metadata.contains(&(name.to_owned(), value.to_owned())), "{name}: {flow:?}");
    }
    stage.finish(agent);
}

#[test]
fn units_are_labels_without_their_numbers_and_identifiers_are_metadata() {
    let name = "units_are_labels_without_their_numbers_and_identifiers_are_metadata";
    let Some(stage) = Stage::set(name, Settings::of(""), ALL) else {
        return;
    };
    let now = stamp::now_nanos() / 1000;
    let boot = "00112233445566778899aabbccddeeff";
    let units = ["ssh.service", "session-12.scope", "session-13.scope", "getty@tty1.service", "getty@tty2.service"];
    let made = |(place, unit): (usize, &&str)| {
        let (message, pid) = (format!("of {unit}"), (100 + place).to_string());
        let fields = [
            ("_TRANSPORT", "syslog"),
            ("_SYSTEMD_UNIT", unit),
            ("SYSLOG_IDENTIFIER", "any"),
            ("_PID", &pid),
            ("PRIORITY", "3"),
            ("MESSAGE", &message),
        ];
        Entry::made(&fields, now + place as i64, boot)
    };
    let entries: Vec<Entry> = units.iter().enumerate().map(made).collect();
    if !stage.journald.import(name, "units", &entries) {
        return;
    }
    let agent = stage.start();
    stage.assert_arrives(&stage.written(), 0);
    let arrived = stage.arrived();
    let of_units: Vec<_> = arrived.iter().filter(|delivery| delivery.line.starts_with("of ")).collect();
    let stream = |unit: &str| {
        format!(
            "{{cluster=\"default\", job=\"all\", level=\"error\", node=\"test-node\", transport=\"syslog\", unit=\"{unit}\"}}"
        )
    };
    let streams: Vec<String> = of_units.iter().map(|delivery| delivery.stream.to_string()).collect();
    let expected = ["ssh.service", "session-*.scope", "session-*.scope", "getty@*.service", "getty@*.service"].map(stream);
    assert_eq!(streams, expected);
    for (place, delivery) in of_units.iter().enumerate() {
        let pid = (100 + place).to_string();
        for (name, value) in [("identifier", "any"), ("pid", &pid), ("boot_id", boot)] {
            assert!(delivery.metadata.contains(&(name.to_owned(), value.to_owned())), "{name}: {delivery:?}");
        }
    }
    stage.finish(agent);
}
