//! Random JSON for property tests: whole trees, their texts, and texts with a few bytes changed.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// A tree, with names that tests look for mixed into it.
pub(crate) fn value(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Few digits, since serde_json rounds some doubles when it reads them back.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        any::<String>().prop_map(Value::from),
        prop::sample::select(names).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from), object(names, inner).prop_map(Value::from),]
    })
}

/// An object at the top.
pub(crate) fn document(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    object(names, value(names)).prop_map(Value::from)
}

fn object(
    names: &'static [&'static str],
    inner: impl Strategy<Value = Value>,
) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let name = prop_oneof![4 => prop::sample::select(names).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::btree_map(name, inner, 0..10).prop_map(|members| members.into_iter().collect())
}

/// The text of a tree, with or without blanks.
pub(crate) fn text(value: &Value, pretty: bool) -> Vec<u8> {
    if pretty { serde_json::to_vec_pretty(value).unwrap() } else { serde_json::to_vec(value).unwrap() }
}

/// A change to the bytes of a text: where, how many to take out, what to put in.
pub(crate) type Edit = (Index, usize, Vec<u8>);

/// A few changes.
pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let put = prop_oneof![
        prop::collection::vec(prop::sample::select(&b"{}[]\",:\\u0e.-tnf \n\0\xFF"[..]), 0..3),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec((any::<Index>(), 0_usize..3, put), 0..4)
}

/// Applies what [`edits`] says.
pub(crate) fn edited(mut text: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for (place, n_taken, put) in edits {
        let at = place.index(text.len() + 1);
        let end = (at + n_taken).min(text.len());
        text.splice(at..end, put.iter().copied());
    }
    text
}
