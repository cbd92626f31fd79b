//! What moderators say and do: sentences that people read, the secret that proves a moderator, and what is in force.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{
    limits,
    names::{Name, NameError, UserId, debug_as_text, is_visible, url_safe, word},
};

word! {
    /// One line for people: a room's topic, or the reason for a ban. NFC, at most [`limits::SENTENCE_CHARS`]
    /// characters; it may be empty.
    Sentence
}
word! {
    /// The secret of a moderator. Never logged, never sent to anybody; a server keeps its SHA-256 alone.
    ModeratorSecret
}
debug_as_text!(Sentence);

impl fmt::Debug for ModeratorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModeratorSecret(secret)")
    }
}

/// What follows `/moderator` in a line that somebody typed. Also where it is badly written, with something blank before it,
/// with the wide slash of an input method, in capitals or with `=` behind it: it may be a secret, and must not become chat.
pub fn claimed(line: &str) -> Option<&str> {
    let line = bare(line).strip_prefix(['/', '／'])?;
    let (word, rest) = line.split_at_checked("moderator".len())?;
    word.eq_ignore_ascii_case("moderator").then(|| rest.trim())
}

/// A line without what stands before it and cannot be seen: spaces, and what is drawn as nothing.
pub fn bare(line: &str) -> &str {
    line.trim_start_matches(|c: char| c.is_whitespace() || !is_visible(c))
}

impl Sentence {
    /// Trims, composes and checks a line for people. Unlike a name it may join emoji (U+200D).
    ///
    /// # Errors
    /// When it is longer than [`limits::SENTENCE_CHARS`], or has a control character, a line break or a character that
    /// turns the direction of what follows.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let too_long = NameError::TooLong { limit: limits::SENTENCE_CHARS, unit: "characters" };
        let text = text.trim();
        // As in a name: refuse a megabyte of combining marks before normalising it.
        if text.len() > limits::SENTENCE_CHARS * 16 {
            return Err(too_long);
        }
        let text: String = text.nfc().collect();
        if let Some(c) = text.chars().find(|c| !may_stand_in_a_line(*c)) {
            return Err(NameError::BadCharacter(c));
        }
        if text.chars().count() > limits::SENTENCE_CHARS {
            return Err(too_long);
        }
        Ok(Self(text.into()))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

fn may_stand_in_a_line(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

impl ModeratorSecret {
    /// Checks a secret's form: at least the 22 base64url characters that 128 random bits take.
    ///
    /// # Errors
    /// When it is shorter than 22 or longer than 64 characters, or not base64url.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        url_safe(text, 22, 64).map(|text| Self(text.into()))
    }
}

/// What a moderator imposed on somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SanctionKind {
    /// They may not come in.
    Ban,
    /// They may read and not speak.
    Mute,
}

/// What is in force against somebody, as moderators are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanction {
    /// What it is.
    pub kind: SanctionKind,
    /// Against whom.
    pub user: UserId,
    /// What they were called then.
    pub name: Name,
    /// When it ends, in Unix milliseconds.
    pub until: u64,
    /// The moderator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Sentence>,
    /// The moderator.
    pub by: Name,
    /// How many addresses are shut out with them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub addresses: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_types_a_secret_is_understood_however_they_write_it() {
        for line in [
            "/moderator S",
            "  /moderator  S ",
            "/Moderator S",
            "\u{FEFF}/moderator\u{A0}S",
            "/moderatorS",
            "／moderator S",
        ] {
            assert_eq!(claimed(line), Some("S"), "{line}");
        }
        for blank in ['\u{AD}', '\u{202A}', '\u{2066}', '\u{2800}', '\u{3164}', '\u{FE0F}'] {
            assert_eq!(claimed(&format!("{blank}/moderator S")), Some("S"), "{blank:?}");
        }
        assert_eq!(claimed("/moderator=S"), Some("=S"));
        for line in ["", "//moderator S", "moderator S", "/moderato S", "ask the /moderator", "/회의회의회의"] {
            assert_eq!(claimed(line), None, "{line}");
        }
    }

    #[test]
    fn a_sentence_is_one_line_that_says_what_it_shows() {
        assert_eq!(
            Sentence::parse("  오늘은 👨\u{200D}👩\u{200D}👧 가족의 날 ").unwrap().as_str(),
            "오늘은 👨\u{200D}👩\u{200D}👧 가족의 날"
        );
        assert!(Sentence::parse(" \n").unwrap().is_empty());
        for bad in ["a\nb", "a\u{0}b", "a\u{1b}[2J", "a\u{202E}b", "a\u{2066}b", "a\u{2028}b", "a\u{85}b"] {
            assert!(matches!(Sentence::parse(bad), Err(NameError::BadCharacter(_))), "{bad:?}");
        }
        assert!(Sentence::parse(&"가".repeat(limits::SENTENCE_CHARS)).is_ok());
        assert!(Sentence::parse(&"가".repeat(limits::SENTENCE_CHARS + 1)).is_err());
        assert!(Sentence::parse(&"\u{301}".repeat(500_000)).is_err());
    }

    #[test]
    fn a_moderators_secret_is_not_shown_by_debug() {
        let secret = ModeratorSecret::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(!format!("{secret:?}").contains("AAAA"));
        assert_eq!(ModeratorSecret::parse("short").unwrap_err().to_string(), "it is shorter than 22 bytes");
    }
}
