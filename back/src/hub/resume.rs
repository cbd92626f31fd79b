//! What a client that comes to a room is shown of its past. Pure: positions in, a plan out.

use shared::{Ask, Gap, GapReason, Resume, RoomName, limits};

use crate::history::Bounds;

/// Most messages that a resume replays.
pub const RESUME_MESSAGES: usize = 1_000;

/// Most bytes of text that a resume replays.
pub const RESUME_BYTES: usize = 1 << 20;

/// What is shown after a resume that missed too much.
pub const AFTER_TOO_MANY: u64 = 200;

/// Which messages to replay, and what to say of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How the position was met.
    pub resume: Resume,
    /// What is not delivered; told before the replay.
    pub gaps: Vec<Gap>,
    /// The replay begins after this message.
    pub after: u64,
}

/// Decides for a room with these `bounds`. `missed` counts the messages after the position and their bytes.
pub fn plan(room: &RoomName, ask: &Ask, bounds: &Bounds, missed: (usize, usize)) -> Plan {
    let newest = |count: u64| bounds.top.saturating_sub(count).max(bounds.first - 1);
    let position = match ask {
        Ask::Default => return fresh(newest(u64::from(limits::DEFAULT_LAST))),
        Ask::Last(count) => return fresh(newest(u64::from((*count).min(limits::PAGE_MESSAGES)))),
        Ask::Resume(position) => position,
    };
    let gap = |from, to, reason| Gap { room: room.clone(), from, to, reason };
    if position.epoch != bounds.epoch || position.seq > bounds.top {
        let after = newest(u64::from(limits::DEFAULT_LAST));
        return Plan { resume: Resume::Gap, gaps: vec![gap(1, bounds.top, GapReason::Epoch)], after };
    }
    let (gaps, after) = catch_up(room, position.seq, bounds, missed, GapReason::TooMany);
    Plan { resume: if gaps.is_empty() { Resume::Ok } else { Resume::Gap }, gaps, after }
}

/// What to say to, and where to go on with, a reader that has everything up to `seq` of these `bounds`. `reason` is why
/// it may have missed too much.
pub fn catch_up(
    room: &RoomName,
    seq: u64,
    bounds: &Bounds,
    missed: (usize, usize),
    reason: GapReason,
) -> (Vec<Gap>, u64) {
    let mut gaps = Vec::new();
    let mut after = seq;
    if after + 1 < bounds.first {
        gaps.push(Gap { room: room.clone(), from: after + 1, to: bounds.first - 1, reason: GapReason::Expired });
        after = bounds.first - 1;
    }
    let (count, bytes) = missed;
    let shown = bounds.top.saturating_sub(AFTER_TOO_MANY);
    if (count > RESUME_MESSAGES || bytes > RESUME_BYTES) && shown > after {
        gaps.push(Gap { room: room.clone(), from: after + 1, to: shown, reason });
        after = shown;
    }
    (gaps, after)
}

fn fresh(after: u64) -> Plan {
    Plan { resume: Resume::Fresh, gaps: Vec::new(), after }
}

#[cfg(test)]
mod tests {
    use shared::{Epoch, Position};

    use super::*;

    fn bounds(first: u64, top: u64) -> Bounds {
        Bounds { epoch: Epoch::parse("e").unwrap(), first, top }
    }

    fn resume(
        epoch: &str,
        seq: u64,
        bounds: &Bounds,
        missed: (usize, usize),
    ) -> (Resume, Vec<(u64, u64, GapReason)>, u64) {
        let ask = Ask::Resume(Position { epoch: Epoch::parse(epoch).unwrap(), seq });
        let plan = plan(&RoomName::lobby(), &ask, bounds, missed);
        (plan.resume, plan.gaps.into_iter().map(|gap| (gap.from, gap.to, gap.reason)).collect(), plan.after)
    }

    #[test]
    fn a_newcomer_sees_the_newest() {
        let after = |ask, bounds| plan(&RoomName::lobby(), &ask, &bounds, (0, 0)).after;
        assert_eq!(after(Ask::Default, bounds(1, 0)), 0);
        assert_eq!(after(Ask::Default, bounds(1, 80)), 30);
        assert_eq!(after(Ask::Default, bounds(70, 80)), 69);
        assert_eq!(after(Ask::Last(0), bounds(1, 80)), 80);
        assert_eq!(after(Ask::Last(u32::MAX), bounds(1, 1000)), 800);
    }

    #[test]
    fn a_resume_gets_exactly_what_it_missed() {
        assert_eq!(resume("e", 42, &bounds(1, 42), (0, 0)), (Resume::Ok, vec![], 42));
        assert_eq!(resume("e", 40, &bounds(1, 42), (2, 20)), (Resume::Ok, vec![], 40));
        assert_eq!(resume("e", 0, &bounds(1, 0), (0, 0)), (Resume::Ok, vec![], 0));
        assert_eq!(resume("e", 0, &bounds(1, 1000), (1000, RESUME_BYTES)), (Resume::Ok, vec![], 0));
    }

    #[test]
    fn another_history_or_a_position_beyond_it_is_an_epoch_gap() {
        assert_eq!(resume("other", 3, &bounds(1, 80), (0, 0)), (Resume::Gap, vec![(1, 80, GapReason::Epoch)], 30));
        assert_eq!(resume("e", 81, &bounds(1, 80), (0, 0)), (Resume::Gap, vec![(1, 80, GapReason::Epoch)], 30));
        assert_eq!(resume("other", 3, &bounds(1, 0), (0, 0)), (Resume::Gap, vec![(1, 0, GapReason::Epoch)], 0));
    }

    #[test]
    fn what_is_no_longer_kept_is_expired_and_the_rest_follows() {
        assert_eq!(resume("e", 3, &bounds(10, 20), (11, 9)), (Resume::Gap, vec![(4, 9, GapReason::Expired)], 9));
        assert_eq!(resume("e", 9, &bounds(10, 20), (11, 9)), (Resume::Ok, vec![], 9));
        assert_eq!(resume("e", 3, &bounds(21, 20), (0, 0)), (Resume::Gap, vec![(4, 20, GapReason::Expired)], 20));
    }

    #[test]
    fn too_many_are_not_replayed() {
        assert_eq!(
            resume("e", 5, &bounds(1, 5000), (1001, 0)),
            (Resume::Gap, vec![(6, 4800, GapReason::TooMany)], 4800)
        );
        let large = (300, RESUME_BYTES + 1);
        assert_eq!(resume("e", 100, &bounds(1, 400), large), (Resume::Gap, vec![(101, 200, GapReason::TooMany)], 200));
        assert_eq!(resume("e", 300, &bounds(1, 400), large), (Resume::Ok, vec![], 300));
        let both = vec![(4, 9, GapReason::Expired), (10, 4800, GapReason::TooMany)];
        assert_eq!(resume("e", 3, &bounds(10, 5000), (1001, 0)), (Resume::Gap, both, 4800));
    }
}
