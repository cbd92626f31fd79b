//! Moderators, as far as they can be known without their secret.

use std::str::FromStr;

use sha2::{Digest, Sha256};
use shared::{ModeratorSecret, Name};

/// The SHA-256 of a secret: what is kept of it. It is looked up, not compared, so how long that takes tells nothing.
pub type Hash = [u8; 32];

/// What is kept of a secret. It has 128 random bits, so there is nothing to guess and no salt is needed.
pub fn hash_of(secret: &ModeratorSecret) -> Hash {
    Sha256::digest(secret.as_str().as_bytes()).into()
}

/// A moderator that the command line names, as `NAME=SHA256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What they are called.
    pub name: Name,
    /// What their secret hashes to.
    pub hash: Hash,
}

impl FromStr for Known {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write NAME=SHA256, as `back moderator add NAME --print` does".to_owned();
        let (name, hex) = text.rsplit_once('=').ok_or_else(wrong)?;
        let name = Name::parse(name).map_err(|error| format!("NAME: {error}"))?;
        let digits: Vec<u8> = hex.chars().map_while(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        if digits.len() != 64 || hex.len() != 64 {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self { name, hash })
    }
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=", self.name)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_line_names_is_read_as_it_was_written() {
        let hash = hash_of(&ModeratorSecret::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap());
        let known = Known { name: Name::parse("Mo=1").unwrap(), hash };
        assert_eq!(known.to_string().parse(), Ok(known));
        for bad in ["", "mo", "mo=", "mo=12", &format!("={}", "0".repeat(64)), &format!("mo={}", "g".repeat(64))] {
            assert!(bad.parse::<Known>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_can_be_made_by_other_programs() {
        // printf %s AAAAAAAAAAAAAAAAAAAAAA | sha256sum
        let hash = hash_of(&ModeratorSecret::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap());
        assert_eq!(hash[..4], [0x8a, 0x5b, 0xdb, 0x4c]);
    }
}
