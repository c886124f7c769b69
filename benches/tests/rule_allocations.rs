//! What is said of the companion's rules: a line of which no rule counts anything is read without an allocation.

use std::alloc::System;
use std::path::Path;

use benches::audit::Events;
use benches::rules::Rules;
use companion::entry::Entry;
use companion::labels::LabelSet;
use companion::logql::{Extractors, LineCache};
use proto::time::UnixNanos;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_line_of_which_no_rule_counts_anything_costs_no_allocation() {
    let stream: LabelSet = [("job", "kubernetes-audit"), ("node", "master-1")].into_iter().collect();
    let rules = Rules::shipped(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules"));
    let mut extractors = Extractors::new(rules.extractors(2, &stream));
    let mut cache = LineCache::default();
    let lines: Vec<String> = (0..2000).map(|number| Events::Generated.event(number)).collect();
    // The verb as metadata, as the agent sends it.
    let given = [vec![], vec![("verb".to_owned(), "get".to_owned())]];
    let mut points_of = |line: &str, metadata: &[(String, String)]| {
        let mut points = 0;
        let entry = Entry { time: UnixNanos(1), line, metadata };
        extractors.extract(&stream, entry, &mut cache, |_, _, _| points += 1);
        points
    };
    // What every line is to the rules that watch over silence.
    let always = points_of("{}", &[]);
    let quiet: Vec<&String> = lines.iter().filter(|line| points_of(line, &[]) == always).collect();
    assert!(quiet.len() > 1000 && quiet.len() < 2000, "{} of {} lines are quiet", quiet.len(), lines.len());
    let mut all_of_them = || {
        for (line, metadata) in quiet.iter().flat_map(|line| given.iter().map(move |given| (line, given))) {
            assert_eq!(points_of(line, metadata), always);
        }
    };
    // Room that is kept, and what expressions learn of lines.
    all_of_them();
    let region = Region::new(COUNTED);
    all_of_them();
    assert_eq!(region.change().allocations, 0);
}
