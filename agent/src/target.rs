//! One target: its labels, which of its samples are shipped as which series, and which series have ended.
//!
//! In: the families of one collection. Out: samples of a set of series, ready for every destination. While the shape of collections
//! stays what it was, only values are copied. A series that was there and is no more gets the marker that ends it, once.

mod exemplars;

use std::sync::Arc;

use proto::metric::{Desc, Families, STALE_BITS, UnixMillis};
use proto::remote_write::{Samples, SeriesSet, SeriesSetBuilder};

use crate::relabel::{LabelSet, METRIC_NAME, Relabelling, Verdict};
use crate::scrape::labels::attach;
use exemplars::KnownExemplars;

/// Of every target, whether it could be collected.
pub static UP: Desc = Desc::gauge("up", "1 if the target could be collected, 0 if not.", &[]);

/// What stands on every series of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetLabels {
    /// `job`, `instance`, and what else belongs to the target.
    pub target: Vec<(String, String)>,
    /// Labels of the whole agent; a series that has one of that name keeps its own.
    pub external: Vec<(String, String)>,
    /// A label of the series wins over one of the target. Otherwise it is renamed, with `exported_` before it.
    pub honor: bool,
}

/// A target, with what is known of its last collection.
pub struct Target {
    labels: TargetLabels,
    relabelling: Relabelling,
    /// The shape of the last collection.
    last: Families,
    /// For each of its samples, whether it has a place in the set.
    shipped: Vec<bool>,
    set: Arc<SeriesSet>,
    /// For each series of the set, whether it ends with a marker: not if its samples have times of their own.
    ends: Vec<bool>,
    /// How many series the last collection had that the one before had not.
    added: usize,
    exemplars: KnownExemplars,
    /// Series that somebody else gives.
    elsewhere: Arc<SeriesSet>,
}

impl Target {
    /// With these labels, and what is changed of its series. Nothing was collected yet.
    pub fn new(labels: TargetLabels, relabelling: Relabelling) -> Self {
        let set = SeriesSetBuilder::new().finish();
        Self {
            labels,
            relabelling,
            last: Families::new(),
            shipped: Vec::new(),
            elsewhere: Arc::clone(&set),
            set,
            ends: Vec::new(),
            added: 0,
            exemplars: KnownExemplars::default(),
        }
    }

    /// The same, which leaves these series to somebody else.
    #[must_use]
    pub fn without(self, elsewhere: Arc<SeriesSet>) -> Self {
        Self { elsewhere, ..self }
    }

    /// The series of the last collection.
    pub fn set(&self) -> &Arc<SeriesSet> {
        &self.set
    }

    /// What is shipped of a collection of that time, and before it the ends of series that are no more. `collected` is left with
    /// memory to be used again.
    pub fn take(&mut self, collected: &mut Families, time: UnixMillis) -> Vec<Samples> {
        let mut out = Vec::with_capacity(2);
        if self.shipped.is_empty() || !self.last.has_shape_of(collected) {
            out.extend(self.take_shape(collected, time));
            self.give(collected, time, &mut out);
            std::mem::swap(&mut self.last, collected);
        } else {
            self.added = 0;
            self.give(collected, time, &mut out);
        }
        collected.clear();
        out
    }

    /// The target is gone: all its series end.
    pub fn end(&mut self, time: UnixMillis) -> Option<Samples> {
        let ended = ends(&self.set, &self.ends, |_| false, time);
        let anew = Self::new(self.labels.clone(), std::mem::take(&mut self.relabelling));
        *self = anew.without(Arc::clone(&self.elsewhere));
        ended
    }

    /// How many series the last collection had.
    pub fn series(&self) -> usize {
        self.set.len()
    }

    /// How many of them the collection before had not.
    pub fn added(&self) -> usize {
        self.added
    }

    fn give(&mut self, collected: &Families, time: UnixMillis, out: &mut Vec<Samples>) {
        let exemplars = self.exemplars.fresh(collected, &self.shipped, time);
        let shipped = || collected.samples().zip(&self.shipped).filter(|(_, shipped)| **shipped).map(|(sample, _)| sample);
        let samples = Samples::new(Arc::clone(&self.set), time, shipped().map(|sample| sample.value()).collect());
        let has_times = shipped().any(|sample| sample.time().is_some());
        let times = || shipped().map(|sample| sample.time().unwrap_or(time)).collect();
        let samples = samples.and_then(|samples| if has_times { samples.with_times(times()) } else { Some(samples) });
        out.extend(samples.map(|samples| samples.with_exemplars(exemplars)));
    }

    /// Works out the series of a collection; gives the ends of those that it does not have.
    fn take_shape(&mut self, collected: &Families, time: UnixMillis) -> Option<Samples> {
        let mut builder = SeriesSetBuilder::new();
        let families: Vec<usize> = collected.families().map(|family| builder.family(family)).collect();
        let mut labels = LabelSet::new();
        let mut ended = Vec::new();
        self.shipped.clear();
        for sample in collected.samples() {
            attach(&sample, &self.labels.target, self.labels.honor, &mut labels);
            let is_wanted = self.relabelling.apply(&mut labels) == Verdict::Keep && !labels.get(METRIC_NAME).is_empty();
            for (name, value) in &self.labels.external {
                if labels.get(name).is_empty() {
                    labels.set(name, value);
                }
            }
            let is_elsewhere = self.elsewhere.iter().any(|series| series.labels().eq(labels.iter()));
            let shipped =
                is_wanted && !is_elsewhere && builder.series(families[sample.family_place()], labels.iter(), sample.started());
            if shipped {
                ended.push(sample.time().is_none());
            }
            self.shipped.push(shipped);
        }
        let gone = ends(&self.set, &self.ends, |place| builder.has(self.set.series(place)), time);
        let kept = self.set.iter().filter(|series| builder.has(*series)).count();
        let set = builder.finish();
        self.exemplars.move_to(&set, &self.set);
        self.set = set;
        self.ends = ended;
        self.added = self.set.len() - kept;
        gone
    }
}

/// The ends of those series of a set that are not `there`.
fn ends(set: &Arc<SeriesSet>, ends: &[bool], there: impl Fn(usize) -> bool, time: UnixMillis) -> Option<Samples> {
    let mut builder = SeriesSetBuilder::new();
    let mut families: Vec<Option<usize>> = vec![None; set.families().count()];
    for (place, series) in set.iter().enumerate() {
        if ends.get(place) == Some(&true) && !there(place) {
            let family = &mut families[series.family_place()];
            let family = *family.get_or_insert_with(|| builder.family(series.family()));
            builder.series(family, series.labels(), series.started());
        }
    }
    if builder.is_empty() {
        return None;
    }
    let values = vec![f64::from_bits(STALE_BITS); builder.len()];
    Samples::new(builder.finish(), time, values)
}

#[cfg(test)]
mod tests {
    use proto::metric::is_stale;

    use super::*;
    use crate::relabel::{Action, Rule};

    static READS: Desc = Desc::counter("reads_total", "Reads.", &["device", "job"]);

    fn collected(devices: &[&str], value: f64) -> Families {
        let mut families = Families::new();
        for device in devices {
            families.sample(&READS, &[device, ""], value);
        }
        families.sample(&UP, &[], 1.0);
        families
    }

    fn target(honor: bool) -> Target {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = TargetLabels {
            target: vec![pair("job", "node"), pair("instance", "a")],
            external: vec![pair("cluster", "c"), pair("device", "external")],
            honor,
        };
        Target::new(labels, Relabelling::default())
    }

    fn show(samples: &[Samples]) -> Vec<String> {
        let one = |samples: &Samples| -> Vec<String> {
            let series = samples.set().iter().enumerate().map(|(place, series)| {
                let labels: Vec<String> = series.labels().map(|(name, value)| format!("{name}={value}")).collect();
                let (value, time) = samples.sample(place);
                let value = if is_stale(value) { "stale".to_owned() } else { value.to_string() };
                format!("{} {value} at {}", labels.join(","), time.0)
            });
            series.collect()
        };
        samples.iter().flat_map(one).collect()
    }

    #[test]
    fn every_series_has_the_targets_labels_and_the_agents_where_it_has_none() {
        let shown = show(&target(false).take(&mut collected(&["sda"], 3.0), UnixMillis(5)));
        let expected = [
            "__name__=reads_total,cluster=c,device=sda,instance=a,job=node 3 at 5",
            "__name__=up,cluster=c,device=external,instance=a,job=node 1 at 5",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_label_that_the_target_has_too_is_renamed_or_honored() {
        let mut families = Families::new();
        families.sample(&READS, &["sda", "other"], 3.0);
        let renamed = show(&target(false).take(&mut families.clone(), UnixMillis(5)));
        assert_eq!(renamed, ["__name__=reads_total,cluster=c,device=sda,exported_job=other,instance=a,job=node 3 at 5"]);
        let honored = show(&target(true).take(&mut families, UnixMillis(5)));
        assert_eq!(honored, ["__name__=reads_total,cluster=c,device=sda,instance=a,job=other 3 at 5"]);
    }

    #[test]
    fn a_series_that_is_gone_ends_once() {
        let mut target = target(false);
        let first = target.take(&mut collected(&["sda", "sdb"], 1.0), UnixMillis(1));
        let again = target.take(&mut collected(&["sda", "sdb"], 2.0), UnixMillis(2));
        assert!(Arc::ptr_eq(first[0].set(), again[0].set()), "the same series share their labels");
        let shown = show(&target.take(&mut collected(&["sdb"], 3.0), UnixMillis(3)));
        assert_eq!(shown[0], "__name__=reads_total,cluster=c,device=sda,instance=a,job=node stale at 3");
        assert_eq!(shown.len(), 3);
        assert_eq!(target.take(&mut collected(&["sdb"], 4.0), UnixMillis(4)).len(), 1);
        assert_eq!(target.take(&mut collected(&["sda", "sdb"], 5.0), UnixMillis(5)).len(), 1);
        assert_eq!((target.series(), target.added()), (3, 1));
        let ended = target.end(UnixMillis(6)).unwrap();
        assert!(ended.len() == 3 && ended.values().iter().all(|value| is_stale(*value)));
        assert!(target.end(UnixMillis(7)).is_none());
    }

    #[test]
    fn the_same_series_twice_is_sent_once_and_what_has_its_own_time_has_no_end() {
        let mut families = collected(&["sda", "sda"], 1.0);
        families.read_family("pushed", proto::metric::Kind::Gauge, "", "");
        families.read_sample("pushed", 1.0, Some(UnixMillis(2)));
        let mut target = target(false);
        let shown = show(&target.take(&mut families, UnixMillis(9)));
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert!(shown[2].ends_with("job=node 1 at 2"), "{shown:?}");
        assert_eq!(target.end(UnixMillis(10)).unwrap().len(), 2);
    }

    #[test]
    fn a_series_that_somebody_else_gives_is_left_to_him() {
        let others = target(false).take(&mut collected(&[], 1.0), UnixMillis(1));
        let mut target = target(false).without(Arc::clone(others[0].set()));
        for time in [5, 6] {
            let shown = show(&target.take(&mut collected(&["sda"], 3.0), UnixMillis(time)));
            assert_eq!(shown, [format!("__name__=reads_total,cluster=c,device=sda,instance=a,job=node 3 at {time}")]);
        }
        target.end(UnixMillis(7)).unwrap();
        assert_eq!(target.take(&mut collected(&["sda"], 3.0), UnixMillis(8))[0].len(), 1, "also from the beginning");
    }

    #[test]
    fn an_exemplar_is_given_with_its_series_once() {
        let exposed = |trace: &str, time: Option<i64>, first: &str| {
            let mut families = Families::new();
            families.read_family("reads_total", proto::metric::Kind::Counter, "", "");
            for (device, has_exemplar) in [("sdb", false), (first, true), ("sda", true)] {
                families.read_sample("reads_total", 3.0, None);
                families.label("device", device);
                if has_exemplar {
                    families.exemplar(0.5, time.map(UnixMillis));
                    families.exemplar_label("trace_id", trace);
                    families.exemplar_label("a", device);
                }
            }
            families
        };
        let mut target = target(false);
        let drop =
            Rule { action: Action::Drop, source_labels: vec!["device".to_owned()], regex: "sdb".to_owned(), ..Rule::default() };
        target.relabelling = Relabelling::new(&[drop]).unwrap();
        let mut given_with = |trace: &str, time: Option<i64>, now: i64, first: &str| -> Vec<String> {
            let samples = target.take(&mut exposed(trace, time, first), UnixMillis(now)).pop().unwrap();
            let show = |exemplar: &proto::remote_write::Exemplar| {
                let labels: Vec<String> = exemplar.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{}: {} {} at {}", exemplar.place, labels.join(","), exemplar.value, exemplar.time.0)
            };
            samples.exemplars().iter().map(show).collect()
        };
        let mut given = |trace: &str, time: Option<i64>, now: i64| given_with(trace, time, now, "sdc");
        assert_eq!(given("x", None, 10), ["0: a=sdc,trace_id=x 0.5 at 10", "1: a=sda,trace_id=x 0.5 at 10"]);
        assert_eq!(given("x", None, 20), [""; 0], "it is known");
        assert_eq!(given("y", Some(15), 30), ["0: a=sdc,trace_id=y 0.5 at 15", "1: a=sda,trace_id=y 0.5 at 15"]);
        assert_eq!(given("z", Some(14), 40), [""; 0], "older than what is known");
        assert_eq!(given("y", Some(16), 50).len(), 2, "the same again, later");
        let anew = ["0: a=sdd,trace_id=y 0.5 at 16"];
        assert_eq!(given_with("y", Some(16), 60, "sdd"), anew, "of what is left it is known when the series become others");
    }

    #[test]
    fn what_is_relabelled_may_be_dropped_or_renamed() {
        let mut target = target(false);
        let drop =
            Rule { action: Action::Drop, source_labels: vec!["device".to_owned()], regex: "sdb".to_owned(), ..Rule::default() };
        target.relabelling = Relabelling::new(&[Rule::name_prefix("x_"), drop]).unwrap();
        let shown = show(&target.take(&mut collected(&["sda", "sdb"], 3.0), UnixMillis(5)));
        assert_eq!(shown.len(), 2);
        assert!(shown[0].starts_with("__name__=x_reads_total,"));
    }
}
