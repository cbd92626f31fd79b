//! The cookie that says who signed in: which account, by which sign-in, until when, and a mark that this server wrote it.
//! Whether the sign-in is still good is the accounts' to say. Pure.

use shared::TicketKeys;

use crate::base::BasePath;

/// Its name where a browser lets others set it too: whoever changes plain HTTP on its way, and a page of a sibling host.
const PLAIN: &str = "sign-in";

/// Its name where none but this host can set it: a browser takes one with this prefix from the host itself, over TLS, for
/// all of its paths (RFC 6265bis, 4.1.3.2), and from nobody else.
const OWN: &str = "__Host-sign-in";

/// How long a sign-in holds, in seconds: thirty days.
pub(crate) const SECONDS: u64 = 30 * 24 * 60 * 60;

/// What the mark is for.
const PURPOSE: &str = "cookie";

/// The one name that counts in a request over TLS, or not, to a server at this path.
///
/// Below a base path it is the plain one: with the prefix the cookie would have to be for the whole host, and so be sent to
/// whatever else there is on it.
pub(crate) fn name(secure: bool, base: &BasePath) -> &'static str {
    if secure && base.as_str().is_empty() { OWN } else { PLAIN }
}

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

    /// The first of these cookies by that name that this server wrote: what somebody else put beside it does not hide it.
    /// One that is not ASCII is not looked at: a blank of Unicode before a name is none of it to a browser, which looks for
    /// the prefix at its beginning.
    pub(crate) fn among<'a>(
        name: &str,
        fields: impl Iterator<Item = &'a [u8]>,
        keys: &TicketKeys,
        now: u64,
    ) -> Option<Self> {
        let pairs = fields.flat_map(|field| field.split(|byte| *byte == b';')).filter(|pair| pair.is_ascii());
        let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='));
        let mut values = pairs.filter(|(one, _)| *one == name).map(|(_, value)| value);
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
        let fields = [format!("lang=ko; {PLAIN}=x; a"), format!("{PLAIN}=y;{PLAIN}={value}")];
        let among = |name| Claim::among(name, fields.iter().map(String::as_bytes), &key, 0);
        assert_eq!((among(PLAIN), among(OWN)), (Some(claim.clone()), None));
        // What is no text, and a name that only looks like it.
        let planted = [&b"x=\xff; y=\xc3\xa9; "[..], OWN.as_bytes(), b"=", value.as_bytes()].concat();
        let blank = format!("\u{2000}{OWN}={value}");
        let among = |field| Claim::among(OWN, [field].into_iter(), &key, 0);
        assert_eq!((among(&planted), among(blank.as_bytes())), (Some(claim), None));
    }

    #[test]
    fn the_prefix_is_there_where_a_browser_takes_it() {
        let base: BasePath = "/chat".parse().unwrap();
        assert_eq!([true, false].map(|secure| name(secure, &BasePath::default())), [OWN, PLAIN]);
        assert_eq!([true, false].map(|secure| name(secure, &base)), [PLAIN, PLAIN]);
    }
}
