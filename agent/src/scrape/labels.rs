//! A series' labels from what the target exposes and what is known of the target, where both say something of the same name.

use proto::metric::Sample;

use crate::relabel::LabelSet;

/// What stands before an exposed label whose place the target's takes.
const EXPORTED: &str = "exported_";

/// Puts a sample's name and labels together with those of its target, in place of what is in `set`. With `honor_labels` what is
/// exposed wins, and a label that is exposed without value keeps that of the target away; else it makes way under another name.
pub fn attach(sample: &Sample<'_>, target: &[(String, String)], honor_labels: bool, set: &mut LabelSet) {
    set.take_from(sample);
    if honor_labels {
        for (name, value) in target {
            if !sample.labels().any(|(exposed, _)| exposed == name) {
                set.set(name, value);
            }
        }
        return;
    }
    let mut displaced: Vec<(&str, String)> = Vec::new();
    for (name, value) in target {
        let exposed = set.get(name);
        if !exposed.is_empty() {
            displaced.push((name, exposed.to_owned()));
        }
        set.set(name, value);
    }
    // Shorter names first, so that `a` makes way before `exported_a`, as in Prometheus.
    displaced.sort_by_key(|(name, _)| name.len());
    for (name, value) in displaced {
        let mut free = format!("{EXPORTED}{name}");
        while !set.get(&free).is_empty() {
            free.insert_str(0, EXPORTED);
        }
        set.set(&free, &value);
    }
}

#[cfg(test)]
mod tests {
    use proto::metric::Families;

    use super::*;

    #[test]
    fn what_is_exposed_makes_way_or_wins() {
        for (exposed, target, honor_labels, expected) in [
            ("", "job=a,instance=b", false, "instance=b,job=a"),
            ("job=x", "job=a", false, "exported_job=x,job=a"),
            ("job=a", "job=a", false, "exported_job=a,job=a"),
            ("job=", "job=a", false, "job=a"),
            ("job=x", "job=a,instance=b", true, "instance=b,job=x"),
            ("job=x,instance=", "job=a,instance=b", true, "job=x"),
            ("foo=1", "foo=2,exported_foo=3", false, "exported_exported_foo=1,exported_foo=3,foo=2"),
            ("foo=1,exported_foo=2", "foo=3", false, "exported_exported_foo=1,exported_foo=2,foo=3"),
            ("exported_foo=1", "exported_foo=2", false, "exported_exported_foo=1,exported_foo=2"),
            (
                "foo=1,exported_foo=2",
                "foo=3,exported_foo=4",
                false,
                "exported_exported_exported_foo=2,exported_exported_foo=1,exported_foo=4,foo=3",
            ),
        ] {
            let mut families = Families::new();
            families.read_sample("m", 1.0, None);
            for pair in exposed.split_terminator(',') {
                match pair.split_once('=').unwrap() {
                    (name, "") => families.empty_label(name),
                    (name, value) => families.label(name, value),
                }
            }
            let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
            let target: Vec<(String, String)> = target.split(',').map(pair).collect();
            let mut set = LabelSet::new();
            attach(&families.sample_at(0).unwrap(), &target, honor_labels, &mut set);
            let pairs: Vec<String> = set.iter().skip(1).map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(pairs.join(","), expected, "{exposed} {target:?} {honor_labels}");
        }
    }
}
