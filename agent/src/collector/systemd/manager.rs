//! What systemd is asked, call by call (org.freedesktop.systemd1(5)), and what is known of it afterwards.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Wanted;
use super::bus::{Bus, Failure};
use super::message::{Call, Reader, Value};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// All calls of a round have to be answered within that time.
const DEADLINE: Duration = Duration::from_secs(5);
/// Units at most, of those that are given.
const UNITS_MAX: usize = 10_000;
/// Rounds for which a unit's type is known without asking again: an hour at the usual interval.
const TYPE_ROUNDS: u32 = 240;

/// What is known of systemd and its units.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub version: String,
    pub virtualization: String,
    /// `running`, `degraded`.
    pub system_state: String,
    /// How many of all units are in each state.
    pub states: Vec<(String, u32)>,
    /// Those that are given.
    pub units: Vec<Unit>,
}

/// A unit.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub name: String,
    /// `active`, `failed`.
    pub state: String,
    path: String,
    /// Of a service or a mount.
    pub kind: String,
    /// What else is known.
    pub numbers: Vec<(Number, u64)>,
}

/// A property of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Restarts,
    /// Microseconds since the epoch.
    StartTime,
    TasksCurrent,
    TasksMax,
    /// Microseconds since the epoch.
    LastTrigger,
    Accepted,
    Connections,
    Refused,
}

impl Number {
    /// The interface, behind systemd's name, and the property.
    fn property(self) -> (&'static str, &'static str) {
        match self {
            Self::Restarts => ("org.freedesktop.systemd1.Service", "NRestarts"),
            Self::StartTime => ("org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp"),
            Self::TasksCurrent => ("org.freedesktop.systemd1.Service", "TasksCurrent"),
            Self::TasksMax => ("org.freedesktop.systemd1.Service", "TasksMax"),
            Self::LastTrigger => ("org.freedesktop.systemd1.Timer", "LastTriggerUSec"),
            Self::Accepted => ("org.freedesktop.systemd1.Socket", "NAccepted"),
            Self::Connections => ("org.freedesktop.systemd1.Socket", "NConnections"),
            Self::Refused => ("org.freedesktop.systemd1.Socket", "NRefused"),
        }
    }
}

/// systemd, behind its bus.
#[derive(Debug)]
pub(super) struct Manager {
    socket: PathBuf,
    wanted: Wanted,
    bus: Option<Bus>,
    /// Types of units, by name.
    kinds: HashMap<String, String>,
    rounds: u32,
}

impl Manager {
    /// Behind the bus with that socket.
    pub(super) fn new(socket: PathBuf, wanted: Wanted) -> Self {
        Self { socket, wanted, bus: None, kinds: HashMap::new(), rounds: 0 }
    }

    /// Asks all there is to ask. A connection that failed is given up.
    pub(super) fn ask(&mut self) -> Result<Snapshot, Failure> {
        let deadline = Instant::now() + DEADLINE;
        let mut bus = match self.bus.take() {
            Some(bus) => bus,
            None => Bus::connect(&self.socket, deadline)?,
        };
        let snapshot = self.ask_on(&mut bus, deadline)?;
        self.bus = Some(bus);
        Ok(snapshot)
    }

    fn ask_on(&mut self, bus: &mut Bus, deadline: Instant) -> Result<Snapshot, Failure> {
        let mut snapshot = Snapshot { virtualization: "unknown".to_owned(), ..Snapshot::default() };
        let list = Call { destination: SYSTEMD, path: PATH, interface: MANAGER, member: "ListUnits", arguments: &[] };
        let (version, virtualization, state) = ([MANAGER, "Version"], [MANAGER, "Virtualization"], [MANAGER, "SystemState"]);
        let calls = [list, get(PATH, &version), get(PATH, &virtualization), get(PATH, &state)];
        let mut is_listed = false;
        bus.calls(&calls, deadline, |place, reply| {
            let Ok(mut body) = reply else { return };
            if place == 0 {
                is_listed = self.wanted.take_units(body, &mut snapshot).is_some();
            } else if let Some(Value::Text(text)) = body.variant(0) {
                match place {
                    1 => text.clone_into(&mut snapshot.version),
                    // What says nothing runs on the bare machine.
                    2 => (if text.is_empty() { "none" } else { text }).clone_into(&mut snapshot.virtualization),
                    _ => text.clone_into(&mut snapshot.system_state),
                }
            }
        })?;
        if !is_listed {
            return Err(Failure::Malformed);
        }
        // Theirs is that of a hash table.
        snapshot.units.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        snapshot.states.sort_unstable();
        self.ask_kinds(bus, deadline, &mut snapshot.units)?;
        self.ask_numbers(bus, deadline, &mut snapshot.units)?;
        Ok(snapshot)
    }

    /// A unit's type is known from its file, and rarely changes.
    fn ask_kinds(&mut self, bus: &mut Bus, deadline: Instant, units: &mut [Unit]) -> Result<(), Failure> {
        self.rounds = self.rounds.wrapping_add(1);
        if self.rounds.is_multiple_of(TYPE_ROUNDS) {
            self.kinds.clear();
        }
        let interface = |unit: &Unit| match unit.name.rsplit_once('.') {
            Some((_, "service")) => Some("org.freedesktop.systemd1.Service"),
            Some((_, "mount")) => Some("org.freedesktop.systemd1.Mount"),
            _ => None,
        };
        let unknown: Vec<(usize, [&str; 2])> = units
            .iter()
            .enumerate()
            .filter(|(_, unit)| !self.kinds.contains_key(&unit.name))
            .filter_map(|(place, unit)| Some((place, [interface(unit)?, "Type"])))
            .collect();
        let calls: Vec<Call<'_>> = unknown.iter().map(|(place, arguments)| get(&units[*place].path, arguments)).collect();
        let kinds = &mut self.kinds;
        bus.calls(&calls, deadline, |place, reply| {
            if let Ok(Some(Value::Text(kind))) = reply.map(|mut body| body.variant(0)) {
                kinds.insert(units[unknown[place].0].name.clone(), kind.to_owned());
            }
        })?;
        for unit in &mut *units {
            if let Some(kind) = kinds.get(&unit.name) {
                kind.clone_into(&mut unit.kind);
            }
        }
        // Units that are gone.
        if kinds.len() > units.len() {
            let names: std::collections::HashSet<&str> = units.iter().map(|unit| &*unit.name).collect();
            kinds.retain(|name, _| names.contains(&**name));
        }
        Ok(())
    }

    fn ask_numbers(&self, bus: &mut Bus, deadline: Instant, units: &mut [Unit]) -> Result<(), Failure> {
        let wanted: Vec<(usize, Number, [&str; 2])> = units
            .iter()
            .enumerate()
            .flat_map(|(place, unit)| self.wanted.numbers(unit).map(move |number| (place, number, number.property().into())))
            .collect();
        let calls: Vec<Call<'_>> = wanted.iter().map(|(place, _, arguments)| get(&units[*place].path, arguments)).collect();
        let mut known = Vec::with_capacity(wanted.len());
        bus.calls(&calls, deadline, |place, reply| {
            // Older versions do not have all.
            if let Ok(Some(Value::Number(value))) = reply.map(|mut body| body.variant(0)) {
                known.push((wanted[place].0, wanted[place].1, value));
            }
        })?;
        for (place, number, value) in known {
            units[place].numbers.push((number, value));
        }
        Ok(())
    }
}

/// A property of an object: its interface and its name.
fn get<'c>(path: &'c str, property: &'c [&'c str; 2]) -> Call<'c> {
    Call { destination: SYSTEMD, path, interface: PROPERTIES, member: "Get", arguments: property }
}

impl Wanted {
    /// Counts all units and takes those that are given.
    fn take_units(&self, mut body: Reader<'_>, snapshot: &mut Snapshot) -> Option<()> {
        let end = body.array(8)?;
        while !body.is_at(end) {
            body.align(8)?;
            let (name, _description, load, state) = (body.text()?, body.text()?, body.text()?, body.text()?);
            let (_sub_state, _follows, path) = (body.text()?, body.text()?, body.text()?);
            let (_job, _job_type, _job_path) = (body.u32()?, body.text()?, body.text()?);
            match snapshot.states.iter_mut().find(|(known, _)| known == state) {
                Some((_, count)) => *count += 1,
                None => snapshot.states.push((state.to_owned(), 1)),
            }
            let is_given = load == "loaded" && self.units.admits(name);
            if is_given && snapshot.units.len() < UNITS_MAX {
                let [name, state, path] = [name, state, path].map(str::to_owned);
                snapshot.units.push(Unit { name, state, path, kind: String::new(), numbers: Vec::new() });
            }
        }
        Some(())
    }

    fn numbers(&self, unit: &Unit) -> impl Iterator<Item = Number> + use<> {
        let (restarts, tasks) = (self.restarts, self.tasks);
        let suffix = unit.name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        let of_kind: &[(Number, bool)] = match suffix {
            "service" => &[(Number::Restarts, restarts), (Number::TasksCurrent, tasks), (Number::TasksMax, tasks)],
            "timer" => &[(Number::LastTrigger, true)],
            "socket" => &[(Number::Accepted, true), (Number::Connections, true), (Number::Refused, true)],
            _ => &[],
        };
        let start = self.start_times && unit.state == "active";
        let numbers: Vec<Number> =
            of_kind.iter().chain(&[(Number::StartTime, start)]).filter(|(_, is)| *is).map(|(number, _)| *number).collect();
        numbers.into_iter()
    }
}
