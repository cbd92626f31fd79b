//! Where a client is in a room's history: `epoch:seq`, the same over every transport.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Deserialize;

use crate::{
    limits,
    names::{NameError, debug_as_text, url_safe, word},
};

word! {
    /// Which history a `seq` counts in: 1 to 32 base64url characters. It changes only when a history was deleted,
    /// restored from a backup, or was volatile and its process restarted; a `seq` of another epoch means nothing.
    Epoch
}
debug_as_text!(Epoch);

impl Epoch {
    /// Checks an epoch's form.
    ///
    /// # Errors
    /// When it is empty, longer than 32 characters or not base64url.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        url_safe(text, 1, 32).map(|text| Self(text.into()))
    }
}

/// "I have everything up to and including `seq`." `seq` 0 is the position before the first message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The history that `seq` counts in.
    pub epoch: Epoch,
    /// The last message that was received.
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

/// The text is not `epoch:seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionError;

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is written epoch:seq, as in k3J9xQ:42")
    }
}

impl std::error::Error for PositionError {}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (epoch, seq) = text.split_once(':').ok_or(PositionError)?;
        // `u64::from_str` also takes "+1".
        if !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PositionError);
        }
        let seq = seq.parse().ok().filter(|seq| *seq <= limits::MAX_SAFE_INTEGER).ok_or(PositionError)?;
        Ok(Self { epoch: Epoch::parse(epoch).map_err(|_| PositionError)?, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_being_written_and_read() {
        let position: Position = "k3J9xQ:42".parse().unwrap();
        assert_eq!((position.epoch.as_str(), position.seq), ("k3J9xQ", 42));
        assert_eq!(position.to_string(), "k3J9xQ:42");
    }

    #[test]
    fn anything_else_is_no_position() {
        for bad in [
            "",
            ":",
            "a",
            "a:",
            ":1",
            "a:-1",
            "a:+1",
            "a:1.0",
            "a b:1",
            "a:1:2",
            "a:9007199254740992",
            "a:99999999999999999999",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(PositionError), "{bad}");
        }
    }
}
