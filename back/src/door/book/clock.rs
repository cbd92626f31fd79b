//! Instants by a clock that may be set: what was before something, when the clock was put forward or back since. Pure.

/// Two clocks that are read a little apart differ by less; so much is no setting of either.
const NO_STEP_MS: i64 = 1_000;

/// An instant by both clocks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, since 1970. It can be set.
    pub wall: u64,
    /// What has passed since the server began. It only grows.
    pub passed: u64,
}

impl Moment {
    /// By how much the wall clock is ahead of what has passed: the same for as long as nobody sets it.
    fn ahead(self) -> i64 {
        (self.wall as i64).saturating_sub(self.passed as i64)
    }

    /// How far the clock was put forward since an earlier moment; back, if negative.
    fn step_since(self, earlier: Self) -> i64 {
        let step = self.ahead().saturating_sub(earlier.ahead());
        if step.abs() < NO_STEP_MS { 0 } else { step }
    }
}

/// When something was, in Unix milliseconds by the clock that tickets are made by, and by ours when we heard of it.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub at: u64,
    pub heard: Moment,
}

impl Mark {
    /// When it was by the clock as it is set now.
    pub fn today(&self, now: Moment) -> u64 {
        self.at.saturating_add_signed(now.step_since(self.heard))
    }

    /// Whether a ticket that was made then and is good until then was made before this, or in that millisecond. It was by
    /// the clock as it is set now; or it was by the clock of that time, and was good then. That one comes up again when a
    /// clock that was put back gets there, and a new one of the same minute is taken for it.
    pub fn follows(&self, made: u64, until: u64, now: Moment) -> bool {
        made <= self.today(now) || (made <= self.at && until > self.at)
    }

    /// Whether no ticket that was good then is good any more, of those that last so long.
    pub fn is_over(&self, life: u64, now: Moment) -> bool {
        self.at.max(self.today(now)).saturating_add(life) < now.wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const HOUR: u64 = 3_600_000;

    fn at(wall: u64, passed: u64) -> Moment {
        Moment { wall, passed }
    }

    #[test]
    fn an_instant_moves_with_the_clock() {
        let mark = Mark { at: NOW, heard: at(NOW, 500) };
        assert_eq!(mark.today(at(NOW + 70_000, 70_500)), NOW);
        assert_eq!(mark.today(at(NOW + 70_000 - 9 * HOUR, 70_500)), NOW - 9 * HOUR);
        assert_eq!(mark.today(at(NOW + 70_000 + HOUR, 70_500)), NOW + HOUR);
        assert_eq!(mark.today(at(NOW + 999, 500)), NOW, "clocks that are read apart are not set");
        assert_eq!(mark.today(at(0, 500)), 0);
    }

    #[test]
    fn what_was_before_is_known_by_the_clock_of_today_and_by_that_of_then() {
        let mark = Mark { at: NOW, heard: at(NOW, 0) };
        let follows = |made: u64, now| mark.follows(made, made + 30_000, now);
        let right = at(NOW + 10_000, 10_000);
        assert!(follows(NOW, right) && !follows(NOW + 1, right));
        // Put back by an hour: new tickets are of the time before, and are no older for that.
        let back = at(NOW + 10_000 - HOUR, 10_000);
        assert!(follows(NOW - HOUR, back) && !follows(NOW - HOUR + 1, back) && !follows(NOW - HOUR + 9_000, back));
        // Those of before, which the clock makes good once more.
        let again = at(NOW, HOUR);
        assert!(follows(NOW, again) && follows(NOW - 29_999, again) && !follows(NOW - 30_000, again));
        // Put forward: what was made before the mark is older than it, whatever the clock said.
        let forward = at(NOW + HOUR + 10_000, 10_000);
        assert!(follows(NOW + HOUR, forward) && !follows(NOW + HOUR + 1, forward));
    }

    #[test]
    fn it_is_over_when_no_ticket_of_before_is_good() {
        let mark = Mark { at: NOW, heard: at(NOW, 0) };
        let over = |now| mark.is_over(60_000, now);
        assert!(!over(at(NOW + 60_000, 60_000)) && over(at(NOW + 60_001, 60_001)));
        assert!(!over(at(NOW - HOUR + 70_000, 70_000)) && over(at(NOW + 60_001, HOUR + 60_001)));
        assert!(!over(at(NOW + HOUR + 60_000, 60_000)) && over(at(NOW + HOUR + 60_001, 60_001)));
    }
}
