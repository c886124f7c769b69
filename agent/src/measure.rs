//! Who is measured when, and whereto: groups of samples, each with a thread of its own, a `job`, and one time for all its samples.
//!
//! A group is sampled at whole multiples of the interval, by the wall clock, so that a restart never gives a time twice. What comes of
//! it goes through its target (labels, ends) to every destination that wants the job. Whoever pulls gets a sample of that moment.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use proto::metric::{Families, UnixMillis};
use proto::remote_write::Samples;
use tracing::{info, warn};

use crate::config::patterns::Globs;
use crate::relabel::Relabelling;
use crate::sink::remote_write::queue::Queue;
use crate::target::{Target, TargetLabels, UP};

/// Stack of a group's thread.
const STACK_BYTES: usize = 256 * 1024;
/// Who pulls waits at most so long for all groups.
const LOOK_WITHIN: Duration = Duration::from_secs(9);
/// Orders that wait for a group's thread.
const ORDERS: usize = 8;

/// What a group has to give.
pub trait Sampler: Send {
    /// Samples of now; says whether the target could be collected.
    fn sample(&mut self, now: UnixMillis, out: &mut Families) -> bool;

    /// Whether the node has what is measured, or has had it: asked after each sample. What was never there is not down, but no target.
    fn is_here(&self) -> bool {
        true
    }

    /// What was not given the last time, and why: for people.
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A group before it runs.
pub struct Group {
    /// Label `job`.
    pub job: String,
    /// Further labels of the target, beside `job` and `instance`; one of those names takes its place.
    pub labels: Vec<(String, String)>,
    /// What is changed of its series.
    pub relabelling: Relabelling,
    /// Whether who pulls gets it too.
    pub is_pulled: bool,
    /// What it gives.
    pub sampler: Box<dyn Sampler>,
}

/// What holds for all groups.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often.
    pub interval: Duration,
    /// Label `instance`: the node.
    pub instance: String,
    /// Labels of every series that has none of that name.
    pub external: Vec<(String, String)>,
    /// One sample at once, and no more.
    pub once: bool,
}

/// The destinations' queues, each with the jobs that it wants.
#[derive(Clone, Debug, Default)]
pub struct Outlets(Vec<(Globs, Arc<Queue>)>);

impl Outlets {
    /// Of these.
    pub fn new(queues: Vec<(Globs, Arc<Queue>)>) -> Self {
        Self(queues)
    }

    /// To every destination that wants the job.
    pub fn put(&self, job: &str, samples: Vec<Samples>) {
        for samples in samples.into_iter().filter(|samples| !samples.is_empty()).map(Arc::new) {
            for (jobs, queue) in &self.0 {
                if jobs.is_match(job) {
                    queue.push(Arc::clone(&samples));
                }
            }
        }
    }

    /// Nothing comes any more.
    pub fn close(&self) {
        for (_, queue) in &self.0 {
            queue.close();
        }
    }
}

/// What a group's thread is told.
#[derive(Debug)]
enum Order {
    /// To give a sample of now.
    Look(SyncSender<Families>),
    /// To end.
    Stop,
}

/// The threads of all groups.
pub struct Measuring {
    /// With whether who pulls asks there.
    orders: Vec<(SyncSender<Order>, bool)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Measuring {
    /// Starts a thread for each group.
    pub fn start(groups: Vec<Group>, plan: &Plan, outlets: &Outlets) -> io::Result<Self> {
        let (mut orders, mut threads) = (Vec::new(), Vec::new());
        for group in groups {
            let (sender, inbox) = sync_channel(ORDERS);
            orders.push((sender, group.is_pulled));
            let (plan, outlets) = (plan.clone(), outlets.clone());
            let run = move || Running::new(group, &plan, outlets).run(&plan, &inbox);
            threads.push(thread::Builder::new().name("measure".to_owned()).stack_size(STACK_BYTES).spawn(run)?);
        }
        Ok(Self { orders, threads: Mutex::new(threads) })
    }

    /// A sample of now of every group that answers in time.
    pub fn look(&self) -> Families {
        let asked: Vec<Receiver<Families>> = self
            .orders
            .iter()
            .filter(|(_, is_pulled)| *is_pulled)
            .filter_map(|(orders, _)| {
                let (sender, answer) = sync_channel(1);
                orders.try_send(Order::Look(sender)).ok().map(|()| answer)
            })
            .collect();
        let until = Instant::now() + LOOK_WITHIN;
        let mut all = Families::new();
        for answer in asked {
            if let Ok(families) = answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
                all.append(&families);
            }
        }
        all
    }

    /// Tells all threads to end, and gives them to be waited for.
    pub fn stop(&self) -> Vec<JoinHandle<()>> {
        for (orders, _) in &self.orders {
            // One that is so far behind that its orders are full hangs, and is left alone.
            let _ = orders.try_send(Order::Stop);
        }
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until all have ended by themselves, with `once`.
    pub fn wait(&self) {
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)) {
            // A fault was said by the panic's own message.
            let _ = thread.join();
        }
    }
}

/// One sample of each group, as it would be shipped, and what is missing, by group.
pub fn sample_once(groups: Vec<Group>, plan: &Plan) -> (Vec<Samples>, Vec<String>) {
    let now = unix_millis();
    let (mut samples, mut missing) = (Vec::new(), Vec::new());
    for group in groups {
        let mut running = Running::new(group, plan, Outlets::default());
        samples.extend(running.sample(now));
        missing.extend(running.sampler.missing().into_iter().map(|what| format!("{}: {what}", running.job)));
    }
    (samples, missing)
}

/// A group's thread.
struct Running {
    job: String,
    instance: String,
    sampler: Box<dyn Sampler>,
    target: Target,
    outlets: Outlets,
    collected: Families,
    /// Whether it could be collected the last time.
    was_up: bool,
}

impl Running {
    fn new(group: Group, plan: &Plan, outlets: Outlets) -> Self {
        let mut target = vec![("job".to_owned(), group.job.clone()), ("instance".to_owned(), plan.instance.clone())];
        // A group of something else than the node has an instance of its own.
        target.retain(|(name, _)| group.labels.iter().all(|(other, _)| other != name));
        target.extend(group.labels);
        let instance = target.iter().find(|(name, _)| name == "instance").map(|(_, value)| value.clone()).unwrap_or_default();
        let labels = TargetLabels { target, external: plan.external.clone(), honor: false };
        let target = Target::new(labels, group.relabelling);
        Self { job: group.job, instance, sampler: group.sampler, target, outlets, collected: Families::new(), was_up: true }
    }

    fn run(mut self, plan: &Plan, orders: &Receiver<Order>) {
        if plan.once {
            let samples = self.sample(unix_millis());
            self.outlets.put(&self.job, samples);
            return;
        }
        let schedule = Schedule::new(plan.interval, Duration::ZERO);
        let mut last = UnixMillis::default();
        loop {
            let next = schedule.next(unix_millis(), last);
            match self.wait_until(next, orders) {
                Waited::Until => {}
                Waited::ClockJumped => continue,
                Waited::Stopped => return,
            }
            let samples = self.sample(next);
            last = next;
            self.outlets.put(&self.job, samples);
        }
    }

    /// Waits for the wall clock; meanwhile whoever looks is answered.
    fn wait_until(&mut self, next: UnixMillis, orders: &Receiver<Order>) -> Waited {
        // A clock that is set must not make this wait for hours.
        let longest = Instant::now() + duration_between(unix_millis(), next) + Duration::from_millis(100);
        loop {
            let left = duration_between(unix_millis(), next);
            if left.is_zero() {
                return Waited::Until;
            }
            if Instant::now() >= longest {
                return Waited::ClockJumped;
            }
            match orders.recv_timeout(left.min(Duration::from_secs(5))) {
                Ok(Order::Look(answer)) => {
                    let mut families = Families::new();
                    self.sampler.sample(unix_millis(), &mut families);
                    // Whoever asked may have left.
                    let _ = answer.try_send(families);
                }
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return Waited::Stopped,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn sample(&mut self, time: UnixMillis) -> Vec<Samples> {
        self.collected.clear();
        let is_up = self.sampler.sample(time, &mut self.collected);
        if self.sampler.is_here() {
            match (self.was_up, is_up) {
                (true, false) => warn!(job = self.job, instance = self.instance, "the target cannot be collected"),
                (false, true) => info!(job = self.job, instance = self.instance, "the target is collected again"),
                _ => {}
            }
            self.was_up = is_up;
            self.collected.sample(&UP, &[], f64::from(u8::from(is_up)));
        }
        self.target.take(&mut self.collected, time)
    }
}

/// How waiting for a time ended.
enum Waited {
    Until,
    ClockJumped,
    Stopped,
}

fn duration_between(now: UnixMillis, then: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(then.0 - now.0).unwrap_or(0))
}

/// The wall clock.
pub fn unix_millis() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMillis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// When samples are due: a moment in every interval, by the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: i64,
    offset: i64,
}

impl Schedule {
    /// So long after each whole multiple of the interval.
    pub fn new(interval: Duration, offset: Duration) -> Self {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self { interval: millis(interval).max(1), offset: millis(offset) }
    }

    /// The next moment, later than the last one; but if the clock was set back by far, then by the clock.
    pub fn next(self, now: UnixMillis, last: UnixMillis) -> UnixMillis {
        let Self { interval, offset } = self;
        let next = ((now.0 - offset).div_euclid(interval) + 1) * interval + offset;
        let is_set_back = last.0 - now.0 > 2 * interval;
        UnixMillis(if next <= last.0 && !is_set_back { last.0 + interval } else { next })
    }
}

#[cfg(test)]
mod tests {
    use proto::metric::Desc;

    use super::*;

    static NOW: Desc = Desc::gauge("now", "The time of the sample.", &[]);

    struct Clock;

    impl Sampler for Clock {
        fn sample(&mut self, now: UnixMillis, out: &mut Families) -> bool {
            out.sample(&NOW, &[], now.0 as f64);
            true
        }
    }

    fn group(job: &str) -> Group {
        Group {
            job: job.to_owned(),
            labels: Vec::new(),
            relabelling: Relabelling::default(),
            is_pulled: true,
            sampler: Box::new(Clock),
        }
    }

    fn plan(interval: Duration, once: bool) -> Plan {
        Plan { interval, instance: "a".to_owned(), external: Vec::new(), once }
    }

    #[test]
    fn times_are_multiples_of_the_interval_and_none_comes_twice() {
        let every = |offset| Schedule::new(Duration::from_secs(15), Duration::from_millis(offset));
        let next = |now, last| every(0).next(UnixMillis(now), UnixMillis(last)).0;
        assert_eq!(next(1_000, 0), 15_000);
        assert_eq!(next(15_000, 15_000), 30_000);
        assert_eq!(next(29_999, 15_000), 30_000);
        assert_eq!(next(14_000, 15_000), 30_000, "a clock that was set back a little");
        assert_eq!(next(100_000, 15_000), 105_000, "one that was set forward, or a machine that slept");
        assert_eq!(next(1_000, 900_000), 15_000, "one that was set back by far");
        let later = |now, last| every(4_000).next(UnixMillis(now), UnixMillis(last)).0;
        assert_eq!(
            [later(1_000, 0), later(4_000, 4_000), later(18_999, 4_000)],
            [4_000, 19_000, 19_000],
            "each at its own moment"
        );
    }

    #[test]
    fn each_destination_gets_the_jobs_that_it_wants_and_who_looks_an_answer() {
        let all = Arc::new(Queue::new(1 << 20));
        let some = Arc::new(Queue::new(1 << 20));
        let globs = |glob: &str| crate::config::patterns::name_globs(vec![glob.to_owned()]).unwrap();
        let outlets = Outlets::new(vec![(globs("*"), Arc::clone(&all)), (globs("b*"), Arc::clone(&some))]);
        let measuring =
            Measuring::start(vec![group("a"), group("b")], &plan(Duration::from_millis(10), false), &outlets).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while (all.samples() < 12 || some.samples() < 4) && Instant::now() < until {
            assert_eq!(measuring.look().len(), 2);
        }
        for thread in measuring.stop() {
            thread.join().unwrap();
        }
        let times: Vec<i64> = some.take(usize::MAX).iter().map(|samples| samples.time().0).collect();
        assert!(times.len() >= 2 && times.windows(2).all(|pair| pair[0] < pair[1] && pair[0] % 10 == 0), "{times:?}");
        assert!(all.samples() >= 12);
        assert!(measuring.look().is_empty());
    }

    #[test]
    fn with_once_there_is_one_sample_of_each() {
        let queue = Arc::new(Queue::new(1 << 20));
        let outlets =
            Outlets::new(vec![(crate::config::patterns::name_globs(vec!["*".to_owned()]).unwrap(), Arc::clone(&queue))]);
        Measuring::start(vec![group("a"), group("b")], &plan(Duration::from_secs(15), true), &outlets).unwrap().wait();
        assert_eq!(queue.samples(), 4);
        let (samples, missing) = sample_once(vec![group("a")], &plan(Duration::from_secs(15), true));
        assert!(missing.is_empty());
        let names: Vec<_> = samples[0].set().iter().map(|series| series.family().name.to_owned()).collect();
        assert_eq!(names, ["now", "up"]);
    }

    /// It is not there the first time, and gone the third.
    struct Late(u32);

    impl Sampler for Late {
        fn sample(&mut self, _: UnixMillis, _: &mut Families) -> bool {
            self.0 += 1;
            self.0 == 2
        }

        fn is_here(&self) -> bool {
            self.0 > 1
        }
    }

    #[test]
    fn what_was_never_there_is_no_target_and_what_is_gone_is_down() {
        let late = Group { sampler: Box::new(Late(0)), ..group("late") };
        let mut running = Running::new(late, &plan(Duration::from_secs(15), true), Outlets::default());
        let values: Vec<Vec<f64>> = (1..=3)
            .map(|time| running.sample(UnixMillis(time)))
            .map(|given| given.iter().flat_map(|samples| (0..samples.set().len()).map(|place| samples.sample(place).0)).collect())
            .collect();
        assert_eq!(values, [vec![], vec![1.0], vec![0.0]]);
    }

    #[test]
    fn a_group_of_something_else_than_the_node_has_an_instance_of_its_own() {
        let labels = vec![("instance".to_owned(), "ups:3493".to_owned())];
        let groups = vec![group("node"), Group { labels, ..group("ups") }];
        let (samples, _) = sample_once(groups, &plan(Duration::from_secs(15), true));
        let instances = |samples: &Samples| -> Vec<String> {
            let labels = samples.set().iter().flat_map(|series| series.labels());
            labels.filter(|(name, _)| *name == "instance").map(|(_, value)| value.to_owned()).collect()
        };
        assert_eq!(samples.iter().map(instances).collect::<Vec<_>>(), [["a", "a"], ["ups:3493", "ups:3493"]]);
    }
}
