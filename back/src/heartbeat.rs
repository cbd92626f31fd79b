//! When a connection is pinged and when it is over. Pure: it is given ages and answers with a verdict.
//!
//! One sweeper looks at all connections, so that none needs a timer of its own.

use std::time::Duration;

use shared::CloseCode;

use crate::hub::Ages;

/// Times after which something is done about a connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Silence before a ping.
    pub ping_after: Duration,
    /// Silence before the connection counts as dead.
    pub dead_after: Duration,
    /// A `chat.v1` client's time to say hello.
    pub hello: Duration,
    /// How long the socket may take nothing of what waits for it.
    pub stall: Duration,
    /// How long a message may take from its first byte to its last.
    pub partial: Duration,
    /// How long our Close frame may take to leave.
    pub close: Duration,
}

/// What to do with a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Ask whether it is still there.
    Ping,
    /// End it with this code.
    Close(CloseCode),
    /// It does not even take the Close frame.
    Abort,
}

impl Patience {
    /// Judges a connection by its ages.
    pub fn judge(&self, ages: &Ages) -> Verdict {
        let over = |age: Option<Duration>, limit: Duration| age.is_some_and(|age| age >= limit);
        if ages.closing.is_some() {
            return if over(ages.closing, self.close) { Verdict::Abort } else { Verdict::Fine };
        }
        if over(ages.stalled, self.stall) {
            Verdict::Close(CloseCode::Slow)
        } else if ages.silent >= self.dead_after && over(ages.pinged, self.dead_after.saturating_sub(self.ping_after)) {
            Verdict::Close(CloseCode::Timeout)
        } else if over(ages.owes_hello, self.hello) {
            Verdict::Close(CloseCode::HelloTimeout)
        } else if over(ages.partial, self.partial) {
            Verdict::Close(CloseCode::Unfinished)
        } else if ages.silent >= self.ping_after && ages.pinged.is_none() {
            Verdict::Ping
        } else {
            Verdict::Fine
        }
    }

    /// How often the sweeper has to look to be late by at most a quarter of the shortest of these times, and at most a
    /// second.
    pub fn sweep_every(&self) -> Duration {
        let shortest = [self.ping_after, self.dead_after, self.hello, self.stall, self.partial, self.close]
            .into_iter()
            .min()
            .unwrap_or_default();
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    const PATIENCE: Patience = Patience {
        ping_after: secs(25),
        dead_after: secs(40),
        hello: secs(10),
        stall: secs(10),
        partial: secs(30),
        close: secs(1),
    };

    #[test]
    fn the_silent_are_pinged_once_and_then_given_up() {
        let silent = |s| Ages { silent: secs(s), ..Ages::default() };
        assert_eq!(PATIENCE.judge(&silent(24)), Verdict::Fine);
        assert_eq!(PATIENCE.judge(&silent(25)), Verdict::Ping);
        assert_eq!(PATIENCE.judge(&Ages { pinged: Some(secs(5)), ..silent(30) }), Verdict::Fine);
        let unanswered = Ages { pinged: Some(secs(15)), ..silent(40) };
        assert_eq!(PATIENCE.judge(&unanswered), Verdict::Close(CloseCode::Timeout));
        assert_eq!(PATIENCE.judge(&silent(400)), Verdict::Ping, "nobody is given up without having been asked");
    }

    #[test]
    fn each_delay_has_its_code() {
        let judge = |ages| PATIENCE.judge(&ages);
        assert_eq!(judge(Ages { stalled: Some(secs(10)), ..Ages::default() }), Verdict::Close(CloseCode::Slow));
        assert_eq!(
            judge(Ages { owes_hello: Some(secs(10)), ..Ages::default() }),
            Verdict::Close(CloseCode::HelloTimeout)
        );
        assert_eq!(judge(Ages { partial: Some(secs(30)), ..Ages::default() }), Verdict::Close(CloseCode::Unfinished));
    }

    #[test]
    fn a_closing_connection_is_closed_once_and_then_cut() {
        let closing =
            |ms| Ages { closing: Some(Duration::from_millis(ms)), stalled: Some(secs(60)), ..Ages::default() };
        assert_eq!(PATIENCE.judge(&closing(900)), Verdict::Fine);
        assert_eq!(PATIENCE.judge(&closing(1000)), Verdict::Abort);
    }
}
