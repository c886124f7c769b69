//! Times, durations and sizes.

use super::super::time::{Time, zone};
use super::{Answer, Fault, Value, exactly, text};
use crate::logql::quantity;

pub(super) fn run<'v>(name: &str, values: Vec<Value<'v>>) -> Answer<'v> {
    match name {
        "bytes" => {
            let [size] = exactly::<1>(name, values)?;
            quantity::bytes(text(&size)?).map(|bytes| Value::float(bytes as f64)).map_err(Fault::Failed)
        }
        "duration" | "duration_seconds" => {
            let [duration] = exactly::<1>(name, values)?;
            let nanoseconds = quantity::duration(text(&duration)?).map_err(Fault::Failed)?;
            Ok(Value::float(nanoseconds as f64 / 1e9))
        }
        "date" => {
            let [layout, time] = exactly::<2>(name, values)?;
            Ok(Value::text(moment(&time)?.format(text(&layout)?)))
        }
        "toDate" => {
            let [layout, date] = exactly::<2>(name, values)?;
            parsed(text(&layout)?, "UTC", text(&date)?)
        }
        "toDateInZone" => {
            let [layout, zone, date] = exactly::<3>(name, values)?;
            parsed(text(&layout)?, text(&zone)?, text(&date)?)
        }
        "unixToTime" => {
            let [epoch] = exactly::<1>(name, values)?;
            from_unix(text(&epoch)?)
        }
        _ => {
            let [time] = exactly::<1>(name, values)?;
            let nanoseconds = moment(&time)?.unix();
            Ok(Value::text(match name {
                "unixEpoch" => nanoseconds.div_euclid(1_000_000_000).to_string(),
                "unixEpochMillis" => nanoseconds.div_euclid(1_000_000).to_string(),
                _ => nanoseconds.to_string(),
            }))
        }
    }
}

fn moment<'v>(value: &'v Value<'_>) -> Result<&'v Time, Fault> {
    match value {
        Value::Time(time) => Ok(time),
        other => Err(Fault::Arguments(format!("wrong type for value; expected time.Time; got {}", other.type_name()))),
    }
}

fn parsed<'v>(layout: &str, zone_name: &str, date: &str) -> Answer<'v> {
    let zone = zone(zone_name).ok_or_else(|| Fault::Failed(format!("unknown time zone {zone_name}")))?;
    let time = Time::parse(layout, &zone, date);
    time.map(Value::Time).ok_or_else(|| {
        let (date, layout) = (quantity::quoted(date), quantity::quoted(layout));
        Fault::Failed(format!("parsing time {date} as {layout}: cannot parse {date} as {layout}"))
    })
}

/// The unit is told by how many digits there are: days, seconds, milli-, micro- or nanoseconds.
fn from_unix<'v>(epoch: &str) -> Answer<'v> {
    let fail = || Fault::Failed(format!("unable to parse time '{epoch}'"));
    let number: i128 = epoch.parse().map_err(|_| fail())?;
    let unit = match epoch.len() {
        5 => 86_400_000_000_000,
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return Err(fail()),
    };
    Time::of_unix(number * unit).map(Value::Time).ok_or_else(fail)
}
