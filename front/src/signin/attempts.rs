//! How often somebody may try to sign in: by address, and by account. Pure: it is fed with instants.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Tries of one account, from wherever, in each [`WINDOW`].
const BY_ACCOUNT: u32 = 10;

/// Tries from one address in each [`WINDOW`]: a school may have one.
const BY_ADDRESS: u32 = 60;

/// What is counted is forgotten after this.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Accounts, and addresses, that are counted at once. Beyond it nobody new tries until some are forgotten.
const COUNTED: usize = 10_000;

/// Who tried, and how often.
#[derive(Default)]
pub(crate) struct Attempts {
    accounts: HashMap<String, Tries>,
    addresses: HashMap<IpAddr, Tries>,
}

struct Tries {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Counts a try.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(crate) fn take(&mut self, address: IpAddr, account: &str, now: Instant) -> Result<(), Duration> {
        count(&mut self.addresses, network(address), BY_ADDRESS, now)?;
        count(&mut self.accounts, account.to_lowercase(), BY_ACCOUNT, now)
    }

    /// It was the right one: those before it were mistakes.
    pub(crate) fn right(&mut self, account: &str) {
        self.accounts.remove(&account.to_lowercase());
    }
}

/// Whoever has an address of IPv6 has the last 64 bits of it to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

fn count<K: Eq + Hash>(known: &mut HashMap<K, Tries>, key: K, most: u32, now: Instant) -> Result<(), Duration> {
    let left = |tries: &Tries| (tries.since + WINDOW).saturating_duration_since(now);
    if known.len() >= COUNTED && !known.contains_key(&key) {
        known.retain(|_, tries| !left(tries).is_zero());
        if known.len() >= COUNTED {
            return Err(known.values().map(left).min().unwrap_or(WINDOW));
        }
    }
    let tries = known.entry(key).or_insert(Tries { since: now, count: 0 });
    if left(tries).is_zero() {
        *tries = Tries { since: now, count: 0 };
    }
    if tries.count >= most {
        return Err(left(tries));
    }
    tries.count += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn who_guesses_at_an_account_waits_wherever_they_are() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..BY_ACCOUNT {
            assert_eq!(attempts.take(from(n), "Kim", now), Ok(()));
        }
        let later = now + Duration::from_secs(60);
        assert_eq!(attempts.take(from(99), "kIM", later), Err(WINDOW - Duration::from_secs(60)));
        assert_eq!(attempts.take(from(99), "lee", later), Ok(()));
        assert_eq!(attempts.take(from(99), "kim", now + WINDOW), Ok(()));
        attempts.right("KIM");
        assert_eq!(attempts.accounts.get("kim").map(|tries| tries.count), None);
    }

    #[test]
    fn who_guesses_at_many_accounts_waits_too() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let one = |n: u128| IpAddr::V6((0x2001_0db8_u128 << 96 | n).into());
        for n in 0..BY_ADDRESS {
            assert_eq!(attempts.take(one(u128::from(n)), &n.to_string(), now), Ok(()));
        }
        assert!(attempts.take(one(7), "another", now).is_err());
        assert_eq!(attempts.take(one(1 << 64), "another", now), Ok(()));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..COUNTED as u32 {
            assert_eq!(attempts.take(from(n), &n.to_string(), now), Ok(()));
        }
        assert!(attempts.take(from(u32::MAX), "new", now + Duration::from_secs(1)).is_err());
        assert_eq!(attempts.take(from(3), "3", now), Ok(()), "who is counted goes on");
        assert_eq!(attempts.take(from(u32::MAX), "new", now + WINDOW), Ok(()));
        assert!(attempts.addresses.len() <= COUNTED);
    }
}
