//! Who posts: a secret and a name in a cookie that no script can read, so that one is the same person from post to post.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{COOKIE, HeaderValue, SET_COOKIE},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use shared::{Name, SessionToken};

use super::form::word;
use crate::base::BasePath;

/// The cookie's name.
const GUEST: &str = "guest";

/// Somebody without a script.
#[derive(Debug, Default)]
pub(super) struct Guest {
    secret: String,
    name: String,
}

impl Guest {
    /// Who the request says it is: nobody yet where the cookie is missing or not as it was made.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let fields = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == GUEST).and_then(|(_, value)| Self::parse(value)).unwrap_or_default()
    }

    fn parse(value: &str) -> Option<Self> {
        let (secret, name) = value.split_once('.')?;
        SessionToken::parse(secret).ok()?;
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let name = Name::parse(&name).map(|name| name.as_str().to_owned()).unwrap_or_default();
        Some(Self { secret: secret.to_owned(), name })
    }

    /// The name as it was given last; empty for none.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a name, and whoever is nobody yet becomes somebody by the form: whose first post comes twice is one person.
    pub(super) fn be(&mut self, name: Option<&Name>, once: &str) {
        self.name = name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        if self.secret.is_empty() {
            self.secret = word(&[b"guest", once.as_bytes()]);
        }
    }

    /// The secret; nothing for nobody.
    pub(super) fn session(&self) -> Option<SessionToken> {
        SessionToken::parse(&self.secret).ok()
    }

    /// Puts it into the answer's cookie, for the rooms and for as long as the browser is open. What was said over TLS
    /// (`secure`) is never said without.
    pub(super) fn keep(&self, answer: &mut HttpResponse, base: &BasePath, secure: bool) {
        let name = utf8_percent_encode(&self.name, NON_ALPHANUMERIC);
        let only = if secure { "; Secure" } else { "" };
        let cookie = format!("{GUEST}={}.{name}; Path={base}/r; HttpOnly; SameSite=Lax{only}", self.secret);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(cookies: &str) -> Guest {
        Guest::of(&TestRequest::get().insert_header(("cookie", cookies)).to_http_request())
    }

    #[test]
    fn a_guest_comes_back_as_they_were() {
        let mut guest = Guest::default();
        guest.be(Some(&Name::parse("민수; Path=/").unwrap()), "AAAAAAAAAAAAAAAAAAAAAA");
        let mut answer = HttpResponse::Ok().finish();
        guest.keep(&mut answer, &"/chat".parse().unwrap(), false);
        let cookie = answer.headers().get(SET_COOKIE).unwrap().to_str().unwrap().to_owned();
        assert!(cookie.ends_with("; Path=/chat/r; HttpOnly; SameSite=Lax"), "{cookie}");
        assert_eq!(cookie.matches(';').count(), 3, "{cookie}");
        let mut over_tls = HttpResponse::Ok().finish();
        guest.keep(&mut over_tls, &"/chat".parse().unwrap(), true);
        assert!(over_tls.headers().get(SET_COOKIE).unwrap().to_str().unwrap().ends_with("; SameSite=Lax; Secure"));
        let again = of(&format!("lang=ko; {}", cookie.split(';').next().unwrap()));
        assert_eq!((again.name(), again.session()), ("민수; Path=/", guest.session()));
        let mut renamed = again;
        renamed.be(None, "BBBBBBBBBBBBBBBBBBBBBB");
        assert_eq!((renamed.name(), renamed.session()), ("", guest.session()));
    }

    #[test]
    fn a_cookie_that_was_not_made_here_is_nobody() {
        for bad in [
            "",
            "guest",
            "guest=",
            "guest=short.kim",
            "guest=AAAAAAAAAAAAAAAAAAAAAA",
            "guest=A AAAAAAAAAAAAAAAAAAAAAA.x",
        ] {
            assert_eq!(of(bad).session(), None, "{bad}");
        }
        assert_eq!(of("guest=AAAAAAAAAAAAAAAAAAAAAA.%E2%80%AE").name(), "");
    }
}
