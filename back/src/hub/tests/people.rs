//! Who is still known after they have left.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    limits::{Rates, Sends},
    metrics::Protocol,
};

#[tokio::test]
async fn only_so_many_of_those_who_left_are_known_and_for_an_hour() {
    // The yard knows two.
    let yard = Yard::on_disk();
    let people = yard.hub.people();
    let rates = Rates { sends: 1, send_bytes: 1, requests: 1 };
    let come = |n: usize| {
        let outlet = connect(&yard.hub).1;
        let mut registration = people.register(&outlet, None, None, Protocol::Chat);
        registration.identify(&user(n), None, None, None, Sends::new(&rates), true);
        registration
    };
    let stays = come(0);
    for n in 1..=4 {
        drop(come(n));
    }
    let known = || (0..=4).filter(|n| people.knows(&user(*n))).collect::<Vec<_>>();
    assert_eq!(known(), [0, 1, 2, 3, 4]);
    people.forget_old_sessions(Instant::now());
    assert_eq!(known(), [0, 3, 4], "the last ones, and whoever is here");
    people.forget_old_sessions(Instant::now() + Duration::from_secs(60 * 60));
    assert_eq!(known(), [0]);
    drop(stays);
}

#[tokio::test]
async fn whoever_has_a_connection_is_known_whichever_went() {
    let yard = Yard::on_disk();
    let people = yard.hub.people();
    let rates = Rates { sends: 1, send_bytes: 1_000, requests: 1 };
    // An account comes by several sessions, a guest by one that the newest has.
    let come = |tab: Option<usize>, present: bool| {
        let outlet = connect(&yard.hub).1;
        let mut registration = people.register(&outlet, None, None, Protocol::Chat);
        let arrival = registration.identify(&user(1), tab.map(user), None, None, Sends::new(&rates), present);
        (registration, arrival)
    };
    let account = [Some(11), Some(12)];
    let hour = Duration::from_secs(60 * 60);
    for (tabs, present) in [(account, [true, true]), ([None, None], [true, true]), ([None, None], [true, false])] {
        for newest_goes_first in [true, false] {
            let (old, first) = come(tabs[0], present[0]);
            assert!(!first.resumed);
            let (new, second) = come(tabs[1], present[1]);
            assert!(second.resumed);
            let (goes, stays) = if newest_goes_first { (new, old) } else { (old, new) };
            drop(goes);
            people.forget_old_sessions(Instant::now() + 2 * hour);
            assert!(people.knows(&user(1)), "{tabs:?}, the newest first: {newest_goes_first}");
            drop(stays);
            people.forget_old_sessions(Instant::now() + hour / 2);
            assert!(people.knows(&user(1)), "for an hour from when the last one went");
            people.forget_old_sessions(Instant::now() + 2 * hour);
            assert!(!people.knows(&user(1)));
        }
    }
}
