//! How often somebody may try to sign in: by account, and by the networks that they come from. Pure: it is fed with
//! instants. Its memory is fixed, and nobody can use it up: who is counted has no place of their own, but shares.

use std::{
    array,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::metrics::Limit;

/// What is counted is forgotten after this, all at once.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Tries of one account, from wherever, in each [`WINDOW`].
const BY_ACCOUNT: u16 = 10;

/// Tries from one network in each [`WINDOW`], by the first bits that its addresses have in common. An IPv4 address is
/// counted as the first of these: a school may have one.
///
/// Of IPv6 the last 64 bits are everybody's own to choose, so it is no narrower than /64. A household is given a /56 and
/// a company a /48 (RIPE-690, 4.2), and would have 256 or 65,536 times as much with each /64 by itself. It gets what two
/// and what ten of them may: more than one, as some hosters give each of their customers a /64 of one /48.
const BY_NETWORK: [(u32, u16); 3] = [(64, 60), (56, 120), (48, 600)];

/// Each key has a slot in each of so many rows, and was met at most as often as the least of its slots says.
const ROWS: usize = 4;

/// Slots of a row: 16 bits of a key's hash say which, so one hash of 64 bits is enough for all four. That are 512 KiB for
/// each kind of key, 2 MiB in all.
///
/// A key is held back for others only where each of its slots is full with them. Of 10,000 keys that are all at their
/// most, that is one newcomer in 2,500; with one row it would be one in seven.
const SLOTS: usize = 1 << 16;

/// Why somebody may not try now, and how long they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    pub(crate) limit: Limit,
    pub(crate) wait: Duration,
}

/// Who tried, and how often.
pub(crate) struct Attempts {
    /// When the window began.
    since: Option<Instant>,
    accounts: Tries,
    networks: [Tries; BY_NETWORK.len()],
}

impl Attempts {
    /// Nobody tried yet.
    pub(crate) fn new() -> Self {
        Self { since: None, accounts: Tries::new(BY_ACCOUNT), networks: BY_NETWORK.map(|(_, most)| Tries::new(most)) }
    }

    /// Counts a try. One that is refused counts nowhere.
    ///
    /// # Errors
    /// Which were too many, and how long to wait.
    pub(crate) fn take(&mut self, address: IpAddr, account: &str, now: Instant) -> Result<(), TooOften> {
        let over = self.since.map(|since| since + WINDOW).filter(|over| *over > now);
        if over.is_none() {
            self.since = Some(now);
            self.accounts.forget();
            self.networks.iter_mut().for_each(Tries::forget);
        }
        let (account, networks) = (account.to_lowercase(), networks(address));
        let mut from = self.networks.iter().zip(&networks);
        let limit = if self.accounts.are_over(&account) {
            Some(Limit::SignInsPerAccount)
        } else {
            from.any(|(tries, network)| tries.are_over(network)).then_some(Limit::SignInsPerNetwork)
        };
        if let Some(limit) = limit {
            let wait = over.map_or(WINDOW, |over| over.saturating_duration_since(now));
            return Err(TooOften { limit, wait });
        }
        self.accounts.add(&account);
        self.networks.iter_mut().zip(&networks).for_each(|(tries, network)| tries.add(network));
        Ok(())
    }

    /// It was the right one: those before it were mistakes.
    pub(crate) fn right(&mut self, account: &str) {
        self.accounts.forgive(&account.to_lowercase());
    }
}

/// The networks that an address lies in, as [`BY_NETWORK`] has them.
fn networks(address: IpAddr) -> Vec<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let first = |bits| address.to_bits() & u128::MAX << (u128::BITS - bits);
            BY_NETWORK.iter().map(|(bits, _)| IpAddr::V6(first(*bits).into())).collect()
        }
        address @ IpAddr::V4(_) => vec![address],
    }
}

/// How often each key of a kind was met: never told too low, and seldom too high (a count-min sketch).
struct Tries {
    most: u16,
    /// Random in each process, so that nobody can choose names or networks that share another's slots.
    keyed: RandomState,
    /// The rows, one after the other.
    slots: Box<[u16]>,
}

impl Tries {
    fn new(most: u16) -> Self {
        Self { most, keyed: RandomState::new(), slots: vec![0; ROWS * SLOTS].into() }
    }

    /// Where a key is counted.
    fn places(&self, key: &impl Hash) -> [usize; ROWS] {
        let hash = self.keyed.hash_one(key);
        array::from_fn(|row| row * SLOTS + (hash >> (row as u32 * SLOTS.ilog2())) as usize % SLOTS)
    }

    fn count(&self, key: &impl Hash) -> u16 {
        self.places(key).into_iter().map(|place| self.slots[place]).min().unwrap_or_default()
    }

    fn are_over(&self, key: &impl Hash) -> bool {
        self.count(key) >= self.most
    }

    fn add(&mut self, key: &impl Hash) {
        for place in self.places(key) {
            self.slots[place] = self.slots[place].saturating_add(1);
        }
    }

    /// Takes a key's own tries back, and leaves those of others that share a slot with it.
    fn forgive(&mut self, key: &impl Hash) {
        let own = self.count(key);
        for place in self.places(key) {
            self.slots[place] = self.slots[place].saturating_sub(own);
        }
    }

    fn forget(&mut self) {
        self.slots.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    /// An address of 2001:db8::/32, by its next 96 bits.
    fn within(n: u128) -> IpAddr {
        IpAddr::V6((0x2001_0db8 << 96 | n).into())
    }

    /// How many of a thousand newcomers are held back for others.
    fn newcomers_held_back(tries: &Tries) -> usize {
        (0..1_000).filter(|n| tries.are_over(&format!("newcomer {n}"))).count()
    }

    #[test]
    fn who_guesses_at_an_account_waits_wherever_they_are() {
        let (mut attempts, now) = (Attempts::new(), Instant::now());
        for n in 0..BY_ACCOUNT {
            assert_eq!(attempts.take(from(n.into()), "Kim", now), Ok(()));
        }
        let later = now + Duration::from_secs(60);
        let too_often = TooOften { limit: Limit::SignInsPerAccount, wait: WINDOW - Duration::from_secs(60) };
        assert_eq!(attempts.take(from(99), "kIM", later), Err(too_often));
        assert_eq!(attempts.take(from(99), "lee", later), Ok(()));
        assert_eq!(attempts.take(from(99), "kim", now + WINDOW), Ok(()));
    }

    #[test]
    fn who_was_right_begins_anew_and_nobody_else() {
        let (mut attempts, now) = (Attempts::new(), Instant::now());
        for n in 0..BY_ACCOUNT {
            for account in ["kim", "lee"] {
                assert_eq!(attempts.take(from(n.into()), account, now), Ok(()));
            }
        }
        attempts.right("KIM");
        assert_eq!(attempts.take(from(99), "kim", now), Ok(()));
        assert!(attempts.take(from(99), "lee", now).is_err());
        // As if the two shared a slot: what the other did there stays.
        let mut tries = Tries::new(BY_ACCOUNT);
        let shared = tries.places(&"kim")[0];
        tries.slots[shared] += 7;
        tries.add(&"kim");
        tries.forgive(&"kim");
        assert_eq!((tries.count(&"kim"), tries.slots[shared]), (0, 7));
    }

    #[test]
    fn who_guesses_at_many_accounts_waits_too() {
        // From one address, and from one /64.
        for there in [|_| from(7), |n| within(n)] as [fn(u128) -> IpAddr; 2] {
            let (mut attempts, now) = (Attempts::new(), Instant::now());
            for n in 0..BY_NETWORK[0].1.into() {
                assert_eq!(attempts.take(there(n), &n.to_string(), now), Ok(()));
            }
            for _ in 0..BY_ACCOUNT {
                let refused = attempts.take(there(0), "another", now);
                assert_eq!(refused, Err(TooOften { limit: Limit::SignInsPerNetwork, wait: WINDOW }));
            }
            // What was refused counts nowhere.
            assert_eq!(attempts.take(from(8), "another", now), Ok(()));
        }
    }

    #[test]
    fn who_has_a_house_of_networks_or_a_company_of_them_is_held_back() {
        for (at, tries, neighbour) in [(64, 120, 1 << 72), (72, 600, 1 << 80)] {
            let (mut attempts, now) = (Attempts::new(), Instant::now());
            // Each from another /64, or another /56, and at another account.
            let all = (0..256).cycle().take(10_000).enumerate();
            let taken = all.filter(|(n, net)| attempts.take(within(net << at), &n.to_string(), now).is_ok());
            assert_eq!(taken.count(), tries);
            assert_eq!(attempts.take(within(neighbour), "kim", now), Ok(()), "who is beside it");
            assert_eq!(attempts.take(within(0), "kim", now + WINDOW), Ok(()));
        }
    }

    #[test]
    fn ten_thousand_networks_that_try_ten_thousand_names_keep_nobody_out() {
        let (mut attempts, now) = (Attempts::new(), Instant::now());
        for n in 0..10_000 {
            assert_eq!(attempts.take(from(n), &format!("nobody {n}"), now), Ok(()));
            assert_eq!(attempts.take(within(u128::from(n) << 80), &format!("none {n}"), now), Ok(()));
        }
        for address in [from(u32::MAX), within(1 << 95)] {
            assert_eq!(attempts.take(address, "kim", now), Ok(()));
        }
        assert_eq!(newcomers_held_back(&attempts.accounts), 0);
    }

    #[test]
    fn as_many_as_are_at_their_most_hold_hardly_anybody_back() {
        for most in [BY_ACCOUNT, BY_NETWORK[0].1] {
            let mut tries = Tries::new(most);
            for n in 0..10_000 {
                (0..most).for_each(|_| tries.add(&n));
            }
            assert!((0..10_000).all(|n| tries.are_over(&n)), "none is told too low");
            // 0.4 are to be expected, and more than ten not in the life of this test.
            let held = newcomers_held_back(&tries);
            assert!(held <= 10, "{held} of 1,000");
        }
    }

    #[test]
    fn memory_stays_what_it_was_however_many_try() {
        let bytes = |attempts: &Attempts| {
            let tables = attempts.networks.iter().chain([&attempts.accounts]);
            tables.map(|tries| size_of_val(&*tries.slots)).sum::<usize>()
        };
        let (mut attempts, now) = (Attempts::new(), Instant::now());
        assert_eq!(bytes(&attempts), 2 * 1024 * 1024);
        for n in 0..100_000 {
            _ = attempts.take(within(n << 64), &n.to_string(), now);
            _ = attempts.take(from(n as u32), "kim", now);
        }
        assert_eq!(bytes(&attempts), 2 * 1024 * 1024);
    }
}
