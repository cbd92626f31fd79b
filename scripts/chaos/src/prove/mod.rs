//! Proves the checker: what is sound is called valid, what is damaged is called invalid for the right reason, and
//! servers that cannot keep the promises are caught.

mod broadcast;
pub mod careless;
pub mod damage;
mod resumed;
pub mod servers;
pub mod sound;

use crate::verdict::{Outcome, judge};
use damage::Expected;

/// Seeds of made-up histories.
pub const SEEDS: u64 = 5;

/// Messages of a made-up history.
pub const MESSAGES: usize = 400;

/// Judges sound and damaged histories: how many were judged rightly, and a sentence for each that was not.
pub fn on_paper() -> (usize, Vec<String>) {
    let (mut right, mut wrong) = (0, Vec::new());
    for seed in 0..SEEDS {
        let history = sound::sound(seed, MESSAGES);
        let verdict = judge(&history);
        match verdict.outcome() {
            Outcome::Valid => right += 1,
            other => wrong.push(format!("seed {seed}: a sound history was called {other}:\n{verdict}")),
        }
        for damage in damage::ALL.iter().chain(resumed::ALL) {
            let mut events = history.clone();
            if !(damage.apply)(&mut events) {
                wrong.push(format!("seed {seed}: nothing to damage: {}", damage.name));
                continue;
            }
            let verdict = judge(&events);
            let rightly = match damage.expected {
                Expected::Invalid(reason) => verdict.findings.contains_key(&reason),
                Expected::Unknown => verdict.outcome() == Outcome::Unknown,
            };
            if rightly {
                right += 1;
            } else {
                wrong.push(format!("seed {seed}: {}: expected {:?}:\n{verdict}", damage.name, damage.expected));
            }
        }
    }
    (right, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    #[test]
    fn sound_histories_are_valid_and_each_damage_is_called_by_its_name() {
        let (right, wrong) = on_paper();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(right, (1 + damage::ALL.len() + resumed::ALL.len()) * usize::try_from(SEEDS).unwrap());
    }

    #[test]
    fn every_reason_has_a_damage() {
        for reason in Reason::ALL {
            let has = damage::ALL.iter().any(|damage| damage.expected == Expected::Invalid(*reason));
            assert!(has, "{}", reason.word());
        }
    }

    #[test]
    fn a_long_history_is_judged_in_time_that_grows_with_it() {
        // A quadratic rule would take minutes here, not seconds.
        let history = sound::sound(1, 40_000);
        assert_eq!(judge(&history).outcome(), Outcome::Valid);
    }

    #[test]
    fn an_example_names_the_fault_before_it() {
        let mut events = sound::sound(1, MESSAGES);
        let lost = damage::ALL.first().unwrap();
        assert!((lost.apply)(&mut events));
        let verdict = judge(&events);
        let example = &verdict.findings.get(&Reason::Lost).unwrap().example;
        assert!(example.contains("kill -9 back") && example.contains("acknowledged as"), "{example}");
    }
}
