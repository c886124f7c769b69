//! Against a real upsd with simulated UPSes, and against servers that misbehave as none does that can be installed.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use ::tests::program::{Program, Running};
use ::tests::skip::skipped;
use ::tests::wait;
use client::{Secret, Tls};
use expect_test::expect_file;

use super::*;

/// Debian's /usr/sbin/upsd is a script that wants the system's configuration.
const PROGRAMS: &str = "/lib/nut";
/// upsd looks at its drivers every second or two; `dummy-ups` at its file as often.
const CHANGE_MAX: Duration = Duration::from_mins(1);

pub(super) fn settings(port: u16) -> NutSettings {
    NutSettings { server: here(port), names: NutNames::NutExporter, timeout: TIMEOUT, login: None, tls: None }
}

pub(super) fn ups(settings: NutSettings) -> Ups {
    Ups::new(UpsSettings::Nut(settings))
}

/// upsd and two UPSes, in a directory of their own.
pub(super) struct Upsd {
    directory: tempfile::TempDir,
    pub(super) port: u16,
    server: Option<Running>,
    drivers: Vec<Running>,
}

impl Upsd {
    /// Starts them; nothing where NUT is not installed, which is said.
    fn start(test: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        Self::start_in(test, directory, "")
    }

    /// In that directory, with further lines of `upsd.conf`.
    pub(super) fn start_in(test: &str, directory: tempfile::TempDir, lines: &str) -> Option<Self> {
        let Some(driver) = Program::find(&format!("{PROGRAMS}/dummy-ups")) else {
            skipped(test, "NUT's server is not installed");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write(
            "ups.conf",
            "pollinterval = 1\n[homeups]\ndriver = dummy-ups\nport = homeups.dev\ndesc = \"Rack UPS \\\"A\\\"\"\n\
             [second]\ndriver = dummy-ups\nport = second.dev\n",
        );
        write("upsd.conf", &format!("LISTEN 127.0.0.1 {port}\n{lines}"));
        write("upsd.users", "");
        write("homeups.dev", &std::fs::read_to_string(fixture("homeups.dev")).unwrap());
        write("second.dev", "ups.status: OB LB\nbattery.charge: 4\n");
        let mut upsd = Self { directory, port, server: None, drivers: Vec::new() };
        for name in ["homeups", "second"] {
            let socket = upsd.directory.path().join(format!("dummy-ups-{name}"));
            let running = driver.serve(["-F", "-u", &user(), "-a", name], &upsd.environment(), &upsd.log());
            upsd.drivers.push(running);
            wait::for_condition("the driver runs", CHANGE_MAX, || socket.exists());
        }
        upsd.serve();
        Some(upsd)
    }

    fn serve(&mut self) {
        self.server = Some(self.started());
        wait::for_condition("upsd has both UPSes", CHANGE_MAX, || {
            // Who connects to a port that nobody listens on may be given that very port, and then upsd finds it taken.
            if self.server.as_mut().is_some_and(|server| server.ended().is_some()) {
                self.server = Some(self.started());
            }
            ["homeups", "second"].iter().all(|name| {
                self.ask(&format!("GET VAR {name} ups.status"))
                    .is_some_and(|answer| answer.starts_with("VAR") && !answer.contains("WAIT"))
            })
        });
    }

    fn started(&self) -> Running {
        let program = Program::find(&format!("{PROGRAMS}/upsd")).unwrap();
        program.serve(["-F", "-u", &user()], &self.environment(), &self.log())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let here = self.directory.path().to_str().unwrap();
        ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_PIDPATH", "NUT_ALTPIDPATH"].map(|name| (name.to_owned(), here.to_owned())).into()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// The first line of an answer, by a client of the test's own.
    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        stream.write_all(format!("{command}\n").as_bytes()).ok()?;
        BufReader::new(stream).lines().next()?.ok()
    }
}

fn user() -> String {
    Program::find("id").unwrap().run(["-un"]).trim().to_owned()
}

/// Versions of what is installed are no figures of a test.
fn without_versions(text: &str) -> String {
    let is_version =
        |line: &&str| line.starts_with("nut_server_info{") || line.starts_with("network_ups_tools_driver_version_internal{");
    let lines: Vec<&str> = text.lines().filter(|line| !is_version(line)).collect();
    let mut text = lines.join("\n") + "\n";
    for label in ["driver_version", "driver_version_internal", "nut_version"] {
        let begin = format!(",{label}=\"");
        while let Some((before, rest)) = text.clone().split_once(&begin) {
            let after = rest.split_once('"').map_or("", |(_, after)| after);
            text = format!("{before}{after}");
        }
    }
    text
}

#[test]
fn every_ups_of_a_server_is_given_until_its_driver_dies() {
    let Some(mut upsd) = Upsd::start("every_ups_of_a_server_is_given_until_its_driver_dies") else { return };
    let mut old = ups(settings(upsd.port));
    let (is_up, text) = sample(&mut old);
    assert!(is_up && old.missing().is_empty());
    expect_file![fixture("nut_exporter.prom")].assert_eq(&without_versions(&text));
    let mut base = ups(NutSettings { names: NutNames::BaseUnits, ..settings(upsd.port) });
    let (is_up, text) = sample(&mut base);
    assert!(is_up && text.contains("nut_server_info{version=\"2."));
    expect_file![fixture("base_units.prom")].assert_eq(&without_versions(&text));

    // A change.
    let device = upsd.directory.path().join("homeups.dev");
    std::fs::write(&device, "ups.status: OB DISCHRG\nbattery.charge: 61\n").unwrap();
    wait::for_condition("the change is seen", CHANGE_MAX, || {
        let text = sample(&mut old).1;
        text.contains("network_ups_tools_ups_status{ups=\"homeups\",flag=\"OB\"} 1")
            && text.contains("network_ups_tools_ups_status{ups=\"homeups\",flag=\"OL\"} 0")
            && text.contains("network_ups_tools_battery_charge{ups=\"homeups\"} 61")
    });
    assert_eq!(upsd.ask("GET NUMLOGINS homeups").as_deref(), Some("NUMLOGINS homeups 0"), "nobody waits for this client");

    // A driver that dies.
    upsd.drivers.pop();
    wait::for_condition("the second UPS is away", CHANGE_MAX, || {
        let (is_up, text) = sample(&mut old);
        is_up && text.contains("up{ups=\"second\"} 0")
    });
    let text = sample(&mut old).1;
    assert!(text.contains("up{ups=\"homeups\"} 1") && text.contains("network_ups_tools_battery_charge{ups=\"homeups\"}"));
    assert_eq!(text.matches("\"second\"").count(), 1, "{text}");
    assert!(old.missing()[0].contains("second"), "{:?}", old.missing());
}

#[test]
fn a_killed_server_is_down_and_one_that_was_restarted_costs_no_sample() {
    let Some(mut upsd) = Upsd::start("a_killed_server_is_down_and_one_that_was_restarted_costs_no_sample") else { return };
    let mut ups = ups(settings(upsd.port));
    assert!(sample(&mut ups).0);
    // Between two samples.
    upsd.server = None;
    upsd.serve();
    assert!(sample(&mut ups).0, "{:?}", ups.missing());
    // Over a sample.
    upsd.server = None;
    assert_eq!(sample(&mut ups), (false, String::new()));
    assert!(ups.missing()[0].contains("refused"), "{:?}", ups.missing());
    upsd.serve();
    assert!(sample(&mut ups).0 && ups.missing().is_empty());
}

#[test]
fn upsd_takes_a_name_and_a_password_and_says_that_it_has_no_certificate() {
    let test = "upsd_takes_a_name_and_a_password_and_says_that_it_has_no_certificate";
    let Some(upsd) = Upsd::start(test) else { return };
    let login = Login { user: "the monitor".to_owned(), password: Secret::Inline("a \"b\" \\c".to_owned()) };
    let mut with_login = ups(NutSettings { login: Some(login), ..settings(upsd.port) });
    assert!(sample(&mut with_login).0, "{:?}", with_login.missing());
    let mut with_tls = ups(NutSettings { tls: Some(Tls::default()), ..settings(upsd.port) });
    assert!(!sample(&mut with_tls).0);
    assert!(with_tls.missing()[0].contains("CERTFILE"), "{:?}", with_tls.missing());
}

/// A server that answers each line by the function; its port. It runs until the test program ends.
fn scripted(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            converse(&stream, &stream, &answer);
        }
    });
    port
}

/// Until the client goes, or there is no answer.
fn converse(read: impl Read, mut write: impl Write, answer: &impl Fn(&str) -> Option<String>) {
    for line in BufReader::new(read).lines() {
        let Some(answer) = line.ok().and_then(|line| answer(&line)) else { return };
        if write.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

pub(super) fn usual(line: &str) -> Option<String> {
    Some(match line {
        "VER" => "Network UPS Tools upsd 2.8.0 - http://www.networkupstools.org/\n".to_owned(),
        "LIST UPS" => "BEGIN LIST UPS\nUPS a \"\"\nEND LIST UPS\n".to_owned(),
        "LIST VAR \"a\"" => "BEGIN LIST VAR a\nVAR a ups.load \"5\"\nEND LIST VAR a\n".to_owned(),
        _ => return None,
    })
}

#[test]
fn what_a_server_refuses_or_breaks_is_said() {
    type Change = fn(&str) -> Option<String>;
    let cases: &[(&str, Change, bool, &str)] = &[
        ("LIST VAR \"a\"", |_| Some("ERR DATA-STALE\n".to_owned()), true, "no new data"),
        ("LIST VAR \"a\"", |_| Some("ERR DRIVER-NOT-CONNECTED\n".to_owned()), true, "does not run"),
        ("LIST VAR \"a\"", |_| Some("ERR UNKNOWN-UPS\n".to_owned()), true, "UNKNOWN-UPS"),
        ("LIST VAR \"a\"", |_| Some("BEGIN LIST VAR a\nVAR a ups.load\n".to_owned()), false, "no list of variables"),
        ("LIST VAR \"a\"", |_| Some("VAR a x \"1\"\n".repeat(1025)), false, "more variables"),
        ("LIST VAR \"a\"", |_| None, false, "closed"),
        ("LIST VAR \"a\"", |_| Some(format!("VAR a x \"{}\"\n", "y".repeat(4000)).repeat(530)), false, "more text"),
        ("LIST VAR \"a\"", |_| Some("ERR UNKNOWN-UPS \x1b[31m\n".to_owned()), true, "UPS a: UNKNOWN-UPS [31m"),
        ("LIST VAR \"a\"", |_| Some("ERR ACCESS-DENIED to you\n".to_owned()), true, "upsd.users"),
        ("LIST VAR \"a\"", |_| Some("\0\u{ff}\n".to_owned()), false, "no list of variables"),
        ("LIST UPS", |_| Some("UPS a \"\"\n".repeat(257)), false, "more UPSes"),
        ("LIST UPS", |_| Some("ERR ACCESS-DENIED\n".to_owned()), false, "upsd.users"),
        ("LIST UPS", |_| Some("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()), false, "does not speak NUT"),
        ("LIST UPS", |_| Some("x".repeat(5000)), false, "endless line"),
        ("LIST UPS", |_| Some(String::new()), false, "no answer in time"),
    ];
    for (line, change, is_up, words) in cases {
        let (at, change) = ((*line).to_owned(), *change);
        let port = scripted(move |line| if line == at { change(line) } else { usual(line) });
        let timeout = if *words == "no answer in time" { SHORT } else { TIMEOUT };
        let mut ups = ups(NutSettings { timeout, ..settings(port) });
        let begin = Instant::now();
        let (was_up, text) = sample(&mut ups);
        assert_eq!(was_up, *is_up, "{words}");
        assert!(begin.elapsed() < 2 * TIMEOUT && ups.missing()[0].contains(words), "{words}: {:?}", ups.missing());
        let whole = if *is_up { text.ends_with("up{ups=\"a\"} 0\n") && !text.contains("load") } else { text.is_empty() };
        assert!(whole, "{text}");
    }
}

#[test]
fn a_server_that_answers_byte_by_byte_has_no_more_time_than_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            // Until the client goes, who asks nothing more. To apcupsd's clients these are frames of 514 bytes.
            while stream.write_all(b"\x02").is_ok() {
                let _ = stream.read(&mut [0; 64]);
            }
        }
    });
    let of_apcupsd = ApcupsdSettings { server: here(port), names: NutNames::NutExporter, timeout: SHORT };
    let of_nut = NutSettings { timeout: SHORT, ..settings(port) };
    for settings in [UpsSettings::Nut(of_nut), UpsSettings::Apcupsd(of_apcupsd)] {
        let mut ups = Ups::new(settings);
        let begin = Instant::now();
        assert_eq!(sample(&mut ups), (false, String::new()));
        assert!(begin.elapsed() < TIMEOUT && ups.missing()[0].contains("no answer in time"), "{:?}", ups.missing());
    }
}

#[test]
fn a_hundred_upses_are_given_whatever_their_names_are() {
    let name = |number: u32| format!("rack \\\"{number}\\\" \\\\ über");
    let port = scripted(move |line| {
        if line == "LIST UPS" {
            let upses: String = (0..100).map(|number| format!("UPS \"{}\" \"\"\n", name(number))).collect::<Vec<_>>().concat();
            return Some(format!("BEGIN LIST UPS\n{upses}END LIST UPS\n"));
        }
        let Some(name) = line.strip_prefix("LIST VAR ") else { return usual(line) };
        let variables: Vec<String> = (0..150).map(|number| format!("VAR {name} outlet.{number}.power \"{number}\"\n")).collect();
        Some(format!("BEGIN LIST VAR {name}\n{}END LIST VAR {name}\n", variables.concat()))
    });
    let mut ups = ups(settings(port));
    let (is_up, text) = sample(&mut ups);
    assert!(is_up, "{:?}", ups.missing());
    assert_eq!((text.matches("up{").count(), text.matches("} 149\n").count()), (100, 100));
    assert!(text.contains(r#"network_ups_tools_outlet_149_power{ups="rack \"99\" \\ über"} 149"#));
}
