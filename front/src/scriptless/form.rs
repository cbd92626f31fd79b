//! What the form posts, and whether this server's own page did. Pure but for a word made by chance.

use std::borrow::Cow;

use actix_web::{HttpRequest, http::header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::percent_decode;
use sha2::{Digest, Sha256};
use shared::MessageId;

/// Bytes of a word that nobody guesses.
const WORD_BYTES: usize = 16;

/// The form's fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Posted {
    /// Made anew for each form: what is posted twice from one form is one message.
    pub(super) once: String,
    /// The name as it was written.
    pub(super) name: String,
    /// The text, its lines ending as everywhere else.
    pub(super) text: String,
}

impl Posted {
    /// Reads `application/x-www-form-urlencoded`; nothing when the hidden field is not as this server wrote it.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = [("once", None), ("name", None), ("text", None)];
        for pair in body.split(|b| *b == b'&') {
            let mut parts = pair.splitn(2, |b| *b == b'=');
            let (name, value) = (parts.next()?, parts.next().unwrap_or_default());
            if let Some((_, field @ None)) = fields.iter_mut().find(|(known, _)| known.as_bytes() == name) {
                *field = Some(decode(value));
            }
        }
        let [once, name, text] = fields.map(|(_, value)| value.unwrap_or_default());
        let plain = once.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        // Forms end every line with both.
        (once.len() == word(&[]).len() && plain).then(|| Self { once, name, text: text.replace("\r\n", "\n") })
    }

    /// The key under which this text of this form is stored once. A text that was changed after a failure is another.
    pub(super) fn id(&self) -> Option<MessageId> {
        MessageId::parse(&word(&[b"form", self.once.as_bytes(), self.text.as_bytes()])).ok()
    }
}

/// These fields of `application/x-www-form-urlencoded`, each as it is written first; empty where it is missing.
pub(crate) fn fields<const N: usize>(body: &[u8], names: [&str; N]) -> [String; N] {
    names.map(|wanted| {
        let mut pairs = body.split(|b| *b == b'&').map(|pair| match pair.iter().position(|b| *b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        });
        pairs.find(|(name, _)| *name == wanted.as_bytes()).map(|(_, value)| decode(value)).unwrap_or_default()
    })
}

fn decode(value: &[u8]) -> String {
    let spaced: Cow<'_, [u8]> = if value.contains(&b'+') {
        value.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect()
    } else {
        value.into()
    };
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

/// A word that follows from others: 22 characters that need no escaping.
pub(super) fn word(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..WORD_BYTES])
}

/// The hidden field of a new form.
///
/// # Errors
/// When the system gives no random bytes.
pub(super) fn new_once() -> Result<String, getrandom::Error> {
    let mut bytes = [0; WORD_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a page of this server posted it, or no browser did. Browsers say it in `Sec-Fetch-Site`; where the connection
/// is not trusted enough for that, `Origin` names the very host that was asked.
pub(crate) fn is_from_here(request: &HttpRequest) -> bool {
    let only = |name: &str| {
        let mut values = request.headers().get_all(name);
        let value = values.next().map(|value| value.to_str().unwrap_or("?"));
        if values.next().is_some() { Some("?") } else { value }
    };
    match (only("sec-fetch-site"), only(header::ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) == only(header::HOST.as_str()),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const ONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let body = format!("once={ONCE}&name=%EB%AF%BC+%EC%88%98&text=a%0D%0Ab%26+%2B&other=1&text=second");
        let posted = Posted::read(body.as_bytes()).unwrap();
        assert_eq!(posted, Posted { once: ONCE.into(), name: "민 수".into(), text: "a\nb& +".into() });
        assert_eq!(Posted::read(format!("once={ONCE}").as_bytes()).unwrap().text, "");
        for bad in [
            "",
            "text=hello",
            "once=&text=a",
            "once=AAAAAAAAAAAAAAAAAAAAA&text=a",
            "once=AAAAAAAAAAAAAAAAAAAA%0D%0A",
            "&&&=&=",
        ] {
            assert_eq!(Posted::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_same_form_with_the_same_text_is_one_message() {
        let id = |once: &str, text: &str| {
            let text = text.to_owned();
            Posted { once: once.into(), name: String::new(), text }.id().unwrap().as_str().to_owned()
        };
        assert_eq!(id(ONCE, "a"), id(ONCE, "a"));
        assert_ne!(id(ONCE, "a"), id(ONCE, "b"));
        assert_ne!(id(ONCE, "a"), id("BAAAAAAAAAAAAAAAAAAAAA", "a"));
    }

    #[test]
    fn only_this_servers_pages_may_post() {
        let from = |fields: &[(&str, &str)]| {
            let request = TestRequest::post().insert_header(("host", "chat.example.org:8080"));
            let request = fields.iter().fold(request, |request, field| request.append_header(*field));
            is_from_here(&request.to_http_request())
        };
        assert!(from(&[]));
        assert!(from(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(from(&[("origin", "http://chat.example.org:8080")]));
        for fields in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://chat.example.org:8080")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://chat.example.org")],
            &[("origin", "http://chat.example.org:8080.evil.example")],
            &[("origin", "http://evil.example")],
            &[("origin", "http://chat.example.org:8080"), ("origin", "http://evil.example")],
        ] {
            assert!(!from(fields), "{fields:?}");
        }
    }
}
