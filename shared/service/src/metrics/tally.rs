//! Numbers that are told apart by a word.

use super::Count;

/// Gives an enum the list of its members and their words. A member that is missing does not compile.
#[macro_export]
macro_rules! words {
    ($type:ty: $($name:ident = $word:literal)*) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What it is called.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

/// A number for each of a few things.
#[derive(Debug)]
pub struct Tally<L: 'static> {
    all: &'static [L],
    word: fn(L) -> &'static str,
    counts: Box<[Count]>,
}

impl<L: Copy + PartialEq> Tally<L> {
    /// Nothing has been counted of `all`, each of which has a `word`.
    pub fn new(all: &'static [L], word: fn(L) -> &'static str) -> Self {
        Self { all, word, counts: all.iter().map(|_| Count::default()).collect() }
    }

    /// The number of this one. They are few: looking through them costs less than hashing.
    pub fn of(&self, label: L) -> &Count {
        let index = self.all.iter().position(|other| *other == label).unwrap_or_default();
        &self.counts[index]
    }

    /// Every word with its number.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.all.iter().map(|label| (self.word)(*label)).zip(self.counts.iter().map(Count::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Fruit {
        Apple,
        Pear,
    }

    words! { Fruit: Apple = "apple" Pear = "pear" }

    #[test]
    fn each_has_its_own_number() {
        let tally = Tally::new(Fruit::ALL, Fruit::word);
        tally.of(Fruit::Pear).add(2);
        tally.of(Fruit::Apple).up();
        assert!(tally.words().eq([("apple", 1), ("pear", 2)]));
    }
}
