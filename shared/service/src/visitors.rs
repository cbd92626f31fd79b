//! Who is here from where, and how fast they come and act: a table of places, such as addresses. It is fed with instants
//! and reads no clock; what a place is it does not know.
//!
//! Its size is bounded, and so is what each call costs. A place that nobody is at is remembered while it still owes
//! time, so that coming again and again is no way around a rate, and no longer.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::bucket::Bucket;

/// Places that nobody is at and that are remembered nevertheless, at most. Who has more of them than this to come from
/// need not wait for any rate.
const REMEMBERED: usize = 65_536;

/// What one place may have. 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Visits at once.
    pub at_once: u32,
    /// Visits that begin in a second.
    pub comes_per_second: u32,
    /// Over a burst of so many.
    pub comes_burst: u32,
    /// Acts in a second of all its visits together.
    pub acts_per_second: u32,
    /// Over a burst of so many.
    pub acts_burst: u32,
}

/// Why a visit may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// As many as may are here.
    TooMany,
    /// They come too fast; the next may after this.
    TooFast(Duration),
}

/// Who is here, by their places.
#[derive(Debug)]
pub struct Visitors<K> {
    allowed: Allowed,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    places: HashMap<K, Place>,
    /// Places that nobody was at when they were put here, each once.
    left: VecDeque<K>,
    remembered: usize,
}

#[derive(Debug)]
struct Place {
    here: u32,
    comes: Bucket,
    acts: Arc<Mutex<Bucket>>,
    /// Whether it stands in `left`.
    is_left: bool,
}

/// One visit; dropping it is leaving.
#[derive(Debug)]
pub struct Visit<K: Eq + Hash + Copy> {
    visitors: Arc<Visitors<K>>,
    place: K,
    acts: Arc<Mutex<Bucket>>,
}

impl<K: Eq + Hash + Copy> Visitors<K> {
    /// Nobody is here, and each place may have this.
    pub fn new(allowed: Allowed) -> Arc<Self> {
        Self::remembering(allowed, REMEMBERED)
    }

    fn remembering(allowed: Allowed, remembered: usize) -> Arc<Self> {
        let table = Table { places: HashMap::new(), left: VecDeque::new(), remembered };
        Arc::new(Self { allowed, table: Mutex::new(table) })
    }

    /// What each place may have.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    fn table(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody comes from there.
    ///
    /// # Errors
    /// Why they may not.
    pub fn come(self: &Arc<Self>, place: K, now: Instant) -> Result<Visit<K>, Turned> {
        let Allowed { at_once, .. } = self.allowed;
        let mut table = self.table();
        table.forget(now);
        let Table { places, left, .. } = &mut *table;
        let entry = places.entry(place).or_insert_with(|| Place::new(&self.allowed));
        if at_once > 0 && entry.here >= at_once {
            return Err(Turned::TooMany);
        }
        if let Err(wait) = entry.comes.take(now) {
            entry.leave_it(place, left);
            return Err(Turned::TooFast(wait));
        }
        entry.here += 1;
        let acts = Arc::clone(&entry.acts);
        drop(table);
        Ok(Visit { visitors: Arc::clone(self), place, acts })
    }

    /// Somebody there acts who need not be on a visit.
    ///
    /// # Errors
    /// How long to wait for the next token, when there is none.
    pub fn act(&self, place: K, now: Instant) -> Result<(), Duration> {
        let mut table = self.table();
        table.forget(now);
        let Table { places, left, .. } = &mut *table;
        let entry = places.entry(place).or_insert_with(|| Place::new(&self.allowed));
        entry.leave_it(place, left);
        entry.acts.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}

impl<K: Eq + Hash + Copy> Table<K> {
    /// Looks at two of those that are remembered: more often than one comes to them.
    fn forget(&mut self, now: Instant) {
        for _ in 0..2 {
            let Some(place) = self.left.pop_front() else { return };
            let Some(entry) = self.places.get_mut(&place) else { continue };
            if entry.here > 0 {
                entry.is_left = false;
            } else if entry.owes_nothing(now) || self.left.len() >= self.remembered {
                self.places.remove(&place);
            } else {
                self.left.push_back(place);
            }
        }
    }
}

impl Place {
    fn new(allowed: &Allowed) -> Self {
        let Allowed { at_once: _, comes_per_second, comes_burst, acts_per_second, acts_burst } = *allowed;
        let acts = Arc::new(Mutex::new(Bucket::new(acts_per_second, acts_burst)));
        Self { here: 0, comes: Bucket::new(comes_per_second, comes_burst), acts, is_left: false }
    }

    /// Has it forgotten in time where nobody is at it.
    fn leave_it<K>(&mut self, place: K, left: &mut VecDeque<K>) {
        if self.here == 0 && !std::mem::replace(&mut self.is_left, true) {
            left.push_back(place);
        }
    }

    fn owes_nothing(&self, now: Instant) -> bool {
        self.comes.is_full(now) && self.acts.lock().unwrap_or_else(PoisonError::into_inner).is_full(now)
    }
}

impl<K: Eq + Hash + Copy> Visit<K> {
    /// Takes a token of what all visits from this place may do together.
    ///
    /// # Errors
    /// How long to wait for the next one, when there is none.
    pub fn act(&self, now: Instant) -> Result<(), Duration> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }

    /// What that is.
    pub fn allowed(&self) -> &Allowed {
        &self.visitors.allowed
    }
}

impl<K: Eq + Hash + Copy> Drop for Visit<K> {
    fn drop(&mut self) {
        let mut table = self.visitors.table();
        let Table { places, left, .. } = &mut *table;
        let Some(entry) = places.get_mut(&self.place) else { return };
        entry.here = entry.here.saturating_sub(1);
        entry.leave_it(self.place, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed =
        Allowed { at_once: 3, comes_per_second: 2, comes_burst: 5, acts_per_second: 10, acts_burst: 20 };

    #[test]
    fn a_place_has_so_many_at_once_and_others_do_not_notice() {
        let visitors = Visitors::new(Allowed { comes_per_second: 0, ..ALLOWED });
        let now = Instant::now();
        let mut here: Vec<_> = (0..3).map(|_| visitors.come(1, now).unwrap()).collect();
        assert_eq!(visitors.come(1, now).unwrap_err(), Turned::TooMany);
        let _other = visitors.come(2, now).unwrap();
        here.pop();
        here.push(visitors.come(1, now).unwrap());
        assert_eq!(visitors.come(1, now).unwrap_err(), Turned::TooMany);
    }

    #[test]
    fn who_comes_and_goes_again_and_again_comes_no_faster() {
        let visitors = Visitors::new(ALLOWED);
        let now = Instant::now();
        for _ in 0..5 {
            drop(visitors.come(1, now).unwrap());
        }
        assert_eq!(visitors.come(1, now).unwrap_err(), Turned::TooFast(Duration::from_millis(500)));
        // Others come and go meanwhile, and what is remembered of the first stays.
        for other in 2..1_000 {
            drop(visitors.come(other, now).unwrap());
        }
        assert!(visitors.come(1, now).is_err());
        drop(visitors.come(1, now + Duration::from_millis(500)).unwrap());
    }

    #[test]
    fn all_visits_from_one_place_act_together() {
        let visitors = Visitors::new(ALLOWED);
        let now = Instant::now();
        let (one, two) = (visitors.come(1, now).unwrap(), visitors.come(1, now).unwrap());
        for _ in 0..10 {
            one.act(now).unwrap();
            two.act(now).unwrap();
        }
        assert_eq!(one.act(now), Err(Duration::from_millis(100)));
        assert!(visitors.act(1, now).is_err(), "nor does who is on no visit");
        drop((one, two));
        let three = visitors.come(1, now).unwrap();
        assert!(three.act(now).is_err(), "a new visit finds it as it was");
        assert!(visitors.come(2, now).unwrap().act(now).is_ok());
    }

    #[test]
    fn no_limit_is_none() {
        let none = Allowed { at_once: 0, comes_per_second: 0, comes_burst: 0, acts_per_second: 0, acts_burst: 0 };
        let visitors = Visitors::new(none);
        let now = Instant::now();
        let here: Vec<_> = (0..1_000).map(|_| visitors.come(1, now).unwrap()).collect();
        assert!(here.iter().all(|visit| visit.act(now).is_ok()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_over_in_time() {
        let visitors = Visitors::remembering(ALLOWED, 100);
        let now = Instant::now();
        let here: Vec<_> = (0..50).map(|place| visitors.come(place, now).unwrap()).collect();
        for place in 0..100_000 {
            // Each owes half a second.
            drop(visitors.come(place, now));
        }
        assert!(visitors.table().places.len() <= 160, "{} places", visitors.table().places.len());
        drop(here);
        let later = now + Duration::from_secs(60);
        for place in 0..200 {
            drop(visitors.come(place, later));
        }
        let last = later + Duration::from_secs(60);
        for _ in 0..200 {
            drop(visitors.come(1, last));
        }
        let table = visitors.table();
        assert!(table.places.len() <= 2 && table.left.len() <= 2, "{} places", table.places.len());
    }
}
