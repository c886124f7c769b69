//! While no process uses a card, the library can be closed: a driver without persistence mode then lets go of the card, which spares
//! power. Who uses it next is seen from outside: each open device of the driver counts as a user of its module.
//!
//! In: /sys/module/nvidia/refcnt. Where that is not to be had, it is looked once a minute, by opening the library.

use proto::metric::UnixMillis;

use crate::collector::host::Host;
use crate::collector::kept::KeptFile;
use crate::collector::seldom::Seldom;
use crate::collector::text::{integer, trim};

/// The time between closing the library and opening it.
pub(super) struct Rest {
    users: KeptFile,
    /// As few as there were since.
    least: Option<u64>,
    looked: Seldom,
}

impl Rest {
    /// From now on. The library is closed already, or we would count as a user.
    pub(super) fn begin(host: &Host, now: UnixMillis) -> Self {
        let mut rest = Self { users: KeptFile::new(host.sys("module/nvidia/refcnt")), least: None, looked: Seldom::default() };
        rest.is_over(now, &mut Vec::new());
        rest
    }

    /// Whether somebody has come.
    pub(super) fn is_over(&mut self, now: UnixMillis, buffer: &mut Vec<u8>) -> bool {
        match self.users.read(buffer).ok().and_then(|text| integer(trim(text))) {
            Some(users) => {
                let least = self.least.map_or(users, |least| least.min(users));
                self.least = Some(least);
                users > least
            }
            None => self.looked.is_due(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::collector::testing::host;

    #[test]
    fn it_is_over_when_the_module_has_one_user_more_than_at_the_fewest() {
        let tree = tempfile::tempdir().unwrap();
        let file = tree.path().join("sys/module/nvidia/refcnt");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "3\n").unwrap();
        let mut rest = Rest::begin(&host(tree.path()), UnixMillis(0));
        let is_over: Vec<bool> = ["3\n", "2\n", "2\n", "3\n"]
            .map(|users| {
                fs::write(&file, users).unwrap();
                rest.is_over(UnixMillis(0), &mut Vec::new())
            })
            .to_vec();
        assert_eq!(is_over, [false, false, false, true]);
    }

    #[test]
    fn where_users_are_not_counted_it_is_over_after_a_minute() {
        let tree = tempfile::tempdir().unwrap();
        let mut rest = Rest::begin(&host(tree.path()), UnixMillis(0));
        assert_eq!([15_000, 60_000].map(|now| rest.is_over(UnixMillis(now), &mut Vec::new())), [false, true]);
    }
}
