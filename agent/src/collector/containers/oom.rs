//! Whose processes the kernel killed for want of memory. No I/O.
//!
//! The killed container mostly disappears with its group, and its count with it; the pod's group stays, and counts what happened below
//! it. So what is new there is given to the container whose own count rose, else to the one that is gone since, else to nobody. Every
//! count begins at 0, one sample before anything is added: a series that begins at 1 has no increase.

/// What one container's group says.
pub(super) struct Own<'o> {
    /// Container's name.
    pub(super) name: &'o str,
    /// Kills of this group that are new since the last time.
    pub(super) new: u64,
}

/// The counts of a pod, by container; that of nobody has no name.
#[derive(Debug)]
pub(super) struct PodKills {
    /// What the pod's group said when it was settled last.
    settled: u64,
    counts: Vec<(String, u64)>,
}

/// Containers of a pod at most.
const NAMES_MAX: usize = 256;

impl PodKills {
    /// Of a pod whose group says so many that are not ours to count: it was there before us.
    pub(super) fn new(before: u64) -> Self {
        Self { settled: before, counts: vec![(String::new(), 0)] }
    }

    /// There is a container of that name: from now on it has a count.
    pub(super) fn see(&mut self, name: &str) {
        if !self.knows(name) && self.counts.len() < NAMES_MAX {
            self.counts.push((name.to_owned(), 0));
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.counts.iter().any(|(known, _)| known == name)
    }

    /// Adds what is new by what the pod's group says now. `gone` are containers whose groups are no more since the last time.
    pub(super) fn settle(&mut self, total: u64, own: &[Own<'_>], gone: &[String]) {
        let mut new = total.saturating_sub(self.settled);
        self.settled = total;
        for container in own {
            let of_it = container.new.min(new);
            new -= of_it;
            self.add(container.name, of_it);
        }
        let culprit = match gone {
            [only] => only.as_str(),
            _ => "",
        };
        self.add(culprit, new);
    }

    fn add(&mut self, name: &str, new: u64) {
        // Who was never seen has no series that began at 0.
        let name = if self.knows(name) { name } else { "" };
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| known == name) {
            *count += new;
        }
    }

    /// By container.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(name, count)| (name.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_the_containers_whose_count_rose_else_the_one_that_is_gone() {
        let mut kills = PodKills::new(3);
        kills.see("app");
        kills.see("sidecar");
        let gone = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let counts = |kills: &PodKills| kills.counts().map(|(_, count)| count).collect::<Vec<_>>();
        kills.settle(3, &[], &[]);
        assert_eq!(counts(&kills), [0, 0, 0]);
        kills.settle(5, &[Own { name: "sidecar", new: 1 }], &gone(&["app"]));
        assert_eq!(counts(&kills), [0, 1, 1]);
        kills.settle(6, &[Own { name: "app", new: 9 }], &[]);
        assert_eq!(counts(&kills), [0, 2, 1], "never more than the pod's");
        kills.settle(7, &[], &gone(&["app", "sidecar"]));
        kills.settle(8, &[], &[]);
        kills.settle(9, &[], &gone(&["never-seen"]));
        assert_eq!(counts(&kills), [3, 2, 1], "nobody knows");
        kills.settle(2, &[], &[]);
        assert_eq!(counts(&kills), [3, 2, 1], "a count that went back takes nothing away");
    }
}
