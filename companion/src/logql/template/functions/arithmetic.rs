//! Numbers. Whatever is no number counts as 0.

use super::{Answer, Fault, Value, at_least, exactly};

pub(super) fn run<'v>(name: &str, values: Vec<Value<'v>>) -> Answer<'v> {
    let ints = |values: &[Value<'_>]| values.iter().map(Value::to_int).collect::<Vec<_>>();
    let floats = |values: &[Value<'_>]| values.iter().map(Value::to_float).collect::<Vec<_>>();
    let int = |number: i64| Ok(Value::int(number));
    let float = |number: f64| Ok(Value::float(number));
    let fold = |values: Vec<f64>, each: fn(f64, f64) -> f64| values.into_iter().reduce(each).unwrap_or_default();
    match name {
        "int" => int(exactly::<1>(name, values)?[0].to_int()),
        "float64" => float(exactly::<1>(name, values)?[0].to_float()),
        "add" => int(ints(&values).into_iter().fold(0, i64::wrapping_add)),
        "sub" => exactly::<2>(name, values).map(|[left, right]| Value::int(left.to_int().wrapping_sub(right.to_int()))),
        "mul" => int(ints(&at_least(name, values, 1)?).into_iter().fold(1, i64::wrapping_mul)),
        "div" | "mod" => {
            let [left, right] = exactly::<2>(name, values)?.map(|value| value.to_int());
            if right == 0 {
                return Err(Fault::Failed("runtime error: integer divide by zero".to_owned()));
            }
            int(if name == "div" { left.wrapping_div(right) } else { left.wrapping_rem(right) })
        }
        "addf" => float(floats(&values).into_iter().sum()),
        "subf" => float(fold(floats(&at_least(name, values, 1)?), |left, right| left - right)),
        "mulf" => float(fold(floats(&at_least(name, values, 1)?), |left, right| left * right)),
        "divf" => float(fold(floats(&at_least(name, values, 1)?), |left, right| left / right)),
        "max" => int(ints(&at_least(name, values, 1)?).into_iter().max().unwrap_or_default()),
        "min" => int(ints(&at_least(name, values, 1)?).into_iter().min().unwrap_or_default()),
        "maxf" => float(fold(floats(&at_least(name, values, 1)?), f64::max)),
        "minf" => float(fold(floats(&at_least(name, values, 1)?), f64::min)),
        "ceil" => float(exactly::<1>(name, values)?[0].to_float().ceil()),
        "floor" => float(exactly::<1>(name, values)?[0].to_float().floor()),
        _ => float(round(&at_least(name, values, 2)?)),
    }
}

/// To so many places; a third argument says from which fraction on it goes up.
fn round(values: &[Value<'_>]) -> f64 {
    let number = values.first().map(Value::to_float).unwrap_or_default();
    let places = values.get(1).map(Value::to_int).unwrap_or_default().clamp(-300, 300);
    let up_from = values.get(2).map_or(0.5, Value::to_float);
    let scale = 10_f64.powi(places as i32);
    let scaled = number * scale;
    let rounded = if scaled.fract().abs() >= up_from { scaled.trunc() + scaled.signum() } else { scaled.trunc() };
    rounded / scale
}
