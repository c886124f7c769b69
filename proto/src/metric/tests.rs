use super::*;

static READS: Desc = Desc::counter("disk_reads_total", "Reads.", &["device", "model"]);
static NOW: Desc = Desc::gauge("disk_now", "Under way.", &["device"]);
static MEMORY: Desc = Desc::gauge("memory_*_bytes", "As /proc/meminfo has it.", &[]);

fn collection(value: f64) -> Families {
    let mut families = Families::new();
    families.counters_since(UnixMillis(7_000));
    for device in ["sda", "sdb"] {
        families.sample(&READS, &[device, ""], value);
        families.sample(&NOW, &[device], 1.0);
    }
    families.named(&MEMORY, "memory_Free_bytes", &[], 5.0);
    families
}

fn show(families: &Families) -> Vec<String> {
    let show = |sample: Sample<'_>| {
        let labels: Vec<String> = sample.labels().map(|(name, value)| format!("{name}={value}")).collect();
        let (family, time) = (sample.family(), sample.time().map(|time| time.0));
        format!("{} {} {{{}}} {} {time:?} {}", family.kind, sample.name(), labels.join(","), sample.value(), sample.started().0)
    };
    families.samples().map(show).collect()
}

#[test]
fn samples_of_a_family_need_not_follow_one_another() {
    let families = collection(3.0);
    let names: Vec<&str> = families.families().map(|family| family.name).collect();
    assert_eq!(names, ["disk_reads_total", "disk_now", "memory_Free_bytes"]);
    assert_eq!(
        show(&families),
        [
            "counter disk_reads_total {device=sda} 3 None 7000",
            "gauge disk_now {device=sda} 1 None 0",
            "counter disk_reads_total {device=sdb} 3 None 7000",
            "gauge disk_now {device=sdb} 1 None 0",
            "gauge memory_Free_bytes {} 5 None 0",
        ]
    );
}

#[test]
fn a_shape_is_names_and_labels_whatever_the_values() {
    let (mut first, second) = (collection(1.0), collection(2.0));
    assert!(first.has_shape_of(&second));
    first.sample(&NOW, &["sdc"], 1.0);
    assert!(!first.has_shape_of(&second));
    first.clear();
    assert!(first.is_empty() && first.families().len() == 0);
}

#[test]
fn what_was_read_keeps_its_own_names_and_times() {
    let mut families = Families::new();
    families.read_family("latency_seconds", Kind::Histogram, "How long.", "seconds");
    families.read_sample("latency_seconds_bucket", 4.0, None);
    families.label("le", "+Inf");
    families.label("empty", "");
    families.read_sample("latency_seconds_count", 4.0, Some(UnixMillis(9)));
    assert_eq!(
        show(&families),
        ["histogram latency_seconds_bucket {le=+Inf} 4 None 0", "histogram latency_seconds_count {} 4 Some(9) 0"]
    );
    let mut all = collection(1.0);
    all.append(&families);
    assert_eq!(show(&all)[..5], show(&collection(1.0)));
    assert_eq!(show(&all)[5..], show(&families));
    assert_eq!(all.families().map(|family| family.help).collect::<Vec<_>>()[3], "How long.");
}

#[test]
fn stale_is_one_nan_among_others() {
    assert!(is_stale(f64::from_bits(STALE_BITS)) && !is_stale(f64::NAN) && !is_stale(f64::from_bits(NAN_BITS)));
}

#[test]
fn a_family_that_was_taken_in_or_stands_far_back_is_found_again() {
    static LAST: [Desc; 3] = [Desc::gauge("a", "A.", &[]), Desc::gauge("b", "B.", &[]), Desc::gauge("c", "C.", &[])];
    let mut families = Families::new();
    for _ in 0..2 {
        families.clear();
        for desc in &LAST {
            families.sample(desc, &[], 1.0);
        }
        families.append(&collection(1.0));
        families.sample(&LAST[0], &[], 2.0);
        families.sample(&NOW, &["sdz"], 2.0);
        families.named(&MEMORY, "memory_Free_bytes", &[], 2.0);
        families.named(&MEMORY, "memory_Total_bytes", &[], 2.0);
        let names: Vec<&str> = families.families().map(|family| family.name).collect();
        assert_eq!(names, ["a", "b", "c", "disk_reads_total", "disk_now", "memory_Free_bytes", "memory_Total_bytes"]);
    }
}
