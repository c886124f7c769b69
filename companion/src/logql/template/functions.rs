//! The functions of templates: Go's own, and those that Loki documents.
//!
//! Each takes its arguments as they come, the piped one last, and says what is wrong in Go's words.

mod arithmetic;
mod moment;
mod text;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use gotmpl::{Template, Value as GoValue};
use settings::read::nearest;

use super::value::Value;
use super::{Context, Regexes};

/// Why a function has no answer.
pub(super) enum Fault {
    /// Called wrongly.
    Arguments(String),
    /// It failed.
    Failed(String),
}

pub(super) type Answer<'v> = Result<Value<'v>, Fault>;

/// How many arguments `printf` and its like take.
const PRINTED_MAX: usize = 16;

/// How long a text that a function makes may be, bytes.
const TEXT_MAX: usize = 1024 * 1024;

/// All of them.
const NAMES: [&str; 88] = [
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "html",
    "js",
    "urlquery",
    "print",
    "printf",
    "println",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "call",
    "__line__",
    "__timestamp__",
    "ToLower",
    "ToUpper",
    "Replace",
    "Trim",
    "TrimLeft",
    "TrimRight",
    "TrimPrefix",
    "TrimSuffix",
    "TrimSpace",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "count",
    "urldecode",
    "urlencode",
    "bytes",
    "duration",
    "duration_seconds",
    "unixEpoch",
    "unixEpochMillis",
    "unixEpochNanos",
    "unixToTime",
    "toDate",
    "toDateInZone",
    "date",
    "alignLeft",
    "alignRight",
    "b64enc",
    "b64dec",
    "lower",
    "upper",
    "title",
    "trunc",
    "substr",
    "contains",
    "hasPrefix",
    "hasSuffix",
    "indent",
    "nindent",
    "replace",
    "repeat",
    "trim",
    "trimAll",
    "trimSuffix",
    "trimPrefix",
    "int",
    "float64",
    "add",
    "sub",
    "mul",
    "div",
    "mod",
    "addf",
    "subf",
    "mulf",
    "divf",
    "max",
    "min",
    "maxf",
    "minf",
    "ceil",
    "floor",
    "round",
    "fromJson",
    "default",
    "now",
    "true",
    "false",
];

/// Whether a name is a function's.
pub(super) fn exists(name: &str) -> Result<(), String> {
    if name == "now" {
        return Err("`now` has no meaning here: a line is judged at its own time, `__timestamp__`".to_owned());
    }
    if NAMES.contains(&name) {
        return Ok(());
    }
    let hint = nearest(name, &NAMES).map(|known| format!(": did you mean `{known}`?")).unwrap_or_default();
    Err(format!("templates have no function `{name}`{hint}"))
}

/// Its first argument is a regular expression.
pub(super) fn takes_regex(name: &str) -> bool {
    matches!(name, "regexReplaceAll" | "regexReplaceAllLiteral" | "count")
}

/// A call of a function.
pub(super) struct Call<'t> {
    pub(super) context: Context<'t>,
    pub(super) regexes: &'t Regexes,
}

/// So many arguments, or the error that Go has.
fn exactly<'v, const N: usize>(name: &str, values: Vec<Value<'v>>) -> Result<[Value<'v>; N], Fault> {
    <[Value<'v>; N]>::try_from(values)
        .map_err(|values| Fault::Arguments(format!("wrong number of args for {name}: want {N} got {}", values.len())))
}

fn at_least<'v>(name: &str, values: Vec<Value<'v>>, least: usize) -> Result<Vec<Value<'v>>, Fault> {
    if values.len() < least {
        return Err(Fault::Arguments(format!("wrong number of args for {name}: want at least {least} got {}", values.len())));
    }
    Ok(values)
}

/// A text, or the error that Go has.
fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, Fault> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(Fault::Arguments(format!("wrong type for value; expected string; got {}", other.type_name()))),
    }
}

/// A whole number, or the error that Go has.
fn int(value: &Value<'_>) -> Result<i64, Fault> {
    match value {
        Value::Other(GoValue::Int(number)) => Ok(*number),
        other => Err(Fault::Arguments(format!("wrong type for value; expected int; got {}", other.type_name()))),
    }
}

impl<'t> Call<'t> {
    pub(super) fn run(&self, name: &str, values: Vec<Value<'t>>) -> Answer<'t> {
        match name {
            "__line__" => exactly::<0>(name, values).map(|_| Value::text(self.context.line)),
            "__timestamp__" => {
                exactly::<0>(name, values)?;
                let time = super::time::Time::of_unix(i128::from(self.context.time.0));
                time.map(Value::Time).ok_or_else(|| Fault::Failed("this time is out of range".to_owned()))
            }
            "true" | "false" => Ok(Value::bool(name == "true")),
            "not" => exactly::<1>(name, values).map(|[value]| Value::bool(!value.is_true())),
            "default" => exactly::<2>(name, values).map(|[otherwise, value]| if value.is_true() { value } else { otherwise }),
            "len" => length(&exactly::<1>(name, values)?[0]),
            "index" => self.index(&at_least(name, values, 1)?),
            "slice" => slice(&at_least(name, values, 1)?),
            "call" => Err(Fault::Failed("there is nothing to call".to_owned())),
            "html" | "js" | "urlquery" | "print" | "println" | "printf" => printed(name, &values),
            "eq" => equal(&at_least(name, values, 2)?),
            "ne" => equal(&exactly::<2>(name, values)?).map(|equal| Value::bool(!equal.is_true())),
            "lt" | "le" | "gt" | "ge" => ordered(name, &exactly::<2>(name, values)?),
            "fromJson" => {
                let [value] = exactly::<1>(name, values)?;
                // What is no JSON is nothing, without an error.
                Ok(serde_json::from_str(text(&value)?).map_or_else(|_| Value::nil(), |json| Value::of(from_json(json))))
            }
            "regexReplaceAll" | "regexReplaceAllLiteral" | "count" => self.regex(name, values),
            "toDate" | "toDateInZone" | "date" | "unixEpoch" | "unixEpochMillis" | "unixEpochNanos" | "unixToTime" | "bytes"
            | "duration" | "duration_seconds" => moment::run(name, values),
            "int" | "float64" | "add" | "sub" | "mul" | "div" | "mod" | "addf" | "subf" | "mulf" | "divf" | "max" | "min"
            | "maxf" | "minf" | "ceil" | "floor" | "round" => arithmetic::run(name, values),
            _ => text::run(name, values),
        }
    }

    /// A label that is not there is the empty text, as of a map of texts; of any other map it is nothing.
    fn index(&self, values: &[Value<'t>]) -> Answer<'t> {
        match values {
            [Value::Labels, name, keys @ ..] => {
                let label = self.context.labels.get_for_template(text(name)?).unwrap_or_default();
                let label = Value::Text(Cow::Owned(label.to_owned()));
                if keys.is_empty() { Ok(label) } else { index(&[std::slice::from_ref(&label), keys].concat()) }
            }
            values => index(values),
        }
    }

    fn regex(&self, name: &str, values: Vec<Value<'t>>) -> Answer<'t> {
        let find = |pattern: &str| match self.regexes.get(pattern) {
            Some(known) => Ok(Cow::Borrowed(&known.regex)),
            None => settings::re2::compile(pattern).map(Cow::Owned).map_err(Fault::Failed),
        };
        if name == "count" {
            let [pattern, subject] = exactly::<2>(name, values)?;
            return Ok(Value::int(find(text(&pattern)?)?.find_iter(text(&subject)?).count() as i64));
        }
        let [pattern, subject, replacement] = exactly::<3>(name, values)?;
        let (pattern, replacement) = (text(&pattern)?, text(&replacement));
        let (regex, replacement) = (find(pattern)?, replacement?);
        if text(&subject)?.is_empty() && self.regexes.get(pattern).is_some_and(|known| !known.finds_in_empty) {
            return Ok(subject);
        }
        let Value::Text(subject) = subject else { return Ok(Value::nil()) };
        if !regex.is_match(&subject) {
            return Ok(Value::Text(subject));
        }
        let replaced = if name == "regexReplaceAllLiteral" {
            regex.replace_all(&subject, regex::NoExpand(replacement)).into_owned()
        } else {
            regex.replace_all(&subject, replacement).into_owned()
        };
        Ok(Value::text(replaced))
    }
}

/// How deep JSON nests is bounded by its reader.
fn from_json(json: serde_json::Value) -> GoValue {
    match json {
        serde_json::Value::Null => GoValue::Nil,
        serde_json::Value::Bool(truth) => GoValue::Bool(truth),
        serde_json::Value::Number(number) => GoValue::Float(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => GoValue::String(text.into()),
        serde_json::Value::Array(items) => GoValue::List(items.into_iter().map(from_json).collect::<Vec<_>>().into()),
        serde_json::Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (Arc::from(name.as_str()), from_json(value)));
            GoValue::Map(Arc::new(members.collect()))
        }
    }
}

fn length<'v>(value: &Value<'_>) -> Answer<'v> {
    match value {
        Value::Text(text) => Ok(Value::int(text.len() as i64)),
        Value::Other(GoValue::List(list)) => Ok(Value::int(list.len() as i64)),
        Value::Other(GoValue::Map(map)) => Ok(Value::int(map.len() as i64)),
        other => Err(Fault::Failed(format!("len of type {}", other.type_name()))),
    }
}

fn index<'v>(values: &[Value<'_>]) -> Answer<'v> {
    let Some((first, keys)) = values.split_first() else { return Ok(Value::nil()) };
    let mut value = first.to_go();
    for key in keys {
        value = match (&value, key) {
            (GoValue::Map(map), Value::Text(name)) => map.get(name.as_ref()).cloned().unwrap_or(GoValue::Nil),
            (GoValue::List(list), place) => {
                let place = int(place)?;
                let found = usize::try_from(place).ok().and_then(|place| list.get(place)).cloned();
                found.ok_or_else(|| Fault::Failed(format!("index out of range: {place}")))?
            }
            (GoValue::String(text), place) => {
                let place = int(place)?;
                let found = usize::try_from(place).ok().and_then(|place| text.as_bytes().get(place));
                GoValue::Int(i64::from(*found.ok_or_else(|| Fault::Failed(format!("index out of range: {place}")))?))
            }
            (GoValue::Nil, _) => return Err(Fault::Failed("index of untyped nil".to_owned())),
            (other, _) => {
                return Err(Fault::Failed(format!("can't index item of type {}", Value::of(other.clone()).type_name())));
            }
        };
    }
    Ok(Value::of(value))
}

fn slice<'v>(values: &[Value<'_>]) -> Answer<'v> {
    let Some((first, places)) = values.split_first() else { return Ok(Value::nil()) };
    let places = places.iter().map(int).collect::<Result<Vec<_>, _>>()?;
    let sliced = first.to_go().slice(places.first().copied(), places.get(1).copied());
    sliced.map(Value::of).map_err(|error| Fault::Failed(error.to_string()))
}

/// Templates that print their arguments: of each function one for none, for one, and so on.
static PRINTERS: LazyLock<HashMap<&'static str, Vec<Template>>> = LazyLock::new(|| {
    let printers = ["html", "js", "urlquery", "print", "println", "printf"].map(|function| {
        let by_count = (0..=PRINTED_MAX).map_while(|count| {
            let arguments = (0..count).fold(String::new(), |text, number| text + " .a" + &number.to_string());
            Template::new(function).parse(&format!("{{{{{function}{arguments}}}}}")).ok()
        });
        (function, by_count.collect())
    });
    printers.into_iter().collect()
});

/// What Go's `fmt` does, `gotmpl` does as well.
fn printed<'v>(name: &str, values: &[Value<'_>]) -> Answer<'v> {
    if name == "printf" && values.is_empty() {
        return Err(Fault::Arguments("wrong number of args for printf: want at least 1 got 0".to_owned()));
    }
    if name == "printf" {
        bounded_widths(text(&values[0])?)?;
    }
    let Some(template) = PRINTERS.get(name).and_then(|by_count| by_count.get(values.len())) else {
        return Err(Fault::Failed(format!("more than {PRINTED_MAX} arguments")));
    };
    let data = values.iter().enumerate().map(|(place, value)| (Arc::from(format!("a{place}").as_str()), value.to_go()));
    let made = template.execute_to_string(&GoValue::Map(Arc::new(data.collect())));
    made.map(Value::text).map_err(|error| Fault::Failed(error.to_string()))
}

/// A width is memory: `%999999999d` is refused.
fn bounded_widths(format: &str) -> Result<(), Fault> {
    let too_wide = format.split(|letter: char| !letter.is_ascii_digit()).any(|digits| digits.trim_start_matches('0').len() > 4);
    // `*` takes its width from an argument.
    if too_wide || format.contains('*') {
        return Err(Fault::Failed("a width is at most 9999".to_owned()));
    }
    Ok(())
}

fn equal<'v>(values: &[Value<'_>]) -> Answer<'v> {
    let Some((first, others)) = values.split_first() else { return Ok(Value::bool(false)) };
    for other in others {
        let equal = match (first, other) {
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::Time(left), Value::Time(right)) => left == right,
            (Value::Other(left), Value::Other(right)) => match (left, right) {
                (GoValue::Nil, GoValue::Nil) => true,
                (GoValue::Nil, _) | (_, GoValue::Nil) => false,
                (GoValue::Bool(left), GoValue::Bool(right)) => left == right,
                (GoValue::Int(left), GoValue::Int(right)) => left == right,
                (GoValue::Float(left), GoValue::Float(right)) => left.partial_cmp(right) == Some(Ordering::Equal),
                (GoValue::List(_) | GoValue::Map(_), _) | (_, GoValue::List(_) | GoValue::Map(_)) => {
                    return Err(Fault::Failed("non-comparable type".to_owned()));
                }
                _ => return Err(incompatible()),
            },
            (Value::Other(GoValue::Nil), _) | (_, Value::Other(GoValue::Nil)) => false,
            _ => return Err(incompatible()),
        };
        if equal {
            return Ok(Value::bool(true));
        }
    }
    Ok(Value::bool(false))
}

fn incompatible() -> Fault {
    Fault::Failed("incompatible types for comparison".to_owned())
}

fn ordered<'v>(name: &str, values: &[Value<'_>; 2]) -> Answer<'v> {
    let [left, right] = values;
    let order = match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Other(GoValue::Int(left)), Value::Other(GoValue::Int(right))) => Some(left.cmp(right)),
        (Value::Other(GoValue::Float(left)), Value::Other(GoValue::Float(right))) => left.partial_cmp(right),
        _ => return Err(incompatible()),
    };
    Ok(Value::bool(match name {
        "lt" => order.is_some_and(Ordering::is_lt),
        "le" => order.is_some_and(Ordering::is_le),
        "gt" => order.is_some_and(Ordering::is_gt),
        _ => order.is_some_and(Ordering::is_ge),
    }))
}
