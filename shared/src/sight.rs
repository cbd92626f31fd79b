//! Which rooms somebody may see, by their names alone: whether such a room exists plays no part, so that a refusal tells
//! nothing about it. Pure.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use crate::{
    limits,
    names::{NameError, RoomName},
};

/// The rooms that somebody may see. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight(Option<Arc<Only>>);

/// Only these.
#[derive(Debug, PartialEq, Eq)]
struct Only {
    names: Vec<RoomName>,
    beginnings: Vec<String>,
}

impl Sight {
    /// Every room.
    pub fn everything() -> Self {
        Self(None)
    }

    /// No room.
    pub fn nothing() -> Self {
        Self(Some(Arc::new(Only { names: Vec::new(), beginnings: Vec::new() })))
    }

    /// The rooms of these names, and those whose name begins so; an empty beginning is every room.
    ///
    /// # Errors
    /// When there are more than [`limits::SIGHT_ROOMS`] of both together, or a beginning is longer than a name.
    pub fn of(names: Vec<RoomName>, beginnings: Vec<String>) -> Result<Self, NameError> {
        if names.len() + beginnings.len() > limits::SIGHT_ROOMS {
            return Err(NameError::TooLong { limit: limits::SIGHT_ROOMS, unit: "rooms" });
        }
        let mut composed = Vec::with_capacity(beginnings.len());
        for beginning in beginnings {
            // As in a name: refuse a megabyte of combining marks before normalising it.
            if beginning.len() > limits::ROOM_CHARS * 16 {
                return Err(NameError::TooLong { limit: limits::ROOM_CHARS, unit: "characters" });
            }
            composed.push(beginning.nfc().collect::<String>());
        }
        if composed.iter().any(String::is_empty) {
            return Ok(Self::everything());
        }
        Ok(Self(Some(Arc::new(Only { names, beginnings: composed }))))
    }

    /// Reads what an operator writes: names, where a `*` at the end stands for whatever follows.
    ///
    /// # Errors
    /// When a name is none, or there are too many.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, NameError> {
        let (mut names, mut beginnings) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match pattern.trim().strip_suffix('*') {
                Some(beginning) => beginnings.push(beginning.to_owned()),
                None => names.push(RoomName::parse(pattern)?),
            }
        }
        Self::of(names, beginnings)
    }

    /// Whether this room may be seen.
    pub fn covers(&self, room: &RoomName) -> bool {
        self.0.as_ref().is_none_or(|some| {
            some.names.contains(room) || some.beginnings.iter().any(|beginning| room.as_str().starts_with(beginning))
        })
    }

    /// The rooms that are named one by one; none where all may be seen.
    pub fn names(&self) -> &[RoomName] {
        self.0.as_ref().map_or(&[], |some| &some.names)
    }

    /// What the names of others that may be seen begin with; none where all may be seen.
    pub fn beginnings(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |some| &some.beginnings)
    }

    /// Whether whatever is seen with the other is seen with this too.
    pub fn includes(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.0, &other.0) else { return self.is_everything() };
        let begins = |with: &String| own.beginnings.iter().any(|beginning| with.starts_with(beginning));
        others.names.iter().all(|name| self.covers(name)) && others.beginnings.iter().all(begins)
    }

    /// Whether that is every room.
    pub fn is_everything(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn a_star_at_the_end_stands_for_whatever_follows() {
        let sight = Sight::parse(["dev", "반-*", " 회의 "]).unwrap();
        for seen in ["dev", "반-1", "반-", "회의"] {
            assert!(sight.covers(&room(seen)), "{seen}");
        }
        for hidden in ["Dev", "devs", "de", "반", "반2", "x반-1", "lobby"] {
            assert!(!sight.covers(&room(hidden)), "{hidden}");
        }
        assert!(Sight::parse(["*"]).unwrap().is_everything());
        assert!(!Sight::parse([]).unwrap().covers(&room("lobby")));
        assert!(Sight::parse(["a/b"]).is_err());
    }

    #[test]
    fn a_room_that_is_called_like_a_pattern_opens_no_other() {
        let sight = Sight::of(vec![room("*"), room("a*")], vec![]).unwrap();
        assert!(sight.covers(&room("*")) && sight.covers(&room("a*")));
        assert!(!sight.covers(&room("lobby")) && !sight.covers(&room("ab")));
    }

    #[test]
    fn names_are_compared_composed() {
        let decomposed: String = "회의-".nfd().collect();
        assert!(Sight::of(vec![], vec![decomposed]).unwrap().covers(&room("회의-1")));
    }

    #[test]
    fn one_includes_another_that_shows_nothing_more() {
        let sight = |patterns: &[&str]| Sight::parse(patterns.iter().copied()).unwrap();
        let wide = sight(&["dev", "class-*"]);
        for narrow in [&[][..], &["dev"], &["class-1", "class-2-*"], &["class-*", "dev"]] {
            assert!(wide.includes(&sight(narrow)) && Sight::everything().includes(&sight(narrow)), "{narrow:?}");
        }
        for other in [&["lobby"][..], &["class"], &["cla*"], &["dev*"], &["*"]] {
            assert!(!wide.includes(&sight(other)), "{other:?}");
        }
        assert!(!wide.includes(&Sight::everything()) && Sight::everything().includes(&Sight::everything()));
        assert!(!Sight::nothing().includes(&wide) && !Sight::nothing().covers(&room("dev")));
    }

    #[test]
    fn what_may_be_seen_is_bounded() {
        let many = (0..=limits::SIGHT_ROOMS).map(|n| room(&n.to_string())).collect();
        assert!(Sight::of(many, vec![]).is_err());
        assert!(Sight::of(vec![], vec!["\u{301}".repeat(500_000)]).is_err());
    }
}
