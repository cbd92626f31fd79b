//! The path under which all of it lives, for those who give a chat only a part of their site. Whatever leads to an
//! address of this server, be it a link, a redirection or a cookie, begins with it.

use std::{fmt, str::FromStr};

/// Nothing, or a path such as `/chat`: it begins with `/`, does not end with it, and needs no escaping anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Why a base path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// It must begin with `/` and not end with it.
    #[error("it does not look like /chat: a slash before each part and none at the end")]
    Shape,
    /// A character that would have to be escaped (RFC 3986, 2.3 has those that need not be).
    #[error("it may hold only A-Z a-z 0-9 - . _ ~ between its slashes")]
    Character,
    /// `.` and `..` are resolved by browsers and never asked for.
    #[error("no part of it may be . or ..")]
    Dots,
}

impl BasePath {
    /// The path as it is written before another: empty, or `/chat`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The `Path` of a cookie for everything below, with and without a slash at its end (RFC 6265, 5.1.4).
    pub fn of_cookies(&self) -> &str {
        if self.0.is_empty() { "/" } else { &self.0 }
    }
}

impl FromStr for BasePath {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        for part in text.strip_prefix('/').ok_or(BaseError::Shape)?.split('/') {
            match part {
                "" => return Err(BaseError::Shape),
                "." | ".." => return Err(BaseError::Dots),
                _ if part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')) => {}
                _ => return Err(BaseError::Character),
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_plain_path_or_nothing() {
        for good in ["", "/chat", "/a/b-c_d.e~f/0"] {
            assert_eq!(good.parse::<BasePath>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("/", BaseError::Shape),
            ("chat", BaseError::Shape),
            ("/chat/", BaseError::Shape),
            ("//chat", BaseError::Shape),
            ("/a//b", BaseError::Shape),
            ("/a/..", BaseError::Dots),
            ("/.", BaseError::Dots),
            ("/a b", BaseError::Character),
            ("/a%20b", BaseError::Character),
            ("/{x}", BaseError::Character),
            ("/a;b", BaseError::Character),
            ("/a\r\nb", BaseError::Character),
            ("/마당", BaseError::Character),
        ] {
            assert_eq!(bad.parse::<BasePath>(), Err(why), "{bad:?}");
        }
    }
}
