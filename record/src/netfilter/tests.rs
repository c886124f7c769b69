//! Tests of the kernel's packet log.

use super::*;
use crate::fixtures;
use proptest::prelude::*;
use serde_json::{Value, json};

fn shown(message: &[u8]) -> Value {
    let mut pairs = Metadata::default();
    metadata(message, &mut pairs);
    match parse(message) {
        Some(_) => pairs.iter().map(|(name, value)| json!([name, value])).collect(),
        None => Value::Null,
    }
}

#[test]
fn fixtures_read_as_expected() {
    fixtures::check("netfilter", shown);
}

#[test]
fn recorded_lines_are_read() {
    for (path, line) in fixtures::samples("calico-flow") {
        let packet = parse(&line).unwrap_or_else(|| panic!("{}: {}", path.display(), String::from_utf8_lossy(&line)));
        assert_eq!(packet.prefix, b"calico-packet");
        let has_ports = matches!(packet.protocol, Some("TCP" | "UDP"));
        assert_eq!(packet.destination_port.is_some(), has_ports, "{}", String::from_utf8_lossy(&line));
    }
}

#[test]
fn what_is_no_packet_gives_nothing() {
    for message in [
        "",
        "IN=",
        "IN=eth0",
        "IN=eth0 OUT=",
        "IN=eth0 OUT= SRC=10.0.0.1",
        "IN=eth0 OUT= SRC=10.0.0.1 DST=nowhere",
        "IN=eth0 SRC=10.0.0.1 DST=10.0.0.2",
        "IN=eth0 OUT= [SRC=10.0.0.1 DST=10.0.0.2 ]",
        "IN=eth0 OUT= ARP HTYPE=1 PTYPE=0x0800 OPCODE=1",
        "usb 1-1: new device",
    ] {
        assert_eq!(parse(message.as_bytes()), None, "{message}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(message: Vec<u8>, tail: Vec<u8>) {
        let _ = parse(&message);
        let _ = parse(&[b"x IN=a OUT=b SRC=1.1.1.1 DST=2.2.2.2 ", &tail[..]].concat());
    }

    #[test]
    fn what_stands_in_brackets_or_behind_changes_nothing(tail: Vec<u8>) {
        let head = b"x: IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 LEN=84 PROTO=ICMP TYPE=3 CODE=3 ";
        let line = [head, &b"["[..], &tail].concat();
        prop_assert_eq!(parse(&line), parse(head));
    }

    #[test]
    fn a_rule_that_reads_the_line_finds_the_same(prefix in "[a-z |%]{0,20}", input in "[!-~&&[^\\[]]{0,15}", output in "[!-~&&[^\\[]]{0,15}",
        source: std::net::Ipv4Addr, destination: std::net::Ipv4Addr, ports: (u16, u16))
    {
        let (spt, dpt) = ports;
        let line = format!("{prefix}: IN={input} OUT={output} SRC={source} DST={destination} LEN=60 DF PROTO=TCP SPT={spt} DPT={dpt} SYN ");
        let (source, destination, spt, dpt) = (source.to_string(), destination.to_string(), spt.to_string(), dpt.to_string());
        prop_assert_eq!(parse(line.as_bytes()), Some(Packet {
            prefix: prefix.trim_end().as_bytes(),
            input: input.as_bytes(),
            output: output.as_bytes(),
            source: &source,
            destination: &destination,
            protocol: Some("TCP"),
            source_port: Some(&spt),
            destination_port: Some(&dpt),
        }));
    }
}
