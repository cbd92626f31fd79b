//! The words of the wire's small lists, for whoever counts or names them without writing JSON. A member that is missing
//! here does not compile.

use crate::{ErrorCode, GapReason, Resume};

macro_rules! words {
    ($type:ty: $($name:ident = $word:literal)*) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word on the wire.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

words! { GapReason: Slow = "slow" Expired = "expired" TooMany = "too_many" Epoch = "epoch" Lost = "lost" }

words! { Resume: Fresh = "fresh" Ok = "ok" Gap = "gap" }

words! { ErrorCode: BadJson = "bad_json" BadField = "bad_field" UnknownType = "unknown_type" TooBig = "too_big"
RateLimited = "rate_limited" Unauthorized = "unauthorized" Forbidden = "forbidden" Banned = "banned" Muted = "muted"
NoRoom = "no_room" RoomLimit = "room_limit" NotJoined = "not_joined" BadName = "bad_name" NoSuchSeq = "no_such_seq"
Expired = "expired" NoBinary = "no_binary" Overloaded = "overloaded" StorageUnavailable = "storage_unavailable"
Internal = "internal" Unavailable = "unavailable" NoSession = "no_session" NotFound = "not_found"
WrongMethod = "wrong_method" }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
        for reason in GapReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
        }
        for resume in Resume::ALL {
            assert_eq!(serde_json::to_value(resume).unwrap(), resume.word());
        }
    }
}
