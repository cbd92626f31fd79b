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
