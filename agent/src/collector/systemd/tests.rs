use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use ::tests::program::Program;
use ::tests::skip::skipped;
use ::tests::wait;
use expect_test::expect_file;

use super::message::tests::{reply, text_variant, units};
use super::message::{HEAD, Kind, length, read};
use super::*;
use crate::collector::testing::{collect, entry, host};

/// A bus of the test's own at the usual place of a tree.
fn listen(tree: &Path) -> UnixListener {
    let socket = tree.join("root").join(SOCKET.trim_start_matches('/'));
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    UnixListener::bind(socket).unwrap()
}

fn line(stream: &mut UnixStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// The next message; nothing if the other side is gone.
fn message(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut message = vec![0; HEAD];
    stream.read_exact(&mut message).ok()?;
    message.resize(length(&message).unwrap(), 0);
    stream.read_exact(&mut message[HEAD..]).unwrap();
    Some(message)
}

fn authenticate(stream: &mut UnixStream) {
    assert!(line(stream).starts_with("\0AUTH EXTERNAL "));
    stream.write_all(b"OK 1234deadbeef\r\n").unwrap();
    assert_eq!(line(stream), "BEGIN\r\n");
}

fn number_variant(kind: u8, value: u64) -> Vec<u8> {
    let mut body = vec![1, kind, 0, 0];
    if kind == b'u' {
        body.extend_from_slice(&(value as u32).to_le_bytes());
    } else {
        body.resize(8, 0);
        body.extend_from_slice(&value.to_le_bytes());
    }
    body
}

/// Answers calls as a systemd would, until the other side goes.
fn serve(mut stream: UnixStream) {
    authenticate(&mut stream);
    let mut asked = 0;
    while let Some(message) = message(&mut stream) {
        let serial = u32::from_le_bytes(message[8..12].try_into().unwrap());
        let mut body = read(&message).unwrap().body;
        let property = body.text().and_then(|interface| Some((interface.to_owned(), body.text()?.to_owned())));
        let answer = |signature, body: Vec<u8>| reply(Kind::Return, serial, None, signature, &body);
        let text = |text| answer("v", text_variant(text));
        let answer = match property.as_ref().map(|(_, property)| &**property) {
            None if String::from_utf8_lossy(&message).contains("Hello") => answer("s", b"\x04\x00\x00\x00:1.7\x00".to_vec()),
            None => answer(
                "a(ssssssouso)",
                units(&[
                    ["a.service", "loaded", "active", "running", "/unit/a"],
                    ["b.service", "loaded", "failed", "failed", "/unit/b"],
                    ["gone.service", "not-found", "inactive", "dead", "/unit/gone"],
                    ["c.timer", "loaded", "active", "waiting", "/unit/c"],
                    ["d.socket", "loaded", "active", "listening", "/unit/d"],
                    ["left-out.device", "loaded", "active", "plugged", "/unit/e"],
                    ["odd.target", "loaded", "maintenance", "x", "/unit/f"],
                ]),
            ),
            Some("Version") => text("252.39-1~deb12u1"),
            Some("Virtualization") => text(""),
            Some("SystemState") => text("running"),
            Some("Type") => text("notify"),
            Some("LastTriggerUSec") => answer("v", number_variant(b't', 1_700_000_000_500_000)),
            Some("NRefused") => reply(Kind::Error, serial, Some("org.freedesktop.DBus.Error.UnknownProperty"), "", b""),
            Some("TasksMax") => answer("v", number_variant(b't', u64::MAX)),
            Some("ActiveEnterTimestamp" | "TasksCurrent") => answer("v", number_variant(b't', 7_000_000)),
            Some(_) => answer("v", number_variant(b'u', 3)),
        };
        asked += 1;
        // A signal may come in between.
        if asked == 2 {
            stream.write_all(&reply(Kind::Signal, 0, None, "s", b"")).unwrap();
        }
        stream.write_all(&answer).unwrap();
    }
}

fn collector(tree: &Path, settings: &Settings) -> Systemd {
    // A loaded machine may be slow.
    Systemd { patience: Duration::from_mins(1), ..Systemd::new(&host(tree), settings) }
}

#[test]
fn units_are_given_as_node_exporter_gives_them() {
    let all = Settings { systemd_restarts: true, systemd_start_times: true, systemd_tasks: true, ..Settings::default() };
    for (case, settings) in [("usual", Settings::default()), ("all", all)] {
        let tree = tempfile::tempdir().unwrap();
        let listener = listen(tree.path());
        let bus = thread::spawn(move || serve(listener.accept().unwrap().0));
        let mut collector = collector(tree.path(), &settings);
        let first = collect(entry("systemd"), &mut collector);
        // On the same connection.
        assert_eq!(first, collect(entry("systemd"), &mut collector));
        let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/collector/systemd").join(case);
        expect_file![expected.join("expected.prom")].assert_eq(&first);
        drop(collector);
        bus.join().unwrap();
    }
}

#[test]
fn a_bus_that_hangs_holds_up_nothing() {
    let tree = tempfile::tempdir().unwrap();
    let listener = listen(tree.path());
    let mut collector = Systemd::new(&host(tree.path()), &Settings::default());
    for _ in 0..3 {
        let begun = Instant::now();
        let text = collect(entry("systemd"), &mut collector);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert!(text.contains("# failed: ") && text.contains("no answer yet"), "{text}");
    }
    // The deadline ends it, and one connection was all.
    let given_up = || collect(entry("systemd"), &mut collector).contains("did not answer in time");
    wait::for_condition("the deadline", Duration::from_secs(30), given_up);
    drop(listener);
}

#[test]
fn a_bus_that_is_away_or_refuses_or_talks_nonsense_is_said() {
    let tree = tempfile::tempdir().unwrap();
    let failure = |collector: &mut Systemd| collect(entry("systemd"), collector).lines().last().unwrap_or_default().to_owned();
    let mut collector = collector(tree.path(), &Settings::default());
    assert!(failure(&mut collector).starts_with("# failed: not on this node: "));
    let listener = listen(tree.path());
    let bus = thread::spawn(move || {
        let mut refusing = listener.accept().unwrap().0;
        line(&mut refusing);
        refusing.write_all(b"REJECTED EXTERNAL\r\n").unwrap();
        let mut foreign = listener.accept().unwrap().0;
        authenticate(&mut foreign);
        message(&mut foreign).unwrap();
        foreign.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let mut later = listener.accept().unwrap().0;
        authenticate(&mut later);
        message(&mut later).unwrap();
    });
    for said in ["refuses this user: REJECTED EXTERNAL", "no D-Bus message", "unexpected end of file"] {
        let failure = failure(&mut collector);
        assert!(failure.contains(said), "{failure}");
    }
    bus.join().unwrap();
}

/// The real bus lets us in, and says that it knows no systemd, unless it does.
#[test]
fn the_real_bus_understands_us() {
    const NAME: &str = "the_real_bus_understands_us";
    let Some(daemon) = Program::find("dbus-daemon") else { return skipped(NAME, "no dbus-daemon (Debian package dbus-daemon)") };
    let tree = tempfile::tempdir().unwrap();
    let socket = tree.path().join("bus");
    let address = format!("--address=unix:path={}", socket.display());
    let _daemon = daemon.start(["--session", "--nofork", "--nopidfile", &address]);
    wait::for_condition("the bus", Duration::from_secs(10), || UnixStream::connect(&socket).is_ok());
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut bus = bus::Bus::connect(&socket, deadline).unwrap();
    let call = |member, arguments| message::Call {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member,
        arguments,
    };
    let mut answers = Vec::new();
    let calls = [call("GetNameOwner", &["org.freedesktop.DBus"][..]), call("GetNameOwner", &["org.example.Nobody"])];
    bus.calls(&calls, deadline, |place, reply| {
        answers.push((place, reply.map(|mut body| body.text().unwrap_or_default().to_owned()).map_err(str::to_owned)));
    })
    .unwrap();
    answers.sort();
    let no_owner = "org.freedesktop.DBus.Error.NameHasNoOwner".to_owned();
    assert_eq!(answers, [(0, Ok("org.freedesktop.DBus".to_owned())), (1, Err(no_owner))]);
}

#[test]
fn a_version_is_the_number_that_stands_in_it() {
    for (text, number) in
        [("252.39-1~deb12u1", 252.39), ("v255", 255.0), ("systemd 5 249.11-0ubuntu", 249.11), ("12", 0.0), ("", 0.0)]
    {
        assert!((version(text) - number).abs() < 1e-9, "{text}");
    }
}
