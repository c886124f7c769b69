//! Against a server that answers what apcupsd 3.14 does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use expect_test::expect_file;

use super::*;

/// A server that answers `status` with those lines, or closes; its port. It runs until the test program ends.
fn server(lines: Option<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = [0; 8];
            stream.read_exact(&mut question).unwrap();
            assert_eq!(&question, b"\0\x06status");
            let Some(lines) = &lines else { continue };
            let mut answer = Vec::new();
            for line in lines.split_inclusive('\n') {
                answer.extend((line.len() as u16).to_be_bytes());
                answer.extend(line.as_bytes());
            }
            answer.extend([0, 0]);
            stream.write_all(&answer).unwrap();
        }
    });
    port
}

fn ups(port: u16) -> Ups {
    let settings = ApcupsdSettings { server: here(port), names: NutNames::NutExporter, timeout: TIMEOUT };
    Ups::new(UpsSettings::Apcupsd(settings))
}

#[test]
fn its_status_is_given_under_nuts_names() {
    let lines = std::fs::read_to_string(fixture("apcupsd.status")).unwrap();
    let mut ups = ups(server(Some(lines)));
    let (is_up, text) = sample(&mut ups);
    assert!(is_up, "{:?}", ups.missing());
    expect_file![fixture("apcupsd.prom")].assert_eq(&text);
    assert_eq!(sample(&mut ups), (true, text));
}

#[test]
fn a_ups_that_apcupsd_has_lost_is_away_and_a_server_that_closes_is_down() {
    let mut lost = ups(server(Some("UPSNAME  : rack-a\nSTATUS   : COMMLOST \n".to_owned())));
    let (is_up, text) = sample(&mut lost);
    assert!(is_up && text.ends_with("up{ups=\"rack-a\"} 0\n") && lost.missing()[0].contains("lost"), "{text}");
    assert_eq!(sample(&mut ups(server(None))), (false, String::new()));
}
