//! One UPS by apcupsd's network information server: its status lines become NUT's variables of the same meaning.
//!
//! A frame is a length of two bytes, most significant first, and so many bytes; an empty one ends the answer. A question is a frame.

use std::io::{BufReader, Read, Write};
use std::time::{Duration, Instant};

use super::timed::Timed;
use super::variables::{Variables, number};
use super::{NutNames, Server, Told, UpsError};

/// apcupsd has some 60 lines.
const LINES: usize = 512;
/// Its lines are no longer; its own limit is a quarter of it.
const LINE_BYTES: usize = 1024;

/// How apcupsd is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApcupsdSettings {
    /// Where it is; port 3551 by default.
    pub server: Server,
    /// The names of what it tells.
    pub names: NutNames,
    /// How long one sample may take.
    pub timeout: Duration,
}

/// A server.
pub(super) struct Apcupsd {
    settings: ApcupsdSettings,
    told: Told,
}

impl Apcupsd {
    /// Not asked yet.
    pub(super) fn new(settings: ApcupsdSettings) -> Self {
        Self { settings, told: Told::default() }
    }

    /// Asks for everything, over a connection of its own: apcupsd ends idle ones.
    pub(super) fn ask(&mut self) -> Result<&Told, UpsError> {
        let mut stream = Timed::connect(&self.settings.server, Instant::now() + self.settings.timeout)?;
        stream.write_all(b"\0\x06status")?;
        self.told.read(&mut BufReader::new(stream))?;
        Ok(&self.told)
    }
}

/// What a value is.
#[derive(Clone, Copy)]
enum Form {
    /// A number in front of its unit.
    Number,
    /// Minutes, given as seconds.
    Minutes,
    /// As it is.
    Text,
}

/// apcupsd's keys (its manual, "Status report fields"), and NUT's variables.
const KEYS: &[(&str, &str, Form)] = &[
    ("BATTDATE", "battery.date", Form::Text),
    ("BATTV", "battery.voltage", Form::Number),
    ("BCHARGE", "battery.charge", Form::Number),
    ("DSHUTD", "ups.delay.shutdown", Form::Number),
    ("FIRMWARE", "ups.firmware", Form::Text),
    ("HITRANS", "input.transfer.high", Form::Number),
    ("ITEMP", "ups.temperature", Form::Number),
    ("LASTXFER", "input.transfer.reason", Form::Text),
    ("LINEFREQ", "input.frequency", Form::Number),
    ("LINEV", "input.voltage", Form::Number),
    ("LOADPCT", "ups.load", Form::Number),
    ("LOTRANS", "input.transfer.low", Form::Number),
    ("MANDATE", "ups.mfr.date", Form::Text),
    ("MAXLINEV", "input.voltage.maximum", Form::Number),
    ("MBATTCHG", "battery.charge.low", Form::Number),
    ("MINLINEV", "input.voltage.minimum", Form::Number),
    ("MINTIMEL", "battery.runtime.low", Form::Minutes),
    ("MODEL", "device.model", Form::Text),
    ("NOMAPNT", "ups.power.nominal", Form::Number),
    ("NOMBATTV", "battery.voltage.nominal", Form::Number),
    ("NOMINV", "input.voltage.nominal", Form::Number),
    ("NOMOUTV", "output.voltage.nominal", Form::Number),
    ("NOMPOWER", "ups.realpower.nominal", Form::Number),
    // NUT has no names for these two; it keeps `experimental.` for such.
    ("NUMXFERS", "experimental.input.transfers", Form::Number),
    ("OUTCURNT", "output.current", Form::Number),
    ("OUTPUTV", "output.voltage", Form::Number),
    ("SELFTEST", "ups.test.result", Form::Text),
    ("SENSE", "input.sensitivity", Form::Text),
    ("SERIALNO", "device.serial", Form::Text),
    ("TIMELEFT", "battery.runtime", Form::Minutes),
    ("TONBATT", "experimental.battery.seconds", Form::Number),
];

/// Words of `STATUS`, and NUT's flags.
const FLAGS: &[(&str, &str)] = &[
    ("ONLINE", "OL"),
    ("ONBATT", "OB"),
    ("LOWBATT", "LB"),
    ("REPLACEBATT", "RB"),
    ("CAL", "CAL"),
    ("TRIM", "TRIM"),
    ("BOOST", "BOOST"),
    ("OVERLOAD", "OVER"),
    ("SHUTTING", "FSD"),
];

impl Told {
    /// Reads an answer.
    fn read(&mut self, reader: &mut impl Read) -> Result<(), UpsError> {
        self.variables.clear();
        self.name.clear();
        self.description.clear();
        let mut status = String::new();
        let mut line = Vec::new();
        let mut lines = 0;
        while frame(reader, &mut line)? {
            lines += 1;
            if lines > LINES {
                return Err(UpsError::TooMany("status lines"));
            }
            let text = String::from_utf8_lossy(&line);
            let Some((key, value)) = text.split_once(':') else { continue };
            match (key.trim(), value.trim()) {
                ("STATUS", value) => value.clone_into(&mut status),
                ("UPSNAME", value) => value.clone_into(&mut self.name),
                (key, value) => push(key, value, &mut self.variables)?,
            }
        }
        if status.is_empty() {
            return Err(UpsError::Odd { protocol: "apcupsd's protocol", why: "no STATUS" });
        }
        if self.name.is_empty() {
            // Not every UPS can be given one; apcupsd's own default.
            self.name.push_str("ups");
        }
        let has = |word| status.split_ascii_whitespace().any(|set| set == word);
        self.away = (has("COMMLOST") || has("NETLINK")).then(|| "apcupsd has lost it; look at its cable".to_owned());
        let flags: Vec<&str> = FLAGS.iter().filter(|(word, _)| has(word)).map(|(_, flag)| *flag).collect();
        self.variables.push("ups.status", &flags.join(" "))?;
        self.variables.push("device.mfr", "APC")?;
        self.variables.push("device.type", "ups")
    }
}

fn push(key: &str, value: &str, variables: &mut Variables) -> Result<(), UpsError> {
    let Some((_, variable, form)) = KEYS.iter().find(|(known, ..)| *known == key) else { return Ok(()) };
    let first = value.split_ascii_whitespace().next().unwrap_or_default();
    match form {
        Form::Text => variables.push(variable, value),
        // `N/A` of what a model does not have.
        Form::Number if number(first).is_none() => Ok(()),
        Form::Number => variables.push(variable, first),
        Form::Minutes => match number(first) {
            Some(minutes) => variables.push(variable, &(minutes * 60.0).to_string()),
            None => Ok(()),
        },
    }
}

/// The next frame; nothing behind the last one.
fn frame(reader: &mut impl Read, line: &mut Vec<u8>) -> Result<bool, UpsError> {
    let mut length = [0; 2];
    reader.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > LINE_BYTES {
        return Err(UpsError::Odd { protocol: "apcupsd's protocol", why: "an endless line" });
    }
    line.clear();
    line.resize(length, 0);
    reader.read_exact(line)?;
    Ok(!line.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(lines: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines.lines() {
            bytes.extend((line.len() as u16 + 1).to_be_bytes());
            bytes.extend(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes.extend([0, 0]);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Told, UpsError> {
        let mut told = Told::default();
        told.read(&mut &*bytes).map(|()| told)
    }

    #[test]
    fn status_lines_become_variables() {
        for (line, variable, value) in [
            ("BCHARGE  : 100.0 Percent", "battery.charge", Some("100.0")),
            ("TIMELEFT : 34.5 Minutes", "battery.runtime", Some("2070")),
            ("LINEV    : 233.0 Volts", "input.voltage", Some("233.0")),
            ("LOADPCT  :   7.0 Percent", "ups.load", Some("7.0")),
            ("NUMXFERS : 3", "experimental.input.transfers", Some("3")),
            ("TONBATT  : 0 Seconds", "experimental.battery.seconds", Some("0")),
            ("NOMPOWER : 865 Watts", "ups.realpower.nominal", Some("865")),
            ("MODEL    : Back-UPS RS 1500G", "device.model", Some("Back-UPS RS 1500G")),
            ("ITEMP    : N/A", "ups.temperature", None),
            ("TIMELEFT : N/A", "battery.runtime", None),
            ("ODD LINE", "ups.load", None),
            ("UNKNOWN  : 1", "ups.load", None),
        ] {
            let told = read(&framed(&format!("STATUS   : ONLINE \n{line}\n"))).unwrap();
            assert_eq!(told.variables.get(variable), value, "{line}");
        }
    }

    #[test]
    fn the_state_becomes_flags_and_a_lost_ups_is_away() {
        for (status, flags, is_away) in [
            ("ONLINE", "OL", false),
            ("ONBATT LOWBATT", "OB LB", false),
            ("TRIM ONLINE", "OL TRIM", false),
            ("BOOST ONLINE REPLACEBATT", "OL RB BOOST", false),
            ("SHUTTING DOWN", "FSD", false),
            ("COMMLOST", "", true),
            ("COMMLOST NETLINK", "", true),
        ] {
            let told = read(&framed(&format!("UPSNAME  : rack\nSTATUS   : {status} \n"))).unwrap();
            assert_eq!((told.variables.get("ups.status"), told.away.is_some()), (Some(flags), is_away), "{status}");
            assert_eq!(told.name, "rack");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let whole = framed("STATUS   : ONLINE \nBCHARGE  : 100.0 Percent\n");
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        assert!(read(&framed("BCHARGE  : 100.0 Percent\n")).is_err());
        assert!(read(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err());
        assert!(read(&framed(&"A : 1\n".repeat(LINES + 1))).is_err());
        assert!(read(&framed(&format!("STATUS : ONLINE\nMODEL : {}\n", "x".repeat(LINE_BYTES)))).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..80), line in "\\PC{0,40}") {
            let _ = read(&bytes);
            let _ = read(&framed(&format!("STATUS:{line}\nTIMELEFT:{line}\n")));
        }
    }
}
