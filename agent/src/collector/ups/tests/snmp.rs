//! Against a card that answers a recorded walk over UDP, loses datagrams, and misbehaves.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::thread;
use std::time::Instant;

use client::Secret;
use expect_test::expect_file;

use super::super::snmp::testing::{Ask, Question, answer};
use super::*;

type Objects = BTreeMap<Vec<u32>, (u8, Vec<u8>)>;

/// What `snmpwalk -On` prints.
fn objects(walk: &str) -> Objects {
    let number = |text: &str, length: usize| text.parse::<i64>().unwrap().to_be_bytes()[8 - length..].to_vec();
    let name = |text: &str| text.trim_start_matches('.').split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    let one = |line: &str| {
        let (object, value) = line.split_once(" = ").unwrap();
        let value = match value.split_once(": ").unwrap() {
            ("INTEGER", value) => (0x02, number(value, 4)),
            ("Counter32", value) => (0x41, number(value, 5)),
            ("Gauge32", value) => (0x42, number(value, 5)),
            ("Timeticks", value) => (0x43, number(value.trim_start_matches('(').split(')').next().unwrap(), 5)),
            ("STRING", value) => (0x04, value.trim_matches('"').as_bytes().to_vec()),
            ("OID", value) => {
                let parts = name(value);
                let encoded = [(parts[0] * 40 + parts[1]) as u8].into_iter();
                (0x06, encoded.chain(parts[2..].iter().map(|part| u8::try_from(*part).unwrap())).collect())
            }
            (other, _) => panic!("{other}"),
        };
        (name(object), value)
    };
    walk.lines().map(one).collect()
}

/// How a card behaves.
#[derive(Clone, Copy, PartialEq)]
enum Card {
    Usual,
    /// Every second datagram is lost.
    Lossy,
    /// An answer to another question, and something else, come first.
    Confused,
    /// More than four objects do not fit.
    Small,
    /// It always answers the same.
    Circling,
    /// It answers questions with error 5, `genErr`.
    Failing,
    Silent,
    /// It answers no question but the first.
    Tired,
}

/// Starts one; its port. It runs until the test program ends.
fn card(objects: Objects, card: Card) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        for count in 0_u32.. {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let Question { community, request, ask, objects: names } = Question::read(&buffer[..length]).unwrap();
            assert_eq!(community, b"secret");
            if card == Card::Silent || (card == Card::Tired && ask != Ask::Get) || (card == Card::Lossy && count % 2 == 0) {
                continue;
            }
            let first = &names[0];
            let found: Vec<_> = match ask {
                Ask::Get => objects.get_key_value(first).into_iter().collect(),
                Ask::Bulk(_) if card == Card::Circling => objects.iter().skip(1).take(1).collect(),
                Ask::Bulk(count) => objects.iter().filter(|(name, _)| *name > first).take(usize::from(count)).collect(),
            };
            let mut found: Vec<_> =
                found.into_iter().map(|(name, (tag, content))| (name.clone(), *tag, content.clone())).collect();
            if found.is_empty() {
                found.push((first.clone(), 0x82, Vec::new()));
            }
            let error = match card {
                Card::Failing => 5,
                Card::Small if found.len() > 4 => 1,
                _ => 0,
            };
            if error > 0 {
                found.clear();
            }
            if card == Card::Confused {
                socket.send_to(&answer(b"secret", request - 1, 0, &found), from).unwrap();
                socket.send_to(b"\x30\x03\x02\x01\x01", from).unwrap();
            }
            socket.send_to(&answer(b"secret", request, error, &found), from).unwrap();
        }
    });
    port
}

fn recorded() -> Objects {
    objects(&std::fs::read_to_string(fixture("card.walk")).unwrap())
}

fn ups(port: u16, timeout: Duration) -> Ups {
    let community = Secret::Inline("secret".to_owned());
    Ups::new(UpsSettings::Snmp(SnmpSettings { server: here(port), access: SnmpAccess::Community(community), timeout }))
}

#[test]
fn a_card_is_walked_whatever_becomes_of_its_datagrams() {
    let mut usual = ups(card(recorded(), Card::Usual), TIMEOUT);
    let (is_up, text) = sample(&mut usual);
    assert!(is_up, "{:?}", usual.missing());
    expect_file![fixture("card.prom")].assert_eq(&text);
    for kind in [Card::Confused, Card::Small, Card::Lossy] {
        assert_eq!(sample(&mut ups(card(recorded(), kind), 4 * TIMEOUT)), (true, text.clone()));
    }
    // A card whose last object is one of UPS-MIB ends otherwise.
    let mut short = recorded();
    short.pop_last();
    assert_eq!(sample(&mut ups(card(short, Card::Usual), TIMEOUT)), (true, text));
}

#[test]
fn a_card_that_misbehaves_gives_nothing() {
    for (kind, words) in [
        (Card::Circling, "in circles"),
        (Card::Failing, "SNMP error 5"),
        (Card::Silent, "no answer in time; a card is silent to a wrong community"),
        (Card::Tired, "no answer in time; it has answered other questions"),
    ] {
        let mut ups = ups(card(recorded(), kind), if kind == Card::Silent { SHORT } else { TIMEOUT });
        let begin = Instant::now();
        assert_eq!(sample(&mut ups), (false, String::new()));
        assert!(begin.elapsed() < 2 * TIMEOUT && ups.missing()[0].contains(words), "{:?}", ups.missing());
    }
    // Lines that it cannot have.
    let many = (1..=5000).map(|line| (vec![1, 3, 6, 1, 2, 1, 33, 1, 3, 3, 1, 3, line], (0x02, vec![1]))).collect();
    let mut large = ups(card(many, Card::Usual), TIMEOUT);
    assert_eq!(sample(&mut large), (false, String::new()));
    assert!(large.missing()[0].contains("more objects"), "{:?}", large.missing());
    let none = objects(".1.3.6.1.2.1.1.3.0 = Timeticks: (1) 0:00:00.01");
    let mut ups = ups(card(none, Card::Usual), TIMEOUT);
    assert!(!sample(&mut ups).0 && ups.missing()[0].contains("no UPS-MIB"), "{:?}", ups.missing());
}

#[test]
fn a_name_with_several_addresses_is_found_at_the_one_that_answers() {
    // Mostly ::1 comes first, where nobody listens.
    let server = Server { host: "localhost".to_owned(), port: card(recorded(), Card::Usual) };
    let access = SnmpAccess::Community(Secret::Inline("secret".to_owned()));
    let mut ups = Ups::new(UpsSettings::Snmp(SnmpSettings { server, access, timeout: TIMEOUT }));
    assert!((0..2).any(|_| sample(&mut ups).0), "{:?}", ups.missing());
}
