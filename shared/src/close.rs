//! Close codes as one table: the number, what it is called, and what a client should do next.

/// What a client should do after a close. The hundreds of the private codes (RFC 6455, 7.4.2: 4000–4999) carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// It was meant: nothing to do.
    Done,
    /// 4000–4099: reconnecting unchanged would end the same way.
    DoNotReconnect,
    /// 4100–4199 and what the WebSocket layer itself closes: back off, then resume.
    BackOff,
    /// 4200–4299: resume after the delay that `bye` advises.
    AfterDelay,
}

macro_rules! close_codes {
    ($($name:ident = $code:literal, $word:literal, $advice:ident, $sentence:literal;)*) => {
        /// Every code that back closes with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum CloseCode {
            $(#[doc = $sentence] $name = $code,)*
        }

        impl CloseCode {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number on the wire.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The word in `bye.reason` and at the beginning of the Close frame's reason.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What a client should do next.
            pub const fn advice(self) -> Advice {
                match self { $(Self::$name => Advice::$advice,)* }
            }
        }
    };
}

close_codes! {
    Normal = 1000, "normal", Done, "The conversation is over.";
    ProtocolError = 1002, "protocol_error", BackOff, "A frame broke the rules of RFC 6455.";
    Unsupported = 1003, "unsupported", DoNotReconnect, "This kind of data is not understood here.";
    InvalidUtf8 = 1007, "invalid_utf8", BackOff, "A text message was not valid UTF-8.";
    Unfinished = 1008, "unfinished", BackOff, "A message was begun and not finished within its time and size.";
    TooBig = 1009, "too_big", BackOff, "A message was larger than the limit.";
    Internal = 1011, "internal", BackOff, "Something went wrong in the server; it is in its log.";
    BadRequest = 4000, "bad_request", DoNotReconnect, "Ten messages in a row of errors could not be understood.";
    Unauthorized = 4001, "unauthorized", DoNotReconnect, "A ticket is needed to come in.";
    Forbidden = 4003, "forbidden", DoNotReconnect, "This is not allowed for you.";
    Kicked = 4004, "kicked", DoNotReconnect, "A moderator ended this connection.";
    Replaced = 4005, "replaced", DoNotReconnect, "The same session connected elsewhere; the newest wins.";
    TooManyConnections = 4006, "too_many_connections", DoNotReconnect, "Too many connections come from this address.";
    Abuse = 4007, "abuse", DoNotReconnect, "The limits were ignored for too long.";
    Overloaded = 4100, "overloaded", BackOff, "The server has too much to do.";
    Slow = 4101, "slow", BackOff, "Nothing was read here for too long.";
    Timeout = 4102, "timeout", BackOff, "No answer to a ping came in time.";
    HelloTimeout = 4103, "hello_timeout", BackOff, "No hello came in time.";
    Storage = 4104, "storage", BackOff, "History cannot be written.";
    Shutdown = 4200, "shutdown", AfterDelay, "The server restarts.";
    TicketExpired = 4203, "ticket_expired", AfterDelay, "The ticket has expired; ask for another.";
}

impl CloseCode {
    /// Whether `bye.reconnect` says yes.
    pub const fn reconnect(self) -> bool {
        matches!(self.advice(), Advice::BackOff | Advice::AfterDelay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundreds_say_what_to_do() {
        for code in CloseCode::ALL {
            let expected = match code.code() {
                4000..=4099 => Advice::DoNotReconnect,
                4100..=4199 => Advice::BackOff,
                4200..=4299 => Advice::AfterDelay,
                _ => continue,
            };
            assert_eq!(code.advice(), expected, "{code:?}");
        }
    }

    #[test]
    fn numbers_rise_and_words_fit_into_a_close_frame() {
        assert!(CloseCode::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        // A control frame holds 125 bytes: two for the code, and `;retry=` with up to ten digits after the word.
        assert!(CloseCode::ALL.iter().all(|code| code.word().len() <= 123 - ";retry=".len() - 10));
    }
}
