//! The conversation with NUT's upsd: one connection that is kept, all its UPSes with all their variables.
//!
//! It never logs in: a client that has is one that upsd waits for before it shuts down. A connection that was kept and has failed is
//! made anew at once, so that a restarted server costs no sample.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Secret, Tls};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::nut_line::{Answer, version};
use super::timed::Timed;
use super::{NutNames, Server, Told, UpsError, shown};

/// A line is no longer: upsd's own limit is a quarter of it.
const LINE_BYTES: u64 = 4096;
/// A server has no more UPSes.
const UPSES: usize = 256;
/// What is heard in one sample is no more: so many UPSes with 150 variables each.
const ANSWER_BYTES: usize = 2 << 20;

/// How upsd is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NutSettings {
    /// Where it is; port 3493 by default.
    pub server: Server,
    /// The names of what it tells.
    pub names: NutNames,
    /// How long all questions of one sample may take.
    pub timeout: Duration,
    /// Who asks, if that has to be said.
    pub login: Option<Login>,
    /// STARTTLS, with what is trusted; without encryption if there is none.
    pub tls: Option<Tls>,
}

/// User and password. They are not checked until a LOGIN, which is never sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// A server.
pub(super) struct Nut {
    settings: NutSettings,
    connection: Option<Connection>,
    version: String,
    told: Vec<Told>,
}

impl Nut {
    /// Not connected yet.
    pub(super) fn new(settings: NutSettings) -> Self {
        Self { settings, connection: None, version: String::new(), told: Vec::new() }
    }

    /// The UPSes, after a question that was answered.
    pub(super) fn told(&self) -> &[Told] {
        &self.told
    }

    /// The server's version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Asks for everything.
    pub(super) fn ask(&mut self) -> Result<(), UpsError> {
        let until = Instant::now() + self.settings.timeout;
        if let Some(mut kept) = self.connection.take()
            && self.ask_on(&mut kept, until).is_ok()
        {
            self.connection = Some(kept);
            return Ok(());
        }
        let mut connection = Connection::open(&self.settings, until)?;
        connection.send("VER")?;
        version(connection.line()?).clone_into(&mut self.version);
        self.ask_on(&mut connection, until)?;
        self.connection = Some(connection);
        Ok(())
    }

    fn ask_on(&mut self, connection: &mut Connection, until: Instant) -> Result<(), UpsError> {
        connection.begin(until);
        connection.list_upses(&mut self.told)?;
        for told in &mut self.told {
            connection.list_variables(told)?;
        }
        Ok(())
    }
}

/// A connection on which nothing is outstanding.
struct Connection {
    reader: BufReader<Stream>,
    bytes: Vec<u8>,
    text: String,
    /// Bytes heard in this sample.
    heard: usize,
}

impl Connection {
    fn open(settings: &NutSettings, until: Instant) -> Result<Self, UpsError> {
        let plain = Stream::Plain(Timed::connect(&settings.server, until)?);
        let mut connection = Self { reader: BufReader::new(plain), bytes: Vec::new(), text: String::new(), heard: 0 };
        if let Some(tls) = &settings.tls {
            connection.send("STARTTLS")?;
            connection.expect_ok()?;
            connection.reader = BufReader::new(connection.reader.into_inner().encrypted(settings, tls)?);
        }
        if let Some(login) = &settings.login {
            let password = login.password.read()?;
            for (command, word) in [("USERNAME", &login.user), ("PASSWORD", &password)] {
                connection.send(&format!("{command} {}", quoted(word)))?;
                connection.expect_ok()?;
            }
        }
        Ok(connection)
    }

    /// What follows is one sample.
    fn begin(&mut self, until: Instant) {
        self.heard = 0;
        match self.reader.get_mut() {
            Stream::Plain(stream) => stream.set_until(until),
            Stream::Tls(stream) => stream.sock.set_until(until),
        }
    }

    /// One write a command: upsd reads a line at a time.
    fn send(&mut self, command: &str) -> Result<(), UpsError> {
        let stream = self.reader.get_mut();
        stream.write_all(format!("{command}\n").as_bytes())?;
        Ok(stream.flush()?)
    }

    fn line(&mut self) -> Result<&str, UpsError> {
        self.bytes.clear();
        let read = (&mut self.reader).take(LINE_BYTES).read_until(b'\n', &mut self.bytes)?;
        if self.bytes.last() != Some(&b'\n') {
            let why = if read as u64 == LINE_BYTES { "an endless line" } else { "it closed the connection" };
            return Err(odd(why));
        }
        self.heard = self.heard.saturating_add(read);
        if self.heard > ANSWER_BYTES {
            return Err(UpsError::TooMany("text"));
        }
        self.text.clear();
        self.text.push_str(&String::from_utf8_lossy(&self.bytes));
        Ok(&self.text)
    }

    fn expect_ok(&mut self) -> Result<(), UpsError> {
        match Answer::read(self.line()?) {
            Answer::Ok => Ok(()),
            Answer::Refused(why) => Err(UpsError::Refused(in_words(why))),
            _ => Err(odd("no OK")),
        }
    }

    fn list_upses(&mut self, told: &mut Vec<Told>) -> Result<(), UpsError> {
        self.send("LIST UPS")?;
        let mut count = 0;
        loop {
            match Answer::read(self.line()?) {
                Answer::Begin => {}
                Answer::Ups { name, description } => {
                    if count >= UPSES {
                        return Err(UpsError::TooMany("UPSes"));
                    }
                    if told.len() == count {
                        told.push(Told::default());
                    }
                    if let Some(told) = told.get_mut(count) {
                        name.as_ref().clone_into(&mut told.name);
                        description.as_ref().clone_into(&mut told.description);
                    }
                    count += 1;
                }
                Answer::End => break,
                Answer::Refused(why) => return Err(UpsError::Refused(in_words(why))),
                _ => return Err(odd("no list of UPSes")),
            }
        }
        told.truncate(count);
        Ok(())
    }

    /// What the server refuses concerns that UPS alone.
    fn list_variables(&mut self, told: &mut Told) -> Result<(), UpsError> {
        told.variables.clear();
        told.away = None;
        self.send(&format!("LIST VAR {}", quoted(&told.name)))?;
        loop {
            match Answer::read(self.line()?) {
                Answer::Begin => {}
                Answer::Variable { name, value } => told.variables.push(&name, &value)?,
                Answer::End => return Ok(()),
                Answer::Refused(why) => {
                    told.away = Some(in_words(why));
                    return Ok(());
                }
                _ => return Err(odd("no list of variables")),
            }
        }
    }
}

/// With or without encryption.
enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Stream {
    /// The same with encryption; what was sent unasked before it is forgotten.
    fn encrypted(self, settings: &NutSettings, tls: &Tls) -> Result<Self, UpsError> {
        let Self::Plain(stream) = self else { return Ok(self) };
        let name = tls.server_name.clone().unwrap_or_else(|| settings.server.host.clone());
        let name = ServerName::try_from(name).map_err(|_| client::ClientError::ServerName)?;
        let session = ClientConnection::new(Arc::new(tls.client_config()?), name)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// As a word of a command. No word has a line's end.
fn quoted(word: &str) -> String {
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for char in word.chars().filter(|char| !matches!(char, '\r' | '\n')) {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// What upsd's tokens mean, and what to do.
fn in_words(refusal: &str) -> String {
    match refusal.split_ascii_whitespace().next().unwrap_or_default() {
        "DRIVER-NOT-CONNECTED" => "its driver does not run; start it (`upsdrvctl start`)".to_owned(),
        "DATA-STALE" => "its driver has no new data; look at its cable".to_owned(),
        "ACCESS-DENIED" => "upsd denies access to this host; look at upsd.conf and upsd.users".to_owned(),
        "FEATURE-NOT-CONFIGURED" | "FEATURE-NOT-SUPPORTED" => {
            "upsd has no certificate; set CERTFILE, or CERTPATH and CERTIDENT, in upsd.conf".to_owned()
        }
        _ => shown(refusal),
    }
}

fn odd(why: &'static str) -> UpsError {
    UpsError::Odd { protocol: "NUT's protocol", why }
}
