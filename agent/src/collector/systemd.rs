//! `systemd`: the states of units, told by systemd over the system's D-Bus. Off by default, as upstream.
//!
//! A bus may hang: it is asked in a thread of its own (`asked.rs`), with a deadline. The collector waits a little for the answer, and
//! gives the last one as long as it is fresh.

mod bus;
mod manager;
mod message;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::metric::{Desc, Families};

use self::manager::{Manager, Number, Snapshot, Unit};
use super::asked::{Asked, Calls};
use super::host::Host;
use super::settings::{Filter, Settings};
use super::{Collector, Failed, Round};

const NAME: &[&str] = &["name"];

static UNIT_STATE: Desc = Desc::gauge("node_systemd_unit_state", "Whether a unit is in that state.", &["name", "state", "type"]);
static START_TIME: Desc = Desc::gauge("node_systemd_unit_start_time_seconds", "When a unit became active; 0 if it is not.", NAME);
static TASKS_CURRENT: Desc = Desc::gauge("node_systemd_unit_tasks_current", "Tasks of a service.", NAME);
static TASKS_MAX: Desc = Desc::gauge("node_systemd_unit_tasks_max", "Tasks that a service may have.", NAME);
static RESTARTS: Desc =
    Desc::counter("node_systemd_service_restart_total", "Times that a service was restarted by itself.", NAME);
static LAST_TRIGGER: Desc = Desc::gauge("node_systemd_timer_last_trigger_seconds", "When a timer last went off.", NAME);
static ACCEPTED: Desc =
    Desc::counter("node_systemd_socket_accepted_connections_total", "Connections that a socket accepted.", NAME);
static CONNECTIONS: Desc = Desc::gauge("node_systemd_socket_current_connections", "Connections of a socket.", NAME);
static REFUSED: Desc = Desc::gauge("node_systemd_socket_refused_connections_total", "Connections that a socket refused.", NAME);
static UNITS: Desc = Desc::gauge("node_systemd_units", "Units, by state.", &["state"]);
static RUNNING: Desc = Desc::gauge("node_systemd_system_running", "Whether all is well: `systemctl is-system-running`.", &[]);
static VERSION: Desc = Desc::gauge("node_systemd_version", "Version of systemd.", &["version"]);
static VIRTUALIZATION: Desc =
    Desc::gauge("node_systemd_virtualization_info", "What the machine is virtualized by.", &["virtualization_type"]);

pub(super) const FAMILIES: &[&Desc] = &[
    &UNIT_STATE,
    &START_TIME,
    &TASKS_CURRENT,
    &TASKS_MAX,
    &RESTARTS,
    &LAST_TRIGGER,
    &ACCEPTED,
    &CONNECTIONS,
    &REFUSED,
    &UNITS,
    &RUNNING,
    &VERSION,
    &VIRTUALIZATION,
];

const SOCKET: &str = "/run/dbus/system_bus_socket";
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];
/// A round waits so long at most.
const PATIENCE: Duration = Duration::from_millis(200);
/// What is older is not told any more.
const FRESH: Duration = Duration::from_mins(1);

/// What is asked for.
#[derive(Clone, Debug)]
struct Wanted {
    units: Filter,
    restarts: bool,
    start_times: bool,
    tasks: bool,
}

/// What came of it; an error with its kind.
type Answer = Result<Arc<Snapshot>, (io::ErrorKind, String)>;

pub(super) struct Systemd {
    socket: PathBuf,
    manager: Arc<Mutex<Manager>>,
    asked: Asked<Answer>,
    calls: Calls,
    start_times: bool,
    patience: Duration,
}

impl Systemd {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        let wanted = Wanted {
            units: settings.systemd_units.clone(),
            restarts: settings.systemd_restarts,
            start_times: settings.systemd_start_times,
            tasks: settings.systemd_tasks,
        };
        let socket = host.root().locate(Path::new(SOCKET));
        Self {
            manager: Arc::new(Mutex::new(Manager::new(socket.clone(), wanted))),
            socket,
            asked: Asked::new("systemd-bus"),
            calls: Calls::default(),
            start_times: settings.systemd_start_times,
            patience: PATIENCE,
        }
    }
}

impl Collector for Systemd {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let manager = self.manager.clone();
        let question = move || {
            let told = manager.lock().unwrap_or_else(PoisonError::into_inner).ask();
            told.map(Arc::new).map_err(|failure| match &failure {
                bus::Failure::Io(error) => (error.kind(), failure.to_string()),
                bus::Failure::Refused(_) | bus::Failure::Malformed => (io::ErrorKind::InvalidData, failure.to_string()),
            })
        };
        self.asked.ask(&self.calls, question, |error| Err((error.kind(), error.to_string())));
        let known = self.asked.known(Instant::now() + self.patience, self.patience);
        let failed = |(kind, text)| Failed::of(&self.socket, io::Error::new(kind, text));
        match known.answer {
            Some((answer, age)) if age < FRESH => self.give(&*answer.map_err(failed)?, round.out),
            _ => return Err(failed((io::ErrorKind::TimedOut, "no answer yet".to_owned()))),
        }
        Ok(())
    }
}

impl Systemd {
    fn give(&self, snapshot: &Snapshot, out: &mut Families) {
        out.sample(&VERSION, &[&snapshot.version], version(&snapshot.version));
        out.sample(&VIRTUALIZATION, &[&snapshot.virtualization], 1.0);
        for state in STATES {
            let count = snapshot.states.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
            out.sample(&UNITS, &[state], count.into());
        }
        for (state, count) in snapshot.states.iter().filter(|(state, _)| !STATES.contains(&&**state)) {
            out.sample(&UNITS, &[state], (*count).into());
        }
        for Unit { name, state, kind, numbers, .. } in &snapshot.units {
            for known in STATES {
                out.sample(&UNIT_STATE, &[name, known, kind], f64::from(u8::from(state == known)));
            }
            for (number, value) in numbers {
                give_number(*number, *value, name, out);
            }
            if self.start_times && state != "active" {
                out.sample(&START_TIME, &[name], 0.0);
            }
        }
        out.sample(&RUNNING, &[], f64::from(u8::from(snapshot.system_state == "running")));
    }
}

fn give_number(number: Number, value: u64, name: &str, out: &mut Families) {
    let plain = value as f64;
    let (desc, value) = match number {
        Number::Restarts => (&RESTARTS, plain),
        Number::StartTime => (&START_TIME, plain / 1e6),
        // No limit, or no control group that counts.
        Number::TasksCurrent | Number::TasksMax if value == u64::MAX => return,
        Number::TasksCurrent => (&TASKS_CURRENT, plain),
        Number::TasksMax => (&TASKS_MAX, plain),
        Number::LastTrigger => (&LAST_TRIGGER, plain / 1e6),
        Number::Accepted => (&ACCEPTED, plain),
        Number::Connections => (&CONNECTIONS, plain),
        Number::Refused => (&REFUSED, plain),
    };
    out.sample(desc, &[name], value);
}

/// `252.39-1~deb12u1` is 252.39; 0 if there is no such number.
fn version(text: &str) -> f64 {
    let is_digit = |char: char| char.is_ascii_digit();
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        rest = &rest[start..];
        let end = rest.find(|char| !is_digit(char)).unwrap_or(rest.len());
        if end >= 3 {
            let behind =
                rest[end..].strip_prefix('.').map_or(0, |minor| minor.find(|char| !is_digit(char)).unwrap_or(minor.len()));
            let end = if behind == 0 { end } else { end + 1 + behind };
            return rest[..end].parse().unwrap_or_default();
        }
        rest = &rest[end..];
    }
    0.0
}
