//! What changes seldom, or costs much to know: it is asked once a minute, and given in between as it was.

use proto::metric::UnixMillis;

const MINUTE_MILLIS: i64 = 60_000;

/// When it was asked last.
#[derive(Debug, Default)]
pub struct Seldom {
    asked: Option<UnixMillis>,
}

impl Seldom {
    /// Whether it is to be asked now; it then counts as asked. A clock that was set back asks at once.
    pub fn is_due(&mut self, now: UnixMillis) -> bool {
        let due = self.asked.is_none_or(|asked| !(asked.0..asked.0.saturating_add(MINUTE_MILLIS)).contains(&now.0));
        if due {
            self.asked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_first_then_each_minute_and_when_the_clock_was_set_back() {
        let mut seldom = Seldom::default();
        let due: Vec<bool> =
            [0, 15_000, 59_999, 60_000, 75_000, 30_000, 45_000].map(|now| seldom.is_due(UnixMillis(now))).to_vec();
        assert_eq!(due, [true, false, false, true, false, true, false]);
    }
}
