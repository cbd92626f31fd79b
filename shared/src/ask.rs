//! What a join asks for.

use serde::{Deserialize, Serialize};

use crate::position::{Epoch, Position};

/// What a join wants to see of a room's past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawAsk", into = "RawAsk")]
pub enum Ask {
    /// The newest [`crate::limits::DEFAULT_LAST`].
    #[default]
    Default,
    /// The newest so many; at most [`crate::limits::PAGE_MESSAGES`].
    Last(u32),
    /// Everything after this position.
    Resume(Position),
}

#[derive(Serialize, Deserialize)]
struct RawAsk {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<u32>,
}

impl TryFrom<RawAsk> for Ask {
    type Error = &'static str;

    fn try_from(raw: RawAsk) -> Result<Self, Self::Error> {
        match (raw.epoch, raw.seq, raw.last) {
            (Some(epoch), Some(seq), _) => Ok(Self::Resume(Position { epoch, seq })),
            (None, None, Some(last)) => Ok(Self::Last(last)),
            (None, None, None) => Ok(Self::Default),
            (Some(_), None, _) => Err("epoch goes with seq"),
            (None, Some(_), _) => Err("seq goes with epoch"),
        }
    }
}

impl From<Ask> for RawAsk {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Default => Self { epoch: None, seq: None, last: None },
            Ask::Last(last) => Self { epoch: None, seq: None, last: Some(last) },
            Ask::Resume(at) => Self { epoch: Some(at.epoch), seq: Some(at.seq), last: None },
        }
    }
}
