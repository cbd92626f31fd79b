//! Names and identifiers that can only be made by `parse`, so that whoever holds one need not check it again.

use std::{fmt, sync::Arc};

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::limits;

/// Why a word was refused. The sentence is meant for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// Nothing is left after trimming.
    Empty,
    /// It has fewer than so many bytes; a session or a secret has that many.
    TooShort {
        /// The least that is allowed.
        least: usize,
    },
    /// It has more than `limit` of `unit`.
    TooLong {
        /// The most that is allowed.
        limit: usize,
        /// What is counted: "characters" or "bytes".
        unit: &'static str,
    },
    /// It contains a character that cannot be seen, or that changes how the rest is seen or addressed.
    BadCharacter(char),
    /// It stands for something else in an address (`.` and `..`).
    Reserved,
}

impl NameError {
    /// The limit that was passed, where that is the reason.
    pub fn limit(&self) -> Option<usize> {
        match self {
            Self::TooLong { limit, .. } => Some(*limit),
            _ => None,
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty"),
            Self::TooShort { least } => write!(f, "it is shorter than {least} bytes"),
            Self::TooLong { limit, unit } => write!(f, "it is longer than {limit} {unit}"),
            Self::BadCharacter(c) => write!(f, "the character U+{:04X} is not allowed in it", *c as u32),
            Self::Reserved => write!(f, "'.' and '..' cannot be part of an address"),
        }
    }
}

impl std::error::Error for NameError {}

/// Declares a string type that only its `parse` can make: cheap to clone, serialised as the string.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The word itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        // By hand, because `serde(into = "String")` makes a `String` of every word that is written.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use word;

/// Shows the word in `{:?}`; a secret writes its own.
macro_rules! debug_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}
pub(crate) use debug_as_text;

word! {
    /// The name of a room: NFC, 1 to 64 characters, usable as one segment of a path.
    RoomName
}
word! {
    /// The name of a person: NFC, 1 to 32 characters. Names need not be unique; [`UserId`] is.
    Name
}
word! {
    /// A request's `id`, chosen by the client: 1 to 64 bytes without control characters.
    MessageId
}
word! {
    /// The public id of a person: 16 base64url characters, a hash of the [`SessionToken`].
    UserId
}
word! {
    /// The secret that makes two connections the same person. Never logged, never sent to anybody else.
    SessionToken
}
debug_as_text!(RoomName, Name, MessageId, UserId);

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(secret)")
    }
}

impl RoomName {
    /// Normalises and checks the name of a room.
    ///
    /// # Errors
    /// When it is empty, longer than [`limits::ROOM_CHARS`], has a character that cannot be seen, or could not be one
    /// segment of a path (`/`, `\`, `.`, `..`).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = visible(text, limits::ROOM_CHARS)?;
        if let Some(c) = name.chars().find(|c| matches!(c, '/' | '\\')) {
            return Err(NameError::BadCharacter(c));
        }
        if name == "." || name == ".." {
            return Err(NameError::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The room of `/`, [`crate::LOBBY`].
    pub fn lobby() -> Self {
        Self(crate::LOBBY.into())
    }
}

impl Name {
    /// Normalises and checks the name of a person.
    ///
    /// # Errors
    /// When it is empty, longer than [`limits::NAME_CHARS`], or has a character that cannot be seen.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        visible(text, limits::NAME_CHARS).map(|name| Self(name.into()))
    }

    /// The name of somebody who gave none: `guest-` and the first characters of the public id.
    pub fn guest(user: &UserId) -> Self {
        let short: String = user.as_str().chars().filter(char::is_ascii_alphanumeric).take(4).collect();
        Self(format!("guest-{short}").into())
    }
}

impl MessageId {
    /// Checks a request's `id`.
    ///
    /// # Errors
    /// When it is empty, longer than [`limits::MESSAGE_ID_BYTES`] bytes, or has a control character.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > limits::MESSAGE_ID_BYTES {
            return Err(NameError::TooLong { limit: limits::MESSAGE_ID_BYTES, unit: "bytes" });
        }
        match text.chars().find(|c| c.is_control()) {
            Some(c) => Err(NameError::BadCharacter(c)),
            None => Ok(Self(text.into())),
        }
    }
}

impl UserId {
    /// Checks a public id's form; whether anybody has it is another question.
    ///
    /// # Errors
    /// When it is not 16 base64url characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        url_safe(text, 16, 16).map(|text| Self(text.into()))
    }
}

impl SessionToken {
    /// Checks a session secret's form: at least the 22 base64url characters that 128 random bits take.
    ///
    /// # Errors
    /// When it is shorter than 22 or longer than 64 characters, or not base64url.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        url_safe(text, 22, 64).map(|text| Self(text.into()))
    }
}

/// `text` when it consists of `min` to `max` base64url characters (RFC 4648, section 5).
pub(crate) fn url_safe(text: &str, min: usize, max: usize) -> Result<&str, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() < min {
        return Err(NameError::TooShort { least: min });
    }
    if text.len() > max {
        return Err(NameError::TooLong { limit: max, unit: "bytes" });
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
        Some(c) => Err(NameError::BadCharacter(c)),
        None => Ok(text),
    }
}

/// Trims, composes (NFC) and checks a name that people read. Its spaces are plain ones, whatever keyboard they come from.
fn visible(text: &str, max_chars: usize) -> Result<String, NameError> {
    let too_long = NameError::TooLong { limit: max_chars, unit: "characters" };
    let text = text.trim();
    // A decomposed syllable or letter seldom has more than four marks of four bytes: refuse a megabyte of combining
    // marks before normalising it.
    if text.len() > max_chars * 16 {
        return Err(too_long);
    }
    if (1..=max_chars).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        // There is nothing to compose, and all of it can be seen.
        return Ok(text.to_owned());
    }
    let plain = |c: char| if c.general_category() == GeneralCategory::SpaceSeparator { ' ' } else { c };
    let name: String = text.nfc().map(plain).collect();
    let Some(first) = name.chars().next() else { return Err(NameError::Empty) };
    if first.general_category_group() == GeneralCategoryGroup::Mark {
        // It would be drawn on whatever stands before the name.
        return Err(NameError::BadCharacter(first));
    }
    let mut before = None;
    for c in name.chars() {
        // An emoji may ask for its colours (U+FE0F, "variation selector 16"); after anything else it is just invisible.
        let asks_for_colours = c == '\u{FE0F}' && before.is_some_and(|before: char| is_symbol(before));
        if !is_visible(c) && !asks_for_colours {
            return Err(NameError::BadCharacter(c));
        }
        before = Some(c);
    }
    if name.chars().count() > max_chars {
        return Err(too_long);
    }
    Ok(name)
}

fn is_symbol(c: char) -> bool {
    matches!(c.general_category(), GeneralCategory::OtherSymbol | GeneralCategory::MathSymbol)
}

/// False for control, bidirectional, zero-width, private and unassigned characters, and for the letters and marks that
/// are drawn as nothing (Unicode's `Default_Ignorable_Code_Point`, the blank of Braille, the filler of Khitan, the null
/// notehead): somebody with such a name would look like somebody
/// else.
pub(crate) fn is_visible(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned};
    let drawn_as_nothing = matches!(
        c,
        '\u{34F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{16FE4}' | '\u{1D159}'
            | '\u{E0000}'..='\u{E0FFF}'
    );
    !drawn_as_nothing
        && !matches!(
            c.general_category(),
            Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decomposed_korean_name_equals_the_composed_one() {
        let decomposed: String = "김민수".nfd().collect();
        assert_ne!(decomposed, "김민수");
        assert_eq!(Name::parse(&decomposed).unwrap(), Name::parse("김민수").unwrap());
    }

    #[test]
    fn names_are_trimmed_and_counted_in_characters() {
        assert_eq!(Name::parse("  kim \u{3000}").unwrap().as_str(), "kim");
        assert!(Name::parse(&"가".repeat(32)).is_ok());
        assert_eq!(Name::parse(&"가".repeat(33)), Err(NameError::TooLong { limit: 32, unit: "characters" }));
        assert!(RoomName::parse(&"방".repeat(64)).is_ok());
        assert!(RoomName::parse(&"방".repeat(65)).is_err());
        assert_eq!(Name::parse(" \t\n"), Err(NameError::Empty));
    }

    #[test]
    fn invisible_and_deceiving_characters_are_refused() {
        for bad in [
            "a\u{200B}b",
            "a\u{202E}b",
            "\u{2066}a",
            "a\u{0}b",
            "a\nb",
            "a\u{1b}[2J",
            "\u{FEFF}a",
            "\u{3164}",
            "a\u{AD}b",
            "\u{E0041}a",
        ] {
            assert!(matches!(Name::parse(bad), Err(NameError::BadCharacter(_))), "{bad:?}");
            assert!(matches!(RoomName::parse(bad), Err(NameError::BadCharacter(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_space_is_a_space_and_no_name_begins_with_a_mark() {
        for space in ['\u{A0}', '\u{2003}', '\u{3000}', '\u{1680}', '\u{202F}'] {
            assert_eq!(Name::parse(&format!("kim{space}lee")).unwrap().as_str(), "kim lee");
            assert_eq!(RoomName::parse(&format!("회의{space}방")).unwrap().as_str(), "회의 방");
        }
        for bad in ["\u{301}", "\u{301}kim", "\u{20DD}", "\u{16FE4}", "\u{1D159}", "kim\u{1D159}"] {
            assert!(matches!(Name::parse(bad), Err(NameError::BadCharacter(_))), "{bad:?}");
        }
        assert_eq!(Name::parse("e\u{301}").unwrap().as_str(), "é");
    }

    #[test]
    fn a_mark_that_is_drawn_as_nothing_makes_no_new_name() {
        for bad in ["kim\u{FE00}", "kim\u{FE0F}", "kim\u{17B4}", "kim\u{180B}", "kim\u{E0100}", "\u{34F}kim"] {
            assert!(matches!(Name::parse(bad), Err(NameError::BadCharacter(_))), "{bad:?}");
        }
        assert!(Name::parse("love ❤\u{FE0F}").is_ok());
    }

    #[test]
    fn a_megabyte_of_combining_marks_is_refused_before_it_is_normalised() {
        assert!(matches!(Name::parse(&"\u{301}".repeat(500_000)), Err(NameError::TooLong { .. })));
    }

    #[test]
    fn a_room_is_one_segment_of_a_path() {
        for bad in ["a/b", "a\\b", ".", ".."] {
            assert!(RoomName::parse(bad).is_err(), "{bad}");
        }
        for good in ["회의", "a b", "c#", "what?", "...", "ok 👍"] {
            assert!(RoomName::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_session_secret_is_not_shown_by_debug() {
        let token = SessionToken::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(!format!("{token:?}").contains("AAAA"));
        assert!(SessionToken::parse("short").is_err());
        assert!(SessionToken::parse("AAAAAAAAAAAAAAAAAAAAA!").is_err());
    }
}
