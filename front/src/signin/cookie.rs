//! The cookie that says who signed in: which account, by which sign-in, until when, and a mark that this server wrote it.
//! Whether the sign-in is still good is the accounts' to say. Pure.

use shared::TicketKeys;

/// Its name.
pub(crate) const COOKIE: &str = "sign-in";

/// How long a sign-in holds, in seconds: thirty days.
pub(crate) const SECONDS: u64 = 30 * 24 * 60 * 60;

/// What the mark is for.
const PURPOSE: &str = "cookie";

/// What a cookie says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The account.
    pub(crate) account: String,
    /// The sign-in.
    pub(crate) sid: String,
    /// Until when, in Unix milliseconds.
    pub(crate) until: u64,
}

impl Claim {
    /// The cookie's value.
    pub(crate) fn seal(&self, keys: &TicketKeys) -> String {
        let text = format!("{}.{}.{}", self.account, self.sid, self.until);
        format!("{text}.{}", keys.first().mark(PURPOSE, &text))
    }

    /// Reads a value that is good at this time; nothing when this server did not write it.
    pub(crate) fn open(value: &str, keys: &TicketKeys, now: u64) -> Option<Self> {
        let (text, mark) = value.rsplit_once('.')?;
        if value.len() > 256 || !keys.is_marked(PURPOSE, text, mark) {
            return None;
        }
        let mut parts = text.split('.');
        let (account, sid) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let until = parts.next()?.parse().ok().filter(|until| *until > now)?;
        parts.next().is_none().then_some(Self { account, sid, until })
    }

    /// The first of these cookies that this server wrote: what somebody else put beside it does not hide it.
    pub(crate) fn among<'a>(fields: impl Iterator<Item = &'a str>, keys: &TicketKeys, now: u64) -> Option<Self> {
        let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        values.by_ref().take(8).find_map(|value| Self::open(value, keys, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_server_wrote_counts_and_not_for_ever() {
        let key = TicketKeys::new(&[[1; 32]]).unwrap();
        let claim = Claim { account: "a".into(), sid: "s".into(), until: 100 };
        let value = claim.seal(&key);
        assert_eq!(Claim::open(&value, &key, 99), Some(claim.clone()));
        assert_eq!(Claim::open(&value, &key, 100), None);
        assert_eq!(Claim::open(&value, &TicketKeys::new(&[[2; 32]]).unwrap(), 0), None);
        for bad in ["", ".", "a.s.100", &value.replace("a.", "b."), &value.replace(".100.", ".999."), &value[1..]] {
            assert_eq!(Claim::open(bad, &key, 0), None, "{bad}");
        }
        let fields = [format!("lang=ko; {COOKIE}=x; a"), format!("{COOKIE}=y;{COOKIE}={value}")];
        assert_eq!(Claim::among(fields.iter().map(String::as_str), &key, 0), Some(claim));
    }
}
